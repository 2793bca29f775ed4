package handlers

import (
	"archive/zip"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"lectern/course"
	"lectern/exchange"
	"lectern/grading"
	"lectern/spawner"
)

// desk is a site with files and an assignment "ps1" of physics, released and due
// in a day; its spawner is a stub whose workspaces do as they are told.
type desk struct {
	*testSite
	now    time.Time
	spawn  *fakeSpawner
	layout course.Layout
	ps1    course.Assignment
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{now: time.Now().UTC().Truncate(time.Microsecond), layout: course.Layout{Root: t.TempDir()}}
	x, err := exchange.New(d.layout, exchange.Options{UID: os.Getuid(), GID: os.Getgid()})
	if err != nil {
		t.Fatal(err)
	}
	d.testSite = newSite(t, func(s *Site) {
		s.Exchange = x
		s.Collector = &grading.Collector{Exchange: x, Store: s.Store, Log: slog.New(slog.DiscardHandler), Now: time.Now}
		d.spawn = &fakeSpawner{store: s.Store, state: spawner.Running}
		s.Workspaces = d.spawn
		s.Now = func() time.Time { return d.now }
	})
	d.ps1 = d.release("ps1", d.now.Add(24*time.Hour))
	return d
}

// release gives physics one more assignment with two files.
func (d *desk) release(slug string, due time.Time) course.Assignment {
	d.t.Helper()
	a := course.Assignment{CourseID: d.physics.ID, Slug: slug, Title: "Problem set " + slug, DueAt: &due}
	d.must(d.Store.AddAssignment(d.t.Context(), &a))
	d.sql(`update assignments set released_at = $2, release_version = 1, points = 10 where id = $1`, a.ID, d.now.Add(-time.Hour))
	dir, err := d.layout.Release("physics", slug)
	d.must(err)
	d.must(os.MkdirAll(filepath.Join(dir, "data"), 0o755))
	d.must(os.WriteFile(filepath.Join(dir, "b.ipynb"), []byte(`{"cells":[],"metadata":{},"nbformat":4,"nbformat_minor":5}`), 0o644))
	d.must(os.WriteFile(filepath.Join(dir, "data", "a.csv"), []byte("1,2\n"), 0o644))
	return a
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) sql(q string, args ...any) {
	d.t.Helper()
	_, err := d.Store.Pool().Exec(context.Background(), q, args...)
	d.must(err)
}

func (d *desk) count(q string, args ...any) (n int) {
	d.t.Helper()
	d.must(d.Store.Pool().QueryRow(context.Background(), q, args...).Scan(&n))
	return n
}

func (d *desk) write(login, slug, name, text string) {
	d.t.Helper()
	dir, err := d.layout.WorkingCopy("physics", login, slug)
	d.must(err)
	d.must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
}

func submitForm() url.Values { return url.Values{"key": {uuid.NewString()}} }

const ps1Path = "/courses/physics/assignments/ps1"

func TestFiftyPressesOfSubmitAreOneSubmission(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	student := d.as("student")
	student.post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "open")
	html := student.get(ps1Path).want(t, http.StatusOK, "the assignment").body
	key := regexp.MustCompile(`name="key" value="([0-9a-f-]{36})"`).FindStringSubmatch(html)
	if key == nil {
		t.Fatalf("no form to submit: %s", html)
	}
	var wg sync.WaitGroup
	to := make([]string, 50)
	for i := range to {
		wg.Go(func() {
			if a := student.post(ps1Path+"/submit", url.Values{"key": {key[1]}}); a.status == http.StatusSeeOther {
				to[i] = a.location()
			} else {
				t.Errorf("submit: %d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	for _, l := range to {
		if l != to[0] || !strings.HasPrefix(l, ps1Path+"/receipts/") {
			t.Fatalf("the fifty lead to %v; want one receipt", to)
		}
	}
	if n := d.count(`select count(*) from submissions`); n != 1 {
		t.Errorf("%d submissions, want 1", n)
	}
	if n := d.count(`select count(*) from activity where verb = 'submitted'`); n != 1 {
		t.Errorf("%d lines of activity, want 1", n)
	}
	history, err := d.layout.HistoryDir("physics", "student", "ps1")
	d.must(err)
	if dirs, err := os.ReadDir(history); err != nil || len(dirs) != 1 {
		t.Errorf("%d snapshots on disk, %v; want 1", len(dirs), err)
	}
	receipt := student.get(to[0]).want(t, http.StatusOK, "the receipt").body
	for _, want := range []string{"b.ipynb", "data/a.csv", "This is the submission that counts", "CE"} {
		if !strings.Contains(receipt, want) {
			t.Errorf("the receipt lacks %q", want)
		}
	}
}

func TestLateWorkIsKeptBesideTheTimely(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	student := d.as("student")
	student.post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "open")
	timely := student.post(ps1Path+"/submit", submitForm()).want(t, http.StatusSeeOther, "submit").location()
	d.now = d.ps1.DueAt.Add(90 * time.Minute)
	late := student.post(ps1Path+"/submit", submitForm()).want(t, http.StatusSeeOther, "submit late").location()
	if text := student.get(late).body; !strings.Contains(text, "1 h 30 min late") || !strings.Contains(text, "Another submission counts") {
		t.Errorf("the late receipt does not say so: %s", text)
	}
	if text := student.get(timely).body; !strings.Contains(text, "This is the submission that counts") {
		t.Errorf("the timely one no longer counts: %s", text)
	}
	if text := student.get(ps1Path).body; !strings.Contains(text, "1 h 30 min late") || strings.Count(text, "Receipt and files of") != 2 {
		t.Errorf("the assignment's page does not show both")
	}
	counted, known, err := d.Exchange.Counted(exchange.Work{Course: "physics", Login: "student", Assignment: "ps1"})
	if err != nil || !known || counted.After(*d.ps1.DueAt) {
		t.Errorf("submitted/ holds the work of %v, %v, %v; want the timely", counted, known, err)
	}
}

func TestSubmittingNothingSaysSo(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	student := d.as("student")
	for name, form := range map[string]url.Values{"never opened": submitForm()} {
		a := student.post(ps1Path+"/submit", form).want(t, http.StatusSeeOther, name)
		if text := student.get(a.location()).body; !strings.Contains(text, "Nothing was submitted") {
			t.Errorf("%s: the page does not say so: %s", name, text)
		}
	}
	student.post(ps1Path+"/submit", url.Values{"key": {"not a key"}}).want(t, http.StatusUnprocessableEntity, "a form without its key")
	if n := d.count(`select count(*) from submissions`); n != 0 {
		t.Errorf("%d submissions, want none", n)
	}
}

func TestNobodyFillsTheDiskBySubmitting(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	student := d.as("student")
	student.post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "open")
	last := ""
	for range submitsAnHour + 1 {
		last = student.post(ps1Path+"/submit", submitForm()).want(t, http.StatusSeeOther, "submit").location()
	}
	if text := student.get(last).body; last != ps1Path || !strings.Contains(text, "within an hour; all are kept") {
		t.Errorf("one too many leads to %s, which does not say why", last)
	}
	if n := d.count(`select count(*) from submissions`); n != submitsAnHour {
		t.Errorf("%d submissions, want %d", n, submitsAnHour)
	}
	d.sql(`update submissions set recorded_at = recorded_at - interval '2 hours'`)
	if to := student.post(ps1Path+"/submit", submitForm()).location(); !strings.Contains(to, "/receipts/") {
		t.Errorf("two hours later it leads to %s, want a receipt", to)
	}
}

func TestReceiptsAndFilesAreTheStudentsOwn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	student := d.as("student")
	student.post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "open")
	receipt := student.post(ps1Path+"/submit", submitForm()).want(t, http.StatusSeeOther, "submit").location()
	d.release("ps2", d.now.Add(time.Hour))
	elsewhere := strings.Replace(receipt, "/ps1/", "/ps2/", 1)
	for name, who := range map[string]*browser{"another student": d.as("student2"), "a student of another course": d.as("student3"), "the admin": d.as("admin")} {
		for _, path := range []string{receipt, receipt + "/files.zip"} {
			who.get(path).want(t, http.StatusNotFound, name+" asks for "+path)
		}
		who.post(receipt+"/restore", url.Values{"file": {"b.ipynb"}}).want(t, http.StatusNotFound, name+" restores")
	}
	student.get(elsewhere).want(t, http.StatusNotFound, "the receipt under another assignment")
	student.get(ps1Path+"/receipts/999999").want(t, http.StatusNotFound, "no such receipt")
	student.get(ps1Path+"/receipts/x").want(t, http.StatusNotFound, "no number")
	for _, path := range []string{receipt + "/files.zip", ps1Path + "/my-files"} {
		a := student.get(path).want(t, http.StatusOK, path)
		z, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
		if err != nil {
			t.Fatalf("%s is no zip: %v", path, err)
		}
		var names []string
		for _, f := range z.File {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); got != "ps1/b.ipynb ps1/data/a.csv" {
			t.Errorf("%s holds %s", path, got)
		}
	}
	d.as("student2").get(ps1Path+"/my-files").want(t, http.StatusNotFound, "files before opening")
}

func TestRestoringAndStartingOverLoseNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	student := d.as("student")
	student.post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "open")
	d.write("student", "ps1", "b.ipynb", `{"cells":[],"metadata":{"n":1},"nbformat":4,"nbformat_minor":5}`)
	receipt := student.post(ps1Path+"/submit", submitForm()).want(t, http.StatusSeeOther, "submit").location()
	d.write("student", "ps1", "b.ipynb", "later")
	student.post(receipt+"/restore", url.Values{"file": {"b.ipynb"}}).want(t, http.StatusSeeOther, "restore")
	student.post(receipt+"/restore", url.Values{"file": {"../../../../etc/passwd"}}).want(t, http.StatusNotFound, "restore what is no part of it")
	dir, err := d.layout.WorkingCopy("physics", "student", "ps1")
	d.must(err)
	back, _ := filepath.Glob(filepath.Join(dir, "b (saved *.ipynb"))
	if len(back) != 1 {
		t.Fatalf("restored: %v", back)
	}
	old, _ := os.ReadFile(back[0])
	if present, _ := os.ReadFile(filepath.Join(dir, "b.ipynb")); string(present) != "later" || !strings.Contains(string(old), `"n":1`) {
		t.Errorf("after the restore: present %q, restored %q", present, old)
	}

	student.get(ps1Path+"/start-over").want(t, http.StatusOK, "the question")
	student.post(ps1Path+"/start-over", nil).want(t, http.StatusSeeOther, "start over")
	if fresh, _ := os.ReadFile(filepath.Join(dir, "b.ipynb")); !strings.Contains(string(fresh), `"cells":[]`) {
		t.Errorf("after starting over the notebook is %q", fresh)
	}
	kept, _ := filepath.Glob(dir + "-*/b.ipynb")
	if len(kept) != 1 {
		t.Fatalf("kept: %v", kept)
	}
	if text, _ := os.ReadFile(kept[0]); string(text) != "later" {
		t.Errorf("the kept copy holds %q", text)
	}
	if text := student.get(ps1Path).body; !strings.Contains(text, "Your earlier folder is now called ps1-") {
		t.Error("the page does not say where the old folder is")
	}
}

func TestTheCoursePageSaysWhatIsNext(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	student := d.as("student")
	m, err := d.Store.Member(t.Context(), d.physics.ID, "student")
	d.must(err)
	row := func(title string) string {
		text := student.get("/courses/physics").want(t, http.StatusOK, "the course").body
		_, rest, ok := strings.Cut(text, title+"</a>")
		if !ok {
			t.Fatalf("%s is not on the page: %s", title, text)
		}
		rest, _, _ = strings.Cut(rest, "</tr>")
		return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(rest, " ")), " ")
	}
	expect := func(when string, want ...string) {
		t.Helper()
		got := row("Problem set ps1")
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %q lacks %q", when, got, w)
			}
		}
	}
	expect("at first", "Not started", "in 1 day", "Start", "CE")
	student.post(ps1Path+"/open", nil).want(t, http.StatusSeeOther, "open")
	expect("opened", "In progress", "Continue")
	d.sql(`insert into extensions (assignment_id, member_id, due_at) values ($1, $2, $3)`, d.ps1.ID, m.ID, d.ps1.DueAt.Add(24*time.Hour))
	expect("extended", "Extension", "in 2 days")
	student.post(ps1Path+"/submit", submitForm()).want(t, http.StatusSeeOther, "submit")
	expect("submitted", "Submitted "+d.now.In(d.physics.Location()).Format("15:04"), "Continue")
	d.sql(`insert into questions (assignment_id, notebook, grade_id, position, kind, cell_type, points, source)
		values ($1, 'b', 'q1', 1, 'manual', 'markdown', 6, ''), ($1, 'b', 'q2', 2, 'manual', 'markdown', 4, '')`, d.ps1.ID)
	d.sql(`insert into mark_events (assignment_id, member_id, notebook, question, points, source) values ($1, $2, 'b', 'q1', 3, 'hand'), ($1, $2, 'b', 'q2', 2.5, 'hand'), ($1, $2, 'b', 'q1', 4, 'hand')`, d.ps1.ID, m.ID)
	expect("marked", "Graded", "10")
	if got := row("Problem set ps1"); strings.Contains(got, "6.5") {
		t.Errorf("marks show before they are returned: %q", got)
	}
	d.must(d.Store.StageFeedback(t.Context(), d.ps1.ID, m.ID, []course.File{{Path: "b.html", Bytes: 10, SHA256: "x"}}, d.now))
	d.must(d.Store.MarkReturned(t.Context(), d.ps1.ID, m.ID, 0, d.now))
	expect("returned", "Returned", "6.5 of 10", "See feedback")
	if text := student.get(ps1Path).body; !strings.Contains(text, "6.5 of 10 points") || !strings.Contains(text, "b.html") {
		t.Error("the assignment's page shows no feedback")
	}
	// What is not for students' eyes yet is not there at all.
	soon := d.release("soon", d.now.Add(48*time.Hour))
	d.sql(`update assignments set opens_at = $2 where id = $1`, soon.ID, d.now.Add(time.Hour))
	if text := student.get("/courses/physics").body; strings.Contains(text, "Problem set soon") {
		t.Error("an assignment shows before it opens")
	}
	student.get("/courses/physics/assignments/soon").want(t, http.StatusNotFound, "before it opens")
	student.post("/courses/physics/assignments/soon/open", nil).want(t, http.StatusNotFound, "opening before it opens")
}

func TestAPageOfFortyAssignmentsCostsAsManyStatementsAsOfOne(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	student := d.as("student")
	cost := func() int64 {
		student.get("/courses/physics").want(t, http.StatusOK, "warm")
		before := d.Store.Pool().Stat().AcquireCount()
		student.get("/courses/physics").want(t, http.StatusOK, "the course")
		return d.Store.Pool().Stat().AcquireCount() - before
	}
	one := cost()
	for i := range 39 {
		d.release(fmt.Sprintf("more%d", i), d.now.Add(time.Duration(i)*time.Hour))
	}
	if forty := cost(); forty != one || one > 7 {
		t.Errorf("one assignment costs %d statements, forty %d; want the same and few", one, forty)
	}
}
