package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
)

func TestTwoWhoAnswerAtOnceAreOneAnswer(t *testing.T) {
	t.Parallel()
	g := returned(t)
	desk := staffsOf(g.ask("student", "Why?"))
	grader, teacher := g.as("grader"), g.as("instructor")
	first, second := grader.get(desk).want(t, 200, "the request"), teacher.get(desk).want(t, 200, "the request")
	var wg sync.WaitGroup
	status := make([]int, 10)
	for i := range status {
		wg.Go(func() { status[i] = grader.post(desk+"/answer", first.answerForm("Yes, of course.", "2")).status })
	}
	wg.Wait()
	for _, got := range status {
		if got != http.StatusSeeOther {
			t.Errorf("pressed ten times: %v, want ten ways to the one answer", status)
			break
		}
	}
	clash := teacher.post(desk+"/answer", second.answerForm("No, never.", "0")).want(t, http.StatusConflict, "the second answer")
	clash.plain().has(t, "the conflict", "Somebody answered first", "The answer of grader", "Yes, of course.", "1 → 2", "No, never.", "New points: 0", "not sent")
	if got := g.points("student", "q2"); got != "marked 2" {
		t.Errorf("the mark is %q", got)
	}
	for what, q := range map[string]string{"answers": `select count(*) from regrade_events where kind = 'answered'`, "marks of it": `select count(*) from mark_events where reason = 'regrade request'`,
		"lines of activity": `select count(*) from activity where verb = 'answered a regrade request'`} {
		if n := g.count(q); n != 1 {
			t.Errorf("%d %s, want 1", n, what)
		}
	}
}

func TestManyWhoAnswerAtOnce(t *testing.T) {
	t.Parallel()
	g := returned(t)
	desk := staffsOf(g.ask("student", "Why?"))
	var wg sync.WaitGroup
	var mu sync.Mutex
	count := map[int]int{}
	for _, who := range []string{"grader", "instructor"} {
		b := g.as(who)
		page := b.get(desk).want(t, 200, "the request")
		for i := range 8 {
			wg.Go(func() {
				a := b.post(desk+"/answer", page.answerForm(fmt.Sprintf("%s says %d", who, i), fmt.Sprint(i%4)))
				mu.Lock()
				defer mu.Unlock()
				count[a.status]++
			})
		}
	}
	wg.Wait()
	if count[http.StatusSeeOther] != 1 || count[http.StatusConflict] != 15 {
		t.Errorf("answers ended as %v, want one 303 and fifteen 409", count)
	}
	if n := g.count(`select count(*) from regrade_events where kind = 'answered'`); n != 1 {
		t.Errorf("%d answers", n)
	}
}

func TestAnAnswerIsAboutTheMarkThatWasSeen(t *testing.T) {
	t.Parallel()
	g := returned(t)
	mine := g.ask("student", "Why?")
	desk, grader := staffsOf(mine), g.as("grader")
	page := grader.get(g.paper("student", "q2"))
	g.mark("instructor", "student", "0.5")
	clash := grader.post(desk+"/answer", page.answerForm("It stays.", "")).want(t, http.StatusConflict, "the mark has changed")
	clash.plain().has(t, "the conflict", "The mark has changed meanwhile", "The mark of instructor", "0.5 of 3", "It stays.", "Points as they are")
	if n := g.count(`select count(*) from regrade_events where kind = 'answered'`); n != 0 {
		t.Fatal("it was answered all the same")
	}
	again := grader.get(desk).answerForm("It stays, at the half point.", "")
	grader.post(desk+"/answer", again).want(t, 303, "sent again")
	g.as("student").get(mine).plain().has(t, "the request", "It stays, at the half point.", "1 → 0.5 of 3")
	g.as("student").get(ps1Path).plain().has(t, "the assignment", "0.5 of 3", "0.5 of 5 points")
	if n := g.count(`select count(*) from mark_events where reason = 'regrade request'`); n != 0 {
		t.Error("an answer without points made a mark")
	}
}

func TestAnAnswerNeedsAReason(t *testing.T) {
	t.Parallel()
	g := returned(t)
	desk, grader := staffsOf(g.ask("student", "Why?")), g.as("grader")
	page := grader.get(desk)
	for what, bad := range map[string][3]string{"no text": {" ", "2", "Write an answer"}, "too many points": {"Yes", "4", "The question gives 3"}, "no number": {"Yes", "x", "not a number of points"},
		"minus": {"Yes", "-1", "negative"}, "a novel": {strings.Repeat("x", 4001), "", "at most 4000"}} {
		grader.post(desk+"/answer", page.answerForm(bad[0], bad[1])).want(t, http.StatusUnprocessableEntity, what).has(t, what, bad[2])
	}
	if n := g.count(`select count(*) from regrade_events`); n != 1 {
		t.Errorf("%d events after wrong forms, want 1", n)
	}
}

func TestWithdrawnIsWithdrawn(t *testing.T) {
	t.Parallel()
	g := returned(t)
	mine := g.ask("student", "Why?")
	desk, grader, student := staffsOf(mine), g.as("grader"), g.as("student")
	page := grader.get(desk)
	student.get(mine+"/withdraw").want(t, 200, "the question").plain().has(t, "the question", "Withdraw the request about q2?", "Nobody will answer it")
	student.post(mine+"/withdraw", nil).want(t, 303, "withdraw")
	student.post(mine+"/withdraw", nil).want(t, 303, "withdraw twice")
	student.get(mine).plain().has(t, "the request", "Withdrawn", "You withdrew the request")
	grader.get("/").lacks(t, "home", "waits for you")
	grader.post(desk+"/answer", page.answerForm("Too late", "3")).want(t, http.StatusConflict, "an answer").plain().has(t, "the conflict", "The request was withdrawn", "Too late")
	grader.post(desk+"/take", nil).want(t, http.StatusSeeOther, "taking what is one's own already")
	g.as("instructor").post(desk+"/take", nil).want(t, http.StatusConflict, "taking what is closed")
	if got := g.points("student", "q2"); got != "marked 1" {
		t.Errorf("the mark is %q", got)
	}
	// And what is answered cannot be withdrawn.
	mine = g.ask("student", "Again")
	grader.post(staffsOf(mine)+"/answer", grader.get(staffsOf(mine)).answerForm("No.", "")).want(t, 303, "answer")
	to := student.post(mine+"/withdraw", nil).want(t, 303, "withdraw").location()
	student.get(to).plain().has(t, "the request", "just been answered", "No.")
	if n := g.count(`select count(*) from activity where verb = 'withdrew a regrade request'`); n != 1 {
		t.Errorf("%d lines of activity, want 1", n)
	}
}

func TestRequestsFindTheirGrader(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	g.mark("grader", "student", "1")
	g.mark("instructor", "student2", "2")
	g.giveBack("student", "student2")
	of1, of2 := staffsOf(g.ask("student", "First")), staffsOf(g.ask("student2", "Second"))
	grader, teacher := g.as("grader"), g.as("instructor")
	waits := func(who string, n string) {
		t.Helper()
		page := g.as(who).get(regradesURL).want(t, 200, "the list").plain()
		if n == "" {
			page.lacks(t, who+"'s list", "for you")
		} else {
			page.has(t, who+"'s list", n+" for you")
		}
	}
	waits("grader", "1 regrade request waits")
	waits("instructor", "1 regrade request waits")
	// One's own come first, and the list can be narrowed.
	body := grader.get(regradesURL).body
	if strings.Index(body, "First") > strings.Index(body, "Second") {
		t.Error("the grader's own request does not come first")
	}
	for q, want := range map[string][2]string{"grader=me": {"First", "Second"}, "grader=instructor": {"Second", "First"}, "state=answered": {"No request fits", "First"}, "assignment=none": {"No request fits", "First"}} {
		page := grader.get(regradesURL+"?"+q).want(t, 200, q)
		page.has(t, q, want[0])
		page.lacks(t, q, want[1])
	}
	for _, sort := range []string{"asked", "assignment", "question", "student", "grader", "state"} {
		grader.get(regradesURL+"?dir=down&page=7&sort="+sort).want(t, 200, sort)
	}
	grader.get(regradesURL+"?sort=x").want(t, http.StatusUnprocessableEntity, "no such order")
	// Another grader takes over.
	to := grader.post(of2+"/take", nil).want(t, 303, "take over").location()
	if to != g.paper("student2", "q2") {
		t.Errorf("taking leads to %s, want the paper", to)
	}
	waits("grader", "2 regrade requests wait")
	waits("instructor", "")
	teacher.get(of2).plain().has(t, "the history", "Taken over by The grader")
	// Who leaves the staff leaves the requests to the instructors.
	g.sql(`update members set dropped_at = now() where user_id = $1`, g.users["grader"].ID)
	waits("instructor", "2 regrade requests wait")
	teacher.get(regradesURL+"?grader=nobody").has(t, "the instructors'", "First", "Second")
	// What the tests gave is nobody's, and so the instructors' too.
	g.sql(`update members set dropped_at = null`)
	g.sql(`insert into mark_events (assignment_id, member_id, notebook, question, points, source) select assignment_id, member_id, 'nb', 'q1', 1, 'auto' from papers`)
	g.giveBack("student")
	g.as("student").post(ps1Path+"/regrade?question=nb%2Fq1", url.Values{"key": {uuid.NewString()}, "reason": {"Third"}}).want(t, 303, "ask")
	waits("instructor", "1 regrade request waits")
	teacher.get(of1).want(t, 200, "any request")
}

func TestNamesAreHiddenInRequests(t *testing.T) {
	t.Parallel()
	g := returned(t)
	desk, grader := staffsOf(g.ask("student", "Why?")), g.as("grader")
	paper := fmt.Sprintf("Paper %d", g.number["student"])
	pages := []string{regradesURL, desk, g.paper("student", "q2")}
	for _, path := range pages {
		page := grader.get(path).want(t, 200, path)
		page.has(t, path, paper)
		page.lacks(t, path, "The student<", ">student<", "/student\"")
	}
	grader.post(desk+"/answer", grader.get(desk).answerForm("", "")).lacks(t, "the form that came back", "The student<", ">student<")
	grader.post(gradeURL+"/names", url.Values{"names": {"on"}}).want(t, 303, "show names")
	for _, path := range pages {
		grader.get(path).plain().has(t, path, "The student")
	}
}

func TestRequestsOutliveWithdrawnFeedbackAndStudents(t *testing.T) {
	t.Parallel()
	g := returned(t)
	mine := g.ask("student", "Why?")
	desk, grader, student := staffsOf(mine), g.as("grader"), g.as("student")
	g.takeBack("student")
	page := student.get(ps1Path).plain()
	page.has(t, "the assignment", "Your feedback was withdrawn", "Asked")
	page.lacks(t, "the assignment", "1 of 3", "Ask for a regrade")
	student.get(mine).plain().has(t, "the request", "is kept and will be answered", "Why?")
	student.get(mine).plain().lacks(t, "the request", "of 3", "Points then")
	student.get(askURL).want(t, 404, "asking")
	grader.get(desk).plain().has(t, "the staff's page", "feedback of this student is withdrawn", "when it is returned again")
	grader.post(desk+"/answer", grader.get(desk).answerForm("Two it is.", "2")).want(t, 303, "answer")
	student.get(mine).plain().lacks(t, "the answer before the return", "Two it is.", "→", "of 3")
	g.giveBack("student")
	student.get(mine).plain().has(t, "the answer", "Two it is.", "1 → 2 of 3")
	student.get(ps1Path).plain().has(t, "the assignment", "2 of 3", "2 of 5 points")

	desk = staffsOf(g.ask("student2", "Left"))
	g.sql(`update members set dropped_at = now() where user_id = $1`, g.users["student2"].ID)
	grader.get(regradesURL).plain().has(t, "the list", "no longer in the course")
	grader.get(desk).plain().has(t, "the request", "no longer in the course")
	grader.post(desk+"/answer", grader.get(desk).answerForm("For the record.", "")).want(t, 303, "answer")
}

func TestTheHistoryOfARequestCannotBeChanged(t *testing.T) {
	t.Parallel()
	g := returned(t)
	g.ask("student", "Why?")
	for _, q := range []string{`update regrade_events set text = 'x'`, `delete from regrade_events`, `delete from regrades`, `update regrades set notebook = 'x'`,
		`insert into regrade_events (regrade_id, kind, actor, at, text) select regrade_id, 'asked', actor, at, 'x' from regrade_events`} {
		if _, err := g.Store.Pool().Exec(t.Context(), q); err == nil {
			t.Errorf("%s went through", q)
		}
	}
}
