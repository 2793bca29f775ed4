package handlers

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

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
