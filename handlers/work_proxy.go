package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"lectern/spawner"
	"lectern/store"
)

// uploadLimit bounds one request's body: files that students put into their
// homes with Jupyter's own upload.
const uploadLimit = 300 << 20

// hop is where one request goes.
type hop struct {
	target spawner.Target
	grant  store.Grant
}

type hopKey struct{}

// hopContext is context.WithValue for every proxied request, in one piece.
type hopContext struct {
	context.Context
	hop hop
}

func (c *hopContext) Value(key any) any {
	if key == (hopKey{}) {
		return &c.hop
	}
	return c.Context.Value(key)
}

// forward passes the request to the workspace, for as long as ctx.
func (w *Work) forward(ctx context.Context, rw http.ResponseWriter, r *http.Request, id string, grant store.Grant) {
	target, err := w.dialled.Target(ctx, id)
	if err == nil {
		err = w.mayDial(target.Addr)
	}
	if err != nil {
		if !errors.Is(err, spawner.ErrNotRunning) && ctx.Err() == nil {
			w.log.Error("workspace address", "workspace", id, "error", err)
		}
		w.down(rw, r, grant, http.StatusServiceUnavailable)
		return
	}
	if r.ContentLength > uploadLimit {
		w.tooLarge(rw, r)
		return
	}
	upgrade := isUpgrade(r)
	if r.Body != nil && !upgrade {
		r.Body = http.MaxBytesReader(rw, r.Body, uploadLimit)
	}
	if isInput(r) {
		w.touch(id)
	}
	if upgrade {
		defer w.tabs.open(id, r.URL.Path)()
		out := w.outflows.enter(id)
		defer w.outflows.leave(id)
		rw = &socket{ResponseWriter: rw, input: func() { w.touch(id) }, out: out}
	}
	w.proxy.ServeHTTP(rw, r.WithContext(&hopContext{ctx, hop{target, grant}}))
}

// mayDial refuses an address that cannot be a workspace's, whatever the row says.
func (w *Work) mayDial(addr string) error {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return fmt.Errorf("address %q: %w", addr, err)
	}
	ip := ap.Addr().Unmap()
	switch {
	case ip.IsLoopback() && w.loopback && ap.Port() >= 1024:
		return nil
	case ip.IsLoopback(), ip.IsLinkLocalUnicast(), ip.IsMulticast(), ip.IsUnspecified(), ip.Zone() != "",
		ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("address %s is not a workspace's", addr)
	case ap.Port() < 1024, ap.Port() == 2375, ap.Port() == 2376, ap.Port() == 2377, ap.Port() == 5432:
		return fmt.Errorf("port of %s is not a workspace's", addr)
	}
	return nil
}

// newProxy is one proxy for all workspaces; where a request goes is in its context.
func (w *Work) newProxy() *httputil.ReverseProxy {
	dialer := &net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}
	return &httputil.ReverseProxy{
		Transport: &reaching{dial: dialer.DialContext, RoundTripper: &http.Transport{
			Proxy:                  nil, // never by way of the environment's proxy
			DialContext:            dialer.DialContext,
			MaxIdleConns:           2048,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        20 * time.Second, // each holds two goroutines and 8 KiB; an open tab asks every ten
			ResponseHeaderTimeout:  2 * time.Minute,  // a conversion to PDF takes its time
			ExpectContinueTimeout:  time.Second,
			MaxResponseHeaderBytes: 256 << 10,
			DisableCompression:     true, // what the browser and Jupyter agree on passes as it is
		}},
		Rewrite:        rewrite,
		ModifyResponse: func(res *http.Response) error { cleanResponse(res.Header); w.noteKernel(res); return nil },
		ErrorHandler:   w.upstreamFailed,
		BufferPool:     buffers{},
		ErrorLog:       log.New(io.Discard, "", 0), // half-way breaks are everyday: a closed laptop
	}
}

func rewrite(pr *httputil.ProxyRequest) {
	h := pr.In.Context().Value(hopKey{}).(*hop)
	out := pr.Out
	out.URL.Scheme = "http"
	out.URL.Host = h.target.Addr
	out.URL.RawQuery = pr.In.URL.RawQuery // as sent: a query with ; or a bad % is the workspace's to judge
	out.Host = pr.In.Host                 // Jupyter compares it with a socket's Origin
	stripOwnCookies(out.Header)
	out.Header["Authorization"] = []string{"token " + h.target.Token}
	out.Header.Del("Proxy-Authorization")
}

// upstreamFailed answers when the workspace did not. The proxy may also call it
// when a socket is open already; then nothing may be written into it.
func (w *Work) upstreamFailed(rw http.ResponseWriter, r *http.Request, err error) {
	if s, ok := rw.(*socket); ok && s.taken {
		return
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		w.tooLarge(rw, r)
	case errors.Is(err, errStalled):
		w.refuse(rw, r, http.StatusRequestTimeout, refusal{Title: "It stopped on the way",
			Text: "The upload did not get on for a minute, so it was given up. Nothing was changed by what had arrived."})
	case errors.Is(err, context.Canceled):
		rw.WriteHeader(499) // the visitor has left, or may not stay: nobody reads it
	default:
		h, ok := r.Context().Value(hopKey{}).(*hop)
		if !ok {
			h = &hop{}
		}
		w.log.LogAttrs(r.Context(), slog.LevelWarn, "workspace did not answer",
			slog.String("workspace", h.grant.WorkspaceID), slog.String("error", clip(err.Error(), 200)))
		if late(err) {
			w.outOfReach(rw, r, h.grant)
			return
		}
		w.down(rw, r, h.grant, http.StatusBadGateway)
	}
}

// clip cuts s to at most n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func isUpgrade(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }

// isInput reports whether a request shows that a person is at work: a page
// asked for or something changed. What an open tab asks by itself does not.
func isInput(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return wantsPage(r)
	}
	return true
}

// wantsPage reports whether a person will read the answer, rather than a script.
func wantsPage(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// buffers lends the copying buffers of all proxied answers.
type buffers struct{}

const bufferSize = 32 << 10

var bufferPool = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func (buffers) Get() []byte  { return bufferPool.Get().(*[bufferSize]byte)[:] }
func (buffers) Put(b []byte) { bufferPool.Put((*[bufferSize]byte)(b)) }
