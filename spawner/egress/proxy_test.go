package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestWhatIsPublic(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"8.8.8.8": true, "93.184.216.34": true, "2606:2800:220:1::1": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "0.0.0.0": false, "::": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false,
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "100.64.0.1": false, "100.100.100.200": false,
		"169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false, "fd00:ec2::254": false, "fc00::1": false, "224.0.0.1": false, "ff02::1": false,
		"255.255.255.255": false, "240.0.0.1": false, "192.0.0.192": false, "168.63.129.16": false, "198.18.0.1": false, "::127.0.0.1": false,
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001:0:1::": false, "2001:db8::1": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("public(%s) = %v", text, got)
		}
	}
	if !ours(netip.MustParseAddr("127.0.0.1")) || ours(netip.MustParseAddr("8.8.8.8")) {
		t.Error("it does not know its own addresses")
	}
}

// rig is a proxy, and two servers of the test's own that stand for the world.
type rig struct {
	*Proxy
	t        *testing.T
	address  string // of the proxy
	plain    *httptest.Server
	tls      *httptest.Server
	listed   atomic.Bool
	names    map[string]string
	hostSeen atomic.Value
}

// newRig serves on ln. Of the two servers the one that is named may be dialled,
// though it is on this machine.
func newRig(t *testing.T, ln net.Listener, overTLS bool) *rig {
	r := &rig{t: t, names: map[string]string{"listed.test": "127.0.0.1", "inner.test": "127.0.0.1", "cloud.test": "169.254.169.254", "lan.test": "10.1.2.3", "mapped.test": "::ffff:127.0.0.1"}}
	world := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.hostSeen.Store(q.Host)
		fmt.Fprint(w, "the world, ", q.URL.Path)
	})
	r.plain, r.tls = httptest.NewServer(world), httptest.NewTLSServer(world)
	t.Cleanup(r.plain.Close)
	t.Cleanup(r.tls.Close)
	r.listed.Store(true)
	open := r.plain
	if overTLS {
		open = r.tls
	}
	r.Proxy = &Proxy{
		Allowed: func(_ context.Context, from netip.Addr, host string, port int) (string, bool, error) {
			if host == "broken.test" {
				return "", false, errors.New("no database")
			}
			return "w", host != "unlisted.test" && r.listed.Load(), nil
		},
		Log: slog.New(slog.DiscardHandler), again: 50 * time.Millisecond,
		lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			if a, ok := r.names[host]; ok {
				return []netip.Addr{netip.MustParseAddr(a)}, nil
			}
			return nil, errors.New("no such host")
		},
		exempt: netip.MustParseAddrPort(open.Listener.Addr().String()),
	}
	ctx, done := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx, ln) }()
	r.address = ln.Addr().String()
	t.Cleanup(func() {
		done()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func portOf(s *httptest.Server) string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return port
}

// get is what a program with the proxy in its environment does.
func (r *rig) get(address string) (status int, body string) {
	r.t.Helper()
	u, _ := url.Parse("http://" + r.address)
	c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{Proxy: http.ProxyURL(u), DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := c.Get(address)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

func TestProxyPlain(t *testing.T) {
	t.Parallel()
	r := newRig(t, listen(t), false)
	for _, c := range []struct {
		address string
		status  int
		says    string
	}{
		{"http://listed.test:" + portOf(r.plain) + "/x", 200, "the world, /x"},
		{"http://LISTED.test.:" + portOf(r.plain) + "/x", 200, "the world, /x"},
		{"http://unlisted.test/", 403, "is not among the hosts that your course lets workspaces reach"},
		{"http://listed.test:" + portOf(r.tls) + "/", 403, "not a public one"}, // another port of this machine
		{"http://mapped.test:" + portOf(r.tls) + "/", 403, "not a public one"},
		{"http://cloud.test/latest/meta-data/", 403, "not a public one"},
		{"http://lan.test/", 403, "not a public one"},
		{"http://127.0.0.1:" + portOf(r.plain) + "/", 403, "not a public one"},
		{"http://broken.test/", 503, "cannot be looked up"},
		{"http://nowhere.test/", 502, "does not answer"},
	} {
		if status, body := r.get(c.address); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %q, want %d %q", c.address, status, body, c.status, c.says)
		}
	}
	if r.mu.Lock(); r.refused["w"] != 1 {
		t.Errorf("%d refusals counted, want 1", r.refused["w"])
	}
	r.mu.Unlock()

	// The host that is asked for is the one that is told, not one in a header.
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET http://listed.test:%s/ HTTP/1.1\r\nHost: unlisted.test\r\nConnection: close\r\n\r\n", portOf(r.plain))
	if text, _ := io.ReadAll(conn); !strings.Contains(string(text), "200 OK") || r.hostSeen.Load() != "listed.test:"+portOf(r.plain) {
		t.Errorf("with another Host: %q, the server saw %v", text, r.hostSeen.Load())
	}
	if status, _ := r.get("https://listed.test:" + portOf(r.plain) + "/"); status != 0 {
		t.Errorf("TLS with a server of none: %d", status)
	}
	direct, err := http.Get("http://" + r.address + "/")
	if err != nil || direct.StatusCode != http.StatusBadRequest {
		t.Errorf("asked as a server: %v, %v", direct, err)
	}
}

func TestProxyTunnel(t *testing.T) {
	t.Parallel()
	r := newRig(t, listen(t), true)
	if status, body := r.get("https://listed.test:" + portOf(r.tls) + "/y"); status != 200 || body != "the world, /y" {
		t.Errorf("listed: %d %q", status, body)
	}
	for _, address := range []string{"https://unlisted.test/", "https://cloud.test/", "https://inner.test:" + portOf(r.plain) + "/"} {
		if status, body := r.get(address); status != 0 || !strings.Contains(body, "Forbidden") {
			t.Errorf("%s: %d %q, want it forbidden", address, status, body)
		}
	}

	// A connection ends once the host is no longer listed.
	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "CONNECT listed.test:%s HTTP/1.1\r\nHost: x\r\n\r\n", portOf(r.tls))
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("CONNECT: %q, %v", line, err)
	}
	r.listed.Store(false)
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, in); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a connection outlives the list")
	}
}

func TestOneWorkspaceHoldsOnlySoManyConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t, listen(t), false)
	var held []net.Conn
	for range perWorkspace {
		c, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		held = append(held, c)
	}
	one := func() bool {
		c, err := net.Dial("tcp", r.address)
		if err != nil {
			return false
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		fmt.Fprintf(c, "GET http://unlisted.test/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		text, _ := io.ReadAll(c)
		return strings.Contains(string(text), "403")
	}
	if one() {
		t.Errorf("one more than %d connections was answered", perWorkspace)
	}
	held[0].Close()
	for end := time.Now().Add(10 * time.Second); !one(); {
		if time.Now().After(end) {
			t.Fatal("a place that was given back is not given away")
		}
	}
}
