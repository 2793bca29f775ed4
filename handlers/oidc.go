package handlers

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/oauth2"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// flow is a sign-in under way at a provider. It lives in the session, for one
// return: what comes back must have been begun here, in this browser.
type flow struct {
	State, Nonce, Verifier string
	Session                string // goth's
	Next                   string
	Link                   course.UserID // who wants the identity linked; 0 signs in
	Invite                 string        // hex hash of the invitation it is for; "" is none
	At                     time.Time
}

const flowLife = 10 * time.Minute

func flowKey(provider string) string { return "flow " + provider }

// badCallback is a return from a provider that does not fit: 400.
type badCallback struct {
	text string
	err  error
}

func (b *badCallback) Error() string { return fmt.Sprintf("%s (%v)", b.text, b.err) }

// equal compares secrets in constant time; empty ones are never equal.
func equal(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// beginProvider sends a visitor to a provider: to sign in, to claim an
// invitation, or, from the account page, to link another identity.
func (s *Site) beginProvider(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	d, ok := s.doors[chi.URLParam(r, "provider")]
	if !ok {
		return course.Problemf(course.NotFound, "There is no such way to sign in.")
	}
	if !s.limits.take("begin "+neighbourhood(v.address), 2000) {
		return course.Problemf(course.Busy, "Too many sign-ins from your network were begun. Try again in a few minutes.")
	}
	f := flow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: safeNext(r.PostFormValue("next")), At: s.Now()}
	if r.PostFormValue("link") != "" {
		if !v.signedIn() {
			return errSignIn
		}
		f.Link, f.Next = v.user.ID, accountPath
	}
	if token := r.PostFormValue("invite"); token != "" {
		if _, err := s.Store.Invitation(r.Context(), inviteHash(token), s.Now()); err != nil {
			return err
		}
		f.Invite = hex.EncodeToString(inviteHash(token))
	}
	address, session, err := d.begin(r.Context(), f.State, f.Nonce, f.Verifier)
	if err != nil {
		return err
	}
	f.Session = session
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	s.sessions.Put(r.Context(), flowKey(d.Name), string(text))
	// Not a redirect: browsers hold form-action against every hop of one, and the policy names no provider.
	w.Header().Set("Refresh", "0; url="+address)
	return s.show(w, r, views.SignInGo(views.SignInGoView{Page: s.narrow(r, "Sign in"), Label: d.Label, URL: address}))
}

// returnFromProvider is where a provider sends the browser back to. It is the
// one GET that changes something; its state makes it good for once.
func (s *Site) returnFromProvider(w http.ResponseWriter, r *http.Request) error {
	err := s.arrive(w, r)
	var bad *badCallback
	if errors.As(err, &bad) {
		s.Log.Warn("sign-in refused", "request", visitOf(r).requestID, "provider", logSafe(chi.URLParam(r, "provider"), 60),
			"error", logSafe(fmt.Sprint(bad.err), 200))
		s.errorPage(w, r, http.StatusBadRequest, bad.text)
		return nil
	}
	return err
}

func (s *Site) arrive(w http.ResponseWriter, r *http.Request) error {
	d, ok := s.doors[chi.URLParam(r, "provider")]
	if !ok {
		return course.Problemf(course.NotFound, "There is no such way to sign in.")
	}
	var f flow
	kept := s.sessions.PopString(r.Context(), flowKey(d.Name)) // popped first: whatever follows, it was for once
	if kept == "" || json.Unmarshal([]byte(kept), &f) != nil {
		return &badCallback{"This sign-in was not begun in this browser, or is over already. Please sign in again.", errors.New("no flow")}
	}
	q := r.URL.Query()
	if len(q["state"]) != 1 || !equal(f.State, q.Get("state")) || s.Now().Sub(f.At) > flowLife {
		return &badCallback{"This sign-in was not begun in this browser, or took too long. Please sign in again.", errors.New("state")}
	}
	if q.Get("error") != "" {
		s.flash(r, "warn", d.Label+" did not sign you in: you may have cancelled.")
		return seeOther(w, r, signInPath(f.Next))
	}
	if len(q["code"]) != 1 || q.Get("code") == "" {
		return refused(d, errors.New("no code"))
	}
	a, err := d.finish(r.Context(), f.Session, q.Get("code"), f.Nonce, f.Verifier)
	if err != nil {
		return err
	}
	i := store.Identity{Issuer: a.issuer, Subject: a.subject, Email: logSafe(a.email, 254)}
	switch {
	case f.Link != 0:
		return s.linkIdentity(w, r, d, f, i)
	case f.Invite != "":
		return s.acceptByIdentity(w, r, d, f, i)
	}
	u, err := s.Store.UserOf(r.Context(), i.Issuer, i.Subject, i.Email)
	if course.IsKind(err, course.NotFound) {
		u, err = s.claim(r, d, a, i)
	}
	if course.IsKind(err, course.NotFound) {
		return s.showStatus(w, r, http.StatusForbidden, views.NoPlace(views.NoPlaceView{
			Page: s.narrow(r, "No place yet"), Label: d.Label, Issuer: a.issuer, Account: accountText(a)}))
	}
	if err != nil {
		return err
	}
	if err := s.signIn(r, u); err != nil {
		return err
	}
	return seeOther(w, r, f.Next)
}

// claim gives an unknown identity the roster entry that it matches, if the
// operator lets this provider's word count for that, and nobody ever could sign
// in as that person. Else NotFound.
func (s *Site) claim(r *http.Request, d *door, a arrival, i store.Identity) (u course.User, err error) {
	err = s.Store.InTx(r.Context(), func(tx *store.Store) error {
		switch {
		case d.Claim == "login" && course.ValidLogin(a.login):
			u, err = tx.ClaimByLogin(r.Context(), a.login)
		case d.Claim == "email" && a.emailVerified && course.ValidEmail(a.email):
			u, err = tx.ClaimByEmail(r.Context(), a.email)
		default:
			return course.Problemf(course.NotFound, "nobody")
		}
		if err != nil {
			return err
		}
		if err := tx.Link(r.Context(), u.ID, i); err != nil {
			return err
		}
		return tx.Record(r.Context(), course.Activity{Actor: u.ID, Verb: "claimed the account", Detail: "by " + d.Claim + " with " + d.Label})
	})
	return u, err
}

// linkIdentity adds an identity to the account of who is signed in.
func (s *Site) linkIdentity(w http.ResponseWriter, r *http.Request, d *door, f flow, i store.Identity) error {
	v := visitOf(r)
	if v.user.ID != f.Link {
		return &badCallback{"You have signed out or changed accounts meanwhile. Nothing was linked.", errors.New("another user")}
	}
	if err := s.Store.Link(r.Context(), v.user.ID, i); err != nil {
		if !course.IsKind(err, course.Conflict) {
			return err
		}
		s.flash(r, "bad", "That "+d.Label+" account already signs somebody in here, perhaps you. Nothing was changed.")
		return seeOther(w, r, accountPath)
	}
	if err := s.Store.Record(r.Context(), course.Activity{Actor: v.user.ID, Verb: "linked a sign-in", Detail: d.Label}); err != nil {
		return err
	}
	s.flash(r, "good", "From now on you can sign in with "+d.Label+", too.")
	return seeOther(w, r, accountPath)
}

// acceptByIdentity uses an invitation with a provider's identity.
func (s *Site) acceptByIdentity(w http.ResponseWriter, r *http.Request, d *door, f flow, i store.Identity) error {
	hash, err := hex.DecodeString(f.Invite)
	if err != nil {
		return err
	}
	u, err := s.Store.Accept(r.Context(), hash, s.Now(), func(tx *store.Store, u course.User) error {
		if err := tx.Link(r.Context(), u.ID, i); err != nil {
			return err
		}
		return tx.Record(r.Context(), course.Activity{Actor: u.ID, Verb: "accepted an invitation", Detail: "with " + d.Label})
	})
	if err != nil {
		return err
	}
	if err := s.signIn(r, u); err != nil {
		return err
	}
	return seeOther(w, r, "/")
}

// accountText names the account somebody came with, so that they see whether it
// was the right one.
func accountText(a arrival) string {
	for _, s := range []string{a.email, a.login, a.name, a.subject} {
		if s != "" {
			return logSafe(s, 120)
		}
	}
	return ""
}

const accountPath = "/account"

func providerPath(name string) string { return "/sign-in/with/" + url.PathEscape(name) }

func callbackPath(name string) string { return providerPath(name) + "/callback" }
