package main

import (
	"context"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lectern/spawner/container/enginetest"
)

// The spawner process keeps a booted container, gives it through the door to who
// opens an assignment, and knows it again after a kill.
func TestAPoolBehindTheDoor(t *testing.T) {
	t.Parallel()
	d := newDoored(t)
	d.release("ps1")
	d.away()
	d.env = append(d.env, "LECTERN_POOL=1")
	d.guard()
	t.Cleanup(func() {
		d.away()
		for _, c := range d.pool() {
			must(t, enginetest.Docker(context.Background(), http.MethodDelete, "/containers/"+c.ID+"?force=true", nil, nil))
		}
	})
	waits := func() string {
		t.Helper()
		for until := time.Now().Add(2 * time.Minute); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
			// It is offered with the last of its marks, and then looked at once more.
			ready, _ := filepath.Glob(filepath.Join(d.data, "secrets", ".pool", "*", "ready"))
			claims, _ := filepath.Glob(filepath.Join(d.data, "secrets", ".pool", "*", "claim.json"))
			for _, c := range d.pool() {
				if c.State == "paused" && len(ready) > len(claims) {
					time.Sleep(500 * time.Millisecond)
					return c.ID
				}
			}
		}
		t.Fatal("no container waits")
		return ""
	}
	first := waits()
	student := d.as("student1")
	origin := student.open("ps1")
	k := student.connect(origin, student.newKernel(origin))
	if got := k.run("import os; x = 41; sorted(os.listdir())"); !strings.Contains(got, "ps1") || !strings.Contains(got, "release") {
		t.Errorf("in the home are %s", got)
	}
	second := waits()
	d.away()
	d.guard()
	if at := student.open("ps1"); at != origin {
		t.Errorf("after a kill it opens at %s, want %s", at, origin)
	}
	if got := k.run("x + 1"); got != "42" {
		t.Errorf("after a kill x + 1 is %q, want 42", got)
	}
	other := d.as("student2")
	origin2 := other.open("ps1")
	if got := other.connect(origin2, other.newKernel(origin2)).run("'x' in dir()"); got != "False" {
		t.Errorf("the other knows x: %s", got)
	}
	running := map[string]bool{}
	for _, c := range d.pool() {
		running[c.ID] = c.State == "running"
	}
	if !running[first] || !running[second] {
		t.Errorf("the two are in %v, want those that waited: %s and %s", running, first, second)
	}
}

type pooledContainer struct {
	ID, State string
	Mounts    []struct{ Source string }
}

// pool lists the containers that this program's pool made.
func (d *doored) pool() (list []pooledContainer) {
	d.t.Helper()
	var all []pooledContainer
	must(d.t, enginetest.Docker(context.Background(), http.MethodGet, "/containers/json?all=1&filters="+url.QueryEscape(`{"label":["lectern.pool"]}`), nil, &all))
	for _, c := range all {
		if len(c.Mounts) > 0 && strings.HasPrefix(c.Mounts[0].Source, d.data+"/") {
			list = append(list, c)
		}
	}
	return list
}
