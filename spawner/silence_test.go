package spawner_test

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
	"lectern/spawner/rowstest"
)

// gate stands between a driver and the real engine, and can be shut: then
// connections hang, as when the engine is stopped, or break, as when it ends.
type gate struct {
	mu    sync.Mutex
	open  *sync.Cond
	shut  bool
	conns map[net.Conn]bool
}

func newGate(t *testing.T, socket string) *gate {
	g := &gate{conns: map[net.Conn]bool{}}
	g.open = sync.NewCond(&g.mu)
	l, err := net.Listen("unix", socket)
	must(t, err)
	t.Cleanup(func() { l.Close(); g.breakAll() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", "/var/run/docker.sock")
			if err != nil {
				in.Close()
				continue
			}
			g.mu.Lock()
			g.conns[in], g.conns[out] = true, true
			g.mu.Unlock()
			go g.pass(in, out)
			go g.pass(out, in)
		}
	}()
	return g
}

func (g *gate) pass(from, to net.Conn) {
	defer to.Close()
	for buf := make([]byte, 32<<10); ; {
		n, err := from.Read(buf)
		g.mu.Lock()
		for g.shut {
			g.open.Wait()
		}
		g.mu.Unlock()
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			if err != io.EOF {
				from.Close()
			}
			return
		}
	}
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	g.open.Broadcast()
}

func (g *gate) breakAll() {
	g.set(false)
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		c.Close()
	}
	clear(g.conns)
}

// The engine stops answering and comes back: what runs goes on and is served,
// who wants to start is told, and afterwards all is as before.
func TestEngineFallsSilent(t *testing.T) {
	t.Parallel()
	data := dataDir(t)
	socket := filepath.Join(t.TempDir(), "docker.sock")
	g := newGate(t, socket)
	s := openSite(t, data, container.Limits{Memory: 64 << 20, Tmp: 8 << 20}, func(o *container.DockerOptions, c *spawner.Config) {
		o.Host = "unix://" + socket
		c.Policy = spawner.DefaultPolicy
		c.Policy.Patience = 3 * time.Second
	})
	defer s.clear()
	defer s.stop()
	defer g.breakAll()
	image := enginetest.StubImage(t)
	running, doomed := s.run(1, image), s.run(2, image)

	g.set(true)
	row, err := s.Open(t.Context(), rowstest.Numbered(3, image))
	must(t, err)
	began := time.Now()
	var last spawner.Progress
	for p := range s.Watch(t.Context(), row.ID) {
		last = p
		target, err := s.Target(t.Context(), running.ID)
		must(t, err)
		if !spawner.NewREST().Up(t.Context(), target) {
			t.Error("a running workspace is not reached while the engine is silent")
		}
	}
	if last.Reason != spawner.NoEngine || !last.Retry || time.Since(began) > 30*time.Second {
		t.Errorf("told after %v: %+v; want that the server does not answer", time.Since(began), last)
	}
	// Meanwhile one dies unseen, and the engine's connections break.
	must(t, enginetest.Docker(t.Context(), http.MethodDelete, "/containers/"+doomed.ContainerID+"?force=true", nil, nil))
	g.breakAll()

	if again := s.run(3, image); again.Generation != row.Generation+1 {
		t.Errorf("opened again at generation %d", again.Generation)
	}
	enginetest.Await(t, "the note of the lost one", func() bool {
		got, err := s.rows.Workspace(t.Context(), doomed.ID)
		return err == nil && got.State == spawner.Failed && got.Reason == spawner.Gone
	})
	if now := s.await(running.ID, spawner.Running); now.ContainerID != running.ContainerID || now.Generation != running.Generation {
		t.Errorf("the running one was %+v, is %+v", running, now)
	}
}

// The fallback without any engine, through the same state machine.
func TestProcessesInsteadOfContainers(t *testing.T) {
	data := dataDir(t)
	t.Setenv("PATH", filepath.Dir(enginetest.Stub(t)))
	var p *container.Process
	s := openSite(t, data, container.Limits{}, func(_ *container.DockerOptions, c *spawner.Config) {
		p = container.NewProcess(container.ProcessOptions{Data: container.Paths{Inside: data}, Dir: filepath.Join(data, "processes")})
		c.Engine = p
	})
	defer s.stop()
	row := s.run(1, "this machine")
	target, err := s.Target(t.Context(), row.ID)
	must(t, err)
	if !spawner.NewREST().Up(t.Context(), target) {
		t.Error("it does not answer")
	}
	must(t, s.Close(t.Context(), row.ID, spawner.ByStudent))
	s.await(row.ID, spawner.Stopped)
	if list, err := p.List(t.Context(), nil); err != nil || len(list) != 0 {
		t.Errorf("processes left: %+v, %v", list, err)
	}
}
