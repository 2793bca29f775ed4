package handlers

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

const inviteLife = 14 * 24 * time.Hour

// newInvite is a token for a link, and what the database keeps of it.
func newInvite() (token string, hash []byte) {
	token = rand.Text()
	return token, inviteHash(token)
}

func inviteHash(token string) []byte {
	h := sha256.Sum256([]byte("invitation " + token))
	return h[:]
}

// NewInvitation makes a link by which a person first signs in, for the command
// line of an operator, who may invite anybody.
func NewInvitation() (path string, hash []byte, life time.Duration) {
	token, hash := newInvite()
	return invitePath(token), hash, inviteLife
}

// invitation shows what a link is for. Opening it uses nothing up: mail
// programs open links, too.
func (s *Site) invitation(w http.ResponseWriter, r *http.Request) error {
	return s.showInvitation(w, r, http.StatusOK, nil)
}

func (s *Site) showInvitation(w http.ResponseWriter, r *http.Request, status int, errs []views.FieldError) error {
	token := chi.URLParam(r, "token")
	inv, err := s.Store.Invitation(r.Context(), inviteHash(token), s.Now())
	if err != nil {
		return err
	}
	name := inv.Name
	if name == "" {
		name = inv.Login
	}
	w.Header().Set("Referrer-Policy", "no-referrer") // the address is the secret
	v := views.InviteView{Page: s.narrow(r, "Invitation"), URL: invitePath(token), Token: token, Login: inv.Login, Name: name,
		Course: inv.Course, Until: when(inv.ExpiresAt, s.Now(), time.UTC), Providers: s.providerButtons(), Local: s.Local,
		Errors: errs, Password: errorOf(errs, "password"), Again: errorOf(errs, "again")}
	if u := visitOf(r).user; u.ID != 0 && u.ID != inv.UserID {
		v.SignedIn = u.Login
	}
	return s.showStatus(w, r, status, views.Invite(v))
}

// acceptWithPassword uses an invitation by setting a local password.
func (s *Site) acceptWithPassword(w http.ResponseWriter, r *http.Request) error {
	if !s.Local {
		return course.Problemf(course.NotFound, "There is no sign-in with a password here.")
	}
	v := visitOf(r)
	if !s.limits.take("invite "+neighbourhood(v.address), 300) {
		return course.Problemf(course.Busy, "There were very many invitations from your network. Try again in a quarter of an hour.")
	}
	hash := inviteHash(chi.URLParam(r, "token"))
	inv, err := s.Store.Invitation(r.Context(), hash, s.Now())
	if err != nil {
		return err
	}
	if v.signedIn() && v.user.ID != inv.UserID {
		return course.Problemf(course.Conflict, "You are signed in as %s. Sign out first.", v.user.Login)
	}
	password := r.PostFormValue("password")
	if err := checkPassword(password, r.PostFormValue("again"), inv.Login); err != nil {
		errs, _ := formErrors(err)
		return s.showInvitation(w, r, http.StatusUnprocessableEntity, errs)
	}
	encoded, err := s.hasher.hash(r.Context(), password)
	if err != nil {
		return err
	}
	u, err := s.Store.Accept(r.Context(), hash, s.Now(), func(tx *store.Store, u course.User) error {
		if err := tx.SetPassword(r.Context(), u.ID, encoded, 0); err != nil {
			return err
		}
		return tx.Record(r.Context(), course.Activity{Actor: u.ID, Verb: "accepted an invitation", Detail: "with a password"})
	})
	if err != nil {
		return err
	}
	if err := s.signIn(r, u); err != nil {
		return err
	}
	return seeOther(w, r, "/")
}
