// Package egress is the proxy by which a workspace without a way out reaches the
// hosts that its course lists: HTTPS by CONNECT, and plain HTTP. It owns looking
// names up and which addresses are never dialled. It refuses to know who may
// reach what, reads nothing of what passes and writes none of it down.
package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Proxy answers workspaces on one network. Its fields are set before it serves.
type Proxy struct {
	// Allowed names the workspace at an address, empty if there is none, and
	// says whether it may reach a port of a host now. host is lower case,
	// without a dot at its end. It is asked again while a connection lasts.
	Allowed func(ctx context.Context, from netip.Addr, host string, port int) (workspace string, ok bool, err error)
	Deny    []netip.Prefix // not dialled either
	Log     *slog.Logger

	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	exempt netip.AddrPort // may be dialled although it is not public; set by this package's tests alone
	again  time.Duration  // between two questions whether a connection may go on

	forward *httputil.ReverseProxy
	mu      sync.Mutex
	refused map[string]int // by workspace, since it was last told
}

const (
	perWorkspace = 64   // connections of one workspace
	inAll        = 1024 // and of all
	idle         = 5 * time.Minute
	longest      = time.Hour
	recheck      = 10 * time.Second
	patience     = 10 * time.Second // until a host answers a connection
)

// Serve answers on ln until ctx ends; then what is under way is cut off.
func (p *Proxy) Serve(ctx context.Context, ln net.Listener) error {
	ctx, done := context.WithCancel(ctx)
	defer done()
	p.ready()
	srv := &http.Server{Handler: p, ReadHeaderTimeout: patience, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug)}
	go p.tell(ctx)
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	err := srv.Serve(newBounded(ln))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (p *Proxy) ready() {
	if p.lookup == nil {
		p.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if p.again == 0 {
		p.again = recheck
	}
	p.refused = map[string]int{}
	p.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.Host = r.Out.URL.Host // not another of the same machine's names
			r.Out.Header.Del("Upgrade")
			r.Out.Header.Del("Connection")
			r.Out.Header.Del("Proxy-Authorization")
		},
		Transport: &http.Transport{DialContext: p.dialContext, DisableCompression: true, ResponseHeaderTimeout: time.Minute,
			IdleConnTimeout: 30 * time.Second, MaxIdleConns: 100, MaxResponseHeaderBytes: 64 << 10},
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, r *http.Request, err error) { p.fail(w, r.URL.Hostname(), err) },
		ErrorLog:      slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
	}
}

// ServeHTTP answers one request of a workspace.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, port, err := target(r)
	if err != nil {
		http.Error(w, "This is a proxy for HTTP and HTTPS.", http.StatusBadRequest)
		return
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		http.Error(w, "Who is asking?", http.StatusForbidden)
		return
	}
	at := from.Addr().Unmap()
	workspace, ok, err := p.Allowed(r.Context(), at, host, port)
	switch {
	case err != nil:
		http.Error(w, "What your course lets workspaces reach cannot be looked up at the moment. Try again in a minute.", http.StatusServiceUnavailable)
		return
	case !ok:
		p.count(workspace)
		http.Error(w, fmt.Sprintf("%.100q is not among the hosts that your course lets workspaces reach. Ask your instructor if you need it.",
			net.JoinHostPort(host, strconv.Itoa(port))), http.StatusForbidden)
		return
	}
	ctx, done := context.WithTimeout(r.Context(), longest)
	defer done()
	go p.watch(ctx, done, at, host, port)
	if r.Method == http.MethodConnect {
		p.tunnel(ctx, w, host, port)
		return
	}
	r = r.Clone(ctx)
	r.URL.Host = host // as it was asked about
	if port != 80 {
		r.URL.Host = net.JoinHostPort(host, strconv.Itoa(port))
	}
	p.forward.ServeHTTP(w, r)
}

// target is the host and port that a request asks for.
func target(r *http.Request) (host string, port int, err error) {
	text := "80"
	switch {
	case r.Method == http.MethodConnect:
		if host, text, err = net.SplitHostPort(r.Host); err != nil {
			return "", 0, err
		}
	case r.URL.Scheme == "http" && r.URL.Host != "" && r.URL.User == nil:
		host = r.URL.Hostname()
		if r.URL.Port() != "" {
			text = r.URL.Port()
		}
	default:
		return "", 0, errors.New("not a request to a proxy")
	}
	n, err := strconv.ParseUint(text, 10, 16)
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if err != nil || n == 0 || host == "" || len(host) > 253 {
		return "", 0, errors.New("not a host and port")
	}
	return host, int(n), nil
}

// watch ends a connection once it may no longer be. Not being able to find out
// ends none.
func (p *Proxy) watch(ctx context.Context, end func(), from netip.Addr, host string, port int) {
	tick := time.NewTicker(p.again)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, ok, err := p.Allowed(ctx, from, host, port); err == nil && !ok {
				end()
				return
			}
		}
	}
}

// tunnel carries bytes both ways until either side ends, nothing passes for
// five minutes, or ctx ends.
func (p *Proxy) tunnel(ctx context.Context, w http.ResponseWriter, host string, port int) {
	there, err := p.dial(ctx, host, port)
	if err != nil {
		p.fail(w, host, err)
		return
	}
	defer there.Close()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		p.fail(w, host, err)
		return
	}
	defer here.Close()
	_ = here.SetDeadline(time.Time{})
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	context.AfterFunc(ctx, func() {
		_ = here.Close()
		_ = there.Close()
	})
	quiet := time.AfterFunc(idle, done)
	defer quiet.Stop()
	alive := func() { quiet.Reset(idle) }
	var both sync.WaitGroup
	both.Go(func() { carry(there, buffered, alive) })
	both.Go(func() { carry(here, there, alive) })
	both.Wait()
}

// carry copies and then tells to that there is no more.
func carry(to net.Conn, from io.Reader, alive func()) {
	if _, err := io.Copy(to, noted{from, alive}); err != nil {
		_ = to.Close() // the other direction ends too
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	_ = to.Close()
}

type noted struct {
	io.Reader
	alive func()
}

func (n noted) Read(b []byte) (int, error) {
	k, err := n.Reader.Read(b)
	n.alive()
	return k, err
}

// fail says why a host was not reached.
func (p *Proxy) fail(w http.ResponseWriter, host string, err error) {
	if errors.Is(err, errNotPublic) {
		http.Error(w, fmt.Sprintf("%.100q has an address that workspaces never reach: it is not a public one.", host), http.StatusForbidden)
		return
	}
	p.Log.Debug("host not reached", "error", err)
	http.Error(w, fmt.Sprintf("%.100q does not answer.", host), http.StatusBadGateway)
}

// count notes a refusal.
func (p *Proxy) count(workspace string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused[workspace]++
}

// tell logs once a minute how much was refused, but not what.
func (p *Proxy) tell(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.mu.Lock()
		for workspace, n := range p.refused {
			p.Log.Info("hosts not listed were asked for", "workspace", workspace, "times", n)
		}
		clear(p.refused)
		p.mu.Unlock()
	}
}
