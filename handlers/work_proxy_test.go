package handlers

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestTheWorkspaceSeesJupytersTokenAndNothingOfOurs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.upstream(echo)
	r := b.request(http.MethodGet, b.id, "/api/x;y=%2F?a=1;b=2&c=%&token=mine", b.in())
	r.Header.Set("Cookie", r.Header.Get("Cookie")+"; _xsrf=2|abc; lectern=site")
	r.Header.Set("Authorization", "token of-the-visitor")
	r.Header.Set("X-Forwarded-For", "1.2.3.4")
	r.Header.Set("X-Forwarded-Host", "evil.example")
	r.Header.Set("Forwarded", "host=evil.example")
	r.Header.Set("Proxy-Authorization", "x")
	var got struct {
		Host, URI string
		Header    http.Header
	}
	res := b.do(r)
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Host != b.id+".work.test" {
		t.Errorf("host %q: Jupyter's origin check needs the browser's", got.Host)
	}
	if got.URI != "/api/x;y=%2F?a=1;b=2&c=%&token=mine" {
		t.Errorf("address changed on the way: %q", got.URI)
	}
	if a := got.Header["Authorization"]; len(a) != 1 || a[0] != "token jupyters-token" {
		t.Errorf("authorization %q", a)
	}
	if c := got.Header.Get("Cookie"); c != "_xsrf=2|abc" {
		t.Errorf("cookies %q, want Jupyter's own only", c)
	}
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Proxy-Authorization"} {
		if v := got.Header.Get(name); v != "" {
			t.Errorf("%s: %q arrived", name, v)
		}
	}
}

func TestOtherSitesCannotUseAStudentsBrowser(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.upstream(echo)
	cookie := b.in()
	own := b.work.origins.Origin(b.id)
	for name, tc := range map[string]struct {
		method string
		header map[string]string
		ok     bool
	}{
		"a page of its own":                 {"GET", map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, true},
		"typed into the address bar":        {"GET", map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, true},
		"a link from elsewhere":             {"GET", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, true},
		"a frame elsewhere":                 {"GET", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, false},
		"a picture in a neighbour's page":   {"GET", map[string]string{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, false},
		"a neighbour's script reads":        {"GET", map[string]string{"Origin": "http://bbbbbbbbbbbbbbbb.work.test"}, false},
		"no browser at all":                 {"GET", nil, true},
		"saving":                            {"PUT", map[string]string{"Origin": own, "Sec-Fetch-Site": "same-origin"}, true},
		"saving, an old browser":            {"PUT", map[string]string{"Origin": own}, true},
		"a neighbour's form":                {"POST", map[string]string{"Origin": "http://bbbbbbbbbbbbbbbb.work.test", "Sec-Fetch-Site": "same-site"}, false},
		"another site's form":               {"POST", map[string]string{"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, false},
		"another site's form, old browser":  {"POST", map[string]string{"Origin": "http://evil.example"}, false},
		"a form without an origin":          {"POST", map[string]string{"Origin": "null"}, false},
		"a delete from the site itself":     {"DELETE", map[string]string{"Origin": "http://lectern.test", "Sec-Fetch-Site": "cross-site"}, false},
		"a socket of its own":               {"GET", map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Origin": own}, true},
		"a socket from a neighbour":         {"GET", map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Origin": "http://bbbbbbbbbbbbbbbb.work.test"}, false},
		"a socket from the site":            {"GET", map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Origin": "http://lectern.test"}, false},
		"a socket from nowhere":             {"GET", map[string]string{"Upgrade": "websocket", "Connection": "Upgrade"}, false},
		"a socket from null":                {"GET", map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Origin": "null"}, false},
		"a socket from a host that ends so": {"GET", map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Origin": own + ".evil.example"}, false},
	} {
		r := b.request(tc.method, b.id, "/api/contents/x", cookie)
		for k, v := range tc.header {
			r.Header.Set(k, v)
		}
		res := b.do(r)
		// The stub does not speak websocket: reaching it is a plain 200.
		if got := res.StatusCode == http.StatusOK; got != tc.ok || (!tc.ok && res.StatusCode != http.StatusForbidden) {
			t.Errorf("%s: %s, want it through: %v", name, res.Status, tc.ok)
		}
	}
}

func TestUpstreamTrouble(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cookie := b.in()
	raw := func(serve func(net.Conn)) func() {
		return func() {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			b.must(err)
			t.Cleanup(func() { ln.Close() })
			go func() {
				for {
					c, err := ln.Accept()
					if err != nil {
						return
					}
					go func() { defer c.Close(); serve(c) }()
				}
			}()
			b.dial(b.id, ln.Addr().String())
		}
	}
	say := func(text string) func() {
		return raw(func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, text)
		})
	}
	for name, tc := range map[string]struct {
		set  func()
		want int
	}{
		"not running":         {func() { delete(b.stubs.targets, b.id) }, http.StatusServiceUnavailable},
		"a forbidden address": {func() { b.dial(b.id, "169.254.169.254:8888") }, http.StatusServiceUnavailable},
		"nobody listens": {func() {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			b.must(err)
			ln.Close()
			b.dial(b.id, ln.Addr().String())
		}, http.StatusBadGateway},
		"garbage":                   {say("\x00\xff\x00 what is this\r\n\r\n"), http.StatusBadGateway},
		"an early close":            {raw(func(net.Conn) {}), http.StatusBadGateway},
		"a reset":                   {raw(func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }), http.StatusBadGateway},
		"huge headers":              {say("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n"), http.StatusBadGateway},
		"endless informational":     {say(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 500)), http.StatusBadGateway},
		"a switch nobody asked for": {say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), http.StatusBadGateway},
	} {
		tc.set()
		r := b.request(http.MethodGet, b.id, "/lab/tree/ps1/a.ipynb", cookie)
		r.Header.Set("Accept", "text/html")
		res := b.do(r)
		text := body(t, res)
		want := `href="http://lectern.test/courses/c/workspaces/` + b.id + `?next=%2Flab%2Ftree%2Fps1%2Fa.ipynb"`
		if res.StatusCode != tc.want || !strings.Contains(text, want) {
			t.Errorf("%s, a page: %s, want %d with a way to start again: %.300s", name, res.Status, tc.want, text)
		}
		tc.set()
		res = b.do(b.request(http.MethodGet, b.id, "/api/kernels", cookie))
		var said struct{ Message string }
		if err := json.NewDecoder(res.Body).Decode(&said); err != nil || res.StatusCode != tc.want || said.Message == "" {
			t.Errorf("%s, a script: %s, %v, %q; want %d in JSON", name, res.Status, err, said.Message, tc.want)
		}
	}
}

func TestStreamsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	more := make(chan struct{})
	b.upstream(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sse" {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		fmt.Fprint(w, "first\n")
		w.(http.Flusher).Flush()
		<-more
		fmt.Fprint(w, "second\n")
	}))
	for _, path := range []string{"/sse", "/chunked"} {
		res := b.do(b.request(http.MethodGet, b.id, path, b.in()))
		in := bufio.NewReader(res.Body)
		if line, err := in.ReadString('\n'); err != nil || line != "first\n" {
			t.Fatalf("%s: %q, %v before the second part is written", path, line, err)
		}
		more <- struct{}{}
		if line, err := in.ReadString('\n'); err != nil || line != "second\n" {
			t.Errorf("%s: %q, %v", path, line, err)
		}
	}
}

func TestAnUploadHasALimit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.upstream(echo)
	cookie := b.in()
	r := b.request(http.MethodPut, b.id, "/api/contents/big", cookie)
	r.Body, r.ContentLength = io.NopCloser(io.LimitReader(zeros{}, uploadLimit+1)), uploadLimit+1
	if res := b.do(r); res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("announced too large: %s", res.Status)
	}
	r = b.request(http.MethodPut, b.id, "/api/contents/big", cookie)
	r.Body, r.ContentLength = io.NopCloser(io.LimitReader(zeros{}, uploadLimit+1)), -1
	if res, err := b.browser().Do(r); err == nil && res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("too large without saying so: %s", res.Status)
	}
	r = b.request(http.MethodPut, b.id, "/api/contents/small", cookie)
	r.Body, r.ContentLength = io.NopCloser(io.LimitReader(zeros{}, 5<<20)), -1
	if res := b.do(r); res.StatusCode != http.StatusOK || !strings.Contains(body(t, res), `"bytes":5242880`) {
		t.Errorf("5 MiB: %s", res.Status)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
