package handlers

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"lectern/course"
)

func TestEndingASessionSignsThatBrowserOutAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	here, there, other := s.as("student"), s.as("student"), s.as("student2")
	sessions, err := s.Store.SessionsOf(t.Context(), s.users["student"].ID, time.Time{})
	if err != nil || len(sessions) != 2 {
		t.Fatalf("%d sessions, %v", len(sessions), err)
	}
	page := here.get("/account").want(t, 200, "account")
	if !strings.Contains(page.body, "127.0.0.1") || strings.Count(page.body, "This one") != 1 {
		t.Errorf("the page does not list the sessions:\n%s", page.body)
	}
	_, rest, _ := strings.Cut(page.body, "This one")
	mine, _, _ := strings.Cut(rest, "</form>")
	var theirs string
	for _, x := range sessions {
		if id := `name="id" value="` + itoa(x.ID) + `"`; !strings.Contains(mine, id) {
			theirs = itoa(x.ID)
		}
	}
	other.post("/account/sessions/end", url.Values{"id": {theirs}}).want(t, 404, "somebody else's session")
	there.get("/account").want(t, 200, "the other browser")
	here.post("/account/sessions/end", url.Values{"id": {theirs}}).want(t, 303, "end it")
	there.get("/account").want(t, 303, "the other browser, ended")
	here.get("/account").want(t, 200, "this browser")

	third := s.as("student")
	here.post("/account/sessions/end-all", nil).want(t, 303, "sign out everywhere")
	for name, b := range map[string]*browser{"this": here, "the third": third} {
		if a := b.get("/account"); a.status != 303 {
			t.Errorf("%s browser after signing out everywhere: %d", name, a.status)
		}
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func TestAnEndedSessionIsNotBroughtBackByASlowRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.as("student")
	var token string
	if err := s.Store.Pool().QueryRow(t.Context(), `select token from sessions where user_id is not null`).Scan(&token); err != nil {
		t.Fatal(err)
	}
	id := s.users["student"].ID
	if err := s.Store.EndSessions(t.Context(), id, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Store.SaveSession(t.Context(), token, []byte("x"), time.Now().Add(time.Hour), &id); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Store.SessionsOf(t.Context(), id, time.Time{}); err != nil || len(list) != 0 {
		t.Errorf("%d sessions, %v", len(list), err)
	}
}

func TestIdleAndOldSessionsEnd(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newSite(t, func(s *Site) { s.Now = func() time.Time { return now } })
	b := s.as("student")
	now = now.Add(sessionIdle - time.Hour)
	b.get("/account").want(t, 200, "just before it is idle")
	now = now.Add(sessionIdle - time.Hour)
	b.get("/account").want(t, 200, "used meanwhile")
	now = now.Add(sessionIdle + time.Hour)
	b.get("/account").want(t, 303, "idle")
}

func TestAChangedPasswordEndsTheOtherSessions(t *testing.T) {
	t.Parallel()
	s := localSite(t)
	s.setPassword("student", "correct horse battery")
	here, there := s.anonymous(), s.anonymous()
	for _, b := range []*browser{here, there} {
		b.signIn("student", "correct horse battery").want(t, 303, "sign in")
	}
	change := func(current, password, again string) int {
		return here.post("/account/password", url.Values{"current": {current}, "password": {password}, "again": {again}}).status
	}
	for what, got := range map[string]int{"a wrong current one": change("wrong", "another long one", "another long one"),
		"two that differ": change("correct horse battery", "another long one", "another long two"), "a short one": change("correct horse battery", "short", "short")} {
		if got != 422 {
			t.Errorf("%s: %d, want 422", what, got)
		}
	}
	if got := change("correct horse battery", "another long one", "another long one"); got != 303 {
		t.Fatalf("change: %d", got)
	}
	here.get("/account").want(t, 200, "this browser")
	there.get("/account").want(t, 303, "the other browser")
	s.anonymous().signIn("student", "correct horse battery").want(t, 422, "the old password")
	s.anonymous().signIn("student", "another long one").want(t, 303, "the new password")
	here.post("/account/password/remove", nil).want(t, 303, "remove the only way in")
	s.anonymous().signIn("student", "another long one").want(t, 303, "the password that stayed")
}

func TestAnotherZoneKeepsEveryWallTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	loc := s.physics.Location()
	due := time.Date(2026, 12, 1, 23, 59, 0, 0, loc)
	a := course.Assignment{CourseID: s.physics.ID, Slug: "lab", Title: "Lab", DueAt: &due}
	if err := s.Store.AddAssignment(t.Context(), &a); err != nil {
		t.Fatal(err)
	}
	b := s.as("instructor")
	save := func(zone string) answer {
		return b.post("/courses/physics/settings", url.Values{"title": {"Physics"}, "zone": {zone}, "image": {"lectern/notebook:latest"}})
	}
	save("America/Chicago").want(t, 303, "another zone")
	chicago, err := time.LoadLocation("America/Chicago")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Store.AssignmentByID(t.Context(), a.ID)
	if want := time.Date(2026, 12, 1, 23, 59, 0, 0, chicago); err != nil || !got.DueAt.Equal(want) {
		t.Errorf("due %v, %v; want %v", got.DueAt, err, want)
	}
	save("America/Chicago").want(t, 303, "the same zone again")
	if again, err := s.Store.AssignmentByID(t.Context(), a.ID); err != nil || !again.DueAt.Equal(*got.DueAt) {
		t.Errorf("saving again moved the deadline to %v, %v", again.DueAt, err)
	}
	for _, zone := range []string{"Mars/Base", "", "Local", "../etc/passwd"} {
		save(zone).want(t, 422, "zone "+zone)
	}
}

func TestCoursesAreMadeByTeachersOnceAForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	form := url.Values{"title": {"Chemistry"}, "zone": {"Europe/Berlin"}, "image": {"lectern/notebook:latest"}, "key": {"6f1f9c2e-9f0e-4a9b-8a53-0c0a4b1a2d3e"}}
	for _, login := range []string{"student", "grader"} {
		s.as(login).get("/courses/new").want(t, 403, "form for "+login)
		s.as(login).post("/courses/new", form).want(t, 403, "new course by "+login)
	}
	b := s.as("instructor")
	for range 2 { // the button pressed twice
		if a := b.post("/courses/new", form).want(t, 303, "new course"); a.location() != "/courses/chemistry" {
			t.Errorf("to %q", a.location())
		}
	}
	b.get("/courses/chemistry/roster").want(t, 200, "its roster")
	form.Set("key", "7f1f9c2e-9f0e-4a9b-8a53-0c0a4b1a2d3e")
	if a := b.post("/courses/new", form).want(t, 422, "the same name again"); !strings.Contains(a.body, "Another course has that short name") {
		t.Error("nobody says that the name is taken")
	}
	form.Set("slug", "new")
	b.post("/courses/new", form).want(t, 422, "a name that is an address")
	b.post("/courses/chemistry/settings/archive", url.Values{"archive": {"yes"}}).want(t, 303, "archive")
	if page := b.get("/"); !strings.Contains(page.body, "Archived courses") {
		t.Error("the archived course is not among the archived ones")
	}
	s.as("student").get("/courses/chemistry").want(t, 404, "for somebody else")
}

func TestActivityShowsWhoDidWhat(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.as("instructor")
	b.post("/courses/physics/people/student", url.Values{"role": {"student"}, "section": {"<script>"}}).want(t, 303, "change")
	for range 120 {
		if err := s.Store.Record(t.Context(), course.Activity{Actor: s.users["grader"].ID, CourseID: s.physics.ID, Verb: "looked around"}); err != nil {
			t.Fatal(err)
		}
	}
	page := b.get("/courses/physics/activity").want(t, 200, "activity")
	if strings.Count(page.body, `data-label="Who"`) != activityPage || !strings.Contains(page.body, "Older") {
		t.Errorf("the first page is not %d lines and a link to older ones", activityPage)
	}
	page = b.get("/courses/physics/activity?who=instructor&verb=changed+on+the+roster").want(t, 200, "filtered")
	if n := strings.Count(page.body, `data-label="Who"`); n != 1 || strings.Contains(page.body, "<script>&") || !strings.Contains(page.body, "&lt;script&gt;") {
		t.Errorf("%d lines, want 1, escaped:\n%s", n, page.body)
	}
	s.as("instructor2").get("/courses/history/activity").want(t, 200, "another course's")
}
