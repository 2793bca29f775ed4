package e2e_test

import (
	"archive/zip"
	"bytes"
	"database/sql"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
	_ "modernc.org/sqlite" // nbgrader's gradebook
)

// checkExports looks at the gradebook and holds every file that it gives to other
// programs against what the class earned.
func (r *realClass) checkExports() {
	p := r.teacher
	p.goTo("/courses/demo/gradebook")
	p.seeText(projectTitle)
	p.looks("c18-gradebook")
	p.calm()
	p.goTo(projectPath + "/statistics")
	p.looks("c19-statistics")
	p.calm()
	c := r.p.as("instructor")
	r.checkNbgrader(c)
	r.checkMoodle(c)
	r.checkExcel(c)
	r.checkCanvas(c)
	r.checkCourse(c)
}

// points is what counts, to the hundredth.
func (p pupil) points() float64 { return math.Round((p.earned()-p.lost())*100) / 100 }

// table reads a CSV file by its header; a row is found by its key's column.
func (r *realClass) table(text, key string) map[string]map[string]string {
	r.p.t.Helper()
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff"))).ReadAll()
	must(r.p.t, err)
	at := slices.Index(rows[0], key)
	if at < 0 {
		r.p.t.Fatalf("the table has no column %q, only %q", key, rows[0])
	}
	out := map[string]map[string]string{}
	for _, row := range rows[1:] {
		line := map[string]string{}
		for i, h := range rows[0] {
			line[h] = row[i]
		}
		out[row[at]] = line
	}
	return out
}

// same compares one cell of an export, as a number.
func (r *realClass) same(where string, p pupil, got string, want float64) {
	if v, err := strconv.ParseFloat(got, 64); err != nil || math.Abs(v-want) > 1e-9 {
		r.p.t.Errorf("%s: %s (%s) has %q, want %v", where, p.login, p.kind.name, got, want)
	}
}

func (r *realClass) fetched(c *client, to string) string {
	got := c.mustGet(to)
	if got.status != http.StatusOK {
		r.p.t.Fatalf("%s: %d %.300s", to, got.status, got.body)
	}
	return got.body
}

func (r *realClass) checkNbgrader(c *client) {
	var own strings.Builder
	for line := range strings.Lines(r.fetched(c, "/courses/demo/gradebook/nbgrader.csv")) {
		if strings.HasPrefix(line, "assignment,") || strings.HasPrefix(line, project+",") {
			own.WriteString(line)
		}
	}
	rows := r.table(own.String(), "student_id")
	if len(rows) != len(r.pupils) {
		r.p.t.Errorf("nbgrader's table has %d students", len(rows))
	}
	for _, p := range r.pupils {
		row := rows[p.login]
		r.same("raw_score", p, row["raw_score"], p.earned())
		r.same("late_submission_penalty", p, row["late_submission_penalty"], p.lost())
		r.same("score", p, row["score"], p.points())
		r.same("max_score", p, row["max_score"], projectMost)
		if (row["timestamp"] == "") != p.kind.never {
			r.p.t.Errorf("%s (%s) handed in at %q", p.login, p.kind.name, row["timestamp"])
		}
	}
}

func (r *realClass) checkMoodle(c *client) {
	rows := r.table(r.fetched(c, "/courses/demo/gradebook/moodle.csv"), "Username")
	for _, p := range r.pupils {
		r.same("Moodle", p, rows[p.login][projectTitle], p.points())
	}
}

func (r *realClass) checkExcel(c *client) {
	f, err := excelize.OpenReader(strings.NewReader(r.fetched(c, "/courses/demo/gradebook/gradebook.xlsx")))
	must(r.p.t, err)
	defer f.Close()
	rows, err := f.GetRows(f.GetSheetName(0), excelize.Options{RawCellValue: true})
	must(r.p.t, err)
	at, seen := slices.Index(rows[0], projectTitle), map[string]string{}
	if at < 0 {
		r.p.t.Fatalf("the workbook's columns are %q", rows[0])
	}
	for _, row := range rows[1:] {
		if len(row) > at {
			seen[row[0]] = row[at]
		}
	}
	for _, p := range r.pupils {
		r.same("Excel", p, seen[p.login], p.points())
	}
}

// checkCanvas fills a gradebook as Canvas exports it.
func (r *realClass) checkCanvas(c *client) {
	column := projectTitle + " (4711)"
	text := "Student,ID,SIS User ID,SIS Login ID,Section," + column + "\nPoints Possible,,,,,15\n"
	for i, p := range r.pupils {
		text += fmt.Sprintf("\"%s\",%d,,%s,%s,\n", p.name, 9000+i, p.login, p.section)
	}
	got := c.mustPost("/courses/demo/gradebook/canvas", nil)
	if got.status == http.StatusOK {
		r.p.t.Errorf("nothing at all is taken for an export of Canvas")
	}
	got = c.upload("/courses/demo/gradebook/canvas", map[string]string{"pasted": text, "download": "on"}, "", "")
	if got.status != http.StatusOK {
		r.p.t.Fatalf("Canvas: %d %.500s", got.status, got.body)
	}
	rows := r.table(got.body, "SIS Login ID")
	for _, p := range r.pupils {
		r.same("Canvas", p, rows[p.login][column], p.points())
	}
}

// checkCourse downloads the whole course as nbgrader lays it out, and asks its
// gradebook what nbgrader would.
func (r *realClass) checkCourse(c *client) {
	t := r.p.t
	data := r.fetched(c, "/courses/demo/move/course.zip")
	z, err := zip.NewReader(bytes.NewReader([]byte(data)), int64(len(data)))
	must(t, err)
	files := map[string]*zip.File{}
	for _, f := range z.File {
		files[f.Name[strings.Index(f.Name, "/")+1:]] = f
		files[f.Name] = f
	}
	for _, p := range r.pupils {
		for _, tree := range []string{"submitted", "autograded", "feedback"} {
			found := false
			for name := range files {
				if strings.HasPrefix(name, tree+"/"+p.login+"/"+project+"/") {
					found = true
					break
				}
			}
			if found == p.kind.never {
				t.Errorf("%s of %s (%s) is in the export: %v", tree, p.login, p.kind.name, found)
			}
		}
	}
	book := files["gradebook.db"]
	if book == nil {
		t.Fatalf("the export has no gradebook.db among %d files", len(z.File))
	}
	in, err := book.Open()
	must(t, err)
	defer in.Close()
	text, err := io.ReadAll(in)
	must(t, err)
	path := filepath.Join(r.t().TempDir(), "gradebook.db")
	must(t, os.WriteFile(path, text, 0o644))
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(path)+"?mode=ro")
	must(t, err)
	defer db.Close()
	rows, err := db.Query(`select s.student_id, sum(coalesce(g.manual_score, g.auto_score, 0) + coalesce(g.extra_credit, 0)), sum(g.needs_manual_grade),
			(select sum(coalesce(late_submission_penalty, 0)) from submitted_notebook where assignment_id = s.id)
		from submitted_assignment s join assignment a on a.id = s.assignment_id join submitted_notebook n on n.assignment_id = s.id join grade g on g.notebook_id = n.id
		where a.name = ? group by s.id, s.student_id`, project)
	must(t, err)
	seen := 0
	for rows.Next() {
		var login string
		var score, lost float64
		var needs int
		must(t, rows.Scan(&login, &score, &needs, &lost))
		seen++
		if p := r.byLogin[login]; p == nil || math.Abs(score-p.earned()) > 1e-9 || math.Abs(lost-p.lost()) > 1e-9 || needs != 0 {
			t.Errorf("gradebook.db: %s has %v, %v lost, %d to grade; want %+v", login, score, lost, needs, p)
		}
	}
	must(t, rows.Err())
	if want := r.countOf(func(k kind) bool { return !k.never }); seen != want {
		t.Errorf("gradebook.db has %d students with work, want %d", seen, want)
	}
}
