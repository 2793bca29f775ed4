package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const lookAtLimits = `
import os
def read(*names):
    for n in names:
        if os.path.exists("/sys/fs/cgroup/" + n): return open("/sys/fs/cgroup/" + n).read().split()[0]
print(read("memory/memory.limit_in_bytes", "memory.max"), read("pids/pids.max", "pids.max"), read("cpu/cpu.cfs_quota_us", "cpu.max"))`

// fetchAll says what a program with the proxy in its environment gets.
const fetchAll = `
import urllib.request, urllib.error
for address in %q.split():
    try: print(address, urllib.request.urlopen(address, timeout=30).status)
    except urllib.error.HTTPError as e: print(address, e.code, e.read().decode().strip())
    except Exception as e: print(address, type(e).__name__, e)`

// An instructor gives an assignment limits, closes the network while a student
// works, and opens it to some hosts again; the student's workspace follows.
func TestAnAssignmentLimitsItsWorkspaces(t *testing.T) {
	t.Parallel()
	network := fmt.Sprintf("lectern-limits-%d", os.Getpid())
	p := launch(t, "LECTERN_WORKSPACE_NETWORK="+network)
	t.Cleanup(func() {
		p.removeContainers()
		_ = exec.Command("docker", "network", "rm", network, network+"-closed").Run()
	})
	c, teacher, student := p.class(3), p.as("instructor"), p.as("student1")
	set := func(what string, status int, form url.Values) reply {
		t.Helper()
		got := teacher.mustPost(firstSteps+"/limits", form)
		if got.status != status {
			t.Fatalf("%s: %d, want %d\n%.2000s", what, got.status, status, got.body)
		}
		return got
	}
	works := func(what string) insider {
		t.Helper()
		origin, err := student.open()
		must(t, err)
		kernel, err := student.newKernel(origin)
		must(t, err)
		if got, err := student.run(origin, kernel, "20 + 22"); err != nil || !strings.Contains(got, "42") {
			t.Fatalf("%s: a cell says %q, %v", what, got, err)
		}
		return p.inside("student1")
	}
	ends := func(why string) {
		t.Helper()
		var state, reason string
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			must(t, c.Pool().QueryRow(t.Context(), `select state, reason from workspaces w where w.member_id = $1`, c.members["student1"].ID).Scan(&state, &reason))
			if state == "stopped" {
				break
			}
		}
		if state != "stopped" || reason != why {
			t.Fatalf("the workspace is %s (%s), want it stopped: %s", state, reason, why)
		}
	}

	set("limits", http.StatusSeeOther, url.Values{"memory": {"0.75"}, "cpus": {"0.5"}, "pids": {"111"}})
	me := works("with limits")
	if got := me.python(lookAtLimits); got != "805306368 111 50000" {
		t.Errorf("inside: memory, processes and CPU time are %q, want 805306368 111 50000", got)
	}
	if names := networksOf(t, me); names != network {
		t.Errorf("it is on %s", names)
	}

	closing := url.Values{"memory": {"0.75"}, "network": {"off"}}
	if got := set("closed, unasked", http.StatusUnprocessableEntity, closing); !strings.Contains(got.body, "This stops 1 workspace") {
		t.Errorf("nobody is asked before a workspace is stopped:\n%.2000s", got.body)
	}
	closing.Set("stop", "yes")
	set("closed", http.StatusSeeOther, closing)
	ends("network-closed")
	me = works("closed")
	if names := networksOf(t, me); names != network+"-closed" {
		t.Errorf("closed, it is on %s", names)
	}
	if got := me.dial("192.0.2.1:80"); got == "open" {
		t.Error("closed, it reaches the world")
	}
	if got := me.python(`import socket
try: print(socket.getaddrinfo("example.org", 80))
except OSError as e: print(type(e).__name__)`); got != "gaierror" {
		t.Errorf("closed, a name means %s", got)
	}

	// A list opens it at the next start, to hosts on the internet alone.
	set("a list", http.StatusSeeOther, url.Values{"network": {"listed"}, "hosts": {"*.example.org\nlocalhost.example.net"}})
	if got := student.mustPost("/courses/demo/workspaces/"+c.workspaceOf("student1")+"/stop", nil); got.status != http.StatusSeeOther {
		t.Fatalf("stop: %d", got.status)
	}
	ends("by-student")
	me = works("listed")
	var got string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		if got = me.python(fmt.Sprintf(fetchAll, "http://data.example.com/ http://169.254.169.254/ http://www.example.org/")); !strings.Contains(got, "refused") {
			break // the proxy listens once the network is there
		}
	}
	lines := strings.Split(got, "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], `403 "data.example.com:80" is not among the hosts`) || !strings.Contains(lines[1], "403") || strings.Contains(lines[2], "not among") {
		t.Errorf("with a list:\n%s", got)
	}

	// Closed again, what runs with a list is not stopped: nothing is let through.
	set("closed once more", http.StatusSeeOther, url.Values{"network": {"off"}})
	got = ""
	for end := time.Now().Add(30 * time.Second); !strings.Contains(got, "not among") && time.Now().Before(end); time.Sleep(time.Second) {
		got = me.python(fmt.Sprintf(fetchAll, "http://www.example.org/"))
	}
	if !strings.Contains(got, "not among the hosts") {
		t.Errorf("closed, the proxy still answers %s", got)
	}
}

// networksOf names the networks a container is on.
func networksOf(t *testing.T, i insider) string {
	t.Helper()
	out, err := exec.Command("docker", "inspect", "-f", "{{range $name, $n := .NetworkSettings.Networks}}{{$name}} {{end}}", i.id).Output()
	must(t, err)
	return strings.TrimSpace(string(out))
}

// workspaceOf is the id of a student's one workspace.
func (c *class) workspaceOf(login string) (id string) {
	c.p.t.Helper()
	must(c.p.t, c.Pool().QueryRow(c.p.t.Context(), `select id from workspaces where member_id = $1`, c.members[login].ID).Scan(&id))
	return id
}
