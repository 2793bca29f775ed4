package e2e_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lectern/spawner/container/enginetest"
	"lectern/store"
)

// TestARushIsServedInOrder is the beginning of a lab, faster than any two cores start
// containers; `make chaos` has 220 in a minute.
func TestARushIsServedInOrder(t *testing.T) {
	t.Parallel()
	rush(t, 40, 2*time.Second)
}

// runner is one of them, with what the launch page said.
type runner struct {
	*client
	opened, ready time.Time
	first         step // with a place in line; zero if there was none to wait for
	places        []int
	page          string // of the launch, as it first showed
	origin        string
}

// step is what a launch page is told, as far as it is about waiting.
type step struct {
	at       time.Time
	Position int    `json:"position"`
	Wait     int64  `json:"wait_ms"`
	Text     string `json:"text"`
}

// rush lets n students press Open assignment, evenly over a time, every fifth of
// them twice. Nobody is lost, nobody has two containers, the line moves in order,
// and its pages say the place and about how long.
func rush(t *testing.T, n int, over time.Duration) {
	p := launch(t, "LECTERN_NOTEBOOK_IMAGE="+enginetest.StubImage(t), "LECTERN_WORKSPACE_MEMORY=64MiB")
	c := p.class(n)
	all := make([]*runner, n)
	for i := range all {
		all[i] = &runner{client: p.as(fmt.Sprintf("student%d", i+1))}
		all[i].Timeout = 0 // a launch page's events take as long as the line
	}
	ctx, end := context.WithTimeout(t.Context(), 15*time.Minute)
	defer end()
	watched := c.oneContainerEach(ctx)
	began := time.Now()
	var running sync.WaitGroup
	for i, r := range all {
		running.Go(func() {
			time.Sleep(over * time.Duration(i) / time.Duration(n))
			if err := r.rush(ctx, i%5 == 4); err != nil {
				t.Errorf("%s: %v", r.login, err)
			}
		})
	}
	running.Wait()
	t.Logf("%d opened within %v, the last was ready after %v", n, over, time.Since(began).Round(100*time.Millisecond))
	end()
	if looks := <-watched; looks < 5 {
		t.Errorf("the containers were looked at %d times", looks)
	}
	if t.Failed() {
		return
	}
	rows, err := c.ActiveWorkspaces(t.Context())
	must(t, err)
	if got := p.containers(); len(rows) != n || len(got) != n {
		t.Errorf("%d students have %d workspaces and %d containers", n, len(rows), len(got))
	}
	inOrder(t, rows)
	honest(t, all, over < time.Duration(n)*100*time.Millisecond)
	p.memoryOf(all)
}

// rush presses Open, once or twice, follows the launch page and goes in.
func (r *runner) rush(ctx context.Context, twice bool) error {
	r.opened = time.Now()
	second := make(chan error, 1)
	if twice {
		go func() { _, err := r.post(firstSteps+"/open", nil); second <- err }()
	} else {
		second <- nil
	}
	got, err := r.post(firstSteps+"/open", nil)
	if err == nil {
		err = <-second
	}
	if err != nil || got.status != http.StatusSeeOther {
		return fmt.Errorf("open: %d %.300s %w", got.status, got.body, err)
	}
	page := got.location
	if strings.Contains(page, "/workspaces/") {
		if got, err = r.get(page); err != nil {
			return err
		}
		r.page = got.body
		if page, err = r.follow(ctx, page); err != nil {
			return err
		}
	}
	r.ready = time.Now()
	lab, err := r.enter()
	if err != nil {
		return err
	}
	r.origin = origin(lab)
	got, err = r.get(r.origin + "/api/status")
	if err == nil && got.status != http.StatusOK {
		err = fmt.Errorf("/api/status: %d %.300s", got.status, got.body)
	}
	return err
}

// follow reads the launch page's events until the workspace is ready.
func (r *runner) follow(ctx context.Context, page string) (string, error) {
	u, err := url.Parse(r.p.url() + page)
	if err != nil {
		return "", err
	}
	u.Path += "/events"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	res, err := r.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	event := ""
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			event = name
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e struct{ URL, Text string }
		s := step{at: time.Now()}
		if err := cmp.Or(json.Unmarshal([]byte(data), &e), json.Unmarshal([]byte(data), &s)); err != nil {
			return "", fmt.Errorf("the launch page is told %q", data)
		}
		switch {
		case event == "ready":
			return e.URL, nil
		case event == "failed":
			return "", fmt.Errorf("the start failed: %s", e.Text)
		case s.Position > 0:
			r.places = append(r.places, s.Position)
			if r.first.Wait == 0 {
				r.first = s
			}
		}
	}
	return "", fmt.Errorf("the launch page's events end with %d and no word", res.StatusCode)
}

// oneContainerEach looks twice a second until ctx ends, and fails the test if a
// workspace has two containers or a container is nobody's; it gives how often it
// looked.
func (c *class) oneContainerEach(ctx context.Context) <-chan int {
	out := make(chan int, 1)
	go func() {
		for looks := 0; ; looks++ {
			var list []struct {
				ID     string `json:"Id"`
				Labels map[string]string
				Mounts []struct{ Source string }
			}
			err := enginetest.Docker(ctx, http.MethodGet, "/containers/json?all=1&filters="+url.QueryEscape(`{"label":["lectern.workspace"]}`), nil, &list)
			if ctx.Err() != nil {
				out <- looks
				return
			}
			if err != nil {
				c.p.t.Errorf("list containers: %v", err)
			}
			owners := map[string]string{}
			for _, d := range list {
				home := ""
				for _, m := range d.Mounts {
					if rel, err := filepath.Rel(c.p.data, m.Source); err == nil && strings.HasPrefix(rel, "homes/") {
						home = m.Source
					}
				}
				if home == "" {
					continue // another program's
				}
				if other, twice := owners[home]; twice {
					c.p.t.Errorf("%s is mounted by two containers, %.12s and %.12s", home, d.ID, other)
				}
				owners[home] = d.ID
			}
			select {
			case <-ctx.Done():
				out <- looks
				return
			case <-time.After(500 * time.Millisecond):
			}
		}
	}()
	return out
}

// inOrder holds the order of starts against that of asking. As many as start at
// once may be mixed up, since each notes its own start.
func inOrder(t *testing.T, rows []store.Workspace) {
	t.Helper()
	slices.SortFunc(rows, func(a, b store.Workspace) int { return a.QueuedAt.Compare(b.QueuedAt) })
	started := slices.Clone(rows)
	slices.SortFunc(started, func(a, b store.Workspace) int { return a.StartedAt.Compare(b.StartedAt) })
	for asked, row := range rows {
		got := slices.IndexFunc(started, func(w store.Workspace) bool { return w.ID == row.ID })
		if row.Generation != 1 {
			t.Errorf("number %d was started %d times", asked+1, row.Generation)
		}
		if d := got - asked; d < -4 || d > 4 {
			t.Errorf("number %d who asked was number %d to start", asked+1, got+1)
		}
	}
}

// honest holds what the launch pages said against what came. A crowd is more than
// any machine starts at once, so that many must have waited.
func honest(t *testing.T, all []*runner, crowded bool) {
	t.Helper()
	var ratios []float64
	waited := 0
	for _, r := range all {
		if len(r.places) == 0 {
			continue
		}
		waited++
		for i, place := range r.places[1:] {
			// Who asked at the same moment may be noted a moment later.
			if place > r.places[i]+1 {
				t.Errorf("%s fell back in line: %v", r.login, r.places)
			}
		}
		if r.places[0] > 1 && !strings.Contains(r.page, "before you.") {
			t.Errorf("the launch page of %s, number %d in line, does not say so", r.login, r.places[0])
		}
		if r.first.Wait == 0 || r.first.Position < 4 {
			continue
		}
		if !strings.Contains(r.first.Text, "Ready in about") {
			t.Errorf("with %d ms to wait the page says %q", r.first.Wait, r.first.Text)
		}
		ratios = append(ratios, r.ready.Sub(r.first.at).Seconds()*1000/float64(r.first.Wait))
	}
	if crowded && (waited < len(all)/2 || len(ratios) < len(all)/4) {
		t.Fatalf("of %d only %d waited and %d were told how long; this was no rush", len(all), waited, len(ratios))
	}
	if len(ratios) == 0 {
		return
	}
	slices.Sort(ratios)
	mid := ratios[len(ratios)/2]
	t.Logf("the wait was %.2f of what the page said first (median of %d; middle half %.2f to %.2f)", mid, len(ratios), ratios[len(ratios)/4], ratios[len(ratios)*3/4])
	if mid < 0.25 || mid > 4 {
		t.Errorf("the wait was %.2f of what the page had said; that is no honest guess", mid)
	}
}

// memoryOf measures the program while everybody has a websocket open and asks
// what an open tab asks, far more often than one does.
func (p *program) memoryOf(all []*runner) {
	p.t.Helper()
	before := p.resident()
	ctx, done := context.WithTimeout(p.t.Context(), 2*time.Minute)
	defer done()
	var open, asked sync.WaitGroup
	for _, r := range all {
		open.Add(1)
		asked.Go(func() {
			conn, err := r.socket(ctx, r.origin, "k1")
			open.Done()
			if err != nil {
				p.t.Errorf("%s: %v", r.login, err)
				return
			}
			defer conn.CloseNow()
			open.Wait()
			for range 5 {
				for _, api := range []string{"/api/kernels", "/api/sessions", "/api/contents/first-steps"} {
					if got, err := r.get(r.origin + api); err != nil || got.status != http.StatusOK {
						p.t.Errorf("%s of %s: %d %v", api, r.login, got.status, err)
						return
					}
				}
				time.Sleep(time.Second)
			}
		})
	}
	open.Wait()
	most := 0
	for finished := make(chan bool); ; {
		if most == 0 {
			go func() { asked.Wait(); close(finished) }()
		}
		most = max(most, p.resident())
		select {
		case <-finished:
			p.t.Logf("resident memory with %d workspaces in use: %d MB; before their websockets %d MB", len(all), most>>20, before>>20)
			if most > 120<<20 {
				p.t.Errorf("%d MB for %d workspaces, want less than 120", most>>20, len(all))
			}
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// resident is the program's memory now, in bytes.
func (p *program) resident() int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	must(p.t, err)
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	must(p.t, err)
	return kb << 10
}
