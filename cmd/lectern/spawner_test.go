package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lectern/grading"
	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
	"lectern/spawner/remote"
)

// doored is the real program without any right to the engine, and the spawner
// process beside it that has it.
type doored struct {
	*program
	socket  string
	engine  string // DOCKER_HOST of the spawner process
	spawner *exec.Cmd
	said    *bytes.Buffer
}

func newDoored(t testing.TB) *doored {
	t.Helper()
	dir, err := os.MkdirTemp("", "door") // short: a socket's path holds 107 bytes
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &doored{socket: filepath.Join(dir, "spawner.sock"), engine: os.Getenv("DOCKER_HOST"), said: new(bytes.Buffer)}
	d.program = newProgram(t, "LECTERN_SPAWNER_SOCKET="+d.socket, "DOCKER_HOST=unix:///nowhere/docker.sock")
	d.guard()
	t.Cleanup(func() {
		d.away()
		if t.Failed() {
			t.Logf("the spawner process' log:\n%s", d.said)
		}
	})
	return d
}

// guard starts the spawner process and waits until it listens.
func (d *doored) guard() {
	d.t.Helper()
	d.spawner = exec.Command(d.binary, "spawner")
	d.spawner.Env = append(d.env[:len(d.env):len(d.env)], "DOCKER_HOST="+d.engine)
	d.spawner.Stderr = d.said
	must(d.t, d.spawner.Start())
	enginetest.Await(d.t, "the spawner process to listen", func() bool {
		conn, err := net.Dial("unix", d.socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// away ends the spawner process as a power cut would.
func (d *doored) away() {
	_ = d.spawner.Process.Kill()
	_ = d.spawner.Wait()
}

func TestAStudentsHourBehindTheDoor(t *testing.T) {
	t.Parallel()
	d := newDoored(t)
	d.release("ps1")
	student := d.as("student1")
	origin := student.open("ps1")
	id := student.newKernel(origin)
	k := student.connect(origin, id)
	if got := k.run("x = 41; x"); got != "41" {
		t.Fatalf("x is %q", got)
	}
	fromImage(t, student, origin)

	// Without the spawner process the site works, and so does what runs.
	d.away()
	if res := student.get("/courses/demo"); res.StatusCode != http.StatusOK {
		t.Errorf("the course's page without the spawner process: %s", res.Status)
	}
	if got := k.run("x + 1"); got != "42" {
		t.Errorf("without the spawner process x + 1 is %q, want 42", got)
	}
	if at := student.open("ps1"); at != origin {
		t.Errorf("without the spawner process the running workspace opens at %s, want %s", at, origin)
	}
	// Somebody who opens meanwhile waits, and starts once it is back.
	other := d.as("student2")
	res := other.post("/courses/demo/assignments/ps1/open", nil)
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("open without the spawner process: %s", res.Status)
	}
	time.Sleep(2 * time.Second)
	d.guard()
	_, ready := other.launched(res.Header.Get("Location"))
	if at, lab := other.follow(other.get(ready)); lab.StatusCode != http.StatusOK || !strings.Contains(at, "/lab/tree/ps1/first.ipynb") {
		t.Errorf("once it is back, open leads to %s: %s", at, lab.Status)
	}
	if got := k.run("x + 2"); got != "43" {
		t.Errorf("after its return x + 2 is %q in the same kernel, want 43", got)
	}
}

var labScript = regexp.MustCompile(`/static/lab/main\.[0-9a-f]+\.js`)

// fromImage waits until JupyterLab's main script comes out of the image and not
// from the workspace.
func fromImage(t *testing.T, student *person, origin string) {
	t.Helper()
	html, err := io.ReadAll(student.get(origin + "/lab").Body)
	must(t, err)
	name := labScript.Find(html)
	if name == nil {
		t.Fatalf("JupyterLab's page names no script: %.2000s", html)
	}
	enginetest.Await(t, "a script out of the image", func() bool {
		res := student.get(origin + string(name))
		res.Body.Close()
		return strings.Contains(res.Header.Get("Cache-Control"), "immutable")
	})
}

// The instructor's own solution earns all points in a container that another
// process holds, and nothing is left of it.
func TestGradingBehindTheDoor(t *testing.T) {
	t.Parallel()
	d := newDoored(t)
	runner := grading.NewRunner(grading.RunnerOptions{Engine: remote.NewClient(d.socket).Graders(), Ahead: 1})
	files, err := filesIn("demo")
	must(t, err)
	a, err := grading.NewAssignment("demo", "lectern/notebook:latest", files)
	must(t, err)
	g, err := runner.Autograde(t.Context(), a, files)
	must(t, err)
	var got, most float64
	for _, nb := range g.Notebooks {
		for _, m := range nb.Marks {
			if m.Points != nil {
				got, most = got+*m.Points, most+m.Max
			}
		}
	}
	if most == 0 || got != most || !strings.HasPrefix(g.Image, "sha256:") {
		t.Errorf("the solution earns %v of %v in %s", got, most, g.Image)
	}
	// A run whose pipe breaks is our failure and no mark.
	d.away()
	if _, err := runner.Autograde(t.Context(), a, files); !errors.Is(err, container.ErrEngineDown) {
		t.Errorf("without the spawner process: %v, want ErrEngineDown", err)
	}
	d.guard()
	// Those that were started ahead went with it; a run is tried again.
	again, err := runner.Autograde(t.Context(), a, files)
	for tries := 0; err != nil && tries < 3; tries++ {
		again, err = runner.Autograde(t.Context(), a, files)
	}
	if err != nil || again.Image != g.Image {
		t.Errorf("once it is back: %+v, %v", again, err)
	}
	_ = runner.Close() // says what it could not remove while nobody was there
	realm, err := d.store.Setting(t.Context(), "realm")
	must(t, err)
	engine, err := container.NewDocker(container.DockerOptions{Data: container.Paths{Inside: d.data}, Secrets: filepath.Join(d.data, "secrets")})
	must(t, err)
	defer engine.Close()
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(time.Second) { // three sweeps
		left, err := engine.List(t.Context(), map[string]string{container.GraderLabel: string(realm)})
		must(t, err)
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("graders are left: %+v", left)
		}
	}
}
