package handlers

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

const marksURL = ps1Path + "/marks"

var inputs = regexp.MustCompile(`name="((?:event|points)\.[^"]*)"\s+value="([^"]*)"`)
var areas = regexp.MustCompile(`(?s)name="(comment\.[^"]*)"[^>]*>([^<]*)</textarea>`)

// marksForm is the page's form as a browser would send it back untouched.
func (a answer) marksForm() url.Values {
	out := url.Values{}
	for _, found := range [][][]string{inputs.FindAllStringSubmatch(a.body, -1), areas.FindAllStringSubmatch(a.body, -1)} {
		for _, m := range found {
			out.Set(m[1], html.UnescapeString(m[2]))
		}
	}
	return out
}

// mark is a student's current mark as "points comment source by".
func (d *desk) mark(login string) string {
	d.t.Helper()
	var text string
	d.must(d.Store.Pool().QueryRow(d.t.Context(), `
		select coalesce((select concat_ws(' ', coalesce(e.points::text, 'none'), nullif(e.comment, ''), e.source, g.login)
			from mark_events e join members m on m.id = e.member_id join users u on u.id = m.user_id left join users g on g.id = e.actor
			where e.assignment_id = $1 and u.login = $2 order by e.id desc limit 1), '')`, d.ps1.ID, login).Scan(&text))
	return text
}

func (d *desk) wantMarks(when string, want map[string]string) {
	d.t.Helper()
	for login, w := range want {
		if got := d.mark(login); got != w {
			d.t.Errorf("%s: %s has %q, want %q", when, login, got, w)
		}
	}
}

func TestMarksAreSavedRowByRow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	teacher := d.as("instructor")
	form := teacher.get(marksURL).want(t, http.StatusOK, "the table").marksForm()
	if len(form) != 9 {
		t.Fatalf("the form has %d fields, want event, points and comment of three students: %v", len(form), form)
	}
	teacher.post(marksURL, form).want(t, http.StatusSeeOther, "saving nothing")
	if n := d.count(`select count(*) from mark_events`); n != 0 {
		t.Fatalf("saving an untouched table made %d marks", n)
	}
	form.Set("points.student", "7,5")
	form.Set("comment.student", "Well done,\r\nmostly")
	form.Set("points.student2", "12")
	if a := teacher.post(marksURL+"?state=unmarked&page=1", form).want(t, http.StatusSeeOther, "saving"); a.location() != marksURL+"?page=1&state=unmarked" {
		t.Errorf("led to %s, want the same part of the table", a.location())
	}
	d.wantMarks("saved", map[string]string{"student": "7.5 Well done,\nmostly hand instructor", "student2": "12 hand instructor", "newcomer": ""})
	page := teacher.get(marksURL).want(t, http.StatusOK, "the table again")
	for _, want := range []string{"2 marks saved. Above the assignment&#39;s 10 points: student2.", "above 10", `value="7.5"`} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	again := page.marksForm()
	teacher.post(marksURL, again).want(t, http.StatusSeeOther, "saving what is shown")
	teacher.post(marksURL, form).want(t, http.StatusSeeOther, "sending the first form twice")
	if n := d.count(`select count(*) from mark_events`); n != 2 {
		t.Errorf("%d marks, want 2: sending again changes nothing", n)
	}
	again.Set("points.student2", "")
	teacher.post(marksURL, again).want(t, http.StatusSeeOther, "taking back")
	d.wantMarks("taken back", map[string]string{"student": "7.5 Well done,\nmostly hand instructor", "student2": "none hand instructor"})
	if n := d.count(`select count(*) from activity where verb = 'gave marks'`); n != 2 {
		t.Errorf("%d lines of activity, want 2", n)
	}
}

func TestWrongMarksComeBackAndSaveNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	grader := d.as("grader")
	form := grader.get(marksURL).marksForm()
	form.Set("points.newcomer", "-1")
	form.Set("points.student", "8")
	form.Set("points.student2", "lots <b>")
	a := grader.post(marksURL+"?q=nobody", form).want(t, http.StatusUnprocessableEntity, "wrong marks")
	for _, want := range []string{"Points cannot be negative.", "“lots &lt;b&gt;” is not a number of points.", `value="8"`, `value="-1"`, `aria-invalid="true"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := d.count(`select count(*) from mark_events`); n != 0 {
		t.Errorf("%d marks were saved with wrong ones beside them", n)
	}
	back := a.marksForm()
	back.Set("points.newcomer", "1")
	back.Set("points.student2", "2")
	grader.post(marksURL, back).want(t, http.StatusSeeOther, "mended")
	d.wantMarks("mended", map[string]string{"newcomer": "1 hand grader", "student": "8 hand grader", "student2": "2 hand grader"})
	// Somebody of another course, or nobody at all, is no row.
	grader.post(marksURL, url.Values{"points.student3": {"5"}, "event.student3": {"0"}, "points.x": {"5"}}).want(t, http.StatusSeeOther, "strangers")
	if n := d.count(`select count(*) from mark_events`); n != 3 {
		t.Errorf("%d marks, want 3: strangers were marked", n)
	}
}

func TestAMarkGivenInBetweenIsNotOverwritten(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	teacher, grader := d.as("instructor"), d.as("grader")
	mine, theirs := teacher.get(marksURL).marksForm(), grader.get(marksURL).marksForm()
	theirs.Set("points.student", "4")
	theirs.Set("comment.student", "theirs")
	theirs.Set("points.newcomer", "3")
	grader.post(marksURL, theirs).want(t, http.StatusSeeOther, "the grader's")
	mine.Set("points.student", "9")
	mine.Set("comment.student", "mine")
	mine.Set("points.student2", "6")
	a := teacher.post(marksURL, mine).want(t, http.StatusConflict, "the instructor's")
	for _, want := range []string{"Keep <strong>4</strong>, given by grader", "Take yours: <strong>9</strong>", "theirs", "mine", "All other marks are saved (1)."} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(a.body, "newcomer") {
		t.Error("a row that the instructor did not touch is called a conflict")
	}
	d.wantMarks("after the conflict", map[string]string{"student": "4 theirs hand grader", "student2": "6 hand instructor", "newcomer": "3 hand grader"})
	choose := a.form(t, marksURL)
	choose.Set("take.student", "theirs")
	teacher.post(marksURL, choose).want(t, http.StatusSeeOther, "keeping theirs")
	d.wantMarks("kept", map[string]string{"student": "4 theirs hand grader"})
	choose.Set("take.student", "mine")
	teacher.post(marksURL, choose).want(t, http.StatusSeeOther, "taking mine")
	d.wantMarks("taken", map[string]string{"student": "9 mine hand instructor"})
}

func TestTheHistoryOfAMark(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	grader := d.as("grader")
	path := marksURL + "/student"
	if a := grader.get(path).want(t, http.StatusOK, "nothing yet"); !strings.Contains(a.body, "No mark has been given yet") {
		t.Error("no word for an empty history")
	}
	give := func(points, comment, reason string, status int) answer {
		t.Helper()
		f := grader.get(path).form(t, path)
		f.Set("points", points)
		f.Set("comment", comment)
		f.Set("reason", reason)
		return grader.post(path, f).want(t, status, "giving "+points)
	}
	give("5", "fair", "", http.StatusSeeOther)
	give("6", "fair", "added wrongly <i>", http.StatusSeeOther)
	give("", "", "withdrawn", http.StatusSeeOther)
	if a := give("x", "kept", "r", http.StatusUnprocessableEntity); !strings.Contains(a.body, "“x” is not a number of points.") || !strings.Contains(a.body, "kept") {
		t.Error("the form did not come back with its error and what was typed")
	}
	body := grader.get(path).body
	for _, want := range []string{"added wrongly &lt;i&gt;", "as before", "<strong>no mark</strong>", "<strong>6</strong>", "by hand", "grader"} {
		if !strings.Contains(body, want) {
			t.Errorf("the history lacks %q", want)
		}
	}
	old := grader.get(path).form(t, path)
	give("7", "", "", http.StatusSeeOther)
	old.Set("points", "1")
	if a := d.as("instructor").post(path, old).want(t, http.StatusConflict, "an old form"); !strings.Contains(a.body, "grader gave 7 while you were here") {
		t.Error("the conflict does not show the other mark")
	}
	d.wantMarks("in the end", map[string]string{"student": "7 hand grader"})
	if _, err := d.Store.Pool().Exec(t.Context(), `update mark_events set points = 10`); err == nil {
		t.Error("a mark's history can be rewritten")
	}
}

func TestATableOfMarksIsAppliedAsItWasShown(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	teacher := d.as("instructor")
	imports := ps1Path + "/import-marks"
	form := teacher.get(marksURL).marksForm()
	form.Set("points.student", "7.5")
	form.Set("comment.student", "=1+1 is, \"2\"\nnot 3")
	teacher.post(marksURL, form).want(t, http.StatusSeeOther, "a first mark")
	csv := teacher.get(ps1Path+"/marks.csv").want(t, http.StatusOK, "the download")
	if !strings.Contains(csv.header.Get("Content-Disposition"), "physics-ps1-marks.csv") || !strings.Contains(csv.body, `'=1+1`) {
		t.Errorf("downloaded %q as %q", csv.body, csv.header.Get("Content-Disposition"))
	}
	if a := teacher.upload(imports, csv.body, nil).want(t, http.StatusOK, "our own table"); !strings.Contains(a.body, "Nothing to change") {
		t.Errorf("the download reads back as a change")
	}
	for name, text := range map[string]string{"": "Choose a file", "login\nstudent\n": "No column has points", "points\n3\n": "No column has a login"} {
		if a := teacher.upload(imports, name, nil).want(t, http.StatusUnprocessableEntity, name); !strings.Contains(a.body, text) {
			t.Errorf("%q: no word of %q", name, text)
		}
	}
	bad := teacher.upload(imports, "login;points\nstudent;8\nzoe;3\nstudent2;many\n", nil).want(t, http.StatusOK, "a table with mistakes")
	for _, want := range []string{"Line 3", "zoe", "Line 4", "many"} {
		if !strings.Contains(bad.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(bad.body, imports+"/apply") {
		t.Error("a table with mistakes can be applied")
	}
	teacher.upload(imports+"/apply", "", url.Values{"pasted": {"login;points\nstudent;8\nzoe;3\n"}, "digest": {"x"}}).want(t, http.StatusConflict, "applying mistakes")
	d.wantMarks("nothing applied", map[string]string{"student": "7.5 =1+1 is, \"2\"\nnot 3 hand instructor", "student2": ""})

	shown := teacher.upload(imports, "login,points\nstudent,8\nstudent2,\"11,5\"\nnewcomer,\n", nil).want(t, http.StatusOK, "a good table")
	for _, want := range []string{"7.5", "11.5", "above 10", "Apply 2 changes"} {
		if !strings.Contains(shown.body, want) {
			t.Errorf("the difference lacks %q", want)
		}
	}
	apply := shown.form(t, imports+"/apply")
	d.as("grader").post(marksURL+"/student2", url.Values{"points": {"2"}, "event": {"0"}}).want(t, http.StatusSeeOther, "meanwhile")
	if a := teacher.upload(imports+"/apply", "", apply).want(t, http.StatusConflict, "applying what has changed"); !strings.Contains(a.body, "nothing was applied") {
		t.Error("no word of the conflict")
	} else {
		apply = a.form(t, imports+"/apply")
	}
	d.wantMarks("conflict", map[string]string{"student": "7.5 =1+1 is, \"2\"\nnot 3 hand instructor", "student2": "2 hand grader"})
	for range 2 {
		teacher.upload(imports+"/apply", "", apply).want(t, http.StatusSeeOther, "applying")
	}
	d.wantMarks("applied", map[string]string{"student": "8 =1+1 is, \"2\"\nnot 3 csv instructor", "student2": "11.5 csv instructor", "newcomer": ""})
	if n := d.count(`select count(*) from mark_events where source = 'csv'`); n != 2 {
		t.Errorf("%d marks from the table, want 2", n)
	}
}

func TestAPageOfMarksCostsAFixedNumberOfStatements(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	teacher := d.as("instructor")
	cost := func(path string) int64 {
		teacher.get(path).want(t, http.StatusOK, "warm")
		before := d.Store.Pool().Stat().AcquireCount()
		teacher.get(path).want(t, http.StatusOK, path)
		return d.Store.Pool().Stat().AcquireCount() - before
	}
	paths := []string{marksURL, ps1Path + "/feedback"}
	var few []int64
	for _, p := range paths {
		few = append(few, cost(p))
	}
	d.sql(`with u as (insert into users (login, name) select 'crowd' || n, 'Somebody ' || n from generate_series(1, 3000) n returning id)
		insert into members (course_id, user_id, role, section) select $1, id, 'student', 'B' from u`, d.physics.ID)
	d.sql(`insert into mark_events (assignment_id, member_id, points, source) select $1, m.id, m.id % 10, 'hand' from members m where m.section = 'B'`, d.ps1.ID)
	for i, p := range paths {
		if many := cost(p); many != few[i] || many > 9 {
			t.Errorf("%s: %d statements for three students, %d for 3,000; want the same and few", p, few[i], many)
		}
	}
	page := teacher.get(marksURL+"?section=B&sort=points&dir=down&page=30").want(t, http.StatusOK, "the last page")
	if n := strings.Count(page.body, `class="input points"`); n != 100 || !strings.Contains(page.body, "2901–3000 of 3000") {
		t.Errorf("the last page has %d rows; want 100 of 3000", n)
	}
	if a := teacher.get(marksURL + "?sort=" + url.QueryEscape("name; drop table users")); a.status != http.StatusUnprocessableEntity {
		t.Errorf("an unknown order: %d", a.status)
	}
	if body := teacher.get(marksURL + "?q=crowd2999").body; strings.Count(body, `class="input points"`) != 1 {
		t.Error("the search does not find one student")
	}
	fmt.Fprintln(t.Output(), "statements a page:", few)
}

func TestOfTwentyMarksAtOnceOneIsGiven(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	teacher := d.as("instructor")
	form := teacher.get(marksURL).marksForm()
	var wg sync.WaitGroup
	statuses := make([]int, 20)
	for i := range statuses {
		mine := url.Values{"event.student": form["event.student"], "points.student": {fmt.Sprint(i)}}
		wg.Go(func() { statuses[i] = teacher.post(marksURL, mine).status })
	}
	wg.Wait()
	saved := 0
	for _, s := range statuses {
		switch s {
		case http.StatusSeeOther:
			saved++
		case http.StatusConflict:
		default:
			t.Errorf("status %d, want saved or a conflict", s)
		}
	}
	if n := d.count(`select count(*) from mark_events`); saved != 1 || n != 1 {
		t.Errorf("%d were told that it is saved, %d marks were given; want one of each", saved, n)
	}
}
