package handlers

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"lectern/store"
)

const runsURL = ps1Path + "/runs"

// graded gives the desk two questions, and both students work that counts.
func (d *desk) handedIn() *desk {
	d.t.Helper()
	d.sql(`insert into questions (assignment_id, notebook, grade_id, position, kind, cell_type, points, source)
		values ($1, 'b', 'sum', 1, 'tests', 'code', 4, ''), ($1, 'b', 'essay', 2, 'manual', 'markdown', 6, '')`, d.ps1.ID)
	d.sql(`insert into submissions (assignment_id, member_id, kind, key, taken_at, counts, snapshot, digest, files, bytes)
		select $1, m.id, 'submit', gen_random_uuid(), $2, true, '2026-01-01T000000.000000Z', 'd', '[]', 0
		from members m join users u on u.id = m.user_id where u.login in ('student', 'student2')`, d.ps1.ID, d.now.Add(-30*time.Minute))
	return d
}

// finish ends the run that is next in turn with these points for its tests.
func (d *desk) finish(points float64, flags ...string) {
	d.t.Helper()
	w, err := d.Store.TakeRun(d.t.Context(), time.Now())
	d.must(err)
	kept, err := d.Store.FinishRun(d.t.Context(), w, store.RunFound{SourceVersion: w.SourceVersion, Flags: flags,
		Repairs: []store.RunRepair{{Notebook: "b", Question: "sum", Text: "The cell had been <b>deleted</b>."}},
		Results: []store.RunResult{{Notebook: "b", Question: "sum", Points: &points, Max: 4}, {Notebook: "b", Question: "essay", Position: 2, Max: 6}}}, d.now, func() error { return nil })
	if err != nil || !kept {
		d.t.Fatalf("finish: %v, %v", kept, err)
	}
}

func (a answer) has(t testing.TB, what string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("%s lacks %q", what, text)
		}
	}
}

func TestAutogradingFromThePage(t *testing.T) {
	t.Parallel()
	d := newDesk(t).handedIn()
	staff := d.as("grader")
	staff.get(runsURL).want(t, http.StatusOK, "before").has(t, "the page", "Autograde all", "Not autograded")
	staff.post(runsURL, url.Values{"which": {"all"}}).want(t, http.StatusSeeOther, "autograde all")
	staff.post(runsURL, url.Values{"which": {"all"}}).want(t, http.StatusSeeOther, "again at once")
	if n := d.count(`select count(*) from runs`); n != 2 {
		t.Fatalf("%d runs, want 2 however often it is pressed", n)
	}
	staff.get(runsURL).has(t, "waiting", "Waiting", "0 of 2 · 0 running · 2 waiting", "Cancel all")
	d.finish(3, "Something <i>odd</i>.")
	staff.get(runsURL).has(t, "one done", "3 of 4", "1 by hand", "Something &lt;i&gt;odd&lt;/i&gt;.", "The cell had been &lt;b&gt;deleted&lt;/b&gt;.", "Run again")
	staff.get(ps1Path+"/submissions").has(t, "the submissions", "Done, flagged", "3 of 4", "Autograde selected")

	first := "student" // of the two, whose turn it was
	if d.count(`select count(*) from runs r join members m on m.id = r.member_id join users u on u.id = m.user_id where r.state = 'done' and u.login = 'student2'`) == 1 {
		first = "student2"
	}
	staff.get(ps1Path+"/submissions/"+first).has(t, "the submission", "Tests</a>", "3 of 4", "1 by hand", "Something &lt;i&gt;odd&lt;/i&gt;.", "b, sum: The cell had been &lt;b&gt;deleted&lt;/b&gt;.")

	w, err := d.Store.TakeRun(t.Context(), time.Now())
	d.must(err)
	d.must(d.Store.FailRun(t.Context(), w, "The engine was away.", "dial unix: <refused>", d.now, time.Time{}))
	staff.get(runsURL).has(t, "one failed", "1 submission could not be graded", "The engine was away.", "dial unix: &lt;refused&gt;", "Retry failed")
	staff.post(runsURL, url.Values{"which": {"failed"}}).want(t, http.StatusSeeOther, "retry")
	if n := d.count(`select count(*) from runs where state = 'queued'`); n != 1 {
		t.Errorf("%d runs wait after a retry, want 1", n)
	}
	staff.post(runsURL+"/cancel", nil).want(t, http.StatusSeeOther, "cancel")
	if n := d.count(`select count(*) from runs where state = 'cancelled'`); n != 1 {
		t.Errorf("%d runs are cancelled, want 1", n)
	}
	// Two of one course's logins and one of another's: only those handed in here run.
	staff.post(runsURL, url.Values{"login": {"student", "student3", "newcomer"}}).want(t, http.StatusSeeOther, "selected")
	if n := d.count(`select count(*) from runs where state = 'queued'`); n != 1 {
		t.Errorf("%d runs wait, want student's alone", n)
	}
	staff.post(runsURL, url.Values{"which": {"everything"}}).want(t, http.StatusUnprocessableEntity, "a form that is not ours")
}

func TestAutogradingMovesOnThePage(t *testing.T) {
	t.Parallel()
	d := newDesk(t).handedIn()
	staff := d.as("grader")
	staff.post(runsURL, url.Values{"which": {"all"}}).want(t, http.StatusSeeOther, "autograde all")
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, staff.base+runsURL+"/events", nil)
	d.must(err)
	resp, err := staff.client.Do(req)
	d.must(err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	until := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("the stream ended without %q: %v", text, lines.Err())
	}
	until("event: fragment")
	until("0 of 2 · 0 running · 2 waiting")
	d.finish(4)
	until("1 of 2 · 0 running · 1 waiting")
	d.finish(2)
	until("2 of 4")
}

func TestADryRunIsSeenThenAppliedOrDiscarded(t *testing.T) {
	t.Parallel()
	d := newDesk(t).handedIn()
	teacher := d.as("instructor")
	compare := runsURL + "/compare"
	teacher.get(compare).want(t, http.StatusOK, "without one").has(t, "the page", "There is no dry run")
	teacher.post(runsURL, url.Values{"which": {"all"}})
	d.finish(1)
	d.finish(1)
	if a := teacher.post(runsURL, url.Values{"dry": {"on"}}).want(t, http.StatusSeeOther, "dry run"); a.location() != compare {
		t.Errorf("a dry run leads to %s", a.location())
	}
	teacher.get(compare).has(t, "under way", "data-events", "0 of 2")
	teacher.post(runsURL+"/apply", nil).want(t, http.StatusConflict, "applying too early")
	d.finish(4)
	d.finish(1)
	page := teacher.get(compare).want(t, http.StatusOK, "the comparison")
	page.has(t, "the comparison", "1 of 4", "4 of 4", "Up 3", "Apply")
	if strings.Count(page.body, "data-label=\"Old\"") != 1 {
		t.Error("the comparison shows what does not change")
	}
	if got := d.count(`select max(auto)::int from grade_cells where question = 'sum'`); got != 1 {
		t.Errorf("before it is applied the tests give %d", got)
	}
	d.as("grader").post(runsURL+"/apply", nil).want(t, http.StatusForbidden, "a grader applies")
	teacher.post(runsURL+"/apply", nil).want(t, http.StatusSeeOther, "apply")
	if got := d.count(`select max(auto)::int from grade_cells where question = 'sum'`); got != 4 {
		t.Errorf("applied, the tests give %d", got)
	}
	teacher.post(runsURL, url.Values{"dry": {"on"}})
	d.finish(0)
	teacher.post(runsURL+"/discard", nil).want(t, http.StatusSeeOther, "discard")
	if n := d.count(`select count(*) from runs where trial`); n != 0 {
		t.Errorf("%d dry runs are left", n)
	}
}

func TestAnAssignmentsSettingsSayWhenItIsAutograded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	teacher := d.as("instructor")
	form := url.Values{"title": {"Problem set 1"}, "autograde_on": {"submit"}, "reveal_tests": {"on"}, "grade_group": {" Homework "}}
	teacher.post(ps1Path+"/settings", form).want(t, http.StatusSeeOther, "saving")
	if got, err := d.Store.RunSettings(t.Context(), d.ps1.ID); err != nil || got != (store.RunSettings{AutogradeOn: "submit", RevealTests: true, GradeGroup: "Homework"}) {
		t.Errorf("saved %+v, %v", got, err)
	}
	form.Set("autograde_on", "sometimes")
	teacher.post(ps1Path+"/settings", form).want(t, http.StatusUnprocessableEntity, "a choice there is not").has(t, "the form", "Choose when work is autograded.")
	teacher.get(runsURL).has(t, "the Autograde page", "By itself each time work is handed in.")
}

func TestFeedbackIsMadeWhenAskedFor(t *testing.T) {
	t.Parallel()
	d := newDesk(t).handedIn()
	staff := d.as("grader")
	feedback := ps1Path + "/feedback"
	staff.post(feedback+"/make", url.Values{"all": {"graded"}}).want(t, http.StatusSeeOther, "before anything is graded")
	if n := d.count(`select count(*) from feedback_jobs`); n != 0 {
		t.Fatalf("%d pages of nothing", n)
	}
	staff.post(runsURL, url.Values{"which": {"all"}})
	d.finish(4)
	d.finish(2)
	staff.post(feedback+"/make", url.Values{"login": {"student2"}}).want(t, http.StatusSeeOther, "one")
	staff.post(feedback+"/make", url.Values{"all": {"graded"}}).want(t, http.StatusSeeOther, "all")
	if n := d.count(`select count(distinct args->>'member_id') from river_job where kind = 'feedback'`); n != 2 {
		t.Errorf("jobs for %d students, want 2", n)
	}
	staff.get(feedback).has(t, "the page", "Making feedback", "0 of 2", "data-events")
	d.sql(`update feedback_jobs set state = 'failed', error = 'No <notebook>.' where member_id = (select m.id from members m join users u on u.id = m.user_id where u.login = 'student')`)
	d.sql(`update feedback_jobs set state = 'done' where state = 'queued'`)
	staff.get(feedback).has(t, "the page", "could not be made", "student: No &lt;notebook&gt;.")
}

// Work whose tests have run is told from work that still needs a person, and from
// work that a person has marked.
func TestSubmissionsSayWhatTheyStillNeed(t *testing.T) {
	t.Parallel()
	d := newDesk(t).handedIn()
	staff := d.as("grader")
	staff.post(runsURL, url.Values{"which": {"all"}})
	d.finish(3)
	page := staff.get(ps1Path + "/submissions")
	page.has(t, "an essay is left", "Needs grading 1", "Submitted")
	if strings.Contains(page.body, "Autograded") || strings.Contains(page.body, ">Marked</span>") {
		t.Error("work with an essay left is called done")
	}
	// Without the essay the tests are all there is.
	d.sql(`delete from questions where assignment_id = $1 and grade_id = 'essay'`, d.ps1.ID)
	d.sql(`delete from run_results where question = 'essay'`)
	staff.get(ps1Path+"/submissions").has(t, "only tests", "Autograded")
	d.sql(`insert into mark_events (assignment_id, member_id, points, source, actor) select $1, m.id, 5, 'hand', m.user_id
		from members m join users u on u.id = m.user_id where u.login = 'student2'`, d.ps1.ID)
	staff.get(ps1Path+"/submissions").has(t, "a mark for the whole", "Marked")
	d.as("student").get(ps1Path).want(t, http.StatusOK, "the student's page")
	if a := d.as("student").get("/courses/physics"); strings.Contains(a.body, "3 of 4") || strings.Contains(a.body, "Autograded") {
		t.Error("a student sees points that were not returned")
	}
}

func TestARunMayTakeTheImageAsItIsNow(t *testing.T) {
	t.Parallel()
	d := newDesk(t).handedIn()
	staff := d.as("grader")
	if a := staff.get(runsURL); strings.Contains(a.body, "Use the image as it is now") {
		t.Error("the choice is offered before anything has run")
	}
	staff.post(runsURL, url.Values{"which": {"all"}})
	d.finish(3)
	d.finish(3)
	staff.get(runsURL).has(t, "after a run", "Use the image as it is now", `name="fresh"`)
	staff.post(runsURL, url.Values{"which": {"all"}, "fresh": {"on"}}).want(t, http.StatusSeeOther, "again")
	if n := d.count(`select count(*) from runs where fresh_image`); n != 2 {
		t.Errorf("%d runs take the image as it is now, want 2", n)
	}
	staff.post(runsURL, url.Values{"which": {"all"}, "dry": {"on"}}).want(t, http.StatusSeeOther, "dry")
	if n := d.count(`select count(*) from runs where trial and not fresh_image`); n != 2 {
		t.Errorf("%d dry runs take the recorded image, want 2", n)
	}
}
