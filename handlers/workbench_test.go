package handlers

import (
	"context"
	"crypto/rand"
	"encoding/json"
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

func (s *stubs) Machines(context.Context) ([]spawner.Machine, error) { return nil, nil }

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
