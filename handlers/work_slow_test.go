package handlers

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestNobodyWaitsForAVisitorWhoLeft: a thousand requests to a program that
// answers never, or a byte at a time without end, leave nothing behind.
func TestNobodyWaitsForAVisitorWhoLeft(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var under atomic.Int64
	b.upstream(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		under.Add(1)
		defer under.Add(-1)
		if r.URL.Path == "/never" {
			<-r.Context().Done()
			return
		}
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, "."); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}))
	cookie, client := b.in(), b.browser()
	var wg sync.WaitGroup
	slots := make(chan bool, 50)
	for i := range 1000 {
		wg.Go(func() {
			slots <- true
			defer func() { <-slots }()
			ctx, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer leave()
			path := "/never"
			if i%2 == 0 {
				path = "/endless"
			}
			res, err := client.Do(b.request(http.MethodGet, b.id, path, cookie).WithContext(ctx))
			if err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
	wg.Wait()
	until := time.Now().Add(10 * time.Second)
	for under.Load() > 0 || b.underWay() > 0 {
		if time.Now().After(until) {
			t.Fatalf("10 s after everybody left the program still works on %d requests and Lectern on %d", under.Load(), b.underWay())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
