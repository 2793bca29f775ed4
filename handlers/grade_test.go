package handlers

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lectern/course"
	"lectern/course/notebook/render"
)

// gradingDesk is a desk with ps1 handed in by student and student2, as notebook
// "nb" with the tests q1 (2 points, of the answer f) and the essay q2 (3 points).
type gradingDesk struct {
	*desk
	number map[string]int // papers, by login
}

const gradeURL = ps1Path + "/grade"

func newGradingDesk(t testing.TB) *gradingDesk {
	t.Helper()
	g := &gradingDesk{desk: newDesk(t), number: map[string]int{}}
	g.Render = render.New()
	g.content.render = g.Render
	g.sql(`insert into questions (assignment_id, notebook, grade_id, position, kind, cell_type, points, source) values
		($1, 'nb', 'f', 1, 'answer', 'code', 0, ''), ($1, 'nb', 'q1', 2, 'tests', 'code', 2, ''), ($1, 'nb', 'q2', 4, 'manual', 'markdown', 3, '')`, g.ps1.ID)
	for _, login := range []string{"student", "student2"} {
		g.handIn(login, g.now)
	}
	return g
}

func (g *gradingDesk) handIn(login string, at time.Time) {
	g.t.Helper()
	m, err := g.Store.Member(g.t.Context(), g.physics.ID, login)
	g.must(err)
	dir, err := g.layout.HistoryFiles("physics", login, "ps1", at)
	g.must(err)
	g.must(os.MkdirAll(dir, 0o755))
	cell := func(kind, id, src, meta string) string {
		extra := ""
		if kind == "code" {
			extra = `,"outputs":[],"execution_count":null`
		}
		return fmt.Sprintf(`{"cell_type":%q,"id":%q,"source":%q,"metadata":{%s}%s}`, kind, "c-"+id, src, meta, extra)
	}
	ng := func(id string, grade, solution bool) string {
		return fmt.Sprintf(`"nbgrader":{"grade_id":%q,"grade":%v,"solution":%v,"task":false,"locked":%v,"points":2,"schema_version":3}`, id, grade, solution, grade && !solution)
	}
	nb := `{"cells":[` + strings.Join([]string{cell("markdown", "ask1", "ASK ONE", ""), cell("code", "f", "answer = 'SAME'", ng("f", false, true)),
		cell("code", "q1", "assert TESTS", ng("q1", true, false)), cell("markdown", "ask2", "ASK TWO", ""), cell("markdown", "q2", "ESSAY of <b>"+login+"</b>", ng("q2", true, true))}, ",") +
		`],"metadata":{},"nbformat":4,"nbformat_minor":5}`
	g.must(os.WriteFile(filepath.Join(dir, "nb.ipynb"), []byte(nb), 0o644))
	g.sql(`insert into submissions (assignment_id, member_id, kind, key, taken_at, counts, snapshot, digest, files, bytes)
		values ($1, $2, 'submit', gen_random_uuid(), $3, true, $4, 'x', '[]', 0)`, g.ps1.ID, m.ID, at, at.Format(course.SnapshotForm))
	g.number[login], err = g.Store.PaperOf(g.t.Context(), g.ps1.ID, m.ID)
	g.must(err)
}

func (g *gradingDesk) paper(login, q string) string {
	return fmt.Sprintf("%s/%d?question=nb%%2F%s", gradeURL, g.number[login], q)
}

// form is the mark's form as a page shows it, with some fields changed.
func (a answer) gradeForm(q string, change ...string) url.Values {
	out := url.Values{"question": {"nb/" + q}}
	if m := regexp.MustCompile(`name="event" value="(\d+)"`).FindStringSubmatch(a.body); m != nil {
		out.Set("event", m[1])
	}
	for i := 0; i+1 < len(change); i += 2 {
		out.Add(change[i], change[i+1])
	}
	return out
}

func (g *gradingDesk) points(login, q string) string {
	g.t.Helper()
	m, err := g.Store.Member(g.t.Context(), g.physics.ID, login)
	g.must(err)
	c, err := g.Store.CellMark(g.t.Context(), g.ps1.ID, course.QuestionKey{Notebook: "nb", Question: q}, m.ID, 0)
	g.must(err)
	return c.State + " " + formatPoints(c.Points)
}

func TestNamesAreHiddenWhileGrading(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	grader := g.as("grader")
	for _, path := range []string{gradeURL, gradeURL + "?sort=name", g.paper("student", "q2"), g.paper("student", "q2") + "&by=student"} {
		body := grader.get(path).want(t, 200, path).body
		body = regexp.MustCompile(`src="[^"]*"`).ReplaceAllString(body, "") // the frame shows what the student wrote
		if strings.Contains(body, "The student") || strings.Contains(body, ">student<") {
			t.Errorf("%s tells a name", path)
		}
		if !strings.Contains(body, fmt.Sprintf("Paper %d", g.number["student"])) {
			t.Errorf("%s does not name the paper", path)
		}
	}
	grader.post(gradeURL+"/names", url.Values{"names": {"on"}}).want(t, 303, "show names")
	if body := grader.get(gradeURL).body; !strings.Contains(body, "The student2") || !strings.Contains(body, "Nothing handed in") {
		t.Error("names do not show when asked for, or the newcomer, who handed in nothing, is missing")
	}
	grader.post(gradeURL+"/names", url.Values{"names": {"off"}}).want(t, 303, "hide names")
	if body := grader.get(gradeURL).body; strings.Contains(body, "The student2") {
		t.Error("names do not hide again")
	}
}

func TestOnlyTheQuestionIsShown(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	grader := g.as("grader")
	frame := func(path string) string {
		body := grader.get(path).want(t, 200, path).body
		m := regexp.MustCompile(`<iframe class="work" src="([^"]+)"`).FindStringSubmatch(body)
		if m == nil {
			t.Fatalf("%s has no frame:\n%s", path, body)
		}
		u, err := url.Parse(m[1])
		g.must(err)
		host := u.Host
		u.Host = g.SiteURL.Host // every content host is this server
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.String(), nil)
		g.must(err)
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		g.must(err)
		defer resp.Body.Close()
		return readAll(t, resp)
	}
	has := func(path string, want, not []string) {
		t.Helper()
		body := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(frame(path), "")
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s lacks %q: %s", path, w, body)
			}
		}
		for _, n := range not {
			if strings.Contains(body, n) {
				t.Errorf("%s shows %q", path, n)
			}
		}
	}
	has(g.paper("student", "q2"), []string{"ESSAY of", "ASK TWO"}, []string{"TESTS", "ASK ONE"})
	has(g.paper("student", "q1"), []string{"TESTS", "SAME", "ASK ONE"}, []string{"ESSAY", "ASK TWO"})
	has(g.paper("student", "q1")+"&show=all", []string{"TESTS", "ESSAY", "ASK TWO"}, nil)
}

func TestAMarkIsSavedAndTwoAreAConflict(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	grader, teacher := g.as("grader"), g.as("instructor")
	path := g.paper("student", "q2")
	first, second := grader.get(path).want(t, 200, "the paper"), teacher.get(path).want(t, 200, "the paper")
	grader.post(path, first.gradeForm("q2", "points", "1,5", "comment", "Well **done**")).want(t, 303, "save")
	if got := g.points("student", "q2"); got != "marked 1.5" {
		t.Errorf("saved as %q", got)
	}
	if body := grader.get(path).body; !strings.Contains(body, "<strong>done</strong>") || !strings.Contains(body, "Marked by grader") {
		t.Error("the page does not show the mark")
	}
	clash := teacher.post(path, second.gradeForm("q2", "points", "3", "comment", "mine")).want(t, http.StatusConflict, "the second mark")
	for _, want := range []string{"grader marked this too", "1.5 of 3", "3 of 3", "Well **done**", "mine"} {
		if !strings.Contains(clash.body, want) {
			t.Errorf("the conflict does not show %q", want)
		}
	}
	if got := g.points("student", "q2"); got != "marked 1.5" {
		t.Errorf("after the conflict it is %q", got)
	}
	own := regexp.MustCompile(`name="event" value="(\d+)"`).FindAllStringSubmatch(clash.body, -1)
	form := second.gradeForm("q2", "points", "3", "comment", "mine")
	form.Set("event", own[0][1])
	teacher.post(path, form).want(t, 303, "taking one's own")
	if got := g.points("student", "q2"); got != "marked 3" {
		t.Errorf("after taking one's own it is %q", got)
	}
	for what, bad := range map[string][]string{"too many points": {"points", "4"}, "no number": {"points", "x"}, "minus": {"extra", "-1"}, "a novel": {"comment", strings.Repeat("x", course.MaxComment+1)}} {
		grader.post(path, grader.get(path).gradeForm("q2", bad...)).want(t, http.StatusUnprocessableEntity, what)
	}
	if got := g.points("student", "q2"); got != "marked 3" {
		t.Errorf("after wrong forms it is %q", got)
	}
	if n := g.count(`select count(*) from mark_events`); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
	grader.get(fmt.Sprintf("%s/%d?question=nb/nothing", gradeURL, g.number["student"])).want(t, 404, "no such question")
}

func TestTheScriptSavesByTheSameRules(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	grader := g.as("grader")
	path, script := g.paper("student", "q2"), map[string]string{"Accept": "application/json"}
	form := grader.get(path).gradeForm("q2", "points", "2")
	var now struct {
		Event, Mark, Word, Status, Left string
		Errors                          map[string]string
	}
	ask := func(form url.Values, status int) {
		t.Helper()
		a := grader.do(http.MethodPost, path, form, script).want(t, status, "the script's form")
		now.Errors = nil
		g.must(json.Unmarshal([]byte(a.body), &now))
	}
	ask(form, 200)
	if now.Mark != "2" || now.Word != "Marked" || now.Left != "1 left" || !strings.HasPrefix(now.Status, "Saved") || now.Event == "0" {
		t.Errorf("answered %+v", now)
	}
	form.Set("points", "9")
	form.Set("event", now.Event)
	if ask(form, 422); now.Errors["points"] == "" {
		t.Errorf("a wrong number: %+v", now)
	}
	form.Set("points", "1")
	form.Set("event", "0")
	ask(form, http.StatusConflict)
	hold := grader.do(http.MethodPost, fmt.Sprintf("%s/%d/hold", gradeURL, g.number["student"]), url.Values{"question": {"nb/q2"}}, script).want(t, 200, "a sign of life")
	if !strings.Contains(hold.body, `"other":""`) {
		t.Errorf("holding one's own paper: %s", hold.body)
	}
	if body := g.as("instructor").get(path).body; !strings.Contains(body, "The grader is reading this paper just now.") {
		t.Error("the other grader is not told")
	}
}

func TestNextUngradedLeadsThroughAll(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	grader, teacher := g.as("grader"), g.as("instructor")
	a := grader.post(gradeURL+"/next", url.Values{"question": {"nb/q2"}}).want(t, 303, "next").location()
	b := teacher.post(gradeURL+"/next", url.Values{"question": {"nb/q2"}}).want(t, 303, "next").location()
	if a == b || !strings.Contains(a, "/grade/") || !strings.Contains(b, "/grade/") {
		t.Fatalf("two graders are led to %s and %s", a, b)
	}
	c := grader.post(a, grader.get(a).gradeForm("q2", "points", "1", "then", "next")).want(t, 303, "save and next").location()
	if c != gradeURL {
		t.Errorf("with the last one at somebody else's, next leads to %s", c)
	}
	if body := grader.get(c).body; !strings.Contains(body, "Nothing is left in this question") {
		t.Error("the overview does not say that nothing is left")
	}
}

func TestTheRubricIsMadeWhileGrading(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	grader := g.as("grader")
	path, rubric := g.paper("student", "q2"), gradeURL+"/rubric"
	number := fmt.Sprint(g.number["student"])
	add := url.Values{"question": {"nb/q2"}, "paper": {number}, "act": {"add"}, "item": {"Names the bound"}, "item_points": {"2"}}
	if to := grader.post(rubric, add).want(t, 303, "add an item").location(); !strings.Contains(to, "/grade/"+number) {
		t.Errorf("adding leads to %s", to)
	}
	page := grader.get(path)
	id := regexp.MustCompile(`name="rubric" value="(\d+)"`).FindStringSubmatch(page.body)
	if id == nil || !strings.Contains(page.body, "Names the bound") || !strings.Contains(page.body, `data-key="1"`) {
		t.Fatalf("the item is not on the page")
	}
	grader.post(path, page.gradeForm("q2", "rubric", id[1])).want(t, 303, "choose it")
	if got := g.points("student", "q2"); got != "marked 2" {
		t.Errorf("by rubric: %q", got)
	}
	edit := url.Values{"question": {"nb/q2"}, "mode": {"deduct"}, "text." + id[1]: {"Misses the bound"}, "points." + id[1]: {"0.5"}, "text.new": {""}, "points.new": {""}}
	grader.post(rubric, edit).want(t, 303, "change the rubric")
	if got := g.points("student", "q2"); got != "marked 2.5" {
		t.Errorf("after the change: %q", got)
	}
	edit.Set("points."+id[1], "many")
	if a := grader.post(rubric, edit).want(t, 422, "a wrong number"); !strings.Contains(a.body, `value="many"`) {
		t.Error("what was typed is lost")
	}
	ask := grader.get(rubric+"/delete?question=nb%2Fq2&item="+id[1]).want(t, 200, "the question first").body
	if !strings.Contains(ask, "part of 1 mark") || !strings.Contains(ask, "will need grading again") {
		t.Errorf("deleting does not say what is lost")
	}
	grader.post(rubric+"/delete", url.Values{"question": {"nb/q2"}, "item": {id[1]}}).want(t, 303, "delete")
	if got := g.points("student", "q2"); got != "needs " {
		t.Errorf("after deleting: %q", got)
	}
	grader.post(rubric+"/delete", url.Values{"question": {"nb/q2"}, "item": {id[1]}}).want(t, 404, "delete again")
}

func TestIdenticalAnswersAreFoundAndUndone(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	grader := g.as("grader")
	path := g.paper("student", "q1")
	grader.post(gradeURL+"/identical", url.Values{"question": {"nb/q1"}, "paper": {fmt.Sprint(g.number["student"])}}).want(t, 303, "compare")
	page := grader.get(path).want(t, 200, "the paper")
	if !strings.Contains(page.body, "Also for 1 identical answer") {
		t.Fatalf("the other same answer is not found")
	}
	grader.post(path, page.gradeForm("q1", "points", "2", "together", "yes")).want(t, 303, "mark both")
	if got := g.points("student2", "q1"); got != "marked 2" {
		t.Errorf("the other: %q", got)
	}
	other := fmt.Sprint(g.number["student2"])
	apart := url.Values{"question": {"nb/q1"}, "paper": {other}}
	grader.post(fmt.Sprintf("%s/%d/apart", gradeURL, g.number["student"]), apart).want(t, 303, "undo for one")
	if got := g.points("student2", "q1"); got != "waiting " {
		t.Errorf("the other, undone: %q", got)
	}
	grader.post(gradeURL+"/identical", url.Values{"question": {"nb/q2"}}).want(t, 303, "compare essays")
	if body := grader.get(g.paper("student", "q2")).body; strings.Contains(body, "Also for") {
		t.Error("different essays are taken for the same")
	}
}

func TestTheTestsAreOverruledWithAReason(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	g.sql(`with r as (insert into runs (submission_id, assignment_id, member_id, state, effective)
			select id, assignment_id, member_id, 'done', true from submissions where assignment_id = $1 returning id)
		insert into run_results (run_id, notebook, question, position, points, max) select id, 'nb', 'q1', 2, 0, 2 from r`, g.ps1.ID)
	grader := g.as("grader")
	path := g.paper("student", "q1")
	page := grader.get(path)
	if a := grader.post(path, page.gradeForm("q1", "points", "2")).want(t, 422, "without a reason"); !strings.Contains(a.body, "Say why this differs") {
		t.Error("it does not ask for the reason")
	}
	grader.post(path, page.gradeForm("q1", "points", "2", "reason", "the test was wrong")).want(t, 303, "with a reason")
	if got := g.points("student", "q1"); got != "overridden 2" {
		t.Errorf("overruled: %q", got)
	}
	if body := g.as("instructor").get(ps1Path + "/marks/student").body; !strings.Contains(body, "the test was wrong") {
		t.Error("the history does not have the reason")
	}
}

func TestLatenessCostsWhatTheDatesPageSays(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	teacher := g.as("instructor")
	late := ps1Path + "/late"
	for what, form := range map[string]url.Values{"a wrong share": {"late_unit": {"day"}, "late_percent": {"120"}}, "no number": {"late_unit": {"day"}, "late_grace": {"soon"}}, "no such unit": {"late_unit": {"week"}}} {
		teacher.post(late, form).want(t, 422, what)
	}
	teacher.post(late, url.Values{"late_unit": {"day"}, "late_percent": {"10"}, "late_cap": {"50"}}).want(t, 303, "the rule")
	words := "Each day that has begun after the due time costs 10 % of what was earned, at most 50 %."
	if body := teacher.get(ps1Path + "/dates").body; !strings.Contains(body, words) {
		t.Error("the dates page does not say the rule")
	}
	student := g.as("student")
	if body := student.get(ps1Path).body; !strings.Contains(body, words) {
		t.Error("the student is not told")
	}
	g.sql(`update submissions set taken_at = $1`, g.ps1.DueAt.Add(30*time.Hour))
	path := g.paper("student", "q2")
	teacher.post(path, teacher.get(path).gradeForm("q2", "points", "3", "extra", "1")).want(t, 303, "mark")
	if body := teacher.get(gradeURL).body; !strings.Contains(body, "−0.8 late") || !strings.Contains(body, "3.2") {
		t.Error("the overview does not show what lateness takes off")
	}
	teacher.post(ps1Path+"/feedback/return", url.Values{"login": {"student"}}).want(t, 303, "return")
	if body := student.get(ps1Path).body; !strings.Contains(body, "3.2 of 5 points, after 0.8 taken off for lateness") {
		t.Errorf("the student does not see the total: %s", body)
	}
	// An extension granted later lifts it; what was returned stays until it is returned again.
	teacher.post(ps1Path+"/extensions", url.Values{"login": {"student"}, "until": {formatLocal(new(g.ps1.DueAt.Add(48*time.Hour)), g.physics.Location())}}).want(t, 303, "extend")
	if body := teacher.get(gradeURL).body; strings.Contains(body, "−0.8 late") {
		t.Error("lateness still costs")
	}
	if body := student.get(ps1Path).body; !strings.Contains(body, "3.2 of 5 points") {
		t.Error("what was returned has changed by itself")
	}
	teacher.post(ps1Path+"/feedback/return", url.Values{"all": {"ready"}}).want(t, 303, "return again")
	if body := student.get(ps1Path).body; !strings.Contains(body, "4 of 5 points") {
		t.Error("returned again, it is the old total")
	}
}

func TestThePagesOfGradingCostAFixedNumberOfStatements(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	grader := g.as("grader")
	cost := func(path string) int64 {
		grader.get(path).want(t, 200, path)
		before := g.Store.Pool().Stat().AcquireCount()
		grader.get(path).want(t, 200, path)
		return g.Store.Pool().Stat().AcquireCount() - before
	}
	paths := []string{gradeURL, g.paper("student", "q2"), g.paper("student", "q2") + "&by=student"}
	var few []int64
	for _, p := range paths {
		few = append(few, cost(p))
	}
	g.sql(`with u as (insert into users (login) select 'crowd' || n from generate_series(1, 150) n returning id), m as (
			insert into members (course_id, user_id, role) select $2, id, 'student' from u returning id)
		insert into submissions (assignment_id, member_id, kind, key, taken_at, counts, snapshot, digest, files, bytes)
		select $1, id, 'submit', gen_random_uuid(), now(), true, 'x', 'x', '[]', 0 from m`, g.ps1.ID, g.physics.ID)
	for i, p := range paths {
		if many := cost(p); many != few[i] || many > 20 {
			t.Errorf("%s: %d statements for two papers, %d for 152", p, few[i], many)
		}
	}
}

func readAll(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
