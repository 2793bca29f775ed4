package handlers

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

// idp is a real OpenID Connect provider, behind a proxy that can spoil what it
// says.
type idp struct {
	url    string
	people idpPeople
	spoil  atomic.Pointer[func(path string, body map[string]any)]
}

// idpPeople are its accounts, by subject.
type idpPeople map[string]*storage.User

func (p idpPeople) GetUserByID(id string) *storage.User { return p[id] }
func (p idpPeople) ExampleClientID() string             { return "service" }
func (p idpPeople) GetUserByUsername(name string) *storage.User {
	for _, u := range p {
		if u.Username == name {
			return u
		}
	}
	return nil
}

var quiet = sync.OnceFunc(func() { slog.SetDefault(slog.New(slog.DiscardHandler)) }) // the provider logs every request there

// newIDP runs one for clients of these callbacks: provider "campus" and
// "second" of the site.
func newIDP(t testing.TB, site *url.URL, people ...storage.User) *idp {
	t.Helper()
	quiet()
	p := &idp{people: idpPeople{}}
	for _, u := range people {
		p.people[u.ID] = &u
	}
	inner := httptest.NewUnstartedServer(nil)
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host, pr.Out.Host = "http", inner.Listener.Addr().String(), pr.In.Host
		},
		ModifyResponse: func(r *http.Response) error {
			spoil := p.spoil.Load()
			if spoil == nil || !strings.Contains(r.Header.Get("Content-Type"), "json") {
				return nil
			}
			var body map[string]any
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				return err
			}
			(*spoil)(r.Request.URL.Path, body)
			b, err := json.Marshal(body)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
			r.Header.Del("Content-Length")
			return err
		},
	})
	p.url = front.URL
	clients := map[string]*storage.Client{}
	for _, name := range []string{"campus", "second"} {
		clients[name] = storage.WebClient(name, "secret-of-"+name, site.String()+callbackPath(name))
	}
	inner.Config.Handler = exampleop.SetupServer(p.url, storage.NewStorageWithClients(p.people, clients), nil, false)
	inner.Start()
	t.Cleanup(func() { front.Close(); inner.Close() })
	return p
}

// provider is the site's configuration for it.
func (p *idp) provider(name, claim string) Provider {
	return Provider{Name: name, Label: "Campus " + name, Issuer: p.url, ClientID: name, ClientSecret: "secret-of-" + name, Claim: claim}
}

// oidcSite is a site without demo, with one provider that has three people.
// newcomer's login and address are those of somebody on the roster whom nobody
// ever signed in as.
func oidcSite(t testing.TB, claim string, change ...func(*Site)) (*testSite, *idp) {
	t.Helper()
	var p *idp
	s := newSite(t, append([]func(*Site){func(s *Site) {
		s.Demo = false
		p = newIDP(t, s.SiteURL,
			storage.User{ID: "sub-1", Username: "newcomer", Password: "pw", FirstName: "New", LastName: "Comer", Email: "newcomer@uni.example", EmailVerified: true},
			storage.User{ID: "sub-2", Username: "stranger", Password: "pw", FirstName: "A", LastName: "Stranger", Email: "stranger@uni.example", EmailVerified: true},
			storage.User{ID: "sub-3", Username: "copycat", Password: "pw", FirstName: "Copy", LastName: "Cat", Email: "newcomer@uni.example", EmailVerified: false})
		s.Providers = []Provider{p.provider("campus", claim), p.provider("second", "")}
	}}, change...)...)
	return s, p
}

var hiddenID = regexp.MustCompile(`name="id" value="([^"]*)"`)

// begin starts a sign-in and gives the provider's address.
func (b *browser) begin(provider string, form url.Values) string {
	b.t.Helper()
	a := b.post(providerPath(provider), form).want(b.t, 200, "begin at "+provider)
	to, ok := strings.CutPrefix(a.header.Get("Refresh"), "0; url=")
	if !ok || !strings.Contains(html.UnescapeString(a.body), to) {
		b.t.Fatalf("begin leads nowhere: %q", a.header.Get("Refresh"))
	}
	return to
}

// enter signs in at the provider, whose page it fills in, and gives the address
// that the provider sends the browser back to.
func (b *browser) enter(address, user string) string {
	b.t.Helper()
	base, err := url.Parse(address)
	if err != nil {
		b.t.Fatal(err)
	}
	abs := func(loc string) string {
		u, err := base.Parse(loc)
		if err != nil {
			b.t.Fatal(err)
		}
		return u.String()
	}
	a := b.get(address).want(b.t, http.StatusFound, "the provider's authorization page")
	page := b.get(abs(a.location())).want(b.t, 200, "the provider's login page")
	m := hiddenID.FindStringSubmatch(page.body)
	if m == nil {
		b.t.Fatalf("no form at the provider:\n%s", page.body)
	}
	a = b.post(abs("/login/username"), url.Values{"id": {m[1]}, "username": {user}, "password": {"pw"}}).want(b.t, http.StatusFound, "login at the provider")
	a = b.get(abs(a.location())).want(b.t, http.StatusFound, "the provider's way back")
	if !strings.HasPrefix(a.location(), b.base) {
		b.t.Fatalf("the provider sends back to %s", a.location())
	}
	return a.location()
}

// through is a whole sign-in.
func (b *browser) through(provider, user string, form url.Values) answer {
	b.t.Helper()
	return b.get(b.enter(b.begin(provider, form), user))
}

// who is the login of who is signed in; "" is nobody.
func (b *browser) who() string {
	b.t.Helper()
	a := b.get("/account")
	if a.status != 200 {
		return ""
	}
	_, rest, _ := strings.Cut(a.body, `<p class="sub">`)
	login, _, _ := strings.Cut(rest, "<")
	return login
}
