package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lectern/spawner/container/enginetest"
)

// program is a running lectern, as an operator would start it.
type program struct {
	t    testing.TB
	bin  string
	port int
	data string
	env  []string // beside the usual
	cmd  *exec.Cmd
	log  *tail

	socket *os.File // handed to each program that begins, if set
}

// tail keeps a program's log for when a test fails.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// binary builds lectern, once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lectern-e2e-bin-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "lectern")
	out, err := exec.Command("go", "build", "-o", bin, "lectern/cmd/lectern").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, _ := binary(); bin != "" {
		_ = os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// start runs lectern's demo on a free port and returns the address.
func start(t *testing.T) string {
	t.Helper()
	return launch(t).url()
}

// launch runs lectern's demo with further settings, on files and a database of
// its own that go with the test.
func launch(t testing.TB, env ...string) *program {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	// The private database's account must be able to walk to it.
	dir, err := os.MkdirTemp("", "lectern-e2e-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &program{t: t, bin: bin, data: filepath.Join(dir, "data"), env: env, port: enginetest.Port(t), log: &tail{}}
	for _, v := range env {
		if data, ok := strings.CutPrefix(v, "LECTERN_DATA="); ok {
			p.data = data
		}
	}
	p.run()
	t.Cleanup(func() {
		p.stop()
		p.endDatabase()
		p.removeContainers()
		if t.Failed() {
			t.Logf("the program's log:\n%s", p.log)
		}
	})
	return p
}

func (p *program) url() string { return fmt.Sprintf("http://localhost:%d", p.port) }

func (p *program) environment() []string {
	return append(append(os.Environ(), "LECTERN_DATA="+p.data, fmt.Sprintf("LECTERN_LISTEN=127.0.0.1:%d", p.port),
		"LECTERN_SITE_URL="+p.url(), "LECTERN_WORKSPACE_NETWORK=lectern-e2e", "LECTERN_POOL=0", "LECTERN_INSTANCE=e2e-"+strconv.Itoa(p.port)), p.env...)
}

// run starts the program and waits until it answers.
func (p *program) run() {
	p.t.Helper()
	p.cmd = exec.Command(p.bin, "demo")
	p.cmd.Env = p.environment()
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	deadline := time.Now().Add(90 * time.Second)
	for {
		resp, err := http.Get(p.url() + "/healthz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("no answer from %s: %v\n%s", p.url(), err, p.log)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// kill ends the program as a power cut would.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		p.t.Error("the program did not end within 30 s of SIGTERM; what it waits for stands in its log")
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		<-done
	}
}

// containers lists the workspaces' containers, which outlive the program by
// design: those with a mount below its data root.
func (p *program) containers() []string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", "ps", "-aq").Output()
	if err != nil {
		p.t.Errorf("docker ps: %v", err)
	}
	var ids []string
	for _, id := range strings.Fields(string(out)) {
		raw, err := exec.CommandContext(ctx, "docker", "inspect", "--format", "{{json .Mounts}}", id).Output()
		if err != nil {
			continue // it went away by itself
		}
		var mounts []struct{ Source string }
		if json.Unmarshal(raw, &mounts) == nil && slices.ContainsFunc(mounts, func(m struct{ Source string }) bool {
			rel, err := filepath.Rel(p.data, m.Source)
			return err == nil && filepath.IsLocal(rel)
		}) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// removeContainers takes them away.
func (p *program) removeContainers() {
	for _, id := range p.containers() {
		_ = exec.Command("docker", "rm", "-f", id).Run()
	}
}

// wait polls an expression in the page until it is true.
func (p *person) wait(what, expression string) {
	p.t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for p.eval(`String(`+expression+`)`) != "true" {
		if time.Now().After(deadline) {
			p.shoot("failed")
			p.t.Fatalf("%s: waited in vain for %s at %s, which shows:\n%s", p.name, what, p.where(), p.text("body"))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func quote(s string) string { return strconv.Quote(s) }
func itoa(n int) string     { return strconv.Itoa(n) }

func keys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
