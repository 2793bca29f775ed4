package grading_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/exchange"
	"lectern/grading"
	"lectern/store"
)

func TestSubmissionsAreGradedInContainersAndReturnedAsPages(t *testing.T) {
	t.Parallel()
	h := newHall(t, map[string]string{"right": red("01-correct"), "wrong": red("02-wrong")})
	ctx := t.Context()
	runs := h.graders(newRunner(t))
	if n := h.ask(t, store.RunAsk{By: h.user}); n != 2 {
		t.Fatalf("asked for %d runs, want 2", n)
	}
	ok(t, runs.Next(ctx))
	ok(t, runs.Next(ctx))
	ok(t, runs.Next(ctx)) // nothing is left, which is no error
	if got := h.scalar(t, `select string_agg(state || ' ' || error, ',') from runs`); got != "done ,done " {
		t.Fatalf("runs are %q", got)
	}
	if got := h.total(t, "right"); got != "7" {
		t.Errorf("the right one has %s points, want 7", got)
	}
	if got := h.scalar(t, `select count(distinct image_digest) from runs where image_digest like 'sha256:%' and source_version = 1 and image = $1`, testImage); got != "1" {
		t.Error("the image is not recorded by its digest")
	}
	work := exchange.Work{Course: "c", Login: "right", Assignment: "ps1"}
	dir, err := h.exchange.Layout.Autograded("c", "right", "ps1")
	ok(t, err)
	data, err := os.ReadFile(filepath.Join(dir, "p1.ipynb"))
	ok(t, err)
	if _, err := notebook.Parse(data); err != nil {
		t.Errorf("the graded notebook: %v", err)
	}
	if stamp, err := os.ReadFile(filepath.Join(dir, "timestamp.txt")); err != nil || !strings.HasSuffix(string(stamp), " UTC") {
		t.Errorf("timestamp.txt holds %q, %v", stamp, err)
	}

	// A person marks over a test, and feedback says so; what is hidden stays hidden.
	_, err = h.store.Pool().Exec(ctx, `insert into mark_events (assignment_id, member_id, notebook, question, points, comment, source, actor)
		values ($1, $2, 'p1', 't1', 1, 'Good *thinking* <script>alert(1)</script>', 'hand', $3)`, h.a.ID, h.members["wrong"], h.user)
	ok(t, err)
	at := time.Now().UTC().Truncate(time.Microsecond)
	n, err := h.store.AskFeedback(ctx, h.a.ID, nil, h.user, at)
	ok(t, err)
	if n != 2 {
		t.Fatalf("asked for feedback of %d, want 2", n)
	}
	for _, m := range h.members {
		ok(t, h.feedback().Make(ctx, store.FeedbackArgs{AssignmentID: h.a.ID, MemberID: m, AskedAt: at.UnixMicro()}, false))
	}
	if got := h.scalar(t, `select string_agg(state || error, ',') from feedback_jobs`); got != "done,done" {
		t.Fatalf("feedback is %q", got)
	}
	staged, err := h.exchange.Layout.StagedFeedback("c", "wrong", "ps1")
	ok(t, err)
	page, err := os.ReadFile(filepath.Join(staged, "p1.html"))
	ok(t, err)
	for _, want := range []string{"The wrong (wrong)", "<em>thinking</em>", `class="fb-mark`, "p{}"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, secret := range []string{"<script", "HIDDEN TESTS", "http-equiv=\"refresh"} {
		if strings.Contains(string(page), secret) {
			t.Errorf("the page shows %q", secret)
		}
	}
	ok(t, h.exchange.Return(ctx, work))
}

// doctor is an autograder that does what the test says.
type doctor func(ctx context.Context, a *grading.Assignment) (*grading.Graded, error)

func (d doctor) Autograde(ctx context.Context, a *grading.Assignment, _ []grading.File) (*grading.Graded, error) {
	return d(ctx, a)
}

// full gives every question all its points, without running anything.
func full(_ context.Context, a *grading.Assignment) (*grading.Graded, error) {
	g := &grading.Graded{Image: "sha256:0"}
	for _, nb := range a.Notebooks {
		out := grading.GradedNotebook{Path: nb.Path, Notebook: nb.Release}
		for _, c := range nb.Manifest.Cells {
			if c.Kind.Scored() {
				out.Marks = append(out.Marks, notebook.Mark{GradeID: c.GradeID, Kind: c.Kind, Points: new(c.Points), Max: c.Points})
			}
		}
		g.Notebooks = append(g.Notebooks, out)
	}
	return g, nil
}

func TestAFailureOfOursIsTriedAgainThenLeftToAPersonAndNeverAZero(t *testing.T) {
	t.Parallel()
	h := newHall(t, map[string]string{"student": red("01-correct")})
	ctx := t.Context()
	tries := 0
	runs := h.graders(doctor(func(ctx context.Context, a *grading.Assignment) (*grading.Graded, error) {
		if tries++; tries < 6 {
			return nil, errors.New("the engine is down")
		}
		return full(ctx, a)
	}))
	runs.Tries, runs.Wait = 3, []time.Duration{time.Millisecond}
	h.ask(t, store.RunAsk{})
	for range 5 {
		ok(t, runs.Next(ctx))
		time.Sleep(5 * time.Millisecond)
	}
	if got := h.scalar(t, `select state || ' ' || attempts || ' ' || log from runs`); got != "failed 3 the engine is down" || tries != 3 {
		t.Fatalf("after %d tries the run is %q", tries, got)
	}
	if got := h.total(t, "student"); got != "" {
		t.Errorf("a failure of ours gives %s points", got)
	}
	h.ask(t, store.RunAsk{Only: "failed", By: h.user})
	for range 3 {
		ok(t, runs.Next(ctx))
		time.Sleep(5 * time.Millisecond)
	}
	if got := h.total(t, "student"); got != "10" {
		t.Errorf("after a retry the total is %q, want 10", got)
	}
}

func TestACancelledRunStopsItsContainer(t *testing.T) {
	t.Parallel()
	h := newHall(t, map[string]string{"student": red("01-correct")})
	began, ended := make(chan bool), make(chan error, 1)
	runs := h.graders(doctor(func(ctx context.Context, _ *grading.Assignment) (*grading.Graded, error) {
		close(began)
		<-ctx.Done() // as a container that is removed
		ended <- ctx.Err()
		return nil, ctx.Err()
	}))
	h.ask(t, store.RunAsk{})
	done := make(chan error)
	go func() { done <- runs.Next(context.Background()) }()
	<-began
	if n, err := h.store.CancelRuns(t.Context(), h.a.ID, nil, false); err != nil || n != 1 {
		t.Fatalf("cancelled %d: %v", n, err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the run goes on")
	}
	ok(t, <-done)
	if got := h.scalar(t, `select state from runs`); got != "cancelled" {
		t.Errorf("the run is %s", got)
	}
}

func TestAStoppingLecternHandsItsRunBack(t *testing.T) {
	t.Parallel()
	h := newHall(t, map[string]string{"student": red("01-correct")})
	ctx, stop := context.WithCancel(t.Context())
	runs := h.graders(doctor(func(ctx context.Context, _ *grading.Assignment) (*grading.Graded, error) {
		stop()
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	h.ask(t, store.RunAsk{})
	ok(t, runs.Next(ctx))
	if got := h.scalar(t, `select state || error from runs`); got != "queued" {
		t.Fatalf("the run is %q, want queued and without an error", got)
	}
	ok(t, h.graders(doctor(full)).Next(t.Context()))
	if got := h.total(t, "student"); got != "10" {
		t.Errorf("the total is %q", got)
	}
}

func TestASourceThatChangesMeanwhileIsNotMixed(t *testing.T) {
	t.Parallel()
	h := newHall(t, map[string]string{"student": red("01-correct")})
	first := true
	runs := h.graders(doctor(func(ctx context.Context, a *grading.Assignment) (*grading.Graded, error) {
		if first {
			first = false
			h.setSource(t, "testdata/redteam/source/p1.ipynb", nil)
		}
		return full(ctx, a)
	}))
	h.ask(t, store.RunAsk{})
	ok(t, runs.Next(t.Context()))
	if got := h.scalar(t, `select count(*) from run_results`); got != "0" {
		t.Errorf("%s results of a mixture", got)
	}
	ok(t, runs.Next(t.Context()))
	if got := h.scalar(t, `select source_version from runs where state = 'done'`); got != "2" {
		t.Errorf("graded with version %q, want 2", got)
	}
}

func TestADryRunsFilesTakeTheirPlaceWhenItIsApplied(t *testing.T) {
	t.Parallel()
	h := newHall(t, map[string]string{"student": red("01-correct")})
	ctx := t.Context()
	runs := h.graders(doctor(full))
	h.ask(t, store.RunAsk{})
	ok(t, runs.Next(ctx))
	h.setSource(t, "testdata/redteam/source/p1.ipynb", func(s string) string { return strings.Replace(s, `"points": 4`, `"points": 40`, 1) })
	h.ask(t, store.RunAsk{Trial: true, By: h.user})
	ok(t, runs.Next(ctx))
	work := exchange.Work{Course: "c", Login: "student", Assignment: "ps1"}
	before := h.scalar(t, `select id from runs where effective`)
	dir, err := h.exchange.Layout.Autograded("c", "student", "ps1")
	ok(t, err)
	old, err := os.Stat(dir)
	ok(t, err)
	if got := h.total(t, "student"); got != "10" {
		t.Errorf("before it is applied the total is %s", got)
	}
	works, err := h.store.ApplyTrial(ctx, h.a.ID)
	ok(t, err)
	if len(works) != 1 || h.scalar(t, `select id from runs where effective`) == before {
		t.Fatalf("applied %+v", works)
	}
	if got := h.total(t, "student"); got != "46" {
		t.Errorf("applied, the total is %s, want 46", got)
	}
	// As after a crash: the record is there, the files come when they are needed.
	got, err := h.exchange.Autograded(work, int64(works[0].ID))
	ok(t, err)
	fresh, err := os.Stat(got)
	ok(t, err)
	if got != dir || os.SameFile(old, fresh) {
		t.Error("the graded files are still the old ones")
	}
	if _, err := h.exchange.Autograded(work, int64(works[0].ID)); err != nil {
		t.Errorf("asking again: %v", err)
	}
	staged, err := h.exchange.Layout.StagedAutograded("c", "student", "ps1")
	ok(t, err)
	if _, err := os.Stat(staged); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("files of dry runs are left: %v", err)
	}
}

func TestWhatCannotBeGradedIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	h := newHall(t, map[string]string{"student": red("01-correct")})
	ok(t, h.exchange.DeleteSource("c", "ps1", "p1.ipynb"))
	_, err := h.store.BumpSource(t.Context(), h.a.ID)
	ok(t, err)
	h.ask(t, store.RunAsk{})
	ok(t, h.graders(doctor(full)).Next(t.Context()))
	if got := h.scalar(t, `select state || ' ' || error from runs`); got != "failed The assignment has no source files to grade with." {
		t.Errorf("the run is %q", got)
	}
	var p *course.Problem
	if err := h.feedback().Make(t.Context(), store.FeedbackArgs{AssignmentID: h.a.ID, MemberID: h.members["student"]}, false); errors.As(err, &p) {
		t.Errorf("a problem is noted, not returned: %v", err)
	}
}
