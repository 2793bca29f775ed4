package container

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/mount"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The whole of the lock-down is in what the engine is asked for. A change of
// the golden file is a change of the security of every workspace.
func TestBodyOfAWorkspace(t *testing.T) {
	t.Parallel()
	s := Workspace(Place{
		Name: "lectern-abc", Image: "lectern/notebook:latest", Home: "/data/homes/c/alpha", Token: "secret",
		Labels: map[string]string{"lectern.workspace": "abc"},
		Mounts: []Mount{{From: "/data/courses/c/release", To: "/course/release"}},
	})
	mounts := append(mountsOf(s), bind("/data/run/secrets/lectern-abc.1", SecretsDir, false))
	got := golden(t, "testdata/workspace.json", s, "lectern-workspaces", "", mounts)
	if bytes.Contains(got, []byte("secret\"")) {
		t.Errorf("the body holds the token:\n%s", got)
	}

	// On the network without a way out the rest is the same, byte by byte.
	s.Closed, s.Proxied = true, true
	golden(t, "testdata/workspace-closed.json", s, "lectern-workspaces-closed", "172.18.0.1", mounts)
}

// golden compares what the engine is asked for with a file.
func golden(t *testing.T, golden string, s Spec, network, gateway string, mounts []mount.Mount) []byte {
	t.Helper()
	config, host := body(s, network, gateway, mounts)
	got, err := json.MarshalIndent(map[string]any{"Config": config, "HostConfig": host}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the body differs from %s:\n%s", golden, got)
	}
	return got
}

// What a spec leaves out must come out bounded and closed, never open.
func TestBodyOfAnEmptySpec(t *testing.T) {
	t.Parallel()
	_, host := body(Spec{}, "lectern-workspaces", "", nil)
	if host.NetworkMode != "none" || !host.ReadonlyRootfs || host.Privileged || len(host.CapAdd) != 0 || host.CapDrop[0] != "ALL" {
		t.Errorf("an empty spec opens something: %+v", host)
	}
	if host.Memory != DefaultLimits.Memory || host.MemorySwap != host.Memory || *host.PidsLimit != 256 || host.NanoCPUs != 1e9 {
		t.Errorf("an empty spec is unbounded: %+v", host.Resources)
	}
}

// Where a network cannot be closed nothing is started that asks for it.
func TestDriversThatCannotCloseRefuse(t *testing.T) {
	t.Parallel()
	s := Workspace(Place{Name: "lectern-abc", Image: "i", Closed: true})
	for _, e := range []interface {
		Start(context.Context, Spec) (Running, error)
	}{&Swarm{}, NewProcess(ProcessOptions{Dir: t.TempDir()})} {
		if got, err := e.Start(t.Context(), s); err == nil || got != (Running{}) || !strings.Contains(err.Error(), "close") {
			t.Errorf("%T starts it: %+v, %v", e, got, err)
		}
	}
}

func TestPathsTranslate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ inside, host, path, want string }{
		{"/data", "", "/data/homes/c/a", "/data/homes/c/a"},
		{"/data", "/srv/lectern", "/data/homes/c/a", "/srv/lectern/homes/c/a"},
		{"/data/", "/srv/lectern/", "/data/homes", "/srv/lectern/homes"},
		{"/data", "/srv", "/data", ""},
		{"/data", "/srv", "/data/", ""},
		{"/data", "/srv", "/data/../etc", ""},
		{"/data", "/srv", "/database/homes", ""},
		{"/data", "/srv", "data/homes", ""},
		{"/data", "/srv", "/var/run/docker.sock", ""},
		{"/", "", "/etc", ""},
		{"", "", "/etc", ""},
	} {
		got, err := Paths{c.inside, c.host}.Translate(c.path)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("Paths{%q, %q}.Translate(%q) = %q, %v; want %q", c.inside, c.host, c.path, got, err, c.want)
		}
	}
}

func TestPlacesTranslateOnlyWholePaths(t *testing.T) {
	t.Parallel()
	p := places{"/home/student": "/data/homes/a", "/tmp": "/x/tmp", "/home/student/release": "/data/release"}
	for in, want := range map[string]string{
		"/home/student":                    "/data/homes/a",
		"HOME=/home/student":               "HOME=/data/homes/a",
		"--root=/home/student/tmp/x":       "--root=/data/homes/a/tmp/x",
		"--root=/home/student/release/hw1": "--root=/data/release/hw1",
		"/home/students":                   "/home/students",
		"A=/tmp/b=/tmp/c":                  "A=/x/tmp/b=/tmp/c",
		"--no-browser":                     "--no-browser",
	} {
		if got := p.here(in); got != want {
			t.Errorf("here(%q) = %q, want %q", in, got, want)
		}
	}
}

func mountsOf(s Spec) (list []mount.Mount) {
	for _, m := range s.Mounts {
		list = append(list, bind(m.From, m.To, m.Writable))
	}
	return list
}
