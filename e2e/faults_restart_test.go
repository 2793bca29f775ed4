package e2e_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"lectern/spawner/container/enginetest"
	"lectern/store/cluster"
)

// Lectern is ended with a hundred open websockets, and the next one begins on
// the same socket, as a service manager hands it over. Nobody is refused, every
// page's socket is back within five seconds and the kernels are the same.
func TestARestartWithAHundredWebsockets(t *testing.T) {
	t.Parallel()
	const people, each = 5, 20
	dir, err := os.MkdirTemp("", "lectern-e2e-pg-")
	must(t, err)
	must(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	pg, err := cluster.Start(t.Context(), cluster.Config{Dir: dir}) // an operator's: it does not end with Lectern
	must(t, err)
	t.Cleanup(func() { must(t, pg.Stop()) })
	db, err := pg.Database(t.Context(), "lectern")
	must(t, err)
	p := launch(t, "LECTERN_NOTEBOOK_IMAGE="+enginetest.StubImage(t), "LECTERN_DATABASE_URL="+db)
	p.stop()
	p.handOver()
	c := p.class(people)
	var all []*tabOf
	var students []at
	for n := 1; n <= people; n++ {
		who := p.as(fmt.Sprintf("student%d", n))
		lab, err := who.enter()
		must(t, err)
		students = append(students, at{client: who, origin: origin(lab)})
		for range each {
			s := &tabOf{at: students[n-1]}
			must(t, s.connect(t.Context()))
			all = append(all, s)
		}
	}
	rows, started := c.running(people), startedAt(t, students)

	// What the pages ask meanwhile is answered late at worst.
	var refused, asked atomic.Int64
	ctx, done := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	asking.Go(func() {
		for ctx.Err() == nil {
			asked.Add(1)
			d := net.Dialer{Timeout: 5 * time.Second}
			conn, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", p.port))
			if err == nil {
				_ = conn.Close()
			} else if ctx.Err() == nil {
				refused.Add(1)
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	began := time.Now()
	var back sync.WaitGroup
	for _, s := range all {
		back.Go(func() { s.comeBack(t, began.Add(20*time.Second)) })
	}
	p.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the old one ended %v after SIGTERM", took)
	}
	p.begin()
	back.Wait()
	done()
	asking.Wait()
	slowest := time.Duration(0)
	for _, s := range all {
		slowest = max(slowest, s.backAt.Sub(began))
		_ = s.conn.CloseNow()
	}
	t.Logf("%d websockets were back %v after SIGTERM; %d connections meanwhile, %d refused", len(all), slowest.Round(time.Millisecond), asked.Load(), refused.Load())
	if slowest > 5*time.Second {
		t.Errorf("the last websocket was back after %v", slowest)
	}
	if n := refused.Load(); n > 0 {
		t.Errorf("%d of %d connections were refused; the socket was handed over", n, asked.Load())
	}
	if got := c.running(people); !slices.Equal(got, rows) {
		t.Errorf("workspaces are %v, were %v", got, rows)
	}
	if got := startedAt(t, students); !slices.Equal(got, started) {
		t.Errorf("the servers in the workspaces began at %v, had at %v", got, started)
	}
}

// tabOf is a page with a websocket.
type tabOf struct {
	at
	conn   *websocket.Conn
	backAt time.Time
}

func (s *tabOf) connect(ctx context.Context) (err error) {
	ctx, done := context.WithTimeout(ctx, 10*time.Second)
	defer done()
	s.conn, err = s.socket(ctx, s.origin, "k1")
	return err
}

// comeBack waits for the socket to end and connects again, as often as it takes,
// as JupyterLab does; a cell must run over the new one.
func (s *tabOf) comeBack(t *testing.T, until time.Time) {
	_, _, err := s.conn.Read(t.Context())
	for n := 0; time.Now().Before(until); n++ {
		if err = s.connect(t.Context()); err == nil {
			if err = echo(t, s.conn, n); err == nil {
				s.backAt = time.Now()
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("a websocket of %s is not back: %v", s.login, err)
	s.backAt = time.Now()
}

// startedAt is when the program in each workspace began.
func startedAt(t *testing.T, all []at) []string {
	t.Helper()
	var out []string
	for _, s := range all {
		got := s.mustGet(s.origin + "/api/status")
		_, rest, _ := strings.Cut(got.body, `"started":"`)
		began, _, ok := strings.Cut(rest, `"`)
		if got.status != http.StatusOK || !ok {
			t.Fatalf("/api/status: %d %.300s", got.status, got.body)
		}
		out = append(out, began)
	}
	return out
}

// handOver opens the program's socket in its place, for every program to come,
// and begins the first.
func (p *program) handOver() {
	p.t.Helper()
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p.port))
	must(p.t, err)
	p.socket, err = ln.(*net.TCPListener).File()
	must(p.t, err)
	must(p.t, ln.Close()) // the socket stays open in the file
	p.t.Cleanup(func() { _ = p.socket.Close() })
	p.begin()
}

// begin starts the program as a service manager with a socket would: the shell
// becomes the program, so its number is known to it.
func (p *program) begin() {
	p.t.Helper()
	p.cmd = exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" demo`, p.bin)
	p.cmd.Env = append(p.environment(), "LISTEN_FDS=1")
	p.cmd.ExtraFiles = []*os.File{p.socket}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	must(p.t, p.cmd.Start())
	p.healthy(90 * time.Second)
}
