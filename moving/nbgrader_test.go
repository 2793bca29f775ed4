package moving_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"lectern/course"
)

// nbgraderSchema is the gradebook as §3.4 of the format's description has it.
const nbgraderSchema = `
create table alembic_version (version_num varchar(32) primary key);
insert into alembic_version values ('e43177bfe90b');
create table course (id varchar(128) primary key);
create table assignment (id varchar(32) primary key, name varchar(128) not null unique, duedate datetime, course_id varchar(128));
create table notebook (id varchar(32) primary key, name varchar(128) not null, assignment_id varchar(32), kernelspec varchar(1024), unique (name, assignment_id));
create table base_cell (id varchar(32) primary key, name varchar(128) not null, notebook_id varchar(32), type varchar(50), unique (name, notebook_id, type));
create table grade_cells (id varchar(32) primary key, max_score float not null, cell_type varchar(8) not null);
create table solution_cells (id varchar(32) primary key);
create table task_cells (id varchar(32) primary key, max_score float not null, cell_type varchar(8) not null);
create table source_cell (id varchar(32) primary key, name varchar(128) not null, cell_type varchar(8), source text, checksum varchar(128), locked boolean, notebook_id varchar(32), unique (name, notebook_id));
create table student (id varchar(128) primary key, first_name varchar(128), last_name varchar(128), email varchar(128), lms_user_id varchar(128));
create table submitted_assignment (id varchar(32) primary key, assignment_id varchar(32), student_id varchar(128), timestamp datetime, extension datetime, unique (assignment_id, student_id));
create table submitted_notebook (id varchar(32) primary key, assignment_id varchar(32), notebook_id varchar(32), flagged boolean, late_submission_penalty float, unique (notebook_id, assignment_id));
create table grade (id varchar(32) primary key, cell_id varchar(32), notebook_id varchar(32), auto_score float, manual_score float, extra_credit float, needs_manual_grade boolean, unique (cell_id, notebook_id));
create table comment (id varchar(32) primary key, cell_id varchar(32), notebook_id varchar(32), auto_comment text, manual_comment text, unique (cell_id, notebook_id));
`

const nbgraderRows = `
insert into course values ('course101');
insert into assignment values ('a1', 'Problem Set 1', '2015-02-03 00:00:00.000000', 'course101');
insert into notebook values ('n1', 'problem1', 'a1', '{}');
insert into base_cell values ('c1', 'test_square', 'n1', 'GradeCell'), ('c2', 'why', 'n1', 'GradeCell'), ('c3', 'why', 'n1', 'SolutionCell'), ('c4', 'plot', 'n1', 'TaskCell'), ('c5', 'square', 'n1', 'SolutionCell');
insert into student values ('Bitdiddle', 'Ben', 'Bitdiddle', 'ben@example.edu', null), ('hacker', null, null, null, null), ('../evil', 'E', 'V', null, null);
insert into submitted_assignment values ('s1', 'a1', 'Bitdiddle', '2015-02-02 22:58:23.948203', null), ('s2', 'a1', 'hacker', '2015-02-04 01:00:00', '1970-01-03 00:00:00.000000'), ('s9', 'gone', 'hacker', null, null);
insert into submitted_notebook values ('m1', 's1', 'n1', 1, null), ('m2', 's2', 'n1', 0, 1.5);
insert into grade values ('g1', 'c1', 'm1', 3, null, null, 0), ('g2', 'c2', 'm1', null, 1.25, 0.5, 0), ('g3', 'c4', 'm1', null, null, null, 1), ('g4', 'c1', 'm2', 0, 2, -1, 1), ('g5', 'c2', 'm2', 'lots', 1e300, null, 0), ('g6', 'nowhere', 'm2', 1, 1, 1, 0);
insert into comment values ('k1', 'c3', 'm1', null, 'Good.'), ('k2', 'c5', 'm2', 'No response.', null), ('k3', 'c3', 'm2', null, char(0) || 'x' || char(0));
`

// gradebook runs statements on a new file.
func gradebook(t *testing.T, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gradebook.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, st := range statements {
		if _, err := db.ExecContext(t.Context(), st); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestAnNbgraderCourseMovesIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.course("moved")
	dir := tree(t, map[string]string{
		"course101/gradebook.db":                                            gradebook(t, nbgraderSchema, nbgraderRows),
		"course101/source/Problem Set 1/problem1.ipynb":                     notebookOf(solved),
		"course101/source/Problem Set 1/data/x.csv":                         "1\n",
		"course101/submitted/Bitdiddle/Problem Set 1/problem1.ipynb":        notebookOf("ben"),
		"course101/submitted/Bitdiddle/Problem Set 1/timestamp.txt":         "2015-02-02 14:58:23.948203 America/Los_Angeles\n",
		"course101/submitted/hacker/Problem Set 1/problem1.ipynb":           "{",
		"course101/submitted/hacker/Problem Set 1/timestamp.txt":            "no time at all",
		"course101/submitted/stranger/Problem Set 1/problem1.ipynb":         notebookOf("x"),
		"course101/submitted/stranger/Problem Set 1/timestamp.txt":          "2015-02-03 02:00:00.5 +0200",
		"course101/autograded/Bitdiddle/Problem Set 1/problem1.ipynb":       notebookOf("ben"),
		"course101/submitted/hacker/Problem Set 1/.ipynb_checkpoints/x.txt": "junk",
	})
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "course101/submitted/hacker/Problem Set 1/passwd")); err != nil {
		t.Fatal(err)
	}
	plan := s.look(c, dir)
	if plan.Students.New != 3 || plan.Submissions.New != 3 || plan.Marks.New != 4 || len(plan.Assignments) != 1 || !plan.Assignments[0].NewSource {
		t.Errorf("found %+v", plan)
	}
	notes := strings.Join(plan.Notes, "\n")
	for _, want := range []string{`"../evil"`, "passwd is left out: it is a symbolic link", "hacker has lost 1.5 points for lateness", "timestamp.txt is not a time", "bitdiddle is flagged"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not say %q:\n%s", want, notes)
		}
	}
	if n := s.count(`select count(*) from assignments`) + s.count(`select count(*) from members where role = 'student'`); n != 0 {
		t.Errorf("looking made %d rows", n)
	}

	done := s.take(c, dir)
	if done.Students != 3 || done.Submissions != 3 || done.Marks != 4 || len(done.Notes) != 0 {
		t.Errorf("did %+v", done)
	}
	state := s.state(c)
	for _, want := range []string{
		`member bitdiddle "Ben Bitdiddle" "ben@example.edu" student`, `member stranger "" "" student`,
		`assignment problem-set-1 "Problem Set 1" due 2015-02-03T00:00:00Z points 10 released true`,
		`work problem-set-1 bitdiddle taken 2015-02-02T22:58:23.948203Z own due never`,
		`work problem-set-1 hacker taken 2015-02-04T01:00:00Z own due 2015-02-05T00:00:00Z`,
		`work problem-set-1 stranger taken 2015-02-03T00:00:00.5Z`, `submitted problem-set-1 hacker problem1.ipynb "{"`,
		`mark problem-set-1 bitdiddle problem1/test_square 3 +0 ""`, `mark problem-set-1 bitdiddle problem1/why 1.25 +0.5 "Good."`,
		`mark problem-set-1 hacker problem1/test_square 2 +0 ""`, `mark problem-set-1 hacker problem1/why  +0 "x"`,
		`total problem-set-1 bitdiddle 4.75 of 10`, `total problem-set-1 hacker 2 of 10`,
	} {
		if !strings.Contains(state, want) {
			t.Errorf("no line %q in\n%s", want, state)
		}
	}
	if strings.Contains(state, "passwd") || strings.Contains(state, "evil") {
		t.Errorf("what was refused came in:\n%s", state)
	}
	if late := s.count(`select count(*) from submissions where late_seconds > 0`); late != 1 { // stranger, by half a second
		t.Errorf("%d submissions are late, want 1", late)
	}
	if p := s.look(c, dir); !p.Empty() {
		t.Errorf("a second import would change something: %+v", p)
	}

	// A mark given here since is not overwritten by another import.
	s.must(s.store.GiveMarks(t.Context(), s.assignment(c, "problem-set-1"), []course.Mark{{MemberID: s.member(c, "bitdiddle"), Notebook: "problem1", Question: "why", Source: "hand"}}, s.teacher.ID, ""))
	if p := s.look(c, dir); p.Marks.New != 0 || p.Marks.Kept != 1 {
		t.Errorf("after a mark by hand: %+v", p.Marks)
	}
}

func (s *site) assignment(c course.Course, slug string) course.AssignmentID {
	s.t.Helper()
	a, err := s.store.Assignment(s.t.Context(), c.ID, slug)
	s.must(err)
	return a.ID
}

func (s *site) member(c course.Course, login string) course.MemberID {
	s.t.Helper()
	m, err := s.store.Member(s.t.Context(), c.ID, login)
	s.must(err)
	return m.ID
}

func TestAHostileGradebookIsRefusedInWords(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.course("moved")
	good := gradebook(t, nbgraderSchema, nbgraderRows)
	without := strings.Replace(nbgraderSchema, "create table student", "create table person", 1)
	damaged := []byte(good)
	for i := 4096; i < len(damaged); i += 7 {
		damaged[i] ^= 0x5a
	}
	for name, db := range map[string]string{
		"not a database": "hello", "empty": "", "only a head": good[:100], "cut off": good[:len(good)/3], "damaged": string(damaged),
		"a table is missing": gradebook(t, without),
		"a view that never ends": gradebook(t, without, `create view student as with recursive r(n) as (select 1 union all select n + 1 from r)
			select n as id, 'x' as first_name, 'x' as last_name, 'x' as email from r`),
		"a computed column": gradebook(t, without, `create table student (id text, first_name text, last_name text, email text as (hex(zeroblob(400000000))))`,
			`insert into student values ('x', 'x', 'x')`),
		"a huge value": gradebook(t, nbgraderSchema, `insert into student (id, first_name) values ('x', zeroblob(40000000))`),
		"too many rows": gradebook(t, nbgraderSchema, `with recursive r(n) as (select 1 union all select n + 1 from r where n < 2000001)
			insert into notebook (id, name) select n, n from r`),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Look(t.Context(), c, tree(t, map[string]string{"gradebook.db": db}))
			if !course.IsKind(err, course.Invalid) {
				t.Errorf("got %v, want a problem to show", err)
			}
		})
	}
	t.Run("triggers do not run", func(t *testing.T) {
		db := gradebook(t, nbgraderSchema, nbgraderRows, `create trigger t after insert on student begin delete from grade; end`)
		if p, err := s.Look(t.Context(), c, tree(t, map[string]string{"gradebook.db": db})); err != nil || p.Marks.New != 4 {
			t.Errorf("got %+v, %v", p, err)
		}
	})
}

func TestWhatIsNoCourseIsSaid(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.course("moved")
	for name, files := range map[string]map[string]string{
		"nothing of it":   {"readme.txt": "x"},
		"several courses": {"a/source/ps1/x.ipynb": "{}", "b/source/ps1/x.ipynb": "{}"},
	} {
		if _, err := s.Look(t.Context(), c, tree(t, files)); !course.IsKind(err, course.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := s.x.Unpack(t.Context(), c.Slug, "x.zip", strings.NewReader("no zip"), false); !course.IsKind(err, course.Invalid) {
		t.Errorf("no zip: %v", err)
	}
	if _, err := s.x.Unpacked(c.Slug, "../../../etc"); !course.IsKind(err, course.NotFound) {
		t.Errorf("an id that leads out: %v", err)
	}
	u, err := s.x.Unpack(t.Context(), c.Slug, "x.zip", bytes.NewReader(s.export(s.course("empty"))), false)
	s.must(err)
	if _, err := s.x.Unpacked("empty", u.ID); !course.IsKind(err, course.NotFound) {
		t.Errorf("another course's upload: %v", err)
	}
	u.Discard()
	if _, err := s.x.Unpacked(c.Slug, u.ID); !course.IsKind(err, course.NotFound) {
		t.Errorf("an upload that is gone: %v", err)
	}
}
