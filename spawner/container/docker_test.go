package container_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

const testNetwork = "lectern-test"

func newDocker(t testing.TB, data string) *container.Docker {
	d, err := container.NewDocker(container.DockerOptions{
		Network: testNetwork, Data: container.Paths{Inside: data}, Secrets: filepath.Join(data, "run", "secrets"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.Ensure(t.Context()); err != nil {
		t.Fatalf("these tests need a Docker engine: %v", err)
	}
	return d
}

func dockerRig(t *testing.T) enginetest.Rig {
	data := openTempDir(t)
	return enginetest.Rig{
		Engine: newDocker(t, data), Data: data, Image: enginetest.StubImage(t),
		Realm: fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano()),
	}
}

func TestDocker(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, dockerRig)
}

func TestDockerMissingImage(t *testing.T) {
	t.Parallel()
	r := dockerRig(t)
	p := r.Place(t, "noimage")
	p.Image = "lectern/no-such-image:none"
	if _, err := r.Engine.Image(t.Context(), p.Image); !errors.Is(err, container.ErrImageMissing) {
		t.Errorf("Image = %v, want ErrImageMissing", err)
	}
	if _, err := r.Engine.Start(t.Context(), container.Workspace(p)); !errors.Is(err, container.ErrImageMissing) {
		t.Errorf("Start = %v, want ErrImageMissing", err)
	}
	if got, err := r.Engine.Image(t.Context(), r.Image); err != nil || !strings.HasPrefix(got.ID, "sha256:") || got.Size == 0 {
		t.Errorf("Image(%s) = %+v, %v", r.Image, got, err)
	}
	if left, err := os.ReadDir(filepath.Join(r.Data, "run", "secrets")); err != nil || len(left) != 0 {
		t.Errorf("a failed start left secrets behind: %v, %v", left, err)
	}
}

// The crash between create and start: what is there is finished, not doubled.
func TestDockerFinishesAnInterruptedStart(t *testing.T) {
	t.Parallel()
	r := dockerRig(t)
	p := r.Place(t, "interrupted")
	got, err := r.Engine.Start(t.Context(), container.Workspace(p))
	if err != nil {
		t.Fatal(err)
	}
	// Made again by hand from the very same body, but not started.
	var was struct {
		Config     map[string]any
		HostConfig map[string]any
	}
	must(t, enginetest.Docker(t.Context(), http.MethodGet, "/containers/"+got.ID+"/json", nil, &was))
	must(t, enginetest.Docker(t.Context(), http.MethodDelete, "/containers/"+got.ID+"?force=true", nil, nil))
	was.Config["HostConfig"] = was.HostConfig
	must(t, enginetest.Docker(t.Context(), http.MethodPost, "/containers/create?name="+p.Name, was.Config, nil))
	if s, err := r.Engine.Inspect(t.Context(), p.Name); err != nil || s.Phase != container.Created || s.Addr != "" {
		t.Fatalf("Inspect = %+v, %v; want it created", s, err)
	}
	got, err = r.Engine.Start(t.Context(), container.Workspace(p))
	if err != nil {
		t.Fatal(err)
	}
	enginetest.Answers(t, got.Addr, p.Token)
}

// Whoever may look at containers or processes learns no secret, and it goes
// with the container.
func TestDockerKeepsSecrets(t *testing.T) {
	t.Parallel()
	r := dockerRig(t)
	p := r.Place(t, "secret")
	p.Token = "very-secret-indeed"
	got, err := r.Engine.Start(t.Context(), container.Workspace(p))
	if err != nil {
		t.Fatal(err)
	}
	enginetest.Answers(t, got.Addr, p.Token)
	for _, path := range []string{"/containers/" + p.Name + "/json", "/containers/" + p.Name + "/top"} {
		var text json.RawMessage
		must(t, enginetest.Docker(t.Context(), http.MethodGet, path, nil, &text))
		if strings.Contains(string(text), p.Token) {
			t.Errorf("%s shows the token", path)
		}
	}
	files, err := filepath.Glob(filepath.Join(r.Data, "run", "secrets", "*", "jupyter-token"))
	if err != nil || len(files) != 1 {
		t.Fatalf("secret files: %v, %v; want one", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("the secret's mode: %v, %v; want 0400", info.Mode(), err)
	}
	must(t, r.Engine.Remove(t.Context(), p.Name))
	if left, err := os.ReadDir(filepath.Join(r.Data, "run", "secrets")); err != nil || len(left) != 0 {
		t.Errorf("after Remove: %v, %v; want no secret left", left, err)
	}
}

func TestDockerNeighboursCannotMeet(t *testing.T) {
	t.Parallel()
	r := dockerRig(t)
	a, b := r.Place(t, "a"), r.Place(t, "b")
	first, err := r.Engine.Start(t.Context(), container.Workspace(a))
	must(t, err)
	second, err := r.Engine.Start(t.Context(), container.Workspace(b))
	must(t, err)
	enginetest.Answers(t, first.Addr, a.Token)
	enginetest.Answers(t, second.Addr, b.Token)
	code, text, err := enginetest.Call(t.Context(), http.MethodGet, first.Addr, a.Token, "/stub/dial?addr="+second.Addr)
	if err != nil || code != http.StatusBadGateway {
		t.Errorf("one workspace dials another: %d %s %v; want it refused", code, text, err)
	}
	// The same question to itself, or the refusal would prove nothing.
	code, text, err = enginetest.Call(t.Context(), http.MethodGet, first.Addr, a.Token, "/stub/dial?addr=127.0.0.1:8888")
	if err != nil || code != http.StatusOK {
		t.Errorf("a workspace dials itself: %d %s %v; want success", code, text, err)
	}
}

func TestDockerTellsOfWantOfMemory(t *testing.T) {
	t.Parallel()
	r := dockerRig(t)
	p := r.Place(t, "hungry")
	p.Limits.Memory = 64 << 20
	got, err := r.Engine.Start(t.Context(), container.Workspace(p))
	must(t, err)
	enginetest.Answers(t, got.Addr, p.Token)
	ctx, done := context.WithTimeout(t.Context(), 30*time.Second)
	defer done()
	told := make(chan struct{}, 9)
	go r.Engine.Events(ctx, p.Labels, func(e container.Event) {
		if e.Kind == container.OutOfMemory {
			told <- struct{}{}
		}
	})
	time.AfterFunc(time.Second, func() { _, _, _ = enginetest.Call(ctx, http.MethodPost, got.Addr, p.Token, "/stub/eat") })
	var s container.Status
	enginetest.Await(t, "the end by want of memory", func() bool {
		s, err = r.Engine.Inspect(t.Context(), p.Name)
		return err == nil && s.Phase == container.Exited
	})
	if s.ExitCode != 137 {
		t.Errorf("ended with %d, want 137: killed", s.ExitCode)
	}
	if !s.OOM {
		select {
		case <-told:
		case <-ctx.Done():
			t.Errorf("neither %+v nor an event says that memory was short", s)
		}
	}
}

// An engine that is stopped, as by SIGSTOP, must not hang whoever asks.
func TestDockerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "docker.sock")
	deaf := listenDeaf(t, socket)
	for name, host := range map[string]string{"deaf": "unix://" + deaf, "absent": "unix://" + socket + ".none"} {
		data := t.TempDir()
		d, err := container.NewDocker(container.DockerOptions{Host: host, Data: container.Paths{Inside: data}, Secrets: data + "/s"})
		must(t, err)
		must(t, os.Mkdir(data+"/home", 0o755))
		for call, ask := range map[string]func(context.Context) error{
			"Ensure":  d.Ensure,
			"Image":   func(ctx context.Context) error { _, err := d.Image(ctx, "x"); return err },
			"Inspect": func(ctx context.Context) error { _, err := d.Inspect(ctx, "x"); return err },
			"List":    func(ctx context.Context) error { _, err := d.List(ctx, nil); return err },
			"Usage":   func(ctx context.Context) error { _, err := d.Usage(ctx, "x"); return err },
			"Logs":    func(ctx context.Context) error { _, err := d.Logs(ctx, "x", 1); return err },
			"Stop":    func(ctx context.Context) error { return d.Stop(ctx, "x", 0) },
			"Remove":  func(ctx context.Context) error { return d.Remove(ctx, "x") },
			"Start": func(ctx context.Context) error {
				_, err := d.Start(ctx, container.Workspace(container.Place{Name: "x", Home: data + "/home"}))
				return err
			},
		} {
			ctx, done := context.WithTimeout(t.Context(), 200*time.Millisecond)
			began := time.Now()
			err := ask(ctx)
			done()
			if !errors.Is(err, container.ErrEngineDown) || time.Since(began) > 5*time.Second {
				t.Errorf("%s engine: %s = %v after %v, want ErrEngineDown at once", name, call, err, time.Since(began))
			}
		}
	}
}

// listenDeaf accepts connections and says nothing.
func listenDeaf(t *testing.T, socket string) string {
	l, err := net.Listen("unix", socket)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
		}
	}()
	return socket
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The student owns the home, and with it the places where release and feedback
// are mounted in it. Whatever stands there instead, nothing outside the
// container is reached, and the start works or says that files are in the way.
func TestDockerHostileMountPoints(t *testing.T) {
	t.Parallel()
	r := dockerRig(t)
	release := filepath.Join(r.Data, "courses", "c", "release")
	must(t, os.MkdirAll(release, 0o755))
	outside := filepath.Join(r.Data, "outside")
	must(t, os.Mkdir(outside, 0o755))
	for name, plant := range map[string]func(path string) error{
		"file":     func(path string) error { return os.WriteFile(path, []byte("mine"), 0o644) },
		"fifo":     func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"absolute": func(path string) error { return os.Symlink(outside, path) },
		"upward":   func(path string) error { return os.Symlink("../../../../../.."+outside, path) },
		"self":     func(path string) error { return os.Symlink("release", path) },
	} {
		p := r.Place(t, name)
		must(t, plant(filepath.Join(p.Home, "release")))
		p.Mounts = []container.Mount{{From: release, To: container.HomeDir + "/release"}}
		got, err := r.Engine.Start(t.Context(), container.Workspace(p))
		if err == nil {
			enginetest.Answers(t, got.Addr, p.Token)
		} else if !errors.Is(err, container.ErrMount) {
			t.Errorf("%s: Start = %v, want ErrMount", name, err)
		} else if _, err := r.Engine.Inspect(t.Context(), p.Name); !errors.Is(err, container.ErrNotFound) {
			t.Errorf("%s: a failed start left a container: %v", name, err)
		}
		if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
			t.Errorf("%s: something was made outside: %v, %v", name, left, err)
		}
	}
}

// The site answers before the first look at the engine is through.
func TestAStartBeforeTheNetworkIsThereMakesIt(t *testing.T) {
	t.Parallel()
	data, network := openTempDir(t), fmt.Sprintf("lectern-late-%d", os.Getpid())
	d, err := container.NewDocker(container.DockerOptions{
		Network: network, Data: container.Paths{Inside: data}, Secrets: filepath.Join(data, "run", "secrets"),
	})
	must(t, err)
	t.Cleanup(func() {
		must(t, enginetest.Docker(context.Background(), http.MethodDelete, "/networks/"+network, nil, nil))
		d.Close()
	})
	r := enginetest.Rig{Engine: d, Data: data, Image: enginetest.StubImage(t), Realm: fmt.Sprintf("%d-late", os.Getpid())}
	p := r.Place(t, "early")
	got, err := d.Start(t.Context(), container.Workspace(p))
	must(t, err)
	enginetest.Answers(t, got.Addr, p.Token)
}
