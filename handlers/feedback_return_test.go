package handlers

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lectern/course"
	"lectern/course/notebook/render"
	"lectern/grading"
	"lectern/store"
)

// jobs are the returns that wait in the queue.
func (d *desk) returns() (*grading.Returns, []store.ReturnArgs) {
	d.t.Helper()
	var jobs []store.ReturnArgs
	rows, err := d.Store.Pool().Query(d.t.Context(), `select (args->>'assignment_id')::bigint, (args->>'member_id')::bigint, (args->>'asked_at')::bigint, (args->>'by')::bigint
		from river_job where kind = 'return' order by id`)
	d.must(err)
	defer rows.Close()
	for rows.Next() {
		var j store.ReturnArgs
		d.must(rows.Scan(&j.AssignmentID, &j.MemberID, &j.AskedAt, &j.By))
		jobs = append(jobs, j)
	}
	return &grading.Returns{Exchange: d.Exchange, Store: d.Store, Log: slog.New(slog.DiscardHandler), Now: d.Site.Now}, jobs
}

// A class is returned by jobs: the page shows how far they are, one that fails is
// named, and doing one again changes nothing.
func TestAClassIsReturnedByJobs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	teacher := d.as("instructor")
	for i := range 8 {
		u := course.User{Login: fmt.Sprintf("many%d", i), Name: fmt.Sprintf("Student %d", i)}
		d.must(d.Store.AddUser(t.Context(), &u))
		_, err := d.Store.AddMember(t.Context(), d.physics.ID, u.ID, course.Student, "")
		d.must(err)
		d.sql(`insert into mark_events (assignment_id, member_id, points, source) select $1, id, 7, 'hand' from members where user_id = $2`, d.ps1.ID, u.ID)
	}
	// Something lies where one student's feedback must go.
	dir, err := d.layout.FeedbackDir("physics", "many3")
	d.must(err)
	staged, err := d.layout.StagedFeedback("physics", "many3", "ps1")
	d.must(err)
	d.must(os.MkdirAll(staged, 0o700))
	d.must(os.WriteFile(filepath.Join(staged, "a.html"), []byte("x"), 0o600))
	d.must(os.MkdirAll(filepath.Dir(dir), 0o755))
	d.must(os.WriteFile(dir, []byte("in the way"), 0o600))

	teacher.post(feedbackURL+"/return", url.Values{"all": {"ready"}}).want(t, http.StatusSeeOther, "returning all")
	if n := d.count(`select count(*) from feedbacks where returned_at is not null`); n != 0 {
		t.Fatalf("%d were returned while the browser waited", n)
	}
	teacher.wantText("under way", feedbackURL, []string{"Returning feedback", "0 of 8", feedbackURL + "/return/events"}, nil)
	r, jobs := d.returns()
	if len(jobs) != 8 {
		t.Fatalf("%d jobs, want 8", len(jobs))
	}
	for _, j := range jobs {
		if err := r.Work(t.Context(), j, true); err != nil && !strings.Contains(err.Error(), "many3") {
			t.Errorf("returning to %d: %v", j.MemberID, err)
		}
	}
	teacher.wantText("at the end", feedbackURL, []string{"Feedback of 1 student could not be returned: many3: Something went wrong"}, []string{"Returning feedback"})
	if n := d.count(`select count(*) from feedbacks where returned_at is not null`); n != 7 {
		t.Errorf("%d were returned, want 7", n)
	}
	d.sql(`update feedbacks set seen_at = now()`)
	for _, j := range jobs {
		d.must(r.Return(t.Context(), j))
	}
	if n := d.count(`select count(*) from feedbacks where seen_at is null and returned_at is not null`); n != 0 {
		t.Errorf("doing it again made %d unseen", n)
	}
	if n := d.count(`select count(*) from activity where verb = 'returned feedback'`); n != 7 {
		t.Errorf("%d lines of activity, want 7", n)
	}
	d.must(os.Remove(dir))
	teacher.post(feedbackURL+"/return", url.Values{"login": {"many3"}}).want(t, http.StatusSeeOther, "the one that failed")
	teacher.wantText("one at once", feedbackURL, []string{"Feedback returned for 1 student."}, []string{"could not be returned"})
}

// What a killed Lectern was about to return is returned by the next.
func TestReturnsOfAKilledLecternAreTakenBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	m, err := d.Store.Member(t.Context(), d.physics.ID, "student")
	d.must(err)
	_, err = d.Store.AskReturn(t.Context(), d.ps1.ID, []course.MemberID{m.ID}, d.users["instructor"].ID, d.now)
	d.must(err)
	r, jobs := d.returns()
	d.must(r.Mend(t.Context()))
	if _, again := d.returns(); len(again) != 1 {
		t.Fatalf("what waits in the queue was put there again: %+v", again)
	}
	d.sql(`update river_job set state = 'running', attempted_at = now() - interval '1 hour' where kind = 'return'`)
	d.must(r.Mend(t.Context()))
	d.must(r.Return(t.Context(), jobs[0])) // the dead one has no say
	if n := d.count(`select count(*) from feedbacks where returned_at is not null`); n != 0 {
		t.Fatal("an old job returned what was asked for anew")
	}
	_, again := d.returns()
	if len(again) != 2 {
		t.Fatalf("%d jobs, want the dead one and a new one", len(again))
	}
	d.must(r.Return(t.Context(), again[1]))
	if n := d.count(`select count(*) from feedbacks where returned_at is not null`); n != 1 {
		t.Error("it was not returned in the end")
	}
}

// Pages that are made come beside what a person uploaded, never in its place.
func TestMadePagesKeepUploadedFeedback(t *testing.T) {
	t.Parallel()
	d := newDesk(t).handedIn()
	teacher := d.as("instructor")
	d.sql(`delete from submissions where assignment_id = $1`, d.ps1.ID)
	d.handIn("student")
	teacher.post(runsURL, url.Values{"which": {"all"}})
	d.sql(`delete from runs`)
	d.sql(`insert into mark_events (assignment_id, member_id, points, source) select $1, m.id, 7, 'hand' from members m join users u on u.id = m.user_id where u.login = 'student'`, d.ps1.ID)
	teacher.sendFeedback("a.zip", "feedback/student/ps1/b.html", "by hand", "feedback/student/ps1/notes.pdf", "pdf").want(t, http.StatusOK, "the upload")
	f := &grading.Feedback{Exchange: d.Exchange, Store: d.Store, Render: render.New(), Style: []byte("p{}"), Now: d.Site.Now}
	m, err := d.Store.Member(t.Context(), d.physics.ID, "student")
	d.must(err)
	for i := range 2 {
		at := d.now.Add(time.Duration(i) * time.Second)
		_, err := d.Store.AskFeedback(t.Context(), d.ps1.ID, []string{"student"}, d.users["instructor"].ID, at)
		d.must(err)
		d.must(f.Make(t.Context(), store.FeedbackArgs{AssignmentID: d.ps1.ID, MemberID: m.ID, AskedAt: at.UnixMicro()}, true))
	}
	teacher.wantText("made", feedbackURL, []string{"b.html", "b-marks.html", "notes.pdf"}, []string{"b-marks-marks"})
	teacher.post(feedbackURL+"/return", url.Values{"login": {"student"}}).want(t, http.StatusSeeOther, "returning")
	if got := d.shown("student"); got != "b-marks.html b.html notes.pdf" {
		t.Errorf("the student has %q", got)
	}
	dir, err := d.layout.Feedback("physics", "student", "ps1")
	d.must(err)
	if text, err := os.ReadFile(filepath.Join(dir, "b.html")); err != nil || string(text) != "by hand" {
		t.Errorf("the uploaded page is %q, %v", text, err)
	}
	// Made once more after the return: the same files, the pages anew.
	at := d.now.Add(time.Minute)
	_, err = d.Store.AskFeedback(t.Context(), d.ps1.ID, []string{"student"}, d.users["instructor"].ID, at)
	d.must(err)
	d.must(f.Make(t.Context(), store.FeedbackArgs{AssignmentID: d.ps1.ID, MemberID: m.ID, AskedAt: at.UnixMicro()}, true))
	teacher.post(feedbackURL+"/return", url.Values{"login": {"student"}}).want(t, http.StatusSeeOther, "returning again")
	if got := d.shown("student"); got != "b-marks.html b.html notes.pdf" {
		t.Errorf("returned again, the student has %q", got)
	}
}
