package handlers

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"testing"

	"lectern/course"
)

func TestDemoSignInLeadsWhereOneWanted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.anonymous()
	if a := b.get("/courses/physics/roster?q=x"); a.location() != "/sign-in?next=%2Fcourses%2Fphysics%2Froster%3Fq%3Dx" {
		t.Errorf("anonymous was sent to %q", a.location())
	}
	page := b.get("/sign-in?next=/courses/physics").want(t, 200, "sign-in page")
	if !strings.Contains(page.body, `value="instructor"`) || !strings.Contains(page.body, `value="/courses/physics"`) {
		t.Errorf("no button for the instructor that leads back:\n%s", page.body)
	}
	a := b.post("/sign-in/demo", url.Values{"login": {"instructor"}, "next": {"/courses/physics"}})
	if a.status != 303 || a.location() != "/courses/physics" {
		t.Errorf("demo sign-in: %d to %q", a.status, a.location())
	}
	if home := b.get("/").want(t, 200, "home"); !strings.Contains(home.body, "Course of physics") || strings.Contains(home.body, "Course of history") {
		t.Errorf("home does not show one's own courses only:\n%s", home.body)
	}
	b.post("/sign-out", nil).want(t, 303, "sign out")
	b.get("/").want(t, 303, "home after sign-out")
}

func TestDemoSignInIsNotThereOutsideTheDemo(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(s *Site) { s.Demo = false })
	s.anonymous().post("/sign-in/demo", url.Values{"login": {"instructor"}}).want(t, 404, "demo sign-in")
	if strings.Contains(s.anonymous().get("/sign-in").body, "demo") {
		t.Error("the sign-in page speaks of a demo")
	}
}

// setPassword gives a person a password as their invitation would.
func (s *testSite) setPassword(login, password string) {
	s.t.Helper()
	encoded, err := s.hasher.hash(s.t.Context(), password)
	if err == nil {
		err = s.Store.SetPassword(s.t.Context(), s.users[login].ID, encoded, 0)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func localSite(t testing.TB) *testSite { return newSite(t, func(s *Site) { s.Demo = false }) }

func (b *browser) signIn(login, password string) answer {
	return b.post("/sign-in", url.Values{"login": {login}, "password": {password}, "next": {"/account"}})
}

func TestAPasswordSignsInAndAWrongOneSaysNothing(t *testing.T) {
	t.Parallel()
	s := localSite(t)
	s.setPassword("student", "correct horse battery")
	if a := s.anonymous().signIn(" Student ", "correct horse battery"); a.status != 303 || a.location() != "/account" {
		t.Errorf("right password: %d to %q", a.status, a.location())
	}
	var said []string
	for _, try := range [][2]string{{"student", "wrong horse battery"}, {"nobody", "x"}, {"newcomer", ""}, {"newcomer", "x"}, {"../x", "x"}} {
		a := s.anonymous().signIn(try[0], try[1]).want(t, 422, "sign in as "+try[0])
		said = append(said, a.body[strings.Index(a.body, "do not belong together")-40:][:60])
	}
	for _, text := range said[1:] {
		if text != said[0] {
			t.Errorf("the answers differ: %q and %q", said[0], text)
		}
	}
}

func TestSessionsAreRotatedAndAStolenOldOneIsWorthless(t *testing.T) {
	t.Parallel()
	s := localSite(t)
	s.setPassword("student", "correct horse battery")
	b := s.anonymous()
	b.do("GET", "/sign-in?next=/x", nil, nil)
	// A planted cookie must not become the signed-in session.
	site, _ := url.Parse(b.base)
	b.client.Jar.SetCookies(site, []*http.Cookie{{Name: "lectern", Value: "planted-by-somebody-else-planted-by-somebody"}})
	b.signIn("student", "correct horse battery").want(t, 303, "sign in")
	first := b.client.Jar.Cookies(site)[0].Value
	if first == "planted-by-somebody-else-planted-by-somebody" {
		t.Fatal("the planted session was signed in")
	}
	b.signIn("student", "correct horse battery").want(t, 303, "sign in again")
	if again := b.client.Jar.Cookies(site)[0].Value; again == first {
		t.Error("signing in again kept the session's token")
	}
	thief := s.anonymous()
	thief.client.Jar.SetCookies(site, []*http.Cookie{{Name: "lectern", Value: first}})
	thief.get("/account").want(t, 303, "account with the old token")
}

func TestGuessesAreLimitedByAccountAndAddress(t *testing.T) {
	t.Parallel()
	s := localSite(t)
	s.setPassword("student", "correct horse battery")
	s.setPassword("student2", "correct horse battery")
	for range 10 {
		s.anonymous().signIn("student", "wrong").want(t, 422, "wrong password")
	}
	s.anonymous().signIn("student", "correct horse battery").want(t, 429, "right password after ten wrong ones")
	s.anonymous().signIn("student2", "correct horse battery").want(t, 303, "somebody else at the same address")
	// Right ones are not counted: a lecture hall shares an address.
	for range 12 {
		s.anonymous().signIn("student2", "correct horse battery").want(t, 303, "right password, often")
	}
}

func TestADisabledAccountIsNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.as("student")
	if _, err := s.Store.Pool().Exec(t.Context(), `update users set disabled_at = now() where login = 'student'`); err != nil {
		t.Fatal(err)
	}
	b.get("/account").want(t, 303, "account of a disabled person")
	s.anonymous().post("/sign-in/demo", url.Values{"login": {"student"}}).want(t, 403, "sign in as a disabled person")
}

func TestPasswordsAreEncodedAsArgon2idAndDecodedStrictly(t *testing.T) {
	t.Parallel()
	h := newHasher()
	enc, err := h.hash(t.Context(), "correct horse battery")
	if err != nil || !strings.HasPrefix(enc, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("hash = %q, %v", enc, err)
	}
	for password, want := range map[string]bool{"correct horse battery": true, "correct horse batterz": false, "": false} {
		if got, err := h.matches(t.Context(), password, enc); got != want || err != nil {
			t.Errorf("matches(%q) = %t, %v", password, got, err)
		}
	}
	if ok, err := h.matches(t.Context(), "", ""); ok || err != nil {
		t.Errorf("an account without a password was entered: %t, %v", ok, err)
	}
	if _, err := h.matches(t.Context(), "x", "$argon2i$v=19$m=1,t=1,p=1$AAAA$AAAA"); err == nil {
		t.Error("another algorithm was accepted")
	}
}

func TestNextIsAPathOfThisSite(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/courses/x": "/courses/x", "/courses/x?a=b&c=%2F": "/courses/x?a=b&c=%2F", "": "/", "courses": "/", "//": "/", "//evil.example": "/",
		`/\evil.example`: "/", "/%5cevil.example": "/", "/%2F/evil.example": "/", "https:evil": "/", "https://evil.example/": "/", "///evil": "/",
		"/\tx": "/", "/a\r\nSet-Cookie: x": "/", "/%09/evil": "/", "/..//evil.example": "/", "/a/../..//evil.example": "/", "javascript:alert(1)": "/",
		"/sign-in?next=/x": "/", "/sign-out": "/", "/.//evil": "/", "/a#b": "/a", "/courses/über": "/courses/%C3%BCber",
	} {
		if got := safeNext(in); got != want {
			t.Errorf("safeNext(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzNextNeverLeavesTheSite(f *testing.F) {
	for _, s := range []string{"/a", "//b", `/\c`, "/%5cd", "https:e", "/;//f", "/?//g", "/%00", "/\u2028/", "/@h", "/:80", "/%2e%2e//i"} {
		f.Add(s)
	}
	base, err := url.Parse("https://lectern.example/sign-in")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out := safeNext(in)
		// A browser takes \ for /, and drops tabs and line ends.
		seen := strings.NewReplacer(`\`, "/", "\t", "", "\r", "", "\n", "").Replace(out)
		u, err := base.Parse(seen)
		if err != nil || u.Host != base.Host || u.Scheme != "https" || !strings.HasPrefix(seen, "/") || strings.HasPrefix(seen, "//") {
			t.Errorf("safeNext(%q) = %q leads to %v (%v)", in, out, u, err)
		}
		if p, _, _ := strings.Cut(out, "?"); path.Clean(p) != p {
			t.Errorf("safeNext(%q) = %q is not a clean path", in, out)
		}
	})
}

func TestForwardedAddressesAreBelievedOfTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"192.0.2.1:5", "198.51.100.9", "192.0.2.1"},
		{"10.0.0.1:5", "198.51.100.9", "198.51.100.9"},
		{"10.0.0.1:5", "1.2.3.4, 198.51.100.9, 10.2.2.2", "198.51.100.9"},
		{"10.0.0.1:5", "rubbish", "10.0.0.1"},
		{"10.0.0.1:5", "198.51.100.9, rubbish", "10.0.0.1"},
		{"[::1]:5", "2001:db8::7", "2001:db8::7"},
		{"[::ffff:10.0.0.1]:5", "198.51.100.9", "198.51.100.9"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := clientAddress(r, trusted); got != c.want {
			t.Errorf("from %s for %q: %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
	if a, b := neighbourhood("2001:db8::1"), neighbourhood("2001:db8::ffff"); a != b {
		t.Errorf("one home's addresses count apart: %s and %s", a, b)
	}
}

func TestHostileTextMakesOneShortLine(t *testing.T) {
	t.Parallel()
	if got := logSafe(strings.Repeat("x\n\x1b", 400_000), 200); len(got) > 200 || strings.ContainsAny(got, "\n\x1b") {
		t.Errorf("logSafe gave %d bytes: %q", len(got), got)
	}
}

func TestPasswordRulesAreAboutLength(t *testing.T) {
	t.Parallel()
	for password, ok := range map[string]bool{"correct horse": true, "short": false, "student123": false, "aaaaaaaaaaaa": false, strings.Repeat("ab", 150): false} {
		if err := checkPassword(password, password, "student"); (err == nil) != ok {
			t.Errorf("checkPassword(%q) = %v", password, err)
		}
	}
	if err := checkPassword("correct horse", "correct house", "student"); !course.IsKind(err, course.Invalid) {
		t.Errorf("two different passwords: %v", err)
	}
}
