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
	"testing"
	"time"

	"lectern/spawner/container/enginetest"
	"lectern/store/cluster"
)

// hubs are two Lecterns on one database and one data root, behind one address:
// every connection goes to the other one than the last, and one that is refused
// goes to the one that is left.
type hubs struct {
	a, b *program
	next atomic.Int64
}

func (h *hubs) dial(ctx context.Context, network, _ string) (conn net.Conn, err error) {
	all := []*program{h.a, h.b}
	first := h.next.Add(1)
	for i := range all {
		d := net.Dialer{Timeout: time.Second}
		if conn, err = d.DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", all[(first+int64(i))%2].port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// as is a visitor who does not know which of the two answers.
func (h *hubs) as(login string) *client {
	c := h.a.as(login)
	c.Transport = &http.Transport{DialContext: h.dial, DisableKeepAlives: true}
	return c
}

// TestTwoLecternsAndOneIsKilled kills one of the two; `make chaos` kills the other as
// well, with four times as many people.
func TestTwoLecternsAndOneIsKilled(t *testing.T) {
	t.Parallel()
	twoLecterns(t, 5, 1)
}

// twoLecterns serve the same workspaces at once, with no visitor bound to one. Under
// load one is killed and comes back, and then, of two kills, the other. No kernel
// dies, no request waits for longer than five seconds, and who was in line starts
// at the one that is left.
func twoLecterns(t *testing.T, people, kills int) {
	const late = 3
	dir, err := os.MkdirTemp("", "lectern-e2e-pg-")
	must(t, err)
	must(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	pg, err := cluster.Start(t.Context(), cluster.Config{Dir: dir})
	must(t, err)
	t.Cleanup(func() { must(t, pg.Stop()) })
	db, err := pg.Database(t.Context(), "lectern")
	must(t, err)
	shared := []string{"LECTERN_NOTEBOOK_IMAGE=" + enginetest.StubImage(t), "LECTERN_DATABASE_URL=" + db,
		"LECTERN_WORKSPACE_MEMORY=64MiB", "LECTERN_PRESTART=0"}
	h := &hubs{a: launch(t, shared...)}
	h.b = launch(t, append(slices.Clone(shared), "LECTERN_DATA="+h.a.data, "LECTERN_SITE_URL="+h.a.url())...)
	c := h.a.class(people + kills*late)
	var students []at
	var tabs []*tabOf
	for n := range people {
		s := at{client: h.as(fmt.Sprintf("student%d", n+1))}
		lab, err := s.enter()
		must(t, err)
		s.origin = origin(lab)
		students = append(students, s)
		for range 4 {
			tab := &tabOf{at: s}
			must(t, tab.connect(t.Context()))
			tabs = append(tabs, tab)
		}
	}
	rows, started := c.running(people), startedAt(t, students)

	ctx, end := context.WithCancel(t.Context())
	defer end()
	watched := c.oneContainerEach(ctx)
	work := &hubLoad{t: t}
	var working sync.WaitGroup
	for _, s := range students {
		for n := range 2 {
			working.Go(func() { work.on(ctx, s, fmt.Sprintf("/api/contents/first-steps/work%d.txt", n)) })
		}
	}
	time.Sleep(2 * time.Second)
	for i, victim := range []*program{h.a, h.b}[:kills] {
		// Some have just pressed Open, at either.
		var coming sync.WaitGroup
		for n := range late {
			who := h.as(fmt.Sprintf("student%d", people+late*i+n+1))
			coming.Go(func() { work.arrive(who) })
		}
		var back sync.WaitGroup
		died := time.Now()
		for _, tab := range tabs {
			back.Go(func() { tab.stay(t, died) })
		}
		time.Sleep(300 * time.Millisecond)
		died = time.Now()
		victim.kill()
		coming.Wait()
		t.Logf("who had pressed Open was in %v after one of the two was killed", time.Since(died).Round(10*time.Millisecond))
		back.Wait()
		for _, tab := range tabs {
			if took := tab.backAt.Sub(died); took > 5*time.Second {
				t.Errorf("a websocket of %s was back after %v", tab.login, took)
			}
		}
		// The one that is left puts right what the other would have, both ways.
		c.reconciled(t, people+late*i)
		victim.run()
	}
	end()
	working.Wait()
	<-watched
	t.Logf("%d requests, %d of them again at the other Lectern; the slowest took %v", work.asked.Load(), work.again.Load(), time.Duration(work.slowest.Load()).Round(time.Millisecond))
	if work.again.Load() == 0 || work.asked.Load() < 200 {
		t.Error("this was no load, or nothing was under way when they were killed")
	}
	for i, s := range students {
		if got := startedAt(t, []at{s}); got[0] != started[i] {
			t.Errorf("the server of %s began at %s, had at %s", s.login, got[0], started[i])
		}
	}
	now := c.running(people + kills*(late-2))
	for _, row := range rows {
		if !slices.Contains(now, row) {
			t.Errorf("workspace %s is not among %v", row, now)
		}
	}
}

// hubLoad counts what is asked.
type hubLoad struct {
	t                     *testing.T
	asked, again, slowest atomic.Int64
}

// once asks until it is answered, as a browser or a person would: what breaks off
// is asked again at once, and goes to the other Lectern.
func (l *hubLoad) once(s *client, method, to, body string) {
	began := time.Now()
	for {
		got, err := s.ask(method, to, "application/json", strings.NewReader(body))
		took := time.Since(began)
		if err != nil && took < 10*time.Second {
			l.again.Add(1)
			continue
		}
		for slowest := l.slowest.Load(); int64(took) > slowest && !l.slowest.CompareAndSwap(slowest, int64(took)); slowest = l.slowest.Load() {
		}
		l.asked.Add(1)
		if err != nil || got.status >= 300 || took > 5*time.Second {
			l.t.Errorf("%s %s of %s: %d %.200s %v after %v", method, to, s.login, got.status, got.body, err, took)
		}
		return
	}
}

// on lets a student work in a file of one of their tabs until ctx ends.
func (l *hubLoad) on(ctx context.Context, s at, file string) {
	for n := 0; ctx.Err() == nil && !l.t.Failed(); n++ {
		l.once(s.client, http.MethodGet, "/courses/demo", "")
		l.once(s.client, http.MethodGet, s.origin+"/api/contents/first-steps", "")
		l.once(s.client, http.MethodPut, s.origin+file, fmt.Sprintf(`{"type":"file","format":"text","content":"saved %d"}`, n))
		l.once(s.client, http.MethodGet, s.origin+"/api/kernels", "")
		time.Sleep(50 * time.Millisecond)
	}
}

// arrive presses Open, and again if that broke off, until JupyterLab is there.
func (l *hubLoad) arrive(who *client) {
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		_, err := who.enter()
		if err == nil {
			return
		}
		if time.Since(began) > 40*time.Second {
			l.t.Errorf("%s is not in JupyterLab 40 s after pressing Open: %v", who.login, err)
			return
		}
	}
}

// stay keeps a tab's websocket in use for a while after something happened, and
// opens it again when it ends.
func (s *tabOf) stay(t *testing.T, since time.Time) {
	s.backAt = since
	for n := 0; time.Since(since) < 6*time.Second; n++ {
		if err := echo(t, s.conn, n); err != nil {
			_ = s.conn.CloseNow()
			for s.connect(t.Context()) != nil || echo(t, s.conn, n) != nil {
				if time.Since(since) > 30*time.Second {
					t.Errorf("a websocket of %s does not come back", s.login)
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
			s.backAt = time.Now()
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// reconciled takes the container of a workspace away, and the row of another's
// container: the first is noticed and the second removed, by whoever is there.
func (c *class) reconciled(t *testing.T, first int) {
	t.Helper()
	all, err := c.ActiveWorkspaces(t.Context())
	must(t, err)
	of := func(login string) (id, box string) {
		for _, w := range all {
			if w.MemberID == c.members[login].ID {
				return w.ID, w.ContainerID
			}
		}
		t.Fatalf("%s has no workspace", login)
		return "", ""
	}
	lost, box := of(fmt.Sprintf("student%d", first+1))
	must(t, exec.Command("docker", "rm", "-f", box).Run())
	began := time.Now()
	for {
		w, err := c.Workspace(t.Context(), lost)
		must(t, err)
		if w.State == "failed" {
			break
		}
		if time.Since(began) > 15*time.Second {
			t.Fatalf("15 s after its container went the workspace is %s", w.State)
		}
		time.Sleep(50 * time.Millisecond)
	}
	noticed := time.Since(began)
	// A row that says that nothing runs, such as one restored from a backup.
	extra, box := of(fmt.Sprintf("student%d", first+2))
	w, err := c.Workspace(t.Context(), extra)
	must(t, err)
	gone := w
	gone.State, gone.Addr, gone.Token, gone.ContainerID = "stopped", "", "", ""
	must(t, c.SaveWorkspace(t.Context(), w, gone))
	began = time.Now()
	for exec.Command("docker", "inspect", box).Run() == nil {
		// Jupyter has ten seconds to end.
		if time.Since(began) > 27*time.Second {
			t.Fatal("27 s after its row went the container is still there")
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("by the one that is left: a container that went noticed after %v, one too many removed after %v", noticed.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}
