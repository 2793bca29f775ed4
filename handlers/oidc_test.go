package handlers

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"lectern/course"
)

// invite makes an invitation link for a person of physics, as their instructor.
func (s *testSite) invite(login string) (token string) {
	s.t.Helper()
	m, err := s.Store.Member(s.t.Context(), s.physics.ID, login)
	if err != nil {
		s.t.Fatal(err)
	}
	token, hash := newInvite()
	if err := s.Store.Invite(s.t.Context(), m, hash, s.users["instructor"], time.Now().Add(time.Hour)); err != nil {
		s.t.Fatal(err)
	}
	return token
}

func TestAnUnknownIdentityHasNoPlace(t *testing.T) {
	t.Parallel()
	s, p := oidcSite(t, "")
	b := s.anonymous()
	a := b.through("campus", "newcomer", nil).want(t, 403, "sign-in of somebody unknown")
	for _, text := range []string{p.url, "newcomer@uni.example", "Ask your instructor for an invitation"} {
		if !strings.Contains(a.body, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	if who := b.who(); who != "" {
		t.Errorf("signed in as %q", who)
	}
}

func TestAnInvitationIsClaimedOnceWithAnIdentity(t *testing.T) {
	t.Parallel()
	s, p := oidcSite(t, "")
	token := s.invite("newcomer")
	b := s.anonymous()
	if page := b.get("/invite/"+token).want(t, 200, "invitation"); !strings.Contains(page.body, "Course of physics") {
		t.Errorf("the invitation does not name the course:\n%s", page.body)
	}
	// An identity of whatever name may claim it: the link is what counts.
	if a := b.through("campus", "stranger", url.Values{"invite": {token}}); a.status != 303 || b.who() != "newcomer" {
		t.Fatalf("claim: %d, signed in as %q\n%s", a.status, b.who(), a.body)
	}
	s.anonymous().get("/invite/"+token).want(t, 404, "the same link again")
	s.anonymous().post(providerPath("campus"), url.Values{"invite": {token}}).want(t, 404, "claiming again")

	again := s.anonymous()
	a := again.through("campus", "stranger", url.Values{"next": {"/courses/physics"}})
	if a.status != 303 || a.location() != "/courses/physics" || again.who() != "newcomer" {
		t.Errorf("second sign-in: %d to %q as %q", a.status, a.location(), again.who())
	}
	// The address changes at the provider; the account stays.
	p.people["sub-2"].Email = "instructor@uni.example"
	if again := s.anonymous(); again.through("campus", "stranger", nil).status != 303 || again.who() != "newcomer" {
		t.Errorf("after a change of address: signed in as %q", again.who())
	}
}

func TestWhatTheOperatorTrustsMayClaimAnUnclaimedPersonOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		claim, user string
		want        string // login signed in as; "" is refused
	}{
		{"login", "newcomer", "newcomer"},
		{"login", "copycat", ""},
		{"email", "newcomer", "newcomer"},
		{"email", "copycat", ""}, // the same address, not verified
		{"email", "stranger", ""},
		{"", "newcomer", ""},
	} {
		s, _ := oidcSite(t, c.claim)
		b := s.anonymous()
		b.through("campus", c.user, nil)
		if who := b.who(); who != c.want {
			t.Errorf("claim %q as %s: signed in as %q, want %q", c.claim, c.user, who, c.want)
		}
	}
}

func TestTheSameMailIsNotTheSamePerson(t *testing.T) {
	t.Parallel()
	s, p := oidcSite(t, "email")
	s.anonymous().through("campus", "newcomer", nil).want(t, 303, "first claim")
	p.people["sub-3"].EmailVerified = true // now verified, still another subject
	b := s.anonymous()
	b.through("campus", "copycat", nil).want(t, 403, "same mail, other subject")
	if who := b.who(); who != "" {
		t.Errorf("the other subject is signed in as %q", who)
	}
	// Somebody who could sign in once is never claimed again.
	s2, p2 := oidcSite(t, "email")
	s2.setPassword("student", "correct horse battery")
	p2.people["sub-1"].Email = "student@uni.example"
	s2.anonymous().through("campus", "newcomer", nil).want(t, 403, "mail of somebody with a password")
	p2.people["sub-1"].Email = "admin@uni.example"
	s2.anonymous().through("campus", "newcomer", nil).want(t, 403, "mail of the site's administrator")
}

func TestStateIsOursBoundToTheBrowserAndGoodForOnce(t *testing.T) {
	t.Parallel()
	s, _ := oidcSite(t, "login")
	b := s.anonymous()
	a := b.do("POST", providerPath("campus")+"?state=attacker&provider=second", url.Values{"state": {"attacker"}}, nil).want(t, 200, "begin")
	address, err := url.Parse(strings.TrimPrefix(a.header.Get("Refresh"), "0; url="))
	if err != nil {
		t.Fatal(err)
	}
	q := address.Query()
	if q.Get("state") == "attacker" || len(q.Get("state")) < 20 || q.Get("client_id") != "campus" {
		t.Errorf("the state or the provider was the visitor's choice: %v", q)
	}
	if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) < 40 || len(q.Get("nonce")) < 20 {
		t.Errorf("no PKCE or nonce: %v", q)
	}
	bad := func(what string, b *browser, address string) {
		t.Helper()
		b.get(address).want(t, 400, what)
		if who := b.who(); who != "" {
			t.Errorf("%s: signed in as %q", what, who)
		}
	}
	back := b.enter(address.String(), "newcomer")
	bad("a browser that did not begin", s.anonymous(), back)
	bad("the attacker's state", b, strings.Replace(back, url.QueryEscape(q.Get("state")), "attacker", 1))
	bad("the right state after a wrong one", b, back) // popped by the first

	b = s.anonymous()
	back = b.enter(b.begin("campus", nil), "newcomer")
	bad("another provider's door", b, strings.Replace(back, "/with/campus/", "/with/second/", 1))
	if a := b.get(back); a.status != 303 || b.who() != "newcomer" {
		t.Fatalf("the right return: %d as %q\n%s", a.status, b.who(), a.body)
	}
	b.get(back).want(t, 400, "the same return again")

	// A code of one sign-in does not fit another: PKCE and nonce are its own.
	thief := s.anonymous()
	stolen, err := url.Parse(thief.enter(thief.begin("campus", nil), "stranger"))
	if err != nil {
		t.Fatal(err)
	}
	victim := s.anonymous()
	to, err := url.Parse(victim.begin("campus", nil))
	if err != nil {
		t.Fatal(err)
	}
	inject := url.Values{"code": {stolen.Query().Get("code")}, "state": {to.Query().Get("state")}}
	bad("an injected code", victim, callbackPath("campus")+"?"+inject.Encode())

	fresh := s.anonymous()
	to, err = url.Parse(fresh.begin("campus", nil))
	if err != nil {
		t.Fatal(err)
	}
	used, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	inject = url.Values{"code": {used.Query().Get("code")}, "state": {to.Query().Get("state")}}
	bad("a used code", fresh, callbackPath("campus")+"?"+inject.Encode())
}

func TestAFlowRunsOut(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s, _ := oidcSite(t, "login", func(s *Site) { s.Now = func() time.Time { return now } })
	b := s.anonymous()
	back := b.enter(b.begin("campus", nil), "newcomer")
	now = now.Add(11 * time.Minute)
	b.get(back).want(t, 400, "a return after eleven minutes")
}

func TestWhatAProviderSaysIsVerified(t *testing.T) {
	t.Parallel()
	s, p := oidcSite(t, "login")
	for name, spoil := range map[string]func(path string, body map[string]any){
		"a forged signature": func(_ string, body map[string]any) {
			if token, ok := body["id_token"].(string); ok {
				i := strings.LastIndex(token, ".") + 10
				c := byte('A')
				if token[i] == c {
					c = 'B'
				}
				body["id_token"] = token[:i] + string(c) + token[i+1:]
			}
		},
		"no id token": func(_ string, body map[string]any) { delete(body, "id_token") },
		"rubbish": func(_ string, body map[string]any) {
			if body["id_token"] != nil {
				body["id_token"] = "a.e30.b"
			}
		},
		"a number": func(_ string, body map[string]any) {
			if body["id_token"] != nil {
				body["id_token"] = 7
			}
		},
		"userinfo of somebody else": func(path string, body map[string]any) {
			if strings.Contains(path, "userinfo") {
				body["sub"] = "sub-2"
			}
		},
	} {
		p.spoil.Store(&spoil)
		b := s.anonymous()
		if a := b.through("campus", "newcomer", nil); a.status != 400 || b.who() != "" {
			t.Errorf("%s: %d, signed in as %q", name, a.status, b.who())
		}
	}
	p.spoil.Store(nil)
	b := s.anonymous()
	if b.through("campus", "newcomer", nil); b.who() != "newcomer" {
		t.Errorf("unspoilt: signed in as %q", b.who())
	}
}

func TestASecondIdentityIsLinkedWhileSignedInAndTheLastStays(t *testing.T) {
	t.Parallel()
	s, p := oidcSite(t, "login")
	s.anonymous().post(providerPath("campus"), url.Values{"link": {"yes"}}).want(t, 403, "linking without sign-in")
	b := s.anonymous()
	b.through("campus", "newcomer", nil).want(t, 303, "first sign-in")
	unlink := func(sub string) answer {
		return b.post("/account/identities/unlink", url.Values{"issuer": {p.url}, "subject": {sub}})
	}
	unlink("sub-1").want(t, 303, "unlink the only one")
	if page := b.get("/account"); !strings.Contains(page.body, "your only way to sign in") {
		t.Errorf("the last identity went, or nobody said why not:\n%s", page.body)
	}
	if a := b.through("second", "stranger", url.Values{"link": {"yes"}}); a.location() != "/account" {
		t.Fatalf("link: %d to %q", a.status, a.location())
	}
	other := s.anonymous()
	if other.through("second", "stranger", nil); other.who() != "newcomer" {
		t.Errorf("the linked identity signs in as %q", other.who())
	}
	// It cannot be taken over by linking it to another account.
	s.setPassword("student", "correct horse battery")
	student := s.anonymous()
	student.signIn("student", "correct horse battery").want(t, 303, "student")
	student.through("second", "stranger", url.Values{"link": {"yes"}}).want(t, 303, "link somebody else's")
	other = s.anonymous()
	if other.through("second", "stranger", nil); other.who() != "newcomer" {
		t.Errorf("a linked identity moved to %q", other.who())
	}
	unlink("sub-1").want(t, 303, "unlink the first")
	s.anonymous().through("campus", "newcomer", nil).want(t, 403, "sign-in with the unlinked one")
	unlink("sub-2").want(t, 303, "unlink the last")
	if b := s.anonymous(); b.through("campus", "stranger", nil).status != 303 {
		t.Error("the last identity was unlinked")
	}
}

func TestALinkBegunByOneIsNotFinishedByAnother(t *testing.T) {
	t.Parallel()
	s, _ := oidcSite(t, "")
	s.setPassword("student", "correct horse battery")
	s.setPassword("student2", "correct horse battery")
	b := s.anonymous()
	b.signIn("student", "correct horse battery").want(t, 303, "student")
	back := b.enter(b.begin("campus", url.Values{"link": {"yes"}}), "stranger")
	b.signIn("student2", "correct horse battery").want(t, 303, "student2 in the same browser")
	b.get(back).want(t, 400, "the return")
}

func TestAProviderThatIsDownHoldsUpNobody(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s := newSite(t, func(s *Site) {
		s.Providers = []Provider{{Name: "campus", Label: "Campus", Issuer: gone.URL, ClientID: "x", ClientSecret: "y"}}
	})
	b := s.anonymous()
	if page := b.get("/sign-in").want(t, 200, "sign-in page"); !strings.Contains(page.body, "Continue with Campus") {
		t.Error("no button for the provider")
	}
	if a := b.post(providerPath("campus"), nil).want(t, 503, "begin"); !strings.Contains(a.body, "does not answer") {
		t.Errorf("no word of why:\n%s", a.body)
	}
	b.post(providerPath("nobody"), nil).want(t, 404, "an unknown provider")
}

// GitHub speaks no OpenID Connect; its few addresses stand in for it here.
func TestGitHubSignsInByAccountNumberWithPKCE(t *testing.T) {
	t.Parallel()
	var challenge string
	name := "octo"
	mux := http.NewServeMux()
	hub := httptest.NewServer(mux)
	t.Cleanup(hub.Close)
	mux.HandleFunc("/login/oauth/access_token", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("code") != "good" || oauth2.S256ChallengeFromVerifier(r.FormValue("code_verifier")) != challenge || r.FormValue("client_secret") != "y" {
			http.Error(w, `{"error":"bad_verification_code"}`, http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"access_token": "t", "token_type": "bearer"})
	})
	mux.HandleFunc("/api/v3/user", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"id": 4711, "login": name, "name": "Octo"})
	})
	s := newSite(t, func(s *Site) {
		s.Demo = false
		s.Providers = []Provider{{Name: "github", Label: "GitHub", Issuer: hub.URL, ClientID: "x", ClientSecret: "y", GitHub: true}}
	})
	back := func(b *browser, form url.Values, code string) answer {
		u, err := url.Parse(b.begin("github", form))
		if err != nil {
			t.Fatal(err)
		}
		challenge = u.Query().Get("code_challenge")
		return b.get(callbackPath("github") + "?" + url.Values{"state": {u.Query().Get("state")}, "code": {code}}.Encode())
	}
	b := s.anonymous()
	back(b, nil, "bad").want(t, 400, "a bad code")
	back(b, nil, "good").want(t, 403, "somebody unknown")
	token := s.invite("newcomer")
	back(b, url.Values{"invite": {token}}, "good").want(t, 303, "with an invitation")
	name = "renamed" // names at GitHub change hands; numbers do not
	b = s.anonymous()
	if back(b, nil, "good").want(t, 303, "after renaming"); b.who() != "newcomer" {
		t.Errorf("signed in as %q", b.who())
	}
	if list, _, err := s.Store.Identities(t.Context(), s.users["newcomer"].ID); err != nil || len(list) != 1 || list[0].Subject != "4711" {
		t.Errorf("identities %+v, %v", list, err)
	}
}

func TestInvitationsAreRefusedWhereOneDoesNotTeach(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	m, err := s.Store.Member(ctx, s.physics.ID, "newcomer")
	if err != nil {
		t.Fatal(err)
	}
	try := func(by string) error {
		_, hash := newInvite()
		return s.Store.Invite(ctx, m, hash, s.users[by], time.Now().Add(time.Hour))
	}
	if err := try("instructor"); err != nil {
		t.Errorf("their own instructor: %v", err)
	}
	if err := try("instructor2"); !course.IsKind(err, course.Forbidden) {
		t.Errorf("another course's instructor: %v, want forbidden", err)
	}
	if _, err := s.Store.AddMember(ctx, s.history.ID, m.UserID, course.Student, ""); err != nil {
		t.Fatal(err)
	}
	for _, by := range []string{"instructor", "instructor2"} {
		if err := try(by); !course.IsKind(err, course.Forbidden) {
			t.Errorf("%s, after a second course has them: %v, want forbidden", by, err)
		}
	}
	if err := try("admin"); err != nil {
		t.Errorf("the site's administrator: %v", err)
	}
	s.setPassword("newcomer", "correct horse battery")
	if err := try("admin"); !course.IsKind(err, course.Conflict) {
		t.Errorf("for somebody who can sign in: %v, want conflict", err)
	}
}
