package handlers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/markbates/goth"
	"github.com/markbates/goth/providers/github"
	"github.com/markbates/goth/providers/openidConnect"
	"golang.org/x/oauth2"

	"lectern/course"
)

// Provider is somebody else who may sign people in, as the operator names them.
type Provider struct {
	Name         string // in addresses: lower case, digits, hyphens
	Label        string // on the button
	Issuer       string // OpenID Connect issuer; for GitHub its base address
	ClientID     string
	ClientSecret string
	GitHub       bool   // speaks GitHub's OAuth, not OpenID Connect
	Claim        string // "login" or "email": what may match a roster entry that nobody signed in as yet; usually ""
}

// door is a provider in use. An OpenID Connect provider is asked for its
// addresses when somebody first wants to go through, so that one that is down
// holds up nobody else, nor the start.
type door struct {
	Provider
	callback string
	client   *http.Client

	mu       sync.Mutex
	goth     goth.Provider
	verifier *oidc.IDTokenVerifier // nil for GitHub
	tried    time.Time             // when asking last failed
}

func newDoors(c Config) map[string]*door {
	doors := map[string]*door{}
	for _, p := range c.Providers {
		d := &door{Provider: p, callback: c.SiteURL.String() + callbackPath(p.Name), client: &http.Client{Timeout: 10 * time.Second}}
		if p.GitHub {
			base := strings.TrimSuffix(p.Issuer, "/")
			api := base + "/api/v3"
			if base == "https://github.com" {
				api = "https://api.github.com"
			}
			g := github.NewCustomisedURL(p.ClientID, p.ClientSecret, d.callback, base+"/login/oauth/authorize",
				base+"/login/oauth/access_token", api+"/user", api+"/user/emails", "read:user")
			g.HTTPClient = d.client
			d.goth = g
		}
		doors[p.Name] = d
	}
	return doors
}

// open asks the provider for its addresses and keys, once.
func (d *door) open(ctx context.Context) (goth.Provider, *oidc.IDTokenVerifier, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.goth != nil {
		return d.goth, d.verifier, nil
	}
	away := course.Problemf(course.Busy, "%s does not answer just now. Try again in a minute, or sign in another way.", d.Label)
	if time.Since(d.tried) < 5*time.Second {
		return nil, nil, away
	}
	// The keys are fetched anew later, with this client and no request's deadline.
	keys := oidc.ClientContext(context.WithoutCancel(ctx), d.client)
	p, err := oidc.NewProvider(keys, d.Issuer)
	var more struct {
		UserInfo string `json:"userinfo_endpoint"`
	}
	if err == nil {
		err = p.Claims(&more)
	}
	if err != nil {
		d.tried = time.Now()
		away.Err = err
		return nil, nil, away
	}
	g, err := openidConnect.NewCustomisedURL(d.ClientID, d.ClientSecret, d.callback, p.Endpoint().AuthURL, p.Endpoint().TokenURL,
		d.Issuer, more.UserInfo, "", "openid", "profile", "email")
	if err != nil {
		return nil, nil, fmt.Errorf("handlers: provider %s: %w", d.Name, err)
	}
	g.SetName(d.Name)
	g.HTTPClient = d.client
	d.goth, d.verifier = g, p.VerifierContext(keys, &oidc.Config{ClientID: d.ClientID})
	return d.goth, d.verifier, nil
}

// begin is the provider's address to send a browser to, and what to keep of it.
func (d *door) begin(ctx context.Context, state, nonce, verifier string) (address, session string, err error) {
	p, _, err := d.open(ctx)
	if err != nil {
		return "", "", err
	}
	s, err := p.BeginAuth(state)
	if err != nil {
		return "", "", fmt.Errorf("handlers: begin at %s: %w", d.Name, err)
	}
	address, err = s.GetAuthURL()
	if err != nil {
		return "", "", fmt.Errorf("handlers: begin at %s: %w", d.Name, err)
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", "", fmt.Errorf("handlers: begin at %s: %w", d.Name, err)
	}
	q := u.Query()
	q.Set("code_challenge", oauth2.S256ChallengeFromVerifier(verifier))
	q.Set("code_challenge_method", "S256")
	if !d.GitHub {
		q.Set("nonce", nonce)
	}
	u.RawQuery = q.Encode()
	return u.String(), s.Marshal(), nil
}

// arrival is a person as a provider vouches for them. Issuer and subject say
// who; the rest is for display, and for a claim the operator has allowed.
type arrival struct {
	issuer, subject string
	login, name     string
	email           string
	emailVerified   bool
}

// finish exchanges the code and checks everything the provider says.
func (d *door) finish(ctx context.Context, session, code, nonce, verifier string) (a arrival, err error) {
	// goth asserts types of what a provider sent; a malformed token is no reason to fall over.
	defer func() {
		if p := recover(); p != nil {
			err = refused(d, fmt.Errorf("something malformed: %v", p))
		}
	}()
	p, idTokens, err := d.open(ctx)
	if err != nil {
		return a, err
	}
	s, err := p.UnmarshalSession(session)
	if err != nil {
		return a, fmt.Errorf("handlers: session of %s: %w", d.Name, err)
	}
	if d.GitHub {
		return d.finishGitHub(ctx, p, s.(*github.Session), code, verifier)
	}
	if _, err := s.Authorize(p, url.Values{"code": {code}, "code_verifier": {verifier}}); err != nil {
		return a, refused(d, err)
	}
	// goth reads the token without its signature and without the nonce.
	token, err := idTokens.Verify(oidc.ClientContext(ctx, d.client), s.(*openidConnect.Session).IDToken)
	if err != nil {
		return a, refused(d, err)
	}
	if !equal(token.Nonce, nonce) || token.Subject == "" {
		return a, refused(d, fmt.Errorf("nonce or subject is not as expected"))
	}
	var azp struct {
		Party string `json:"azp"`
	}
	if err := token.Claims(&azp); err != nil || (len(token.Audience) > 1 || azp.Party != "") && azp.Party != d.ClientID {
		return a, refused(d, fmt.Errorf("the token was issued to %q", logSafe(azp.Party, 100)))
	}
	u, err := p.FetchUser(s)
	if err != nil {
		return a, refused(d, err)
	}
	if u.UserID != token.Subject {
		return a, refused(d, fmt.Errorf("two subjects in one sign-in"))
	}
	a = arrival{issuer: token.Issuer, subject: token.Subject, name: u.Name, email: u.Email}
	a.login, _ = u.RawData["preferred_username"].(string)
	a.emailVerified = u.RawData["email_verified"] == true || u.RawData["email_verified"] == "true"
	return a, nil
}

// finishGitHub exchanges the code itself: goth would leave out the verifier.
func (d *door) finishGitHub(ctx context.Context, p goth.Provider, s *github.Session, code, verifier string) (arrival, error) {
	base := strings.TrimSuffix(d.Issuer, "/")
	c := oauth2.Config{ClientID: d.ClientID, ClientSecret: d.ClientSecret, RedirectURL: d.callback,
		Endpoint: oauth2.Endpoint{TokenURL: base + "/login/oauth/access_token", AuthStyle: oauth2.AuthStyleInParams}}
	token, err := c.Exchange(context.WithValue(ctx, oauth2.HTTPClient, d.client), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return arrival{}, refused(d, err)
	}
	s.AccessToken = token.AccessToken
	u, err := p.FetchUser(s)
	if err != nil {
		return arrival{}, refused(d, err)
	}
	if u.UserID == "" || u.UserID == "0" {
		return arrival{}, refused(d, fmt.Errorf("no account number"))
	}
	return arrival{issuer: base, subject: u.UserID, login: u.NickName, name: u.Name, email: u.Email}, nil
}

// refused is what a person sees when a provider's word does not hold; the cause
// is for the log.
func refused(d *door, err error) error {
	return &badCallback{text: fmt.Sprintf("The sign-in with %s did not work. Nothing was changed; please try again.", d.Label), err: err}
}
