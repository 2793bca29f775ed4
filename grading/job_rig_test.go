package grading_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"lectern/course"
	"lectern/course/notebook/render"
	"lectern/exchange"
	"lectern/grading"
	"lectern/store"
	"lectern/store/storetest"
)

// hall is a course whose students have handed in, ready to be graded. The
// assignment is the red team's: t1 is worth 2 points, t2 4 and t3 1.
type hall struct {
	*bench
	url, root string
	a         course.Assignment
	members   map[string]course.MemberID
}

// newHall makes one; work names the notebook that each login hands in.
func newHall(t testing.TB, work map[string]string) *hall {
	t.Helper()
	ctx := context.Background()
	h := &hall{bench: &bench{}, url: storetest.URL(t), root: t.TempDir(), members: map[string]course.MemberID{}}
	var err error
	h.store, err = store.Open(ctx, h.url)
	ok(t, err)
	t.Cleanup(h.store.Close)
	h.exchange, err = exchange.New(course.Layout{Root: h.root}, exchange.Options{UID: 1000, GID: 100})
	ok(t, err)
	h.preparer = &grading.Preparer{Exchange: h.exchange, Store: h.store}
	h.collector = &grading.Collector{Exchange: h.exchange, Store: h.store, Log: slog.New(slog.DiscardHandler), Now: time.Now}
	teacher := course.User{Login: "teacher"}
	ok(t, h.store.AddUser(ctx, &teacher))
	h.user = teacher.ID
	h.course = course.Course{Slug: "c", Title: "Course", Zone: "Europe/Berlin", Image: testImage}
	ok(t, h.store.AddCourse(ctx, &h.course, teacher.ID))
	h.a = course.Assignment{CourseID: h.course.ID, Slug: "ps1", Title: "Problem set 1"}
	ok(t, h.store.AddAssignment(ctx, &h.a))
	h.setSource(t, "testdata/redteam/source/p1.ipynb", nil)
	ok(t, h.preparer.Release(ctx, h.course, h.a.ID, time.Now()))
	h.id = h.a.ID
	for login, name := range work {
		h.handIn(t, login, name)
	}
	return h
}

// setSource gives the assignment a source, changed on the way.
func (h *hall) setSource(t testing.TB, name string, change func(string) string) {
	t.Helper()
	ctx := context.Background()
	data, err := os.ReadFile(name)
	ok(t, err)
	if change != nil {
		data = []byte(change(string(data)))
	}
	up, err := h.exchange.NewUpload("c")
	ok(t, err)
	defer up.Discard()
	f, err := os.CreateTemp(t.TempDir(), "")
	ok(t, err)
	_, err = f.Write(data)
	ok(t, err)
	_, err = f.Seek(0, 0)
	ok(t, err)
	ok(t, up.Add(ctx, "p1.ipynb", f))
	_, err = up.Import(ctx, "ps1", true)
	ok(t, err)
	_, err = h.store.BumpSource(ctx, h.a.ID)
	ok(t, err)
	report, err := h.preparer.Prepare(ctx, h.course, h.a.ID)
	ok(t, err)
	if !report.OK() {
		t.Fatalf("the source has problems: %v", report.Problems)
	}
}

// handIn makes a student of the login, who hands in a notebook.
func (h *hall) handIn(t testing.TB, login, name string) {
	t.Helper()
	ctx := context.Background()
	if h.members[login] == 0 {
		u := course.User{Login: login, Name: "The " + login}
		ok(t, h.store.AddUser(ctx, &u))
		m, err := h.store.AddMember(ctx, h.course.ID, u.ID, course.Student, "")
		ok(t, err)
		h.members[login] = m
		_, err = h.exchange.Home("c", login)
		ok(t, err)
		_, err = h.exchange.Fetch(ctx, exchange.Work{Course: "c", Login: login, Assignment: "ps1"})
		ok(t, err)
	}
	data, err := os.ReadFile(name)
	ok(t, err)
	dir, err := h.exchange.Layout.WorkingCopy("c", login, "ps1")
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(dir, "p1.ipynb"), data, 0o644))
	_, err = h.collector.Take(ctx, exchange.Work{Course: "c", Login: login, Assignment: "ps1"},
		course.Submission{AssignmentID: h.a.ID, MemberID: h.members[login], Kind: course.BySubmit, TakenAt: time.Now().UTC().Truncate(time.Microsecond)}, uuid.New(), h.user)
	ok(t, err)
}

// graders are runs on this machine's containers, or on whatever is given.
func (h *hall) graders(r grader) *grading.Runs {
	return &grading.Runs{Store: h.store, Exchange: h.exchange, Runner: r, Log: slog.New(slog.DiscardHandler), Now: time.Now, Beat: 20 * time.Millisecond}
}

func (h *hall) feedback() *grading.Feedback {
	return &grading.Feedback{Exchange: h.exchange, Store: h.store, Render: render.New(), Style: []byte("p{}"), Now: time.Now}
}

type grader interface {
	Autograde(ctx context.Context, a *grading.Assignment, submitted []grading.File) (*grading.Graded, error)
}

func (h *hall) ask(t testing.TB, ask store.RunAsk) int {
	t.Helper()
	ask.AssignmentID = h.a.ID
	n, err := h.store.AskRuns(context.Background(), ask)
	ok(t, err)
	return n
}

// scalar is one value of one row, as text.
func (h *hall) scalar(t testing.TB, sql string, args ...any) string {
	t.Helper()
	var s string
	if err := h.store.Pool().QueryRow(context.Background(), "select coalesce(("+sql+")::text, '')", args...).Scan(&s); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return s
}

// total is what a student's work comes to.
func (h *hall) total(t testing.TB, login string) string {
	t.Helper()
	return h.scalar(t, `select points from current_totals where assignment_id = $1 and member_id = $2`, h.a.ID, h.members[login])
}

func red(n string) string { return fmt.Sprintf("testdata/redteam/%s.ipynb", n) }
