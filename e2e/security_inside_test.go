package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// insider is a shell in a student's own container.
type insider struct {
	t    testing.TB
	id   string
	ip   string
	told string // all that the engine tells of the container
	gate string // the bridge's address: this machine
}

// inside finds the container that has a student's home.
func (p *program) inside(login string) insider {
	p.t.Helper()
	for _, id := range p.containers() {
		raw, err := exec.Command("docker", "inspect", id).Output()
		must(p.t, err)
		if !strings.Contains(string(raw), filepath.Join("homes", "demo", login)) {
			continue
		}
		var all []struct {
			NetworkSettings struct {
				Networks map[string]struct{ IPAddress, Gateway string }
			}
		}
		must(p.t, json.Unmarshal(raw, &all))
		for _, n := range all[0].NetworkSettings.Networks {
			return insider{p.t, id, n.IPAddress, string(raw), n.Gateway}
		}
	}
	p.t.Fatalf("no container of %s", login)
	return insider{}
}

// python runs a program as the student and gives what it prints.
func (i insider) python(code string) string {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", "exec", i.id, "python3", "-c", code).CombinedOutput()
	if err != nil {
		i.t.Fatalf("python in the container: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// dial says how a connection from the container ends: "open" or the error's name.
func (i insider) dial(address string) string {
	i.t.Helper()
	host, port, err := net.SplitHostPort(address)
	must(i.t, err)
	return i.python(fmt.Sprintf(`import socket
try:
    socket.create_connection((%q, %s), 3).close(); print("open")
except OSError as e: print(type(e).__name__)`, host, port))
}

// A student's program looks around: at the neighbour's workspace, at this
// machine, at the cloud around it, at other people's files, for secrets.
func TestAStudentInsideAWorkspace(t *testing.T) {
	t.Parallel()
	network := fmt.Sprintf("lectern-inside-%d", os.Getpid())
	p := launch(t, "LECTERN_WORKSPACE_NETWORK="+network)
	t.Cleanup(func() {
		p.removeContainers()
		_ = exec.Command("docker", "network", "rm", network).Run()
	})
	class := p.class(3)
	for _, login := range []string{"student1", "student2"} {
		_, err := p.as(login).open()
		must(t, err)
	}
	me, other := p.inside("student1"), p.inside("student2")

	everywhere, err := net.Listen("tcp", "0.0.0.0:0")
	must(t, err)
	defer everywhere.Close()
	service := fmt.Sprintf("%s:%d", me.gate, everywhere.Addr().(*net.TCPAddr).Port)
	if got := me.dial(me.ip + ":8888"); got != "open" {
		t.Fatalf("the container's own Jupyter answers %s: the test sees nothing", got)
	}
	if got := me.dial(service); got != "open" {
		t.Fatalf("before the firewall a service on all addresses answers %s, want open: else the test shows nothing", got)
	}
	firewall := func(args ...string) {
		t.Helper()
		out, err := exec.Command("../deploy/firewall", append([]string{network}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("firewall: %v\n%s", err, out)
		}
	}
	firewall()
	t.Cleanup(func() { firewall("off") })
	firewall() // twice is once

	for what, address := range map[string]string{
		"the neighbour's Jupyter": other.ip + ":8888",
		"Lectern":                 fmt.Sprintf("%s:%d", me.gate, p.port),
		"a service on all of the host's addresses": service,
		"Postgres":                me.gate + ":5432",
		"the engine":              me.gate + ":2375",
		"the cloud's credentials": "169.254.169.254:80",
	} {
		began := time.Now()
		if got := me.dial(address); got == "open" {
			t.Errorf("a workspace reaches %s at %s", what, address)
		} else if took := time.Since(began); what != "the neighbour's Jupyter" && took > 2500*time.Millisecond {
			t.Errorf("%s is not refused but silent (%v): no rule says no", what, took)
		}
	}
	if _, err := p.as("student1").open(); err != nil {
		t.Errorf("Lectern no longer reaches the workspace behind the firewall: %v", err)
	}

	me.looksForFiles(class)
	me.looksForSecrets()
}

// looksForFiles walks all that the student may read.
func (i insider) looksForFiles(class *class) {
	i.t.Helper()
	if got := i.python(`import os
bad = [p for p in ("/var/run/docker.sock", "/run/docker.sock", "/run/postgresql", "/data") if os.path.exists(p)]
print(bad, os.getuid(), os.getgid())`); got != "[] 1000 100" {
		i.t.Errorf("the container has %s, want no sockets and uid 1000", got)
	}
	source, err := class.files.Layout.Source(class.course.Slug, class.assignment.Slug)
	must(i.t, err)
	if out, err := exec.Command("grep", "-rlE", "BEGIN (HIDDEN TESTS|SOLUTION)", source).Output(); err != nil || len(out) == 0 {
		i.t.Fatalf("the source holds nothing to be found: %v", err)
	}
	// What students must not see: the markers of the source, and others' homes.
	if got := i.python(`import os
hits = []
for top, dirs, files in os.walk("/"):
    if top in ("/proc", "/sys", "/usr", "/dev"): dirs.clear(); continue
    for f in files:
        p = os.path.join(top, f)
        try: text = open(p, "rb").read(1 << 20) if os.path.isfile(p) else b""
        except OSError: continue
        if b"BEGIN HIDDEN TESTS" in text or b"BEGIN SOLUTION" in text: hits.append(p)
    hits += [os.path.join(top, d) for d in dirs if d in ("student2", "instructor", "source", "submitted", "autograded", "history")]
print(hits)`); got != "[]" {
		i.t.Errorf("a student finds %s", got)
	}
	if got := i.python(`import os
out = []
for p in ("/release", "/feedback", os.environ["HOME"] + "/release", os.environ["HOME"] + "/feedback", "/etc", "/usr/bin", "/run/secrets"):
    if os.path.isdir(p) and os.access(p, os.W_OK): out.append(p)
print(out)`); got != "[]" {
		i.t.Errorf("a student may write to %s", got)
	}
}

// looksForSecrets compares what the engine and the process list tell with the
// token that Jupyter has.
func (i insider) looksForSecrets() {
	i.t.Helper()
	token := i.python(`import os; print(open(os.environ["JUPYTER_TOKEN_FILE"]).read().strip())`)
	if len(token) < 20 {
		i.t.Fatalf("the student's own token is %q: the test sees nothing", token)
	}
	if strings.Contains(i.told, token) {
		i.t.Error("docker inspect tells the token")
	}
	all := i.python(`import glob, os
token, out = open(os.environ["JUPYTER_TOKEN_FILE"], "rb").read().strip(), b""
for f in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
    try: out += open(f, "rb").read()
    except OSError: pass
print(b"jupyter" in out, token in out)`)
	if all != "True False" {
		i.t.Errorf("processes' arguments and environment: %s, want Jupyter's, without the token", all)
	}
}
