package moving_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lectern/course"
	"lectern/exchange"
	"lectern/grading"
	"lectern/moving"
	"lectern/store"
	"lectern/store/storetest"
)

// site is a site without its web face: a database, a data root and a mover.
type site struct {
	t     *testing.T
	store *store.Store
	x     *exchange.Exchange
	prep  *grading.Preparer
	*moving.Mover
	teacher course.User
	now     time.Time
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, store: storetest.New(t), now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	var err error
	if s.x, err = exchange.New(course.Layout{Root: t.TempDir()}, exchange.Options{UID: 1000, GID: 100}); err != nil {
		t.Fatal(err)
	}
	s.prep = &grading.Preparer{Exchange: s.x, Store: s.store}
	s.Mover = &moving.Mover{Exchange: s.x, Store: s.store, Now: func() time.Time { return s.now }, Release: s.prep.Release,
		Prepare: func(ctx context.Context, c course.Course, id course.AssignmentID) (int, error) {
			r, err := s.prep.Prepare(ctx, c, id)
			return r.Errors(), err
		}}
	s.teacher = course.User{Login: "teacher", Name: "The Teacher"}
	s.must(s.store.AddUser(t.Context(), &s.teacher))
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) course(slug string) course.Course {
	s.t.Helper()
	c := course.Course{Slug: slug, Title: "Physics", Zone: "Europe/Berlin", Image: "lectern/notebook:latest"}
	s.must(s.store.AddCourse(s.t.Context(), &c, s.teacher.ID))
	return c
}

// notebookOf makes a notebook with an answer, tests, a manual answer and a task.
func notebookOf(answer string) string {
	type m = map[string]any
	cell := func(kind, id, source string, points float64, grade, solution, locked, task bool) m {
		meta := m{"grade_id": id, "grade": grade, "solution": solution, "locked": locked, "task": task, "schema_version": 3}
		if points > 0 {
			meta["points"] = points
		}
		c := m{"cell_type": kind, "metadata": m{"nbgrader": meta}, "source": source}
		if kind == "code" {
			c["execution_count"], c["outputs"] = nil, []any{}
		}
		return c
	}
	data, err := json.Marshal(m{"nbformat": 4, "nbformat_minor": 4,
		"metadata": m{"kernelspec": m{"name": "python3", "display_name": "Python 3", "language": "python"}},
		"cells": []any{
			cell("code", "square", answer, 0, false, true, false, false),
			cell("code", "test_square", "assert square(2) == 4\n### BEGIN HIDDEN TESTS\nassert square(3) == 9\n### END HIDDEN TESTS", 3, true, false, true, false),
			cell("markdown", "why", "Because it is so.", 2, true, true, false, false),
			cell("markdown", "plot", "Draw it.\n=== BEGIN MARK SCHEME ===\nFull marks for a line.\n=== END MARK SCHEME ===", 5, false, false, true, true),
		}})
	if err != nil {
		panic(err)
	}
	return string(data)
}

const solved = "def square(x):\n    ### BEGIN SOLUTION\n    return x * x\n    ### END SOLUTION"

// tree writes files below a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (s *site) look(c course.Course, dir string) *moving.Plan {
	s.t.Helper()
	p, err := s.Look(s.t.Context(), c, dir)
	s.must(err)
	return p
}

func (s *site) take(c course.Course, dir string) moving.Done {
	s.t.Helper()
	done, err := s.look(c, dir).Apply(s.t.Context(), c, s.teacher.ID)
	s.must(err)
	return done
}

// state is everything of a course that must survive a move, one fact a line.
func (s *site) state(c course.Course) string {
	s.t.Helper()
	ctx := s.t.Context()
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	members, err := s.store.Members(ctx, c.ID)
	s.must(err)
	for _, m := range members {
		say("member %s %q %q %s %s", m.Login, m.Name, m.Email, m.Role, m.Section)
	}
	preparing, err := s.store.Preparation(ctx, c.ID)
	s.must(err)
	say("preparing %+v", preparing)
	for _, name := range []exchange.CourseFile{exchange.CourseHeader, exchange.CourseFooter, exchange.CourseAutotests} {
		f, err := s.x.OpenCourseFile(c.Slug, name)
		if course.IsKind(err, course.NotFound) {
			continue
		}
		s.must(err)
		data, err := io.ReadAll(f)
		s.must(err)
		s.must(f.Close())
		say("of the course %s %x", name, data)
	}
	list, err := s.store.AllAssignments(ctx, c.ID)
	s.must(err)
	for _, a := range list {
		say("assignment %s %q due %s points %g released %v", a.Slug, a.Title, stamp(a.DueAt), a.Points, a.ReleasedAt != nil)
		source, err := s.x.Layout.Source(c.Slug, a.Slug)
		s.must(err)
		for name, text := range files(s.t, source) {
			say("source %s/%s %x", a.Slug, name, text)
		}
		late, err := s.store.LateRule(ctx, a.ID)
		s.must(err)
		say("late %s %+v", a.Slug, late)
		works, err := s.store.MovingWorks(ctx, a.ID)
		s.must(err)
		for _, w := range works {
			say("work %s %s taken %s own due %s penalty %g", a.Slug, w.Login, stamp(w.TakenAt), stamp(w.OwnDueAt), w.Penalty)
			m, err := s.store.Member(ctx, c.ID, w.Login)
			s.must(err)
			sub, err := s.store.CountedSubmission(ctx, a.ID, m.ID)
			if err == nil {
				say("receipt %s %s %s late %s", a.Slug, w.Login, sub.Digest, sub.LateBy)
			}
			shown, err := s.x.Layout.Submitted(c.Slug, w.Login, a.Slug)
			s.must(err)
			for name, text := range files(s.t, shown) {
				say("submitted %s %s %s %q", a.Slug, w.Login, name, text)
			}
		}
		rows, err := s.store.Pool().Query(ctx, `select u.login, t.points, t.most, t.excused from current_totals t
			join members m on m.id = t.member_id join users u on u.id = m.user_id where t.assignment_id = $1 order by 1`, a.ID)
		s.must(err)
		for rows.Next() {
			var login string
			var points *float64
			var most float64
			var excused bool
			s.must(rows.Scan(&login, &points, &most, &excused))
			say("total %s %s %s of %g excused %v", a.Slug, login, course.FormatPoints(points), most, excused)
		}
		s.must(rows.Err())
		marks, err := s.store.MovingMarks(ctx, a.ID)
		s.must(err)
		for _, m := range marks {
			points := m.Given
			if points == nil {
				points = m.Auto
			}
			if points == nil && m.Comment == "" && !m.Excused {
				continue // a run that left it to a person
			}
			say("mark %s %s %s/%s %s +%g %q excused %v flagged %v", a.Slug, m.Login, m.Notebook, m.Question, course.FormatPoints(points), m.Extra, m.Comment, m.Excused, m.Flagged)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func stamp(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		out[rel] = string(data)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return out
}

// submit records work of a member at a time.
func (s *site) submit(c course.Course, a course.Assignment, login string, at time.Time, work map[string]string) course.Submission {
	s.t.Helper()
	m, err := s.store.Member(s.t.Context(), c.ID, login)
	s.must(err)
	var got course.Submission
	_, err = s.x.CollectFrom(s.t.Context(), exchange.Work{Course: c.Slug, Login: login, Assignment: a.Slug}, at, tree(s.t, work), ".", func(ctx context.Context, snap exchange.Snapshot) (bool, error) {
		sub := course.Submission{AssignmentID: a.ID, MemberID: m.ID, Kind: course.BySubmit, TakenAt: at, Snapshot: snap.At.Format(course.SnapshotForm), Digest: snap.Digest()}
		var err error
		got, _, err = s.store.RecordSubmission(ctx, sub, uuid.New(), 0)
		return got.Counts, err
	})
	s.must(err)
	return got
}

// taught is a course in the middle of its term, with everything that can move.
func (s *site) taught() course.Course {
	ctx, c := s.t.Context(), s.course("physics")
	s.must(s.store.AddStudents(ctx, c.ID, []store.NewStudent{
		{Login: "ada.l", Name: "Ada Maria Lee", Email: "ada@example.edu", Section: "A"}, {Login: "ben", Name: "Ben"}, {Login: "cyd", Name: "Cyd Ray"}, {Login: "dee", Name: "Dee, \"D\" O'Hara"}}))
	header := `{"cells": [{"cell_type": "markdown", "metadata": {}, "source": "Read this first."}], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}`
	s.must(s.x.SaveCourseFile(c.Slug, exchange.CourseHeader, []byte(header)))
	s.must(s.x.SaveCourseFile(c.Slug, exchange.CourseAutotests, []byte("python3:\n  setup: import hashlib\n")))
	s.must(s.store.SavePreparation(ctx, c.ID, course.Preparation{CodeStubs: map[string]string{"python": "..."}, TextStub: "Write here."}))
	due := time.Date(2026, 10, 9, 21, 59, 0, 0, time.UTC)
	a := course.Assignment{CourseID: c.ID, Slug: "ps1", Title: "Problem set 1: motion", DueAt: &due}
	s.must(s.store.AddAssignment(ctx, &a))
	u, err := s.x.NewUpload(c.Slug)
	s.must(err)
	defer u.Discard()
	s.must(u.Add(ctx, "problem1.ipynb", strings.NewReader(notebookOf(solved))))
	s.must(u.Add(ctx, "data/täble.csv", strings.NewReader("1,2\n")))
	_, err = u.Import(ctx, a.Slug, true)
	s.must(err)
	_, err = s.store.BumpSource(ctx, a.ID)
	s.must(err)
	report, err := s.prep.Prepare(ctx, c, a.ID)
	s.must(err)
	if !report.OK() {
		s.t.Fatalf("the fixture is refused: %+v", report.Problems)
	}
	s.must(s.prep.Release(ctx, c, a.ID, due.Add(-7*24*time.Hour)))
	s.must(s.store.SaveLateRule(ctx, a.ID, course.LateRule{Unit: "day", Percent: 10, Cap: 50}))
	draft := course.Assignment{CourseID: c.ID, Slug: "draft", Title: "Not yet"}
	s.must(s.store.AddAssignment(ctx, &draft))

	ben, err := s.store.Member(ctx, c.ID, "ben")
	s.must(err)
	s.must(s.store.Extend(ctx, a.ID, []course.MemberID{ben.ID}, due.Add(36*time.Hour), "ill", s.teacher.ID))
	s.submit(c, a, "ada.l", due.Add(-time.Hour), map[string]string{"problem1.ipynb": notebookOf("an early try")})
	first := s.submit(c, a, "ada.l", due.Add(-time.Minute).Add(123456*time.Microsecond), map[string]string{"problem1.ipynb": notebookOf("def square(x): return x * x"), "data/täble.csv": "1,2\n", "notes.txt": "päper"})
	s.submit(c, a, "ben", due.Add(30*time.Hour), map[string]string{"problem1.ipynb": notebookOf("pass")})
	late := s.submit(c, a, "cyd", due.Add(25*time.Hour), map[string]string{"problem1.ipynb": "not a notebook"})
	for _, sub := range []course.Submission{first, late} {
		_, err = s.store.Pool().Exec(ctx, `
			with r as (insert into runs (submission_id, assignment_id, member_id, state, effective) values ($1, $2, $3, 'done', true) returning id)
			insert into run_results (run_id, notebook, question, position, points, max, no_response)
			select r.id, x.* from r, (values ('problem1', 'test_square', 1, 1.0 / 3, 3, false), ('problem1', 'why', 2, null, 2, true), ('problem1', 'plot', 3, null, 5, false)) x`,
			sub.ID, sub.AssignmentID, sub.MemberID)
		s.must(err)
	}
	points := func(p float64) *float64 { return &p }
	s.must(s.store.ImportMarks(ctx, a.ID, []store.MovingMark{
		{Login: "ada.l", Notebook: "problem1", Question: "why", Given: points(1.5), Extra: 0.25, Comment: "Well *said*,\nbut \"so\"?"},
		{Login: "ada.l", Notebook: "problem1", Question: "square", Comment: "Neat."},
		{Login: "ada.l", Notebook: "problem1", Question: "test_square", Given: points(2), Comment: "Half right.", Flagged: true},
		{Login: "cyd", Notebook: "problem1", Question: "plot", Excused: true},
		{Login: "cyd", Notebook: "problem1", Question: "why", Given: points(2)},
		{Login: "ben", Given: points(7), Comment: "By talking."},
		{Login: "dee", Notebook: "problem1", Question: "plot", Given: points(4)},
	}, s.teacher.ID, "by hand"))
	return c
}

func (s *site) export(c course.Course) []byte {
	s.t.Helper()
	var buf bytes.Buffer
	s.must(s.Export(s.t.Context(), &buf, c))
	return buf.Bytes()
}

func (s *site) unpack(c course.Course, z []byte) string {
	s.t.Helper()
	u, err := s.x.Unpack(s.t.Context(), c.Slug, "course.zip", bytes.NewReader(z), false)
	s.must(err)
	if len(u.Left) > 0 {
		s.t.Errorf("left out of our own zip: %q", u.Left)
	}
	return u.Path()
}

func TestACourseComesBackAsItWent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.taught()
	packed := s.export(c)
	before := s.state(c)

	other := newSite(t)
	fresh := other.course("physics")
	dir := other.unpack(fresh, packed)
	done := other.take(fresh, dir)
	if done.Assignments != 2 || done.Students != 4 || done.Submissions != 3 || done.Marks == 0 || len(done.Notes) > 0 {
		t.Errorf("the import did %+v", done)
	}
	if after := other.state(fresh); after != before {
		t.Errorf("what came in differs from what went out:\n%s", difference(before, after))
	}
	if strings.Count(before, "\nmark ") < 8 || strings.Count(before, "receipt ") != 3 {
		t.Errorf("the fixture shows too little:\n%s", before)
	}

	if p := other.look(fresh, dir); !p.Empty() {
		t.Errorf("a second import would change something: %+v", p)
	}
	events := other.count(`select count(*) from mark_events`)
	if again := other.take(fresh, dir); again.Marks+again.Submissions+again.Assignments+again.Students != 0 {
		t.Errorf("the second import did %+v", again)
	}
	if n := other.count(`select count(*) from mark_events`); n != events {
		t.Errorf("the second import added %d events", n-events)
	}
	if p := s.look(c, s.unpack(c, packed)); !p.Empty() || p.Marks.Kept > 0 {
		t.Errorf("into the course it came from, the import would change something: %+v", p)
	}
}

func (s *site) count(sql string) (n int) {
	s.t.Helper()
	s.must(s.store.Pool().QueryRow(s.t.Context(), sql).Scan(&n))
	return n
}

// difference shows the lines that only one side has.
func difference(a, b string) string {
	var out []string
	for _, side := range []struct{ mark, of, not string }{{"- ", a, b}, {"+ ", b, a}} {
		has := map[string]bool{}
		for line := range strings.SplitSeq(side.not, "\n") {
			has[line] = true
		}
		for line := range strings.SplitSeq(side.of, "\n") {
			if !has[line] {
				out = append(out, side.mark+line)
			}
		}
	}
	return strings.Join(out, "\n")
}

func TestAnExportHasTheLayoutOfNbgrader(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.taught()
	packed := s.export(c)
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	s.must(err)
	got := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		s.must(err)
		data, err := io.ReadAll(r)
		s.must(err)
		got[f.Name] = string(data)
	}
	for _, name := range []string{"nbgrader_config.py", "gradebook.db", "lectern.json", "source/ps1/problem1.ipynb", "source/ps1/data/täble.csv",
		"source/header.ipynb", "autotests.yml", "release/ps1/problem1.ipynb", "submitted/ada.l/ps1/problem1.ipynb", "submitted/ada.l/ps1/notes.txt", "submitted/ben/ps1/timestamp.txt"} {
		if got[name] == "" {
			t.Errorf("%s is missing; there are %q", name, slices.Sorted(maps.Keys(got)))
		}
	}
	if want := "2026-10-09 21:58:00.123456 UTC"; got["submitted/ada.l/ps1/timestamp.txt"] != want {
		t.Errorf("timestamp %q, want %q", got["submitted/ada.l/ps1/timestamp.txt"], want)
	}
	if !strings.Contains(got["source/ps1/problem1.ipynb"], "HIDDEN") || strings.Contains(got["release/ps1/problem1.ipynb"], "HIDDEN") {
		t.Error("hidden tests are not where they belong")
	}
}
