package handlers

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
)

const bookURL = "/courses/physics/gradebook"

// term gives physics an assignment that is over and one that runs, with marks.
func term(t testing.TB) *desk {
	d := newDesk(t).handedIn()
	past := d.release("exam", d.now.Add(-48*time.Hour))
	d.sql(`update assignments set grade_group = 'Exam' where id = $1`, past.ID)
	d.sql(`update assignments set grade_group = 'Homework' where id = $1`, d.ps1.ID)
	d.sql(`insert into mark_events (assignment_id, member_id, points, source) select $1, m.id, 8, 'hand' from members m join users u on u.id = m.user_id where u.login = 'student'`, past.ID)
	d.sql(`insert into mark_events (assignment_id, member_id, points, comment, source) select $1, m.id, 5, '=danger()', 'hand' from members m join users u on u.id = m.user_id where u.login = 'student'`, d.ps1.ID)
	d.sql(`update users set name = '=HYPERLINK("x"), Jr' where login = 'student2'`)
	return d
}

func TestTheGradebookShowsTotalsAndStates(t *testing.T) {
	t.Parallel()
	d := term(t)
	teacher := d.as("instructor")
	page := teacher.get(bookURL).want(t, http.StatusOK, "the gradebook")
	page.has(t, "the gradebook", "65 %", "Missing", "To mark", "Excel workbook", "=HYPERLINK(&#34;x&#34;), Jr")
	settings := teacher.get(bookURL+"/settings").want(t, http.StatusOK, "the settings")
	settings.has(t, "the settings", `value="Exam"`, `value="Homework"`)
	form := url.Values{"group.0": {"Exam"}, "weight.0": {"75"}, "drop.0": {"0"}, "group.1": {"Homework"}, "weight.1": {"25"}, "drop.1": {"0"}, "letters": {"A 90\nB 70\nF 0"}}
	teacher.post(bookURL+"/settings", form).want(t, http.StatusSeeOther, "saving")
	page = teacher.get(bookURL)
	page.has(t, "weighted", "72.5 %", ">B<", ">F<")
	d.as("grader").get(bookURL+"/settings").want(t, http.StatusForbidden, "a grader's settings")
	form.Set("letters", "A lot")
	form.Set("weight.0", "-3")
	bad := teacher.post(bookURL+"/settings", form).want(t, http.StatusUnprocessableEntity, "nonsense")
	bad.has(t, "the form", "such as “A- 90”", "Points cannot be negative.", "A lot")

	for address, want := range map[string]string{"?sort=total&dir=down": "72.5 %", "?q=student2": "=HYPERLINK"} {
		teacher.get(bookURL+address).want(t, http.StatusOK, address).has(t, address, want)
	}
	teacher.get(bookURL+"?sort=drop").want(t, http.StatusUnprocessableEntity, "an unknown order")
}

func TestAGradebookPageCostsAFixedNumberOfStatements(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	teacher := d.as("instructor")
	cost := func(path string) int64 {
		teacher.get(path).want(t, http.StatusOK, "warm")
		before := d.Store.Pool().Stat().AcquireCount()
		teacher.get(path).want(t, http.StatusOK, path)
		return d.Store.Pool().Stat().AcquireCount() - before
	}
	paths := []string{bookURL, bookURL + "?sort=total", ps1Path + "/statistics", runsURL, ps1Path + "/submissions"}
	var few []int64
	for _, p := range paths {
		few = append(few, cost(p))
	}
	d.fill(300, 12)
	for i, p := range paths {
		if many := cost(p); many != few[i] || many > 10 {
			t.Errorf("%s: %d statements, then %d for many; want the same and few", p, few[i], many)
		}
	}
	t.Log("statements a page:", few)
}

func TestTheGradebookGoesElsewhere(t *testing.T) {
	t.Parallel()
	d := term(t)
	teacher := d.as("instructor")
	read := func(path string) [][]string {
		t.Helper()
		a := teacher.get(bookURL+path).want(t, http.StatusOK, path)
		rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v\n%s", path, err, a.body)
		}
		for _, row := range rows {
			for _, f := range row {
				if f != "" && strings.ContainsRune("=+-@", rune(f[0])) {
					t.Errorf("%s has the formula %q", path, f)
				}
			}
		}
		return rows
	}
	rows := read("/nbgrader.csv")
	if len(rows) != 1+2*3 || rows[1][0] != "exam" || !slices.Equal(rows[2][3:], []string{"student", "student", "The", "student@uni.example", "8.0", "0.0", "8.0", "10.0"}) {
		t.Errorf("nbgrader's table is %q", rows)
	}
	if rows := read("/moodle.csv"); rows[2][0] != "student" || rows[2][7] != "5.00" || rows[2][8] != "'=danger()" {
		t.Errorf("Moodle's table is %q", rows)
	}
	book := teacher.get(bookURL+"/gradebook.xlsx").want(t, http.StatusOK, "the workbook")
	f, err := excelize.OpenReader(bytes.NewReader([]byte(book.body)))
	d.must(err)
	if v, err := f.GetCellValue("Gradebook", "E4"); err != nil || v != "8" {
		t.Errorf("the workbook has %q, %v", v, err)
	}
	canvas := "Student,ID,SIS Login ID,Section,Problem set exam (9)\r\n    Points Possible,,,,10\r\nOne,1,student,A,\r\nTwo,2,student2,A,\r\nSomebody,3,else,A,\r\n"
	shown := teacher.upload(bookURL+"/canvas", "", url.Values{"pasted": {canvas}}).want(t, http.StatusOK, "what would be filled")
	shown.has(t, "the report", "Problem set exam", "2 students", "Somebody", "Problem set ps1")
	filled := teacher.upload(bookURL+"/canvas", "", url.Values{"pasted": {canvas}, "download": {"on"}}).want(t, http.StatusOK, "the filled table")
	if want := "Student,ID,SIS Login ID,Section,Problem set exam (9)\r\n\"    Points Possible\",,,,10\r\nOne,1,student,A,8.00\r\nTwo,2,student2,A,0.00\r\n"; filled.body != want {
		t.Errorf("filled %q\nwant   %q", filled.body, want)
	}
	teacher.upload(bookURL+"/canvas", "", url.Values{"pasted": {"a,b\n"}}).want(t, http.StatusUnprocessableEntity, "some other table")
}

func TestStatisticsAreDrawnAndWritten(t *testing.T) {
	t.Parallel()
	d := newDesk(t).handedIn()
	teacher := d.as("instructor")
	teacher.get(ps1Path+"/statistics").want(t, http.StatusOK, "before any mark").has(t, "the page", "No points yet")
	teacher.post(runsURL, url.Values{"which": {"all"}})
	d.finish(4)
	d.finish(0)
	page := teacher.get(ps1Path+"/statistics").want(t, http.StatusOK, "the page")
	page.has(t, "the page", "<svg", "0 to 1", "4 to 5", "b, sum", "50 % full points, 0 % some, 50 % none")
	if strings.Contains(page.body, "style=") {
		t.Error("a style attribute, which the policy refuses")
	}
}

// BenchmarkGradebook prints how long the server takes for a page of a gradebook of
// 3,000 students and 40 assignments of 10 questions.
func BenchmarkGradebook(b *testing.B) {
	d := newDesk(b)
	d.fill(3000, 40)
	b.Log("ten questions each")
	d.sql(`update assignments set released_at = now() - interval '30 days' where course_id = $1`, d.physics.ID)
	d.sql(`set session_replication_role = replica; insert into questions (assignment_id, notebook, grade_id, position, kind, cell_type, points, source)
		select a.id, 'b', 'q' || q, q, 'tests', 'code', 1, '' from assignments a, generate_series(1, 10) q;
		delete from grade_cells; delete from tallies;
		insert into grade_cells (assignment_id, notebook, question, member_id, kind, position, max, no_response, extra, excused, points, auto, flagged, rubric, by_rubric, state)
		select a.id, 'b', 'q' || q, m.id, 'tests', q, 1, false, 0, false, (m.id + q) % 2, (m.id + q) % 2, false, '{}', false, 'auto'
		from assignments a, members m, generate_series(1, 10) q where m.role = 'student' and m.course_id = a.course_id and a.course_id = ` + strconv.Itoa(int(d.physics.ID)) + `;
		insert into tallies (assignment_id, member_id, earned, most) select assignment_id, member_id, sum(points), sum(max) from grade_cells group by 1, 2;
		set session_replication_role = origin; analyze`)
	cookie := d.cookieOf("instructor")
	for name, path := range map[string]func(i int) string{
		"gradebook":  func(i int) string { return bookURL + "?page=" + strconv.Itoa((i%60 + 1)) },
		"by-total":   func(i int) string { return bookURL + "?sort=total&dir=down&page=" + strconv.Itoa((i%60 + 1)) },
		"statistics": func(i int) string { return "/courses/physics/assignments/a" + strconv.Itoa((i % 39)) + "/statistics" },
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				r := httptest.NewRequest(http.MethodGet, d.SiteURL.String()+path(i), nil)
				r.Header.Set("Cookie", cookie)
				w := httptest.NewRecorder()
				began := time.Now()
				d.ServeHTTP(w, r)
				took = append(took, time.Since(began))
				if w.Code != http.StatusOK || w.Body.Len() < 10_000 {
					b.Fatalf("%s: %d, %d bytes", path(i), w.Code, w.Body.Len())
				}
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2].Seconds()*1e3, "p50-ms")
			b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "p99-ms")
		})
	}
}
