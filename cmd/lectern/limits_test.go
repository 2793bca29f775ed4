package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"testing"

	"lectern/spawner/container"
)

// Behind the door the limits are read from the row there, and a workspace whose
// network is closed is reached as any other. The demo's own assignment is open
// too, without limits: more than it has by that is what holds.
func TestLimitsBehindTheDoor(t *testing.T) {
	t.Parallel()
	d := newDoored(t)
	a := d.release("ps1")
	res := d.as("instructor").post("/courses/demo/assignments/ps1/limits", url.Values{"memory": {"1.5"}, "cpus": {"1.25"}, "pids": {"300"}, "network": {"off"}})
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("saving limits: %s", res.Status)
	}
	student := d.as("student1")
	origin := student.open("ps1")
	if got := student.connect(origin, student.newKernel(origin)).run("6 * 7"); got != "42" {
		t.Errorf("6 * 7 is %q", got)
	}
	var row struct {
		ID      string
		Network string
	}
	must(t, d.store.Pool().QueryRow(t.Context(), `select w.id, w.network from workspaces w where w.course_id = $1`, a.CourseID).Scan(&row.ID, &row.Network))
	out, err := exec.Command("docker", "inspect", "lectern-"+row.ID).Output()
	must(t, err)
	var got []struct {
		HostConfig struct {
			Memory, NanoCpus, PidsLimit int64
			NetworkMode                 string
			Dns                         []string
		}
	}
	must(t, json.Unmarshal(out, &got))
	if h := got[0].HostConfig; h.Memory != 3<<29 || h.NanoCpus != 125e7 || h.PidsLimit != 300 || h.NetworkMode != "lectern-test-closed" || len(h.Dns) != 1 || row.Network != "off" {
		t.Errorf("the engine was asked for %+v, the row says %s", h, row.Network)
	}
}

// Whoever wrote a row, nobody gets more than the operator allows.
func TestNoRowGivesMoreThanTheSitesMost(t *testing.T) {
	t.Parallel()
	h := &house{cfg: config{Memory: 1 << 30, CPUs: 1, MostMemory: 2 << 30, MostCPUs: 2, MostPIDs: 500}}
	if got := h.within(container.Limits{Memory: 1 << 40, CPUs: 99, PIDs: 1 << 20}); got != (container.Limits{Memory: 2 << 30, CPUs: 2, PIDs: 500}) {
		t.Errorf("within the site's most: %+v", got)
	}
	if got := h.within(container.Limits{}); got != (container.Limits{Memory: 1 << 30, CPUs: 1, PIDs: 256}) {
		t.Errorf("of an empty row: %+v", got)
	}
	h.cfg.Memory = 8 << 30
	if _, most := h.cfg.limits(); most.Memory != 8<<30 {
		t.Errorf("the most is %d, less than what everybody gets", most.Memory)
	}
}

func TestDriversThatCloseNetworks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg                     config
		enforced, closes, lists bool
	}{
		{config{Spawner: "docker"}, true, true, true},
		{config{Spawner: "docker", Engine: engineConfig{Host: "tcp://10.0.0.2:2376"}}, true, true, false},
		{config{Spawner: "swarm"}, true, false, false},
		{config{Spawner: "process"}, false, false, false},
	} {
		if b := c.cfg.bounds(); b.Enforced != c.enforced || b.Closes != c.closes || b.Lists != c.lists {
			t.Errorf("%s %s: %+v", c.cfg.Spawner, c.cfg.Engine.Host, b)
		}
	}
	for text, n := range map[string]int{"": 0, "10.0.0.0/8 172.16.0.0/12": 2, "10.0.0.0/8,fd00::/8": 2, "10.0.0.1": -1, "x": -1} {
		if list, err := parseNetworks(text); (err != nil) != (n < 0) || err == nil && len(list) != n {
			t.Errorf("parseNetworks(%q) = %v, %v", text, list, err)
		}
	}
}
