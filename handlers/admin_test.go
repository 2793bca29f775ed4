package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"lectern/course"
)

func TestAnAdministratorKeepsTheSite(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin, student := s.as("admin"), s.as("student")
	if home := student.get("/").want(t, http.StatusOK, "a student's home"); strings.Contains(home.body, `href="/admin"`) {
		t.Error("a student is shown the administration")
	}
	if home := admin.get("/").want(t, http.StatusOK, "home"); !strings.Contains(home.body, `href="/admin"`) {
		t.Error("no link to the administration")
	}
	page := admin.get("/admin?q=student2").want(t, http.StatusOK, "the page")
	for want, there := range map[string]bool{`value="student2"`: true, `value="instructor"`: false, "Course of history": true, "Postgres": true} {
		if strings.Contains(page.body, want) != there {
			t.Errorf("%q on the page: %v, want %v", want, !there, there)
		}
	}
	change := func(login, what string) answer {
		return admin.post("/admin/people", url.Values{"login": {login}, "what": {what}})
	}
	change("student", "disable").want(t, http.StatusSeeOther, "disabling")
	if a := student.get("/"); a.status == http.StatusOK {
		t.Error("a disabled account still sees its home")
	}
	if n := s.sessionsOf(t, "student"); n != 0 {
		t.Errorf("%d sessions outlived the account", n)
	}
	change("student", "enable").want(t, http.StatusSeeOther, "enabling")
	s.as("student").get("/").want(t, http.StatusOK, "back in")

	change("admin", "revoke").want(t, http.StatusConflict, "oneself")
	change("instructor", "sing").want(t, http.StatusUnprocessableEntity, "nonsense")
	change("nobody", "grant").want(t, http.StatusNotFound, "nobody")
	change("instructor", "grant").want(t, http.StatusSeeOther, "granting")
	s.as("instructor").get("/admin").want(t, http.StatusOK, "the second administrator")
	change("instructor", "revoke").want(t, http.StatusSeeOther, "revoking")
	s.as("instructor").get("/admin").want(t, http.StatusNotFound, "no longer")
}

func (s *testSite) sessionsOf(t *testing.T, login string) (n int) {
	t.Helper()
	if err := s.Store.Pool().QueryRow(t.Context(), `select count(*) from sessions where user_id = $1`, s.users[login].ID).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTwoAdministratorsCannotTakeTheSiteFromEachOther(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b := s.users["admin"].ID, s.users["instructor"].ID
	if err := s.Store.GrantSite(t.Context(), b, a, true); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	errs := make([]error, 2)
	wg.Go(func() { errs[0] = s.Store.GrantSite(t.Context(), b, a, false) })
	wg.Go(func() { errs[1] = s.Store.DisableAccount(t.Context(), a, b, true) })
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Fatalf("got %v and %v, want one of them refused", errs[0], errs[1])
	}
	for _, err := range errs {
		if err != nil && !course.IsKind(err, course.Conflict) {
			t.Errorf("got %v, want a conflict", err)
		}
	}
	if people, err := s.Store.AdminPeople(t.Context(), "", "admin", 0, 10); err != nil || len(people) == 0 {
		t.Errorf("nobody has the site: %v", err)
	}
}
