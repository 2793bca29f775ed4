package handlers

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// tabs counts the sockets that browsers have open to workspaces.
type tabs struct {
	mu     sync.Mutex
	events map[string]int // of JupyterLab's own, of which each tab has one
	others map[string]int // of kernels, terminals and other pages
}

// open counts a socket until close is called.
func (t *tabs) open(id, path string) (close func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.events == nil {
		t.events, t.others = map[string]int{}, map[string]int{}
	}
	in := t.others
	if strings.HasSuffix(path, "/api/events/subscribe") {
		in = t.events
	}
	in[id]++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if in[id]--; in[id] == 0 {
			delete(in, id)
		}
	}
}

// count is the tabs of each workspace that has any. A page that is not
// JupyterLab's, which opens no socket for events, counts as one.
func (t *tabs) count() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := maps.Clone(t.events)
	for id := range t.others {
		if n[id] == 0 {
			n[id] = 1
		}
	}
	return n
}

// tabsEvery is how often the tabs are told to the database, if they changed;
// tabsFresh how often in any case.
const (
	tabsEvery = 5 * time.Second
	tabsFresh = 30 * time.Second
)

// countTabs keeps the database's count of this process' tabs until ctx ends.
func (s *Site) countTabs(ctx context.Context) {
	tick := time.NewTicker(tabsEvery)
	defer tick.Stop()
	var told map[string]int
	var at time.Time
	for {
		if now := s.work.tabs.count(); !maps.Equal(now, told) || len(now) > 0 && time.Since(at) >= tabsFresh {
			if err := s.Store.SaveTabs(ctx, s.process, now); err == nil {
				told, at = now, time.Now()
			} else if ctx.Err() == nil {
				s.Log.Warn("open tabs could not be noted", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// noteKernel logs that a kernel was started, at most one in a few seconds of a
// workspace: what asks for them is the student's.
func (w *Work) noteKernel(res *http.Response) {
	r := res.Request
	if r.Method != http.MethodPost || res.StatusCode != http.StatusCreated ||
		!strings.HasSuffix(r.URL.Path, "/api/kernels") && !strings.HasSuffix(r.URL.Path, "/api/sessions") {
		return
	}
	h, ok := r.Context().Value(hopKey{}).(*hop)
	if !ok || !w.kernels.allow(h.grant.WorkspaceID, time.Now()) {
		return
	}
	go func() {
		ctx, done := context.WithTimeout(context.Background(), 5*time.Second)
		defer done()
		if err := w.store.RecordKernel(ctx, h.grant.WorkspaceID); err != nil {
			w.log.Warn("a kernel's start could not be logged", "error", err)
		}
	}()
}
