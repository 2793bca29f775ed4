package handlers

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"lectern/course"
	"lectern/store"
	"lectern/store/storetest"
)

// testSite is a real Site on a real database, answering on a loopback port. Its
// people are named by role: the course "physics" has instructor, grader,
// student, student2 and an unclaimed "newcomer"; "history" has instructor2,
// grader2 and student3; admin has the site.
type testSite struct {
	*Site
	t       testing.TB
	server  *httptest.Server
	physics course.Course
	history course.Course
	users   map[string]course.User
}

// newSite makes one with demo sign-in, so that tests can be anybody.
func newSite(t testing.TB, change ...func(*Site)) *testSite {
	t.Helper()
	st := storetest.New(t)
	s := &testSite{t: t, users: map[string]course.User{}}
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Site.ServeHTTP(w, r) }))
	_, port, _ := strings.Cut(s.server.Listener.Addr().String(), ":")
	site, err := url.Parse("http://localhost:" + port)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Site{Config: Config{SiteURL: site, Demo: true, Local: true, Image: "lectern/notebook:latest"}, Store: st, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))}
	for _, o := range []struct {
		to      *Origins
		pattern string
	}{{&cfg.Work, "http://*.work.localhost:" + port}, {&cfg.Content, "http://*.content.localhost:" + port}} {
		if *o.to, err = ParseOrigins(o.pattern); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range change {
		f(&cfg)
	}
	s.Site = New(cfg)
	s.server.Start()
	t.Cleanup(s.server.Close)
	s.seed(st)
	return s
}

func (s *testSite) seed(st *store.Store) {
	s.t.Helper()
	ctx := s.t.Context()
	must := func(err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	for _, login := range []string{"admin", "instructor", "grader", "student", "student2", "newcomer", "instructor2", "grader2", "student3"} {
		u := course.User{Login: login, Name: "The " + login, Email: login + "@uni.example", SiteAdmin: login == "admin"}
		must(st.AddUser(ctx, &u))
		s.users[login] = u
	}
	for _, c := range []struct {
		to                *course.Course
		slug, teacher, ta string
		students          []string
	}{{&s.physics, "physics", "instructor", "grader", []string{"student", "student2", "newcomer"}}, {&s.history, "history", "instructor2", "grader2", []string{"student3"}}} {
		*c.to = course.Course{Slug: c.slug, Title: "Course of " + c.slug, Zone: "Europe/Berlin", Image: "lectern/notebook:latest"}
		must(st.AddCourse(ctx, c.to, s.users[c.teacher].ID))
		_, err := st.AddMember(ctx, c.to.ID, s.users[c.ta].ID, course.Grader, "")
		must(err)
		for _, login := range c.students {
			_, err := st.AddMember(ctx, c.to.ID, s.users[login].ID, course.Student, "A")
			must(err)
		}
	}
}

// browser is somebody at the site: cookies of their own, and the headers that
// a browser sends with a form of the site itself.
type browser struct {
	t      testing.TB
	base   string
	client *http.Client
}

// anonymous is a browser that nobody has signed in with. It follows no redirects.
func (s *testSite) anonymous() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{t: s.t, base: s.SiteURL.String(), client: &http.Client{Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// as is a browser signed in as login, through the demo sign-in.
func (s *testSite) as(login string) *browser {
	s.t.Helper()
	b := s.anonymous()
	if a := b.post("/sign-in/demo", url.Values{"login": {login}}); a.status != http.StatusSeeOther {
		s.t.Fatalf("signing in as %s: %d\n%s", login, a.status, a.body)
	}
	return b
}

// answer is a response, read.
type answer struct {
	status int
	body   string
	header http.Header
}

func (a answer) location() string { return a.header.Get("Location") }

func (b *browser) get(path string) answer {
	b.t.Helper()
	return b.do(http.MethodGet, path, nil, nil)
}

func (b *browser) post(path string, form url.Values) answer {
	b.t.Helper()
	return b.do(http.MethodPost, path, form, nil)
}

// do sends a request as the site's own page would, unless headers say otherwise.
func (b *browser) do(method, path string, form url.Values, headers map[string]string) answer {
	b.t.Helper()
	var body io.Reader
	if method != http.MethodGet {
		body = strings.NewReader(form.Encode())
	}
	if strings.HasPrefix(path, "/") {
		path = b.base + path
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		req.Header.Set("Origin", b.base)
	}
	for k, v := range headers {
		if v == "" {
			req.Header.Del(k)
		} else {
			req.Header.Set(k, v)
		}
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{resp.StatusCode, string(text), resp.Header}
}

// want fails unless the answer has this status.
func (a answer) want(t testing.TB, status int, what string) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("%s: status %d, want %d (to %s)\n%s", what, a.status, status, a.location(), a.body)
	}
	return a
}
