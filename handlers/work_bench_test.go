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
// same requests through the standard library's proxy as it comes, to the same
// upstream and from as many clients. They take turns within one run, so that a
// busy machine slows both; the medians over the rounds are printed.
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
	plain := &httputil.ReverseProxy{Rewrite: func(pr *httputil.ProxyRequest) { pr.SetURL(to) }, ErrorLog: log.New(io.Discard, "", 0)}
	bare := httptest.NewServer(plain)
	b.Cleanup(bare.Close)
	cookie := w.in()

	for _, path := range []string{"/1KiB", "/1MiB"} {
		b.Run(path[1:], func(b *testing.B) {
			for b.Loop() {
				var ours, theirs []load
				for range 7 {
					theirs = append(theirs, w.load(bare.Listener.Addr(), path, cookie, len(pages[path])))
					ours = append(ours, w.load(w.server.Listener.Addr(), path, cookie, len(pages[path])))
				}
				o, t := medianLoad(ours), medianLoad(theirs)
				b.Logf("%s, %d clients, median of %d rounds of %v: Lectern %.0f req/s, p99 %v; bare ReverseProxy %.0f req/s, p99 %v; ratio %.2f",
					path[1:], loadClients, len(ours), loadTime, o.rate, o.p99.Round(10*time.Microsecond), t.rate, t.p99.Round(10*time.Microsecond), o.rate/t.rate)
				b.ReportMetric(o.rate, "req/s")
				b.ReportMetric(o.p99.Seconds()*1e3, "p99-ms")
				b.ReportMetric(t.rate, "bare-req/s")
				b.ReportMetric(t.p99.Seconds()*1e3, "bare-p99-ms")
				b.ReportMetric(o.rate/t.rate, "ratio")
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
