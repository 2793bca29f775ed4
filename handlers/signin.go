package handlers

import (
	"net/http"
	"strings"

	"lectern/course"
	"lectern/views"
)

// narrow is the frame of a page with a single form.
func (s *Site) narrow(r *http.Request, title string) views.PageView {
	p := s.page(r, title)
	p.Width = "narrow"
	return p
}

// signInPage offers every way to sign in.
func (s *Site) signInPage(w http.ResponseWriter, r *http.Request) error {
	next := safeNext(r.URL.Query().Get("next"))
	if visitOf(r).signedIn() {
		return seeOther(w, r, next)
	}
	return s.showSignIn(w, r, http.StatusOK, next, "", "")
}

func (s *Site) showSignIn(w http.ResponseWriter, r *http.Request, status int, next, login, problem string) error {
	v := views.SignInView{Page: s.narrow(r, "Sign in"), Next: next, Local: s.Local && !s.Demo, Login: login, Error: problem,
		Providers: s.providerButtons()}
	if s.Demo {
		people, err := s.Store.DemoPeople(r.Context())
		if err != nil {
			return err
		}
		for _, p := range people {
			v.Demo = append(v.Demo, views.DemoView{Login: p.Login, Name: p.Name, Role: roleText(p.Role), Icon: roleIcon(p.Role)})
		}
	}
	return s.showStatus(w, r, status, views.SignIn(v))
}

// providerButtons lists the ways in besides a password, in the operator's order.
func (s *Site) providerButtons() []views.ProviderView {
	var out []views.ProviderView
	for _, p := range s.Providers {
		out = append(out, views.ProviderView{Label: p.Label, URL: providerPath(p.Name)})
	}
	return out
}

// signInLocally checks a login and a password. Whatever is wrong, the answer is
// the same and takes as long.
func (s *Site) signInLocally(w http.ResponseWriter, r *http.Request) error {
	if !s.Local || s.Demo {
		return course.Problemf(course.NotFound, "There is no sign-in with a password here.")
	}
	next := safeNext(r.PostFormValue("next"))
	typed := r.PostFormValue("login")
	login, password := strings.ToLower(strings.TrimSpace(typed)), r.PostFormValue("password")
	wrong := func() error {
		return s.showSignIn(w, r, http.StatusUnprocessableEntity, next, logSafe(typed, 63),
			"That login and password do not belong together.")
	}
	if !course.ValidLogin(login) || len(password) > 200 {
		return wrong()
	}
	g := s.limits.takeGuess(login, visitOf(r).address)
	if g == nil {
		s.Log.Warn("too many sign-ins", "address", visitOf(r).address)
		return s.showSignIn(w, r, http.StatusTooManyRequests, next, login,
			"There were too many attempts. Wait a quarter of an hour, then try again.")
	}
	known, err := s.Store.Credentials(r.Context(), login)
	if err != nil && !course.IsKind(err, course.NotFound) {
		g.giveBack()
		return err
	}
	ok, err := s.hasher.matches(r.Context(), password, known.Password)
	if err != nil {
		g.giveBack()
		return err
	}
	if !ok {
		return wrong()
	}
	g.giveBack()
	if err := s.signIn(r, known.User); err != nil {
		return err
	}
	return seeOther(w, r, next)
}

// signInDemo signs in as anybody, without a password. It is there only while
// the demo command runs.
func (s *Site) signInDemo(w http.ResponseWriter, r *http.Request) error {
	if !s.Demo {
		return course.Problemf(course.NotFound, "There is no page at this address.")
	}
	u, err := s.Store.UserByLogin(r.Context(), r.PostFormValue("login"))
	if err != nil {
		return err
	}
	if err := s.signIn(r, u); err != nil {
		return err
	}
	return seeOther(w, r, safeNext(r.PostFormValue("next")))
}

func roleText(r course.Role) string {
	switch r {
	case course.Student:
		return "Student"
	case course.Grader:
		return "Grader"
	case course.Instructor:
		return "Instructor"
	}
	return "No course"
}

func roleIcon(r course.Role) string {
	if r.Staff() {
		return "clipboard-check"
	}
	return "circle-user"
}

// roleOptions are the roles to choose from, with the chosen one marked.
func roleOptions(chosen course.Role) []views.Option {
	var out []views.Option
	for _, r := range course.Roles {
		out = append(out, views.Option{Value: string(r), Text: roleText(r), Selected: r == chosen})
	}
	return out
}
