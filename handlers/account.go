package handlers

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lectern/course"
	"lectern/views"
)

// account shows a person how they sign in, and where they are signed in.
func (s *Site) account(w http.ResponseWriter, r *http.Request) error {
	return s.showAccount(w, r, http.StatusOK, nil)
}

func (s *Site) showAccount(w http.ResponseWriter, r *http.Request, status int, errs []views.FieldError) error {
	v, ctx, now := visitOf(r), r.Context(), s.Now()
	identities, password, err := s.Store.Identities(ctx, v.user.ID)
	if err != nil {
		return err
	}
	sessions, err := s.Store.SessionsOf(ctx, v.user.ID, now.Add(-sessionIdle))
	if err != nil {
		return err
	}
	p := views.AccountView{Page: s.page(r, "Account"), Login: v.user.Login, Email: cmp.Or(v.user.Email, "none"), Errors: errs,
		Name:  views.FieldView{Name: "name", Label: "Name", Value: v.user.Name, Error: errorOf(errs, "name"), Autocomplete: "name"},
		Local: s.Local && !s.Demo, HasPassword: password,
		Current:  views.FieldView{Name: "current", Label: "Current password", Type: "password", Error: errorOf(errs, "current"), Autocomplete: "current-password"},
		Password: views.FieldView{Name: "password", Label: "New password", Type: "password", Error: errorOf(errs, "password"), Autocomplete: "new-password", Hint: "At least 10 characters."},
		Again:    views.FieldView{Name: "again", Label: "The same again", Type: "password", Error: errorOf(errs, "again"), Autocomplete: "new-password"}}
	p.Page.Crumbs = []views.Crumb{{Text: "Account"}}
	ways := len(identities)
	if password {
		ways++
	}
	for _, i := range identities {
		p.Identities = append(p.Identities, views.IdentityView{Label: s.labelOf(i.Issuer), Issuer: i.Issuer, Subject: i.Subject, Account: cmp.Or(i.Email, i.Subject),
			Used: when(i.UsedAt, now, time.UTC), MayUnlink: ways > 1})
	}
	p.MayRemovePassword = password && ways > 1
	for _, pr := range s.Providers {
		p.Providers = append(p.Providers, views.ProviderView{Label: pr.Label, URL: providerPath(pr.Name)})
	}
	for _, x := range sessions {
		p.Sessions = append(p.Sessions, views.SessionView{ID: strconv.FormatInt(x.ID, 10), Agent: browserOf(x.Agent), Address: x.Address,
			Since: when(x.CreatedAt, now, time.UTC), Seen: when(x.SeenAt, now, time.UTC), This: x.ID == v.session.ID})
	}
	return s.showStatus(w, r, status, views.Account(p))
}

// labelOf names an issuer as the operator does, or by its address.
func (s *Site) labelOf(issuer string) string {
	for _, p := range s.Providers {
		if strings.TrimSuffix(p.Issuer, "/") == strings.TrimSuffix(issuer, "/") {
			return p.Label
		}
	}
	return issuer
}

// browserOf is the part of a browser's description that people know it by.
func browserOf(agent string) string {
	system := ""
	for _, s := range []struct{ in, name string }{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"CrOS", "ChromeOS"},
		{"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, s.in) {
			system = " on " + s.name
			break
		}
	}
	for _, b := range []struct{ in, name string }{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if strings.Contains(agent, b.in) {
			return b.name + system
		}
	}
	return cmp.Or(logSafe(agent, 60), "Unknown browser")
}

// renameAccount changes the name a person is shown by.
func (s *Site) renameAccount(w http.ResponseWriter, r *http.Request) error {
	name := course.OneLine(r.PostFormValue("name"))
	if name == "" || len(name) > 200 {
		return s.showAccount(w, r, http.StatusUnprocessableEntity, []views.FieldError{{Field: "name", Text: "Write a name of at most 200 characters."}})
	}
	if err := s.Store.Rename(r.Context(), visitOf(r).user.ID, name); err != nil {
		return err
	}
	s.flash(r, "good", "Saved.")
	return seeOther(w, r, accountPath)
}

// changePassword sets a local password. Who has one must know it; every other
// session of the person ends.
func (s *Site) changePassword(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if !s.Local || s.Demo {
		return course.Problemf(course.NotFound, "There is no sign-in with a password here.")
	}
	again := func(field, text string) error {
		return s.showAccount(w, r, http.StatusUnprocessableEntity, []views.FieldError{{Field: field, Text: text}})
	}
	known, err := s.Store.Credentials(r.Context(), v.user.Login)
	if err != nil {
		return err
	}
	if known.Password != "" {
		g := s.limits.takeGuess(v.user.Login, v.address)
		if g == nil {
			return again("current", "There were too many attempts. Wait a quarter of an hour.")
		}
		ok, err := s.hasher.matches(r.Context(), r.PostFormValue("current"), known.Password)
		if err != nil {
			g.giveBack()
			return err
		}
		if !ok {
			return again("current", "That is not your current password.")
		}
		g.giveBack()
	}
	if err := checkPassword(r.PostFormValue("password"), r.PostFormValue("again"), v.user.Login); err != nil {
		errs, _ := formErrors(err)
		return s.showAccount(w, r, http.StatusUnprocessableEntity, errs)
	}
	encoded, err := s.hasher.hash(r.Context(), r.PostFormValue("password"))
	if err != nil {
		return err
	}
	if err := s.Store.SetPassword(r.Context(), v.user.ID, encoded, v.session.ID); err != nil {
		return err
	}
	if err := s.Store.Record(r.Context(), course.Activity{Actor: v.user.ID, Verb: "changed the password"}); err != nil {
		return err
	}
	s.flash(r, "good", "Your password is changed. Everywhere else you are signed out.")
	return seeOther(w, r, accountPath)
}

// removePassword leaves the other ways to sign in, if there is one.
func (s *Site) removePassword(w http.ResponseWriter, r *http.Request) error {
	return s.accountAct(w, r, s.Store.RemovePassword(r.Context(), visitOf(r).user.ID), "removed the password", "Your password is gone.")
}

// unlinkIdentity takes a provider's identity away, unless it is the last way in.
func (s *Site) unlinkIdentity(w http.ResponseWriter, r *http.Request) error {
	err := s.Store.Unlink(r.Context(), visitOf(r).user.ID, r.PostFormValue("issuer"), r.PostFormValue("subject"))
	return s.accountAct(w, r, err, "unlinked a sign-in", "That sign-in no longer leads here.")
}

// endSession signs one other browser out.
func (s *Site) endSession(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	id, err := strconv.ParseInt(r.PostFormValue("id"), 10, 64)
	if err != nil {
		return course.Problemf(course.NotFound, "There is no such session.")
	}
	if id == v.session.ID {
		return s.signOut(w, r)
	}
	return s.accountAct(w, r, s.Store.EndSession(r.Context(), v.user.ID, id), "ended a session", "That browser is signed out.")
}

// endSessions signs the person out everywhere, here too.
func (s *Site) endSessions(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if err := s.Store.EndSessions(r.Context(), v.user.ID, 0); err != nil {
		return err
	}
	if err := s.Store.Record(r.Context(), course.Activity{Actor: v.user.ID, Verb: "signed out everywhere"}); err != nil {
		return err
	}
	return s.signOut(w, r)
}

// accountAct says what became of a change to the account.
func (s *Site) accountAct(w http.ResponseWriter, r *http.Request, err error, verb, text string) error {
	if p, ok := course.AsProblem(err); ok && p.Kind == course.Conflict {
		s.flash(r, "bad", p.Text)
		return seeOther(w, r, accountPath)
	}
	if err != nil {
		return err
	}
	if err := s.Store.Record(r.Context(), course.Activity{Actor: visitOf(r).user.ID, Verb: verb}); err != nil {
		return err
	}
	s.flash(r, "good", text)
	return seeOther(w, r, accountPath)
}
