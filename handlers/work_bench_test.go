package handlers

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// BenchmarkProxy puts requests through a workspace's host, signed in, beside the
// same requests through two bare proxies of the standard library, one as it comes
// and one with Lectern's own transport and buffers: what is left is the cost of
// the sign-in and of the rules for headers. Upstream and clients are the same,
// and they take turns within one run, so that a busy machine slows all; the
// medians over the rounds are printed.
func BenchmarkProxy(b *testing.B) {
	w := newBench(b)
	pages := map[string][]byte{"/1KiB": make([]byte, 1<<10), "/1MiB": make([]byte, 1<<20)}
	for _, p := range pages {
		rand.Read(p)
	}
	up := w.upstream(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		p := pages[r.URL.Path]
		rw.Header().Set("Content-Length", strconv.Itoa(len(p)))
		_, _ = rw.Write(p)
	}))
	to, err := url.Parse(up.URL)
	w.must(err)
	bare := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(to) }, ErrorLog: log.New(io.Discard, "", 0)})
	b.Cleanup(bare.Close)
	tuned := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(to) }, ErrorLog: log.New(io.Discard, "", 0),
		Transport: w.work.proxy.Transport, BufferPool: buffers{}})
	b.Cleanup(tuned.Close)
	cookie := w.in()

	for _, path := range []string{"/1KiB", "/1MiB"} {
		b.Run(path[1:], func(b *testing.B) {
			for b.Loop() {
				var ours, theirs, alike []load
				for range 7 {
					theirs = append(theirs, w.load(bare.Listener.Addr(), path, cookie, len(pages[path])))
					ours = append(ours, w.load(w.server.Listener.Addr(), path, cookie, len(pages[path])))
					alike = append(alike, w.load(tuned.Listener.Addr(), path, cookie, len(pages[path])))
				}
				o, t, a := medianLoad(ours), medianLoad(theirs), medianLoad(alike)
				b.Logf("%s, %d clients, median of %d rounds of %v: Lectern %v; bare ReverseProxy %v, ratio %.2f; bare with Lectern's transport %v, ratio %.2f",
					path[1:], loadClients, len(ours), loadTime, o, t, o.rate/t.rate, a, o.rate/a.rate)
				b.ReportMetric(o.rate, "req/s")
				b.ReportMetric(o.p99.Seconds()*1e3, "p99-ms")
				b.ReportMetric(t.rate, "bare-req/s")
				b.ReportMetric(t.p99.Seconds()*1e3, "bare-p99-ms")
				b.ReportMetric(o.rate/t.rate, "of-bare")
				b.ReportMetric(o.rate/a.rate, "of-tuned-bare")
			}
		})
	}
}

const (
	loadClients = 16
	loadTime    = 700 * time.Millisecond
)

type load struct {
	rate float64 // requests a second
	p99  time.Duration
}

func (l load) String() string {
	return fmt.Sprintf("%.0f req/s, p99 %.1f ms", l.rate, l.p99.Seconds()*1e3)
}

// load asks for a path with several clients at once, each with its own
// connection, and checks that every answer is whole.
func (b *bench) load(addr net.Addr, path, cookie string, size int) load {
	b.t.Helper()
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	until := time.Now().Add(loadTime)
	for range loadClients {
		wg.Go(func() {
			tr := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, addr.String())
			}}
			defer tr.CloseIdleConnections()
			buf := make([]byte, 64<<10)
			var took []time.Duration
			for time.Now().Before(until) {
				began := time.Now()
				if err := once(tr, b.request(http.MethodGet, b.id, path, cookie), buf, size); err != nil {
					b.t.Error(err)
					return
				}
				took = append(took, time.Since(began))
			}
			mu.Lock()
			all = append(all, took...)
			mu.Unlock()
		})
	}
	wg.Wait()
	slices.Sort(all)
	return load{rate: float64(len(all)) / loadTime.Seconds(), p99: all[len(all)*99/100]}
}

func once(tr *http.Transport, r *http.Request, buf []byte, size int) error {
	res, err := tr.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, buf)
	if err != nil || res.StatusCode != http.StatusOK || n != int64(size) {
		return fmt.Errorf("%s with %d bytes, %v", res.Status, n, err)
	}
	return nil
}

func medianLoad(all []load) load {
	rates, p99s := make([]float64, len(all)), make([]time.Duration, len(all))
	for i, l := range all {
		rates[i], p99s[i] = l.rate, l.p99
	}
	slices.Sort(rates)
	slices.Sort(p99s)
	return load{rate: rates[len(rates)/2], p99: p99s[len(p99s)/2]}
}
