package handlers

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"lectern/course"
	"lectern/spawner"
	"lectern/store"
	"lectern/store/storetest"
)

// bench is a workspaces' host on real Postgres with stubs for upstreams: one
// course, one student with a session and a workspace.
type bench struct {
	t       testing.TB
	work    *Work
	store   *store.Store
	stubs   *stubs
	server  *httptest.Server
	student course.User
	member  course.MemberID
	session int64
	id      string
}

// stubs says where workspaces are, in place of the spawner.
type stubs struct {
	Workspaces
	mu      sync.Mutex
	targets map[string]spawner.Target
	touched int
}

func (s *stubs) Target(_ context.Context, id string) (spawner.Target, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.targets[id]
	if !ok {
		return t, spawner.ErrNotRunning
	}
	return t, nil
}

func (s *stubs) Touch(string, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touched++
}

func newBench(t testing.TB) *bench { t.Helper(); return newBenchAt(t, "http://*.work.test") }

func newBenchAt(t testing.TB, pattern string) *bench {
	t.Helper()
	origins, err := ParseOrigins(pattern)
	if err != nil {
		t.Fatal(err)
	}
	site, _ := url.Parse("http://lectern.test")
	b := &bench{t: t, store: storetest.New(t), stubs: &stubs{targets: map[string]spawner.Target{}}}
	b.work = newWork(Config{SiteURL: site, Work: origins, Loopback: true}, b.store, b.stubs, slog.New(slog.NewTextHandler(t.Output(), nil)), time.Now)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = b.work.run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	b.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, ok := origins.Label(r.Host)
		if !ok {
			t.Errorf("request for host %s", r.Host)
		}
		b.work.serve(w, r, id)
	}))
	t.Cleanup(b.server.Close)
	b.student, b.member = b.person("student")
	b.session = b.signIn(b.student)
	b.id = b.workspace(b.member)
	return b
}

// person is a new student of the one course.
func (b *bench) person(login string) (course.User, course.MemberID) {
	b.t.Helper()
	ctx := context.Background()
	u := course.User{Login: login}
	b.must(b.store.AddUser(ctx, &u))
	c, err := b.store.Course(ctx, "c")
	if err != nil {
		c = course.Course{Slug: "c", Title: "Course", Zone: "UTC", Image: "i"}
		teacher := course.User{Login: "teacher"}
		b.must(b.store.AddUser(ctx, &teacher))
		b.must(b.store.AddCourse(ctx, &c, teacher.ID))
	}
	m, err := b.store.AddMember(ctx, c.ID, u.ID, course.Student, "")
	b.must(err)
	return u, m
}

func (b *bench) signIn(u course.User) int64 {
	b.t.Helper()
	id, err := b.store.AddSession(context.Background(), rand.Text(), []byte{}, store.Session{UserID: &u.ID, Expiry: time.Now().Add(time.Hour)})
	b.must(err)
	return id
}

func (b *bench) workspace(m course.MemberID) string {
	b.t.Helper()
	c, err := b.store.Course(context.Background(), "c")
	b.must(err)
	id := strings.ToLower(rand.Text()[:16])
	w, err := b.store.AddWorkspace(context.Background(), store.Workspace{ID: id, CourseID: c.ID, MemberID: m, Image: "i", State: "running", Generation: 1})
	b.must(err)
	return w.ID
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) sql(q string, args ...any) {
	b.t.Helper()
	_, err := b.store.Pool().Exec(context.Background(), q, args...)
	b.must(err)
}

// upstream makes h the program in the bench's workspace.
func (b *bench) upstream(h http.Handler) *httptest.Server {
	up := httptest.NewServer(h)
	b.t.Cleanup(up.Close)
	b.dial(b.id, strings.TrimPrefix(up.URL, "http://"))
	return up
}

func (b *bench) dial(id, addr string) {
	b.stubs.mu.Lock()
	defer b.stubs.mu.Unlock()
	b.stubs.targets[id] = spawner.Target{Addr: addr, Token: "jupyters-token"}
}

// browser knows every name under work.test and follows no redirect.
func (b *bench) browser() *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, b.server.Listener.Addr().String())
	}}
	b.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ticket is the query that lets u's session into a workspace.
func (b *bench) ticket(id string, u course.User, session int64, next string) string {
	b.t.Helper()
	q, err := b.work.tickets.issue(context.Background(), id, u.ID, session, next)
	b.must(err)
	return q.Encode()
}

// enter takes a ticket and gives the answer and the cookie, if one was set.
func (b *bench) enter(id, query string) (*http.Response, string) {
	b.t.Helper()
	res := b.do(b.request(http.MethodGet, id, enterPath+"?"+query, ""))
	for _, c := range res.Cookies() {
		if c.Name == b.work.cookie() {
			return res, c.Value
		}
	}
	return res, ""
}

// in is the cookie of the bench's student in the bench's workspace.
func (b *bench) in() string {
	b.t.Helper()
	res, cookie := b.enter(b.id, b.ticket(b.id, b.student, b.session, "/lab"))
	if res.StatusCode != http.StatusSeeOther || cookie == "" {
		b.t.Fatalf("enter: %s", res.Status)
	}
	return cookie
}

func (b *bench) request(method, id, path, cookie string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequest(method, b.work.origins.Origin(id)+path, nil)
	b.must(err)
	if cookie != "" {
		r.Header.Set("Cookie", b.work.cookie()+"="+cookie)
	}
	return r
}

func (b *bench) do(r *http.Request) *http.Response {
	b.t.Helper()
	res, err := b.browser().Do(r)
	b.must(err)
	b.t.Cleanup(func() { res.Body.Close() })
	return res
}

func body(t testing.TB, res *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// echo answers with the request as it arrived.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	n, _ := io.Copy(io.Discard, r.Body)
	_ = json.NewEncoder(w).Encode(map[string]any{"host": r.Host, "uri": r.RequestURI, "method": r.Method, "header": r.Header, "bytes": n})
})

func TestATicketIsGoodOnceForItsHolderAndWorkspace(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.upstream(echo)
	other, otherMember := b.person("other")
	theirs := b.workspace(otherMember)

	query := b.ticket(b.id, b.student, b.session, "/lab/tree/ps1/a.ipynb?x=1")
	res, cookie := b.enter(b.id, query)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/lab/tree/ps1/a.ipynb?x=1" || cookie == "" {
		t.Fatalf("first use: %s to %s, cookie %q", res.Status, res.Header.Get("Location"), cookie)
	}
	set := res.Header.Get("Set-Cookie")
	if !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Lax") || strings.Contains(set, "Domain") {
		t.Errorf("cookie: %s", set)
	}
	if got := b.do(b.request(http.MethodGet, b.id, "/api", cookie)); got.StatusCode != http.StatusOK {
		t.Errorf("with the cookie: %s", got.Status)
	}
	back := b.request(http.MethodGet, b.id, enterPath+"?"+query, cookie)
	if res := b.do(back); res.StatusCode != http.StatusSeeOther || len(res.Cookies()) != 0 {
		t.Errorf("the same address again by one who is in: %s with cookies %v; want to be let on with none", res.Status, res.Cookies())
	}
	late := b.ticket(b.id, b.student, b.session, "/")
	for name, tc := range map[string]struct{ id, query string }{
		"used before":                     {b.id, query},
		"at another's workspace":          {theirs, b.ticket(b.id, b.student, b.session, "/")},
		"for another's workspace":         {theirs, b.ticket(theirs, b.student, b.session, "/")},
		"another's for my workspace":      {b.id, b.ticket(b.id, other, b.session, "/")},
		"of a session that never was":     {b.id, b.ticket(b.id, b.student, 987654, "/")},
		"with the way on changed":         {b.id, strings.Replace(b.ticket(b.id, b.student, b.session, "/lab"), "%2Flab", "%2Fevil", 1)},
		"with a bit changed":              {b.id, strings.Replace(late, "ticket=eyJ", "ticket=eyK", 1)},
		"without its signature":           {b.id, late[:strings.LastIndex(late, ".")]},
		"empty":                           {b.id, ""},
		"for a workspace that is nowhere": {"aaaaaaaaaaaaaaaa", b.ticket("aaaaaaaaaaaaaaaa", b.student, b.session, "/")},
	} {
		if res, cookie := b.enter(tc.id, tc.query); res.StatusCode != http.StatusForbidden || cookie != "" {
			t.Errorf("a ticket %s: %s, cookie %q; want 403 and none", name, res.Status, cookie)
		}
	}
	b.work.tickets.now = func() time.Time { return time.Now().Add(ticketLife + time.Second) }
	if res, cookie := b.enter(b.id, late); res.StatusCode != http.StatusForbidden || cookie != "" {
		t.Errorf("a ticket run out: %s, cookie %q; want 403 and none", res.Status, cookie)
	}
}

func TestOverHTTPSTheCookieCannotBePlanted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.upstream(echo)
	b.work.origins.scheme = "https" // as behind a proxy that ends TLS
	r, err := http.NewRequest(http.MethodGet, "http://"+b.id+".work.test"+enterPath+"?"+b.ticket(b.id, b.student, b.session, "/lab"), nil)
	b.must(err)
	set := b.do(r).Header.Get("Set-Cookie")
	for _, want := range []string{"__Host-lectern-work=", "Path=/", "HttpOnly", "Secure", "SameSite=Lax"} {
		if !strings.Contains(set, want) {
			t.Errorf("cookie %q lacks %s", set, want)
		}
	}
	if strings.Contains(set, "Domain") {
		t.Errorf("cookie %q names a domain", set)
	}
	value, _, _ := strings.Cut(strings.TrimPrefix(set, "__Host-lectern-work="), ";")
	for name, want := range map[string]int{"lectern-work": http.StatusForbidden, "__Host-lectern-work": http.StatusOK} {
		r, err := http.NewRequest(http.MethodGet, "http://"+b.id+".work.test/api", nil)
		b.must(err)
		r.Header.Set("Cookie", name+"="+value)
		if res := b.do(r); res.StatusCode != want {
			t.Errorf("the value under the name %s: %s, want %d", name, res.Status, want)
		}
	}
}

func TestFiftyUsesOfOneTicketAtOnceAreOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	query := b.ticket(b.id, b.student, b.session, "/lab")
	var wg sync.WaitGroup
	var mu sync.Mutex
	in := 0
	for range 50 {
		wg.Go(func() {
			res, err := b.browser().Get(b.work.origins.Origin(b.id) + enterPath + "?" + query)
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			if res.StatusCode == http.StatusSeeOther {
				in++
			}
		})
	}
	wg.Wait()
	if in != 1 {
		t.Errorf("%d got in, want 1", in)
	}
}

func TestWhoMayNotIsToldWhereToGo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.upstream(echo)
	mine := b.in()
	other, otherMember := b.person("other")
	theirs := b.workspace(otherMember)
	b.dial(theirs, b.stubs.targets[b.id].Addr)
	_, foreign := b.enter(theirs, b.ticket(theirs, other, b.signIn(other), "/"))
	for name, tc := range map[string]struct {
		id, cookie string
		want       int
	}{
		"without a cookie":            {b.id, "", http.StatusForbidden},
		"with an invented cookie":     {b.id, "AAAABBBBCCCCDDDD", http.StatusForbidden},
		"with another's cookie":       {b.id, foreign, http.StatusForbidden},
		"at another's workspace":      {theirs, mine, http.StatusForbidden},
		"with the cookie twice":       {b.id, mine + "; " + b.work.cookie() + "=x", http.StatusBadRequest},
		"at one's own":                {b.id, mine, http.StatusOK},
		"with a very long cookie":     {b.id, strings.Repeat("A", 4000), http.StatusForbidden},
		"at a workspace that is none": {"zzzz", mine, http.StatusForbidden},
	} {
		r := b.request(http.MethodGet, tc.id, "/lab", tc.cookie)
		r.Header.Set("Accept", "text/html,*/*")
		res := b.do(r)
		text := body(t, res)
		if res.StatusCode != tc.want {
			t.Errorf("%s: %s, want %d", name, res.Status, tc.want)
		}
		if tc.want == http.StatusForbidden && (!strings.Contains(text, `href="http://lectern.test"`) || strings.Contains(text, "jupyters-token")) {
			t.Errorf("%s: the page shows no way to Lectern: %s", name, text)
		}
		r = b.request(http.MethodGet, tc.id, "/api/contents", tc.cookie)
		if res := b.do(r); tc.want != http.StatusOK && !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: a script gets %s", name, res.Header.Get("Content-Type"))
		}
		r = b.request(http.MethodGet, tc.id, "/api/events/subscribe", tc.cookie)
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Origin", b.work.origins.Origin(tc.id))
		if res := b.do(r); tc.want != http.StatusOK && res.StatusCode != tc.want {
			t.Errorf("%s: a socket gets %s, want %d", name, res.Status, tc.want)
		}
	}
}

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
