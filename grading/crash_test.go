package grading_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"lectern/course"
	"lectern/exchange"
	"lectern/exchange/fail"
	"lectern/grading"
	"lectern/store"
	"lectern/store/storetest"
)

// A crash test runs one move of files with its record in a child process that
// kills itself between two of its steps, at each of them in turn, and looks at
// what a fresh process then finds.

const (
	crashMove = "LECTERN_CRASH_MOVE"
	crashAt   = "LECTERN_CRASH_AT" // the n-th point dies; 0 is none
	crashURL  = "LECTERN_CRASH_URL"
	crashRoot = "LECTERN_CRASH_ROOT"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashMove) != "" {
		os.Exit(crashChild())
	}
	os.Exit(m.Run())
}

// bench is a course with one assignment and one student, on disk and in the database.
type bench struct {
	store     *store.Store
	exchange  *exchange.Exchange
	preparer  *grading.Preparer
	collector *grading.Collector
	course    course.Course
	id        course.AssignmentID
	student   course.MemberID
	user      course.UserID
	work      exchange.Work
}

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func openBench(ctx context.Context, url, root string) (*bench, error) {
	s, err := store.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	x, err := exchange.New(course.Layout{Root: root}, exchange.Options{UID: 1000, GID: 100})
	if err != nil {
		return nil, err
	}
	b := &bench{store: s, exchange: x, preparer: &grading.Preparer{Exchange: x, Store: s},
		collector: &grading.Collector{Exchange: x, Store: s, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }},
		work:      exchange.Work{Course: "c", Login: "ada", Assignment: "ps1"}}
	if b.course, err = s.Course(ctx, "c"); err != nil {
		return b, err
	}
	a, err := s.Assignment(ctx, b.course.ID, "ps1")
	if err != nil {
		return b, err
	}
	m, err := s.Member(ctx, b.course.ID, "ada")
	b.id, b.student, b.user = a.ID, m.ID, m.UserID
	return b, err
}

// newBench makes the course, with the assignment released and opened.
func newBench(t *testing.T) (*bench, string, string) {
	t.Helper()
	ctx, url, root := t.Context(), storetest.URL(t), t.TempDir()
	b, err := openBench(ctx, url, root)
	if !course.IsKind(err, course.NotFound) {
		t.Fatalf("an empty site has a course: %v", err)
	}
	t.Cleanup(func() { b.store.Close() })
	teacher, student := course.User{Login: "teacher"}, course.User{Login: "ada"}
	c := course.Course{Slug: "c", Title: "C", Zone: "UTC", Image: "i"}
	must(t, b.store.AddUser(ctx, &teacher), b.store.AddUser(ctx, &student), b.store.AddCourse(ctx, &c, teacher.ID))
	if _, err := b.store.AddMember(ctx, c.ID, student.ID, course.Student, ""); err != nil {
		t.Fatal(err)
	}
	must(t, b.store.AddAssignment(ctx, &course.Assignment{CourseID: c.ID, Slug: "ps1", Title: "PS 1"}))
	b.store.Close()
	if b, err = openBench(ctx, url, root); err != nil {
		t.Fatal(err)
	}
	must(t, moves["import"](ctx, b), moves["release"](ctx, b))
	a, err := b.store.AssignmentByID(ctx, b.id)
	must(t, err)
	if _, err := b.exchange.Home("c", "ada"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.exchange.Fetch(ctx, b.work); err != nil {
		t.Fatal(err)
	}
	must(t, b.store.RecordFetched(ctx, a, b.student, b.user))
	return b, url, root
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

const tiny = `{"cells":[{"cell_type":"code","execution_count":null,"id":"a","metadata":{"nbgrader":{"grade":true,"grade_id":"q","locked":false,"points":1,"schema_version":3,"solution":true,"task":false}},"outputs":[],"source":["1"]}],"metadata":{},"nbformat":4,"nbformat_minor":5}`

// moves are the moves of files with their records, as the program makes them.
var moves = map[string]func(context.Context, *bench) error{
	"import": func(ctx context.Context, b *bench) error {
		up, err := b.exchange.NewUpload("c")
		if err != nil {
			return err
		}
		defer up.Discard()
		for _, name := range []string{"p1.ipynb", "p2.ipynb"} {
			if err := up.Add(ctx, name, strings.NewReader(tiny)); err != nil {
				return err
			}
		}
		if _, err := up.Import(ctx, "ps1", true); err != nil {
			return err
		}
		if _, err := b.store.BumpSource(ctx, b.id); err != nil {
			return err
		}
		_, err = b.preparer.Prepare(ctx, b.course, b.id)
		return err
	},
	"release": func(ctx context.Context, b *bench) error { return b.preparer.Release(ctx, b.course, b.id, now) },
	"submit": func(ctx context.Context, b *bench) error {
		_, err := b.collector.Take(ctx, b.work, course.Submission{AssignmentID: b.id, MemberID: b.student, Kind: course.BySubmit, TakenAt: now},
			uuid.MustParse("8d5b0b46-0d4f-4a52-9e4e-6f3d8b3e7f11"), b.user)
		return err
	},
	"collect": func(ctx context.Context, b *bench) error {
		return b.collector.Collect(ctx, store.CollectArgs{AssignmentID: b.id, MemberID: b.student, DueUnix: now.Unix() - 5})
	},
	"return": func(ctx context.Context, b *bench) error {
		d, err := b.exchange.NewDraft("c")
		if err != nil {
			return err
		}
		defer d.Discard()
		if err := errors.Join(d.Write("p1.html", []byte("well done")), d.Write("p2.html", []byte("well done"))); err != nil {
			return err
		}
		if err := b.exchange.StageFeedback(d, "ada", "ps1"); err != nil {
			return err
		}
		if err := b.store.StageFeedback(ctx, b.id, b.student, []course.File{{Path: "p1.html"}, {Path: "p2.html"}}, now); err != nil {
			return err
		}
		if err := b.exchange.Return(ctx, b.work); err != nil {
			return err
		}
		return b.store.MarkReturned(ctx, b.id, b.student, b.user, now)
	},
}

// crashChild makes one move and dies where it is told to. It prints the points
// it has passed.
func crashChild() int {
	die, err := strconv.Atoi(os.Getenv(crashAt))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	b, err := openBench(context.Background(), os.Getenv(crashURL), os.Getenv(crashRoot))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	n := 0
	fail.Set(func(point string) {
		fmt.Println(point)
		if n++; n == die {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	if err := moves[os.Getenv(crashMove)](context.Background(), b); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// crash makes a move in a child that dies at the n-th point; it returns the
// points passed and whether the child got to the end.
func crash(t *testing.T, move, url, root string, at int) (points []string, whole bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), crashMove+"="+move, crashAt+"="+strconv.Itoa(at), crashURL+"="+url, crashRoot+"="+root)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != -1) {
		t.Fatalf("%s, to die at point %d: %v\n%s", move, at, err, &stderr)
	}
	return strings.Fields(stdout.String()), err == nil
}

func TestACrashBetweenAnyTwoStepsLosesNothing(t *testing.T) {
	t.Parallel()
	for _, move := range []string{"import", "release", "submit", "collect", "return"} {
		t.Run(move, func(t *testing.T) {
			t.Parallel()
			b, url, root := newBench(t)
			points, whole := crash(t, move, url, root, 0)
			if !whole || len(points) < 2 {
				t.Fatalf("an undisturbed %s passes %v", move, points)
			}
			for at := 1; at <= len(points); at++ {
				b, url, root = newBench(t)
				passed, whole := crash(t, move, url, root, at)
				where := fmt.Sprintf("%s killed at %s (%d)", move, points[at-1], at)
				if whole || len(passed) != at {
					t.Errorf("%s: the child passed %v, want it to die there", where, passed)
				}
				check(t, b, where)
				if _, whole := crash(t, move, url, root, 0); !whole {
					t.Errorf("%s: the same again fails", where)
				}
				check(t, b, where+", then done again")
				finished(t, b, move, where)
			}
		})
	}
}

// check holds what must be true at any moment: no half tree under a final name,
// no record without its files.
func check(t *testing.T, b *bench, where string) {
	t.Helper()
	l := b.exchange.Layout
	source, _ := l.Source("c", "ps1")
	release, _ := l.Release("c", "ps1")
	feedback, _ := l.Feedback("c", "ada", "ps1")
	submitted, _ := l.Submitted("c", "ada", "ps1")
	for dir, want := range map[string][]string{source: {"p1.ipynb", "p2.ipynb"}, release: {"p1.ipynb", "p2.ipynb"},
		feedback: {"p1.html", "p2.html"}, submitted: {"p1.ipynb", "p2.ipynb", "timestamp.txt"}} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil || len(entries) != len(want) {
			t.Errorf("%s: %s holds %v, %v; want %v or nothing", where, dir, entries, err, want)
		}
	}
	subs, err := b.store.SubmissionsOf(t.Context(), b.id, b.student)
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range subs {
		at, err := time.Parse(course.SnapshotForm, sub.Snapshot)
		if err == nil {
			err = b.exchange.Verify(b.work, at)
		}
		if err != nil || len(sub.Files) != 2 {
			t.Errorf("%s: receipt %d of %d files: %v", where, sub.ID, len(sub.Files), err)
		}
	}
	if files, err := b.store.ReturnedFeedback(t.Context(), b.id, b.student); err != nil {
		t.Fatal(err)
	} else if len(files) > 0 {
		for _, f := range files {
			if _, err := os.Stat(filepath.Join(feedback, f.Path)); err != nil {
				t.Errorf("%s: recorded as returned: %v", where, err)
			}
		}
	}
}

// finished checks that the move, done again after the crash, has had its effect once.
func finished(t *testing.T, b *bench, move, where string) {
	t.Helper()
	a, err := b.store.AssignmentByID(t.Context(), b.id)
	if err != nil {
		t.Fatal(err)
	}
	subs, err := b.store.SubmissionsOf(t.Context(), b.id, b.student)
	if err != nil {
		t.Fatal(err)
	}
	files, err := b.store.ReturnedFeedback(t.Context(), b.id, b.student)
	if err != nil {
		t.Fatal(err)
	}
	var ok bool
	switch move {
	case "import":
		ok = a.CheckedVersion == a.SourceVersion
	case "release":
		ok = a.ReleasedAt != nil && a.ReleaseVersion == a.CheckedVersion
	case "submit", "collect":
		ok = len(subs) == 1 && subs[0].Counts
	case "return":
		ok = len(files) == 2
	}
	if !ok {
		t.Errorf("%s: not finished when done again: %+v, %d submissions, %d files returned", where, a, len(subs), len(files))
	}
}
