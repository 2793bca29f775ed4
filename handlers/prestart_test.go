package handlers

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func (d *desk) prestarted() int {
	d.spawn.mu.Lock()
	defer d.spawn.mu.Unlock()
	return len(d.spawn.prestarted)
}

const marker = "data-prestart="

func TestLookingAtAnAssignmentMakesItsWorkspaceReady(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Prestart = true
	student := d.as("student")
	page := student.get(ps1Path).want(t, http.StatusOK, "the assignment").body
	if !strings.Contains(page, marker+`"`+ps1Path+`/prestart"`) || !strings.Contains(page, "/static/prestart.") {
		t.Error("the page does not ask for its workspace")
	}
	if d.prestarted() != 0 {
		t.Error("looking at the page started something without its script")
	}
	student.post(ps1Path+"/prestart", nil).want(t, http.StatusNoContent, "the script asks")
	if d.prestarted() != 1 {
		t.Fatalf("%d were started ahead, want 1", d.prestarted())
	}
	if got := d.spawn.prestarted[0]; got.CourseID != d.physics.ID || got.Image != "lectern/notebook:latest" || got.SubmissionID != 0 || got.MemberID == 0 {
		t.Errorf("asked for %+v", got)
	}
	// It is no opening: no files are laid out, and nothing is noted.
	if n := d.count(`select count(*) from works`) + d.count(`select count(*) from activity where verb like 'opened%'`); n != 0 {
		t.Error("being started ahead counts as opened")
	}
	// Whoever may not open it starts nothing, and is told nothing else.
	student.get(ps1Path+"/prestart").want(t, http.StatusNotFound, "asking by a link")
	d.as("student3").post(ps1Path+"/prestart", nil).want(t, http.StatusNotFound, "a student of another course asks")
	d.anonymous().post(ps1Path+"/prestart", nil).want(t, http.StatusForbidden, "a stranger asks")
	for _, login := range []string{"instructor", "grader", "admin"} {
		d.as(login).post(ps1Path+"/prestart", nil).want(t, http.StatusNoContent, login+" asks")
	}
	d.sql(`update assignments set released_at = null, release_version = 0`)
	student.post(ps1Path+"/prestart", nil).want(t, http.StatusNotFound, "not released")
	if d.prestarted() != 1 {
		t.Errorf("%d were started ahead, want still 1", d.prestarted())
	}
}

// Who is done, or may not work, needs no workspace.
func TestNothingIsMadeReadyForWhatIsDone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Prestart = true
	student := d.as("student")
	was := 0
	check := func(want bool, what string) {
		t.Helper()
		if got := strings.Contains(student.get(ps1Path).want(t, http.StatusOK, what).body, marker); got != want {
			t.Errorf("%s: the page asks: %v, want %v", what, got, want)
		}
		student.post(ps1Path+"/prestart", nil).want(t, http.StatusNoContent, what)
		if got := d.prestarted() > was; got != want {
			t.Errorf("%s: started: %v, want %v", what, got, want)
		}
		was = d.prestarted()
	}
	check(true, "before the due time")
	d.sql(`update assignments set due_at = $1`, d.now.Add(-time.Hour))
	check(false, "past the due time and never opened")
	d.sql(`insert into works (assignment_id, member_id, fetched_at) select a.id, m.id, now() from assignments a, members m join users u on u.id = m.user_id where u.login = 'student'`)
	check(true, "past the due time, opened and not handed in")
	d.sql(`update courses set archived_at = now()`)
	check(false, "an archived course")
	d.sql(`update courses set archived_at = null, prestart = false`)
	check(false, "switched off in the course")
	d.sql(`update courses set prestart = true`)
	d.Prestart = false
	check(false, "switched off in the site")
	d.Prestart = true
	d.sql(`insert into submissions (assignment_id, member_id, kind, key, taken_at, counts, snapshot, digest, files, bytes)
		select a.id, m.id, 'collect', gen_random_uuid(), now(), true, 'x', 'x', '[]', 0 from assignments a, members m join users u on u.id = m.user_id where u.login = 'student'`)
	check(false, "collected")
}

func TestTheCoursePageMakesReadyWhatIsDueSoon(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Prestart = true
	d.sql(`update assignments set due_at = $1`, d.now.Add(23*time.Hour))
	d.release("ps2", d.now.Add(10*24*time.Hour))
	student := d.as("student")
	if page := student.get("/courses/physics").want(t, http.StatusOK, "the course").body; !strings.Contains(page, marker+`"`+ps1Path+`/prestart"`) {
		t.Error("the course's page does not ask for what is due in 23 hours")
	}
	d.sql(`update assignments set due_at = $1 where slug = 'ps1'`, d.now.Add(3*24*time.Hour))
	if page := student.get("/courses/physics").body; strings.Contains(page, marker) {
		t.Error("the course's page asks for what is due in three days")
	}
}

func TestACourseSwitchesItOff(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Prestart = true
	d.sql(`insert into prestarts (course_id, day, started, used, unused) values ($1, current_date, 4, 3, 1), ($1, current_date - 50, 9, 9, 0)`, d.physics.ID)
	teacher := d.as("instructor")
	const settings = "/courses/physics/settings"
	page := teacher.get(settings).want(t, http.StatusOK, "the settings").body
	for _, want := range []string{"In the last 30 days 4 workspaces were started ahead: 3 used, 1 ended unused.", "Do not make them ready"} {
		if !strings.Contains(page, want) {
			t.Errorf("the settings lack %q", want)
		}
	}
	teacher.post(settings+"/prestart", url.Values{"prestart": {"off"}}).want(t, http.StatusSeeOther, "switch off")
	if n := d.count(`select count(*) from courses where prestart`); n != 1 {
		t.Errorf("%d courses have it on, want the other one", n)
	}
	if page = teacher.get(settings).body; !strings.Contains(page, "Make them ready") {
		t.Error("it cannot be switched on again")
	}
	teacher.post(settings+"/prestart", url.Values{"prestart": {"on"}}).want(t, http.StatusSeeOther, "switch on")
	if n := d.count(`select count(*) from courses where prestart`); n != 2 {
		t.Errorf("%d courses have it on, want both", n)
	}
	d.Prestart = false
	if page = teacher.get(settings).body; strings.Contains(page, "Do not make them ready") || !strings.Contains(page, "switched off") {
		t.Error("the settings do not say that the site has switched it off")
	}
}
