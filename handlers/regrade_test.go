package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

const (
	askURL      = ps1Path + "/regrade?question=nb%2Fq2"
	regradesURL = "/courses/physics/regrades"
)

// returned gives the essay q2 of both students 1 of 3 points, by the grader, and
// returns their feedback.
func returned(t testing.TB) *gradingDesk {
	t.Helper()
	g := newGradingDesk(t)
	for _, login := range []string{"student", "student2"} {
		g.mark("grader", login, "1")
	}
	g.giveBack("student", "student2")
	return g
}

func (g *gradingDesk) mark(by, login, points string) {
	g.t.Helper()
	b, path := g.as(by), g.paper(login, "q2")
	b.post(path, b.get(path).gradeForm("q2", "points", points)).want(g.t, http.StatusSeeOther, by+" marks")
}

func (g *gradingDesk) giveBack(logins ...string) {
	g.t.Helper()
	g.as("instructor").post(feedbackURL+"/return", url.Values{"login": logins}).want(g.t, http.StatusSeeOther, "return")
}

func (g *gradingDesk) takeBack(login string) {
	g.t.Helper()
	g.as("instructor").post(feedbackURL+"/withdraw", url.Values{"login": {login}}).want(g.t, http.StatusSeeOther, "withdraw feedback")
}

// ask sends a request and gives its address, as the student knows it.
func (g *gradingDesk) ask(login, reason string) string {
	g.t.Helper()
	form := url.Values{"key": {uuid.NewString()}, "reason": {reason}}
	return g.as(login).post(askURL, form).want(g.t, http.StatusSeeOther, login+" asks").location()
}

// desk is the same request's address for staff.
func staffsOf(mine string) string { return regradesURL + mine[strings.LastIndexByte(mine, '/'):] }

// answerForm is the form of the page that answers, filled in.
func (a answer) answerForm(text, points string) url.Values {
	out := url.Values{"answer": {text}, "new_points": {points}}
	if m := regexp.MustCompile(`name="event" value="(\d+)" data-event`).FindStringSubmatch(a.body); m != nil {
		out.Set("event", m[1])
	}
	return out
}

func (a answer) lacks(t testing.TB, what string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			t.Errorf("%s shows %q", what, text)
		}
	}
}

func (a answer) plain() answer {
	a.body = strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(a.body, " ")), " ")
	return a
}

func TestARegradeFromAskingToSeeing(t *testing.T) {
	t.Parallel()
	g := returned(t)
	student, grader, teacher := g.as("student"), g.as("grader"), g.as("instructor")
	student.get(ps1Path).want(t, 200, "the assignment").plain().has(t, "the assignment", "Points by question", "You can ask for a regrade until", "1 of 3", "Ask for a regrade")
	student.get(askURL).want(t, 200, "the form").plain().has(t, "the form", "q2, nb", "1 of 3", "You can ask until")
	mine := g.ask("student", "I named the bound in line 2.")
	student.get(mine).want(t, 200, "the request").plain().has(t, "the request", "Asked", "I named the bound in line 2.", "Withdraw the request", "Points then: 1")
	student.get(ps1Path).plain().has(t, "the assignment", "Asked")
	if n := g.count(`select count(*) from activity where verb = 'asked for a regrade' and detail = 'nb/q2'`); n != 1 {
		t.Errorf("%d lines of activity, want 1", n)
	}

	// It waits for who gave the mark, and for nobody else.
	grader.get("/").has(t, "the grader's home", "1 regrade request waits for you")
	grader.get("/courses/physics").has(t, "the course", "1 regrade request waits for you")
	teacher.get("/").lacks(t, "the instructor's home", "waits for you")
	list := grader.get(regradesURL).want(t, 200, "the list")
	at := g.paper("student", "q2")
	list.has(t, "the list", strings.ReplaceAll(at, "&", "&amp;"), "I named the bound", "The grader")

	// Meanwhile the other question is marked, and this one twice.
	paper := grader.get(at).want(t, 200, "the marking screen")
	paper.plain().has(t, "the marking screen", "Regrade request", "I named the bound in line 2.", "It is yours.", "The student was shown 1 ; the mark is now 1 of 3", "The student sees your answer at once")
	path := g.paper("student", "q1")
	grader.post(path, grader.get(path).gradeForm("q1", "points", "2")).want(t, 303, "another question")
	g.mark("grader", "student", "1.5")
	student.get(ps1Path).plain().lacks(t, "the assignment before the answer", "1.5")
	student.get(mine).plain().lacks(t, "the request before the answer", "1.5")

	desk := staffsOf(mine)
	grader.post(desk+"/answer", grader.get(at).answerForm("You did: line 2 names it.", "2,5")).want(t, 303, "answer")
	if got := g.points("student", "q2"); got != "marked 2.5" {
		t.Errorf("the mark is %q", got)
	}
	if n := g.count(`select count(*) from mark_events where reason = 'regrade request' and points = 2.5`); n != 1 {
		t.Errorf("%d events say that they are of a regrade", n)
	}
	student.get(mine).plain().has(t, "the answered request", "Answered", "You did: line 2 names it.", "1 → 2.5 of 3", "New mark", "1 → 1.5", "1.5 → 2.5")
	student.get(mine).plain().lacks(t, "the answered request", "The grader", "Withdraw the request")
	// The new mark shows, in the total too; the other question's does not.
	page := student.get(ps1Path).plain()
	page.has(t, "the assignment", "2.5 of 3", "1 → 2.5", "2.5 of 5 points")
	page.lacks(t, "the assignment", "4.5", "2 of 2")
	student.get("/courses/physics").plain().has(t, "the course", "2.5 of 5")
	grader.get(desk).plain().has(t, "the staff's history", "Answered by The grader", "1.5 → 2.5", "New mark by The grader")
	grader.get("/").lacks(t, "home", "waits for you")
	// What else has changed still waits to be returned; returning shows it.
	teacher.get(feedbackURL).plain().has(t, "feedback", "a changed mark")
	grader.get(ps1Path+"/marks/student").plain().has(t, "the history of the marks", "regrade request")
	if n := g.count(`select count(*) from mark_events e join feedbacks f using (assignment_id, member_id) where e.id > f.marks_upto
		and f.returned_questions @> jsonb_build_array(jsonb_build_object('event', e.id))`); n != 1 {
		t.Errorf("%d marks are shown before their turn, want the answer's", n)
	}
	g.giveBack("student")
	student.get(ps1Path).plain().has(t, "after the next return", "4.5 of 5 points", "2 of 2")
}

func TestAnAnswerThatIsAllThereIsLeavesNothingToReturn(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	// Late by a day and a half, at 10 % a day.
	g.sql(`update assignments set late_unit = 'day', late_percent = 10, due_at = $2 where id = $1`, g.ps1.ID, g.now.Add(-36*time.Hour))
	g.mark("grader", "student", "1")
	g.giveBack("student")
	g.as("student").get(ps1Path).plain().has(t, "returned", "0.8 of 5 points, after 0.2 taken off for lateness")
	mine := g.ask("student", "Why?")
	grader := g.as("grader")
	grader.post(staffsOf(mine)+"/answer", grader.get(staffsOf(mine)).answerForm("Right.", "3")).want(t, 303, "answer")
	g.as("student").get(ps1Path).plain().has(t, "answered", "2.4 of 5 points, after 0.6 taken off for lateness")
	if n := g.count(`select count(*) from feedbacks f join current_totals t using (assignment_id, member_id) where f.returned_at is not null
		and t.points = f.returned_points and f.marks_upto = (select max(id) from mark_events)`); n != 1 {
		t.Error("what was returned is not what there is")
	}
	g.as("instructor").get(feedbackURL).plain().lacks(t, "feedback", "a changed mark", "Newer to return")
}

func TestAMarkForTheWholeStaysTheTotal(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	g.mark("grader", "student", "1")
	teacher := g.as("instructor")
	teacher.post(ps1Path+"/marks/student", url.Values{"points": {"7"}, "event": {"0"}}).want(t, 303, "a mark for the whole")
	g.giveBack("student")
	mine := g.ask("student", "Why?")
	teacher.post(staffsOf(mine)+"/answer", teacher.get(staffsOf(mine)).answerForm("Right.", "3")).want(t, 303, "answer")
	page := g.as("student").get(ps1Path).plain()
	page.has(t, "answered", "7 of 5 points", "3 of 3", "1 → 3")
}

func TestTheWindowClosesInTheCoursesZone(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	g.mark("grader", "student", "1")
	// Berlin leaves summer time on 25 October 2026: the seven days have an hour more.
	g.now = time.Date(2026, time.October, 20, 10, 0, 0, 0, time.UTC)
	g.giveBack("student")
	student := func() *browser { return g.as("student") } // sessions end on the way
	student().get(ps1Path).plain().has(t, "in the window", "until Tue 27 Oct 2026, 12:00 CET")
	late := url.Values{"key": {uuid.NewString()}, "reason": {"PLEASE look"}}
	g.now = time.Date(2026, time.October, 27, 11, 0, 0, 0, time.UTC)
	closed := "Requests for a regrade closed on Tue 27 Oct 2026, 12:00 CET."
	page := student().get(ps1Path).plain()
	page.has(t, "after the window", closed)
	page.lacks(t, "after the window", "Ask for a regrade")
	student().get(askURL).want(t, 200, "the form").has(t, "the form", closed)
	student().post(askURL, late).want(t, http.StatusUnprocessableEntity, "too late").has(t, "too late", closed, "PLEASE look")
	if n := g.count(`select count(*) from regrades`); n != 0 {
		t.Fatalf("%d requests after the window", n)
	}
	g.now = g.now.Add(-time.Second)
	g.ask("student", "In the last second")
	// Another number of days, and none at all.
	g.sql(`update assignments set regrade_days = 3`)
	student().get(ps1Path).plain().has(t, "three days", "closed on Fri 23 Oct 2026, 12:00 CEST")
	g.sql(`update assignments set regrade_days = 30, regrades = false`)
	student().get(ps1Path).plain().has(t, "switched off", "takes no requests for a regrade", "Asked")
	student().post(askURL, late).want(t, http.StatusUnprocessableEntity, "switched off")
}

func TestTheSettingsOfRegrades(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	teacher := g.as("instructor")
	form := func(pairs ...string) url.Values {
		v := url.Values{"title": {"Problem set ps1"}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	teacher.get(ps1Path+"/settings").has(t, "the settings", `name="regrade_days"`, `value="7"`, "Students may ask for a regrade")
	for what, bad := range map[string]string{"none": "0", "a year and a day": "366", "words": "x", "minus": "-1"} {
		teacher.post(ps1Path+"/settings", form("regrade_days", bad)).want(t, http.StatusUnprocessableEntity, what).has(t, what, "between 1 and 365")
	}
	teacher.post(ps1Path+"/settings", form("regrade_days", "14", "regrades", "on")).want(t, 303, "save")
	if n := g.count(`select regrade_days from assignments where regrades`); n != 14 {
		t.Errorf("%d days, want 14", n)
	}
	teacher.post(ps1Path+"/settings", form()).want(t, 303, "switch off")
	if n := g.count(`select count(*) from assignments where not regrades and regrade_days = 14`); n != 1 {
		t.Error("switched off it forgets its days, or is not off")
	}
	g.as("grader").post(ps1Path+"/settings", form()).want(t, 403, "a grader's settings")
}

func TestFiftyPressesAreOneRequest(t *testing.T) {
	t.Parallel()
	g := returned(t)
	student, form := g.as("student"), url.Values{"key": {uuid.NewString()}, "reason": {"Once"}}
	to := make([]string, 50)
	var wg sync.WaitGroup
	for i := range to {
		wg.Go(func() {
			if a := student.post(askURL, form); a.status == http.StatusSeeOther {
				to[i] = a.location()
			} else {
				t.Errorf("press: %d", a.status)
			}
		})
	}
	wg.Wait()
	for _, l := range to {
		if l != to[0] {
			t.Fatalf("the presses lead to %v", to)
		}
	}
	if n := g.count(`select count(*) from regrade_events`) + g.count(`select count(*) from activity where verb = 'asked for a regrade'`); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
	// Another form about the same question finds one waiting, whoever is quicker.
	second := url.Values{"key": {uuid.NewString()}, "reason": {"Twice"}}
	student.post(askURL, second).want(t, http.StatusConflict, "a second request").has(t, "a second request", "waits for an answer", "Twice")
	g.as("student2").post(askURL, form).want(t, http.StatusUnprocessableEntity, "somebody else's key")
	// Withdrawn, the question may be asked about again, but not for ever.
	for i := range 9 {
		student.post(to[0]+"/withdraw", nil).want(t, 303, "withdraw")
		to[0] = student.post(askURL, url.Values{"key": {uuid.NewString()}, "reason": {"Again"}}).want(t, 303, fmt.Sprint("again ", i)).location()
	}
	student.post(to[0]+"/withdraw", nil).want(t, 303, "withdraw")
	student.post(askURL, url.Values{"key": {uuid.NewString()}, "reason": {"Again"}}).want(t, http.StatusConflict, "the eleventh").has(t, "the eleventh", "10 times")
}

func TestRequestsAreTheStudentsOwn(t *testing.T) {
	t.Parallel()
	g := returned(t)
	mine := g.ask("student", "SECRET reason")
	desk := staffsOf(mine)
	g.release("ps2", g.now.Add(time.Hour))
	elsewhere := strings.Replace(mine, "/ps1/", "/ps2/", 1)
	for _, who := range []string{"student2", "student3", "admin", "grader", "grader2", "instructor"} {
		b := g.as(who)
		for _, path := range []string{mine, mine + "/withdraw"} {
			b.get(path).want(t, 404, who+" reads "+path)
		}
		b.post(mine+"/withdraw", nil).want(t, 404, who+" withdraws")
	}
	g.as("student").get(elsewhere).want(t, 404, "under another assignment")
	for _, who := range []string{"grader2", "instructor2", "student3"} {
		b := g.as(who)
		for _, path := range []string{regradesURL, desk} {
			b.get(path).want(t, 404, who+" reads "+path)
		}
		b.post(desk+"/take", nil).want(t, 404, who+" takes")
		b.post(desk+"/answer", url.Values{"answer": {"x"}}).want(t, 404, who+" answers")
		foreign := strings.Replace(desk, "physics", "history", 1)
		if who != "student3" {
			b.get(foreign).want(t, 404, who+" reads it as their own course's")
			b.post(foreign+"/answer", url.Values{"answer": {"x"}}).want(t, 404, who+" answers it as their own course's")
		}
	}
	g.as("admin").post(desk+"/take", nil).want(t, 403, "the site's administrator, who teaches nothing here, takes")
	for _, path := range []string{regradesURL, desk} {
		g.as("student").get(path).want(t, 403, "the student reads the staff's page")
	}
	g.as("student").post(desk+"/answer", url.Values{"answer": {"full points"}, "new_points": {"3"}}).want(t, 403, "the student answers")
	// There is nothing to ask about what is not returned, not a question, or not a student's.
	g.as("newcomer").get(askURL).want(t, 404, "nothing is returned")
	g.as("grader").post(askURL, url.Values{"key": {uuid.NewString()}, "reason": {"x"}}).want(t, 404, "staff ask")
	g.as("student").get(ps1Path+"/regrade?question=nb%2Fnone").want(t, 404, "no such question")
	g.as("student").get(ps1Path+"/regrade").want(t, 404, "no question")
	if n := g.count(`select count(*) from regrades where state = 'open'`); n != 1 {
		t.Errorf("%d requests wait, want the one", n)
	}
}

func TestWhatAStudentWritesIsOnlyText(t *testing.T) {
	t.Parallel()
	g := returned(t)
	student := g.as("student")
	for what, text := range map[string]string{"nothing": "", "white space": " \n\t ", "a novel": strings.Repeat("é", 4001)} {
		student.post(askURL, url.Values{"key": {uuid.NewString()}, "reason": {text}}).want(t, http.StatusUnprocessableEntity, what)
	}
	student.post(askURL, url.Values{"reason": {"no key"}}).want(t, http.StatusUnprocessableEntity, "no key")
	evil := `</textarea><script>alert("x")</script><img src=x onerror=alert(1)> **bold** [x](javascript:alert(1)) ` + "\u202e\x00\r\nend"
	mine := g.ask("student", evil)
	grader := g.as("grader")
	for _, a := range []answer{grader.get(g.paper("student", "q2")), grader.get(staffsOf(mine)), grader.get(regradesURL), student.get(mine)} {
		a.want(t, 200, "a page")
		a.has(t, "the page", "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;", "**bold**", `dir="auto"`)
		a.lacks(t, "the page", "<script>alert", "<img src=x", `href="javascript`, "\x00")
	}
	g.ask("student2", strings.Repeat("é", 4000))
	grader.get(regradesURL).want(t, 200, "a long reason").has(t, "the list", "é…")
	// What staff answer is only text too.
	grader.post(staffsOf(mine)+"/answer", grader.get(staffsOf(mine)).answerForm(`<b onclick="x">no</b>`, "")).want(t, 303, "answer")
	student.get(mine).has(t, "the answer", "&lt;b onclick=&#34;x&#34;&gt;no&lt;/b&gt;", "Points stay 1")
}
