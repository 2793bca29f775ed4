package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"lectern/spawner"
)

// newRunningDesk is a grading desk whose submissions list their files.
func newRunningDesk(t testing.TB) *gradingDesk {
	t.Helper()
	g := newGradingDesk(t)
	g.sql(`update submissions set files = '[{"path":"deep/a.ipynb"},{"path":"nb.ipynb"},{"path":"data.csv"}]'`)
	return g
}

// runningURL opens the last attempt of a student of ps1.
func (g *gradingDesk) runningURL(login string) string {
	g.t.Helper()
	return fmt.Sprintf("%s/submissions/%s/%d/running", ps1Path, login, g.submission(login))
}

func (g *gradingDesk) submission(login string) int {
	g.t.Helper()
	return g.count(`select s.id from submissions s join members m on m.id = s.member_id join users u on u.id = m.user_id
		where u.login = $1 order by s.taken_at desc limit 1`, login)
}

// copies lists the ids of a person's copies that are up, the oldest first.
func (g *gradingDesk) copies(login string) (ids []string) {
	g.t.Helper()
	rows, err := g.Store.Pool().Query(g.t.Context(), `
		select w.id from workspaces w join members m on m.id = w.member_id join users u on u.id = m.user_id
		where u.login = $1 and w.submission_id is not null and w.state <> 'stopped' order by w.queued_at`, login)
	g.must(err)
	for rows.Next() {
		var id string
		g.must(rows.Scan(&id))
		ids = append(ids, id)
	}
	g.must(rows.Err())
	return ids
}

func TestWhoeverTeachesOpensASubmissionRunning(t *testing.T) {
	t.Parallel()
	g := newRunningDesk(t)
	for _, who := range []string{"grader", "instructor"} {
		to := g.as(who).post(g.runningURL("student"), nil).want(t, http.StatusSeeOther, who+" opens it").location()
		u, err := url.Parse(to)
		g.must(err)
		if u.Path != enterPath || u.Query().Get("next") != "/lab/tree/ps1/nb.ipynb" {
			t.Errorf("%s is led to %s, want into the first notebook", who, to)
		}
		ids := g.copies(who)
		if len(ids) != 1 || !strings.HasPrefix(u.Host, ids[0]+".") {
			t.Errorf("%s is led to %s, and has the copies %v", who, u.Host, ids)
		}
		// The same again is the same.
		g.as(who).post(g.runningURL("student"), nil).want(t, http.StatusSeeOther, who+" opens it again")
		if again := g.copies(who); len(again) != 1 || again[0] != ids[0] {
			t.Errorf("%s opened it again: %v, then %v", who, ids, again)
		}
	}
	if n := g.count(`select count(*) from activity where verb = 'opened a submission running'`); n != 2 {
		t.Errorf("%d lines of activity, want 2", n)
	}
	student := g.as("student")
	for _, path := range []string{g.runningURL("student"), g.runningURL("student2"), gradeURL + "/1/running"} {
		if got := student.post(path, nil).status; got != http.StatusForbidden && got != http.StatusNotFound {
			t.Errorf("a student posts to %s: %d", path, got)
		}
	}
	g.as("admin").post(g.runningURL("student"), nil).want(t, http.StatusForbidden, "a site admin who is no member")
	g.as("instructor2").post(g.runningURL("student"), nil).want(t, http.StatusNotFound, "somebody of another course")
	// Another student's attempt under this student's name, and what does not exist.
	grader := g.as("grader")
	for _, path := range []string{fmt.Sprintf("%s/submissions/student/%d/running", ps1Path, g.submission("student2")), ps1Path + "/submissions/student/999999/running",
		ps1Path + "/submissions/student3/1/running", fmt.Sprintf("/courses/history/assignments/ps1/submissions/student/%d/running", g.submission("student"))} {
		grader.post(path, nil).want(t, http.StatusNotFound, path)
	}
}

func TestACopyIsForWhoOpenedItAlone(t *testing.T) {
	t.Parallel()
	g := newRunningDesk(t)
	grader := g.as("grader")
	grader.post(g.runningURL("student"), nil).want(t, http.StatusSeeOther, "open")
	id := g.copies("grader")[0]
	here, list := "/courses/physics/workspaces/"+id, "/courses/physics/running"
	for _, who := range []string{"student", "student2", "instructor", "instructor2", "admin"} {
		b := g.as(who)
		b.get(here).want(t, http.StatusNotFound, who+" looks at the launch page")
		b.get(here+"/events").want(t, http.StatusNotFound, who+" follows it")
		b.post(here, nil).want(t, http.StatusNotFound, who+" starts it")
		b.post(here+"/stop", nil).want(t, http.StatusNotFound, who+" stops it")
		if got := b.post(here+"/discard", nil).status; got != http.StatusNotFound && got != http.StatusForbidden {
			t.Errorf("%s discards it: %d", who, got)
		}
		if text := b.get("/courses/physics").body + b.get(list).body; strings.Contains(text, id) {
			t.Errorf("%s sees it", who)
		}
	}
	if len(g.spawn.closed) != 0 {
		t.Errorf("closed: %v", g.spawn.closed)
	}
	if text := grader.get(list).want(t, http.StatusOK, "the list").body; !strings.Contains(text, id) || !strings.Contains(text, "nothing you change in them is kept") {
		t.Errorf("the list does not show it, or not what it is")
	}
	if text := g.as("instructor").get("/courses/physics/servers").body; !strings.Contains(text, "copy of student for grader") {
		t.Errorf("the servers do not say whose it is")
	}
	if text := g.as("grader").get("/courses/physics").body; strings.Contains(text, "My workspace") {
		t.Errorf("a copy is shown as the grader's own workspace")
	}
	// Who no longer teaches cannot get in, start it or list it.
	g.sql(`update members set role = 'student' where id = (select member_id from workspaces where id = $1)`, id)
	grader.get(here).want(t, http.StatusNotFound, "the launch page, now a student")
	grader.post(here, nil).want(t, http.StatusNotFound, "a start, now a student")
	grader.get(list).want(t, http.StatusForbidden, "the list, now a student")
}

func TestTheWayInSaysThatNothingIsKept(t *testing.T) {
	t.Parallel()
	g := newRunningDesk(t)
	grader := g.as("grader")
	g.spawn.say(spawner.Starting, spawner.None)
	page := grader.post(g.runningURL("student"), nil).want(t, http.StatusSeeOther, "open").location()
	text := grader.get(page).want(t, http.StatusOK, "the launch page").body
	for _, want := range []string{"This is a copy; nothing you change here is kept.", "Starting a copy of the submission", "your running copies"} {
		if !strings.Contains(text, want) {
			t.Errorf("the launch page lacks %q", want)
		}
	}
	if strings.Contains(text, "my-files") || strings.Contains(text, "Download my files") {
		t.Error("the launch page offers the grader's own files")
	}
	g.spawn.say(spawner.Failed, spawner.NoImage)
	events := grader.get(strings.Replace(page, "?", "/events?", 1)).body
	if !strings.Contains(events, "The environment this was graded in is not installed") {
		t.Errorf("events = %q", events)
	}
	g.sql(`update workspaces set ready_at = now() where submission_id is not null`)
	g.spawn.say(spawner.Stopped, spawner.Idle)
	text = grader.get(page).want(t, http.StatusOK, "the page of one that ended").body
	for _, want := range []string{"This copy has ended", "because nothing happened in it", "What was changed in it is gone", "Open a new copy"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page of one that ended lacks %q", want)
		}
	}
	if strings.Contains(text, "is there whenever") || strings.Contains(text, "What you had saved is there") {
		t.Error("the page of one that ended promises files")
	}
	// It can be opened anew from there.
	g.spawn.say(spawner.Running, spawner.None)
	g.sql(`update workspaces set state = 'stopped'`)
	opened := g.spawn.opened
	grader.post(strings.Split(page, "?")[0], nil).want(t, http.StatusSeeOther, "open a new copy")
	if g.spawn.opened != opened+1 {
		t.Errorf("opened %d times", g.spawn.opened-opened)
	}
}

func TestAFourthCopyAsksWhichToDiscard(t *testing.T) {
	t.Parallel()
	g := newRunningDesk(t)
	grader := g.as("grader")
	var urls []string
	for i := range maxCopies {
		g.sql(`update submissions set counts = false`)
		g.handIn("student", g.now.Add(time.Duration(i+1)*time.Minute))
		urls = append(urls, g.runningURL("student"))
		grader.post(urls[i], nil).want(t, http.StatusSeeOther, "open")
	}
	before := g.copies("grader")
	fourth := g.runningURL("student2")
	text := grader.post(fourth, nil).want(t, http.StatusConflict, "the fourth").body
	if strings.Count(text, "Discard and open") != maxCopies || !strings.Contains(text, `action="`+fourth+`"`) {
		t.Errorf("it is not asked which to discard: %s", text)
	}
	if len(g.copies("grader")) != maxCopies || len(g.spawn.closed) != 0 {
		t.Errorf("something was done unasked: %v, closed %v", g.copies("grader"), g.spawn.closed)
	}
	// One that is open already needs no room, and another person has three of their own.
	grader.post(urls[0], nil).want(t, http.StatusSeeOther, "the first again")
	g.as("instructor").post(fourth, nil).want(t, http.StatusSeeOther, "the instructor's first")
	// Somebody else's cannot be discarded to make room.
	theirs := g.copies("instructor")[0]
	grader.post(fourth, url.Values{"discard": {theirs}}).want(t, http.StatusConflict, "at another's cost")
	if len(g.spawn.closed) != 0 {
		t.Errorf("closed %v", g.spawn.closed)
	}
	grader.post(fourth, url.Values{"discard": {before[1]}}).want(t, http.StatusSeeOther, "with one discarded")
	if after := g.copies("grader"); len(after) != maxCopies || len(g.spawn.closed) != 1 || g.spawn.closed[0] != before[1] {
		t.Errorf("before %v, after %v, closed %v", before, after, g.spawn.closed)
	}
	grader.post("/courses/physics/workspaces/"+before[0]+"/discard", nil).want(t, http.StatusSeeOther, "discard")
	if text := grader.get("/courses/physics/running").body; !strings.Contains(text, "The copy is discarded") || strings.Contains(text, before[0]) {
		t.Error("the list does not say that it is discarded")
	}
}

func TestAnOwnWorkspaceIsNoCopyToDiscard(t *testing.T) {
	t.Parallel()
	g := newRunningDesk(t)
	instructor := g.as("instructor")
	instructor.post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "try it")
	var id string
	g.must(g.Store.Pool().QueryRow(t.Context(), `select id from workspaces where submission_id is null`).Scan(&id))
	instructor.post("/courses/physics/workspaces/"+id+"/discard", nil).want(t, http.StatusNotFound, "discard one's own")
	if len(g.spawn.closed) != 0 {
		t.Errorf("closed %v", g.spawn.closed)
	}
}

func TestACopyRunsInTheImageTheWorkWasGradedIn(t *testing.T) {
	t.Parallel()
	g := newRunningDesk(t)
	digest := "sha256:" + strings.Repeat("ab", 32)
	g.sql(`insert into runs (submission_id, assignment_id, member_id, state, effective, image, image_digest)
		select id, assignment_id, member_id, 'done', true, 'lectern/notebook:latest', $2 from submissions where id = $1`, g.submission("student"), digest)
	grader := g.as("grader")
	grader.post(g.runningURL("student"), nil).want(t, http.StatusSeeOther, "graded")
	grader.post(g.runningURL("student2"), nil).want(t, http.StatusSeeOther, "not graded")
	for login, want := range map[string]string{"student": digest, "student2": g.physics.Image} {
		var got string
		g.must(g.Store.Pool().QueryRow(t.Context(), `select image from workspaces where submission_id = $1`, g.submission(login)).Scan(&got))
		if got != want {
			t.Errorf("the copy of %s runs in %q, want %q", login, got, want)
		}
	}
	if text := g.as("instructor").get("/courses/physics/servers").body; !strings.Contains(text, "sha256:abababababab<") {
		t.Error("the servers do not name the image shortly")
	}
}

func TestOpeningFromAPaperTellsNoName(t *testing.T) {
	t.Parallel()
	g := newRunningDesk(t)
	grader := g.as("grader")
	paper := fmt.Sprintf("%s/%d", gradeURL, g.number["student"])
	g.sql(`update users set name = 'Somebody Distinct' where login = 'student'`)
	text := grader.get(paper).want(t, http.StatusOK, "the paper").body
	if !strings.Contains(text, `action="`+paper+`/running"`) {
		t.Error("the paper offers no way to open it running")
	}
	g.spawn.say(spawner.Starting, spawner.None)
	to := grader.post(paper+"/running", nil).want(t, http.StatusSeeOther, "open").location()
	named := regexp.MustCompile(`Somebody Distinct|\bstudent\b(?:[^s]|$)`)
	for _, page := range []string{to, "/courses/physics/running"} {
		body := grader.get(page).want(t, http.StatusOK, page).body
		if strings.Contains(body, "Somebody Distinct") || strings.Contains(body, "/student") {
			t.Errorf("%s tells the name: %s", page, named.FindString(body))
		}
	}
	if text := grader.get("/courses/physics/running").body; !strings.Contains(text, fmt.Sprintf("Paper %d", g.number["student"])) {
		t.Error("the list does not name the paper")
	}
	grader.post(g.runningURL("student"), nil).want(t, http.StatusSeeOther, "open by name")
	if text := grader.get("/courses/physics/running").body; !strings.Contains(text, "Somebody Distinct") {
		t.Error("the list hides a name that the submissions show")
	}
}
