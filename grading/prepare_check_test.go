package grading_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/grading"
	"lectern/store"
)

// upload replaces the assignment's source and has it checked, as the page does.
func (h *hall) upload(t testing.TB, files map[string][]byte) grading.Report {
	t.Helper()
	ctx := context.Background()
	up, err := h.exchange.NewUpload("c")
	ok(t, err)
	defer up.Discard()
	for name, data := range files {
		ok(t, up.Add(ctx, name, bytes.NewReader(data)))
	}
	_, err = up.Import(ctx, "ps1", true)
	ok(t, err)
	_, err = h.store.BumpSource(ctx, h.a.ID)
	ok(t, err)
	report, err := h.preparer.Prepare(ctx, h.course, h.a.ID)
	ok(t, err)
	return report
}

func (h *hall) checks(r checker) *grading.Checks {
	return &grading.Checks{Store: h.store, Exchange: h.exchange, Preparer: h.preparer, Runner: r, Log: slog.New(slog.DiscardHandler), Now: time.Now, Beat: 20 * time.Millisecond}
}

type checker interface {
	Autograde(ctx context.Context, a *grading.Assignment, submitted []grading.File) (*grading.Graded, error)
	Instantiate(ctx context.Context, image, folder string, files []grading.File, templates []byte) func(*notebook.Notebook) error
}

// checked is the report and the trial as they are recorded.
func (h *hall) checked(t testing.TB) (r grading.Report, state store.CheckTrial, trial grading.Trial) {
	t.Helper()
	_, _, err := h.store.Check(context.Background(), h.a.ID, &r)
	ok(t, err)
	state, asked, err := h.store.CheckTrial(context.Background(), h.a.ID)
	ok(t, err)
	if !asked {
		t.Fatal("no check was asked for")
	}
	ok(t, json.Unmarshal(state.Result, &trial))
	return r, state, trial
}

func templates(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/autotest/autotests.yml")
	ok(t, err)
	return text
}

// staged is a notebook of the release that waits to be published.
func (h *hall) staged(t testing.TB, name string) string {
	t.Helper()
	dir, err := h.exchange.Layout.StagedRelease("c", "ps1")
	ok(t, err)
	data, err := os.ReadFile(dir + "/" + name)
	ok(t, err)
	return string(data)
}

// An upload with AUTOTEST lines is not ready before its tests have been made, and
// then students get the tests, hashed where that was asked for, and work is graded
// with the same ones.
func TestACheckMakesAutotests(t *testing.T) {
	t.Parallel()
	h := newHall(t, nil)
	runner := newRunner(t)
	nb := autotestSource("### AUTOTEST a\n### HASHED AUTOTEST s")
	report := h.upload(t, map[string][]byte{"p1.ipynb": nb.Bytes(), "autotests.yml": templates(t)})
	if !report.Waiting || report.OK() || report.Errors() != 0 {
		t.Fatalf("before anything has run: %+v", report)
	}
	h.handIn(t, "early", red("01-correct"))
	h.ask(t, store.RunAsk{})
	ok(t, h.graders(runner).Next(t.Context()))
	if got := h.scalar(t, `select state || ' ' || error from runs`); !strings.HasPrefix(got, "queued The autotests of these files have not been made yet") {
		t.Errorf("graded without tests: %s", got)
	}
	ok(t, h.checks(runner).Next(t.Context(), h.a.ID))
	report, state, trial := h.checked(t)
	if !report.OK() || report.Waiting || state.State != "done" {
		t.Fatalf("after the check: %+v, %+v", report, state)
	}
	released := h.staged(t, "p1.ipynb")
	if !strings.Contains(released, `assert str(a) == \"5\"`) || !strings.Contains(released, "sha1(str(s)") || strings.Contains(released, "AUTOTEST") || strings.Contains(released, `\"text\"`) {
		t.Errorf("the release has\n%s", released)
	}
	if q := trial.Questions; len(q) != 1 || !trial.Solution || !trial.Untouched || *q[0].Solution != 2 || *q[0].Untouched != 0 {
		t.Errorf("the trial found %+v", trial)
	}
	ok(t, h.preparer.Release(t.Context(), h.course, h.a.ID, time.Now()))
	if got := h.scalar(t, `select source from questions where grade_id = 't'`); strings.Contains(got, "AUTOTEST") || !strings.Contains(got, "sha1") {
		t.Errorf("the question is recorded as %s", got)
	}
	_, err := h.store.Pool().Exec(t.Context(), `update runs set not_before = now() - interval '1 hour'`)
	ok(t, err)
	ok(t, h.graders(runner).Next(t.Context()))
	if got := h.scalar(t, `select r.state || ' ' || x.points from runs r join run_results x on x.run_id = r.id`); got != "done 0" {
		t.Errorf("graded with the tests: %s", got)
	}
}

// What is wrong with the templates or the solution is a problem of the report.
func TestACheckTellsWhyAutotestsCannotBeMade(t *testing.T) {
	t.Parallel()
	h := newHall(t, nil)
	runner := newRunner(t)
	for _, c := range []struct {
		files map[string][]byte
		why   string
	}{
		{map[string][]byte{"p1.ipynb": autotestSource("### AUTOTEST a").Bytes()}, "there is no autotests.yml"},
		{map[string][]byte{"p1.ipynb": autotestSource("### AUTOTEST nowhere").Bytes(), "autotests.yml": templates(t)}, "the solution fails with NameError"},
	} {
		h.upload(t, c.files)
		ok(t, h.checks(runner).Next(t.Context(), h.a.ID))
		report, state, _ := h.checked(t)
		if report.OK() || report.Waiting || report.Errors() != 1 || !strings.Contains(report.Problems[0].Text, c.why) || state.State != "done" {
			t.Errorf("%+v, %+v; want %q", report, state, c.why)
		}
	}
}

// source makes an assignment of two tests and an essay.
func trialSource(solution, easy, hard string) []byte {
	nb := autotestSource(easy)
	nb.Cells[0].Source = "### BEGIN SOLUTION\n" + solution + "\n### END SOLUTION"
	second := autotestSource(hard).Cells[1]
	second.ID = "t2"
	second.Metadata["nbgrader"].(map[string]any)["grade_id"] = "t2"
	nb.Cells = append(nb.Cells, second)
	return nb.Bytes()
}

// The solution and the untouched release are graded like a student's work.
func TestACheckRunsTheSolutionAndTheRelease(t *testing.T) {
	t.Parallel()
	h := newHall(t, nil)
	report := h.upload(t, map[string][]byte{"p1.ipynb": trialSource("a = 5", "assert True", "### BEGIN HIDDEN TESTS\nprint('here')\nassert a == 6, 'not six'\n### END HIDDEN TESTS")})
	if !report.OK() {
		t.Fatalf("the files alone: %+v", report)
	}
	ok(t, h.checks(newRunner(t)).Next(t.Context(), h.a.ID))
	_, state, trial := h.checked(t)
	if state.State != "done" || trial.Version != state.SourceVersion || !trial.Solution || !trial.Untouched || trial.Image == "" {
		t.Fatalf("%+v, %+v", state, trial)
	}
	if trial.Short() != 1 || trial.Free() != 1 {
		t.Errorf("%d short, %d free: %+v", trial.Short(), trial.Free(), trial.Questions)
	}
	easy, hard := trial.Questions[0], trial.Questions[1]
	if *easy.Solution != 2 || *easy.Untouched != 2 || *hard.Solution != 0 || *hard.Untouched != 0 {
		t.Errorf("points: %+v", trial.Questions)
	}
	if !strings.Contains(hard.Output, "here\n") || !strings.Contains(hard.Output, "AssertionError: not six") || strings.Contains(hard.Output, "\x1b") {
		t.Errorf("the failing test showed %q", hard.Output)
	}
}

// broken is an engine that is away.
type broken struct{ err error }

func (b broken) Autograde(context.Context, *grading.Assignment, []grading.File) (*grading.Graded, error) {
	return nil, b.err
}

func (b broken) Instantiate(context.Context, string, string, []grading.File, []byte) func(*notebook.Notebook) error {
	return nil
}

// A failure of ours is tried again, then left to a person, and says nothing about
// the files; whoever asks again starts anew.
func TestACheckThatCannotRunIsNoFaultOfTheFiles(t *testing.T) {
	t.Parallel()
	h := newHall(t, nil)
	h.upload(t, map[string][]byte{"p1.ipynb": trialSource("a = 5", "assert a", "assert a")})
	c := h.checks(broken{errors.New("dial unix: refused")})
	c.Wait = []time.Duration{time.Millisecond}
	ok(t, c.Next(t.Context(), h.a.ID))
	report, state, _ := h.checked(t)
	if !report.OK() || state.State != "queued" || state.Error == "" || state.Failures != 1 {
		t.Fatalf("after the first failure: %+v, %+v", report, state)
	}
	time.Sleep(2 * time.Millisecond)
	ok(t, c.Next(t.Context(), h.a.ID))
	if _, state, _ = h.checked(t); state.State != "failed" || !strings.Contains(state.Log, "refused") {
		t.Fatalf("after the second: %+v", state)
	}
	ok(t, h.store.AskCheck(t.Context(), h.a.ID, time.Now()))
	ok(t, h.checks(newRunner(t)).Next(t.Context(), h.a.ID))
	if _, state, trial := h.checked(t); state.State != "done" || trial.Short() != 0 || trial.Free() != 0 {
		t.Errorf("asked again: %+v, %+v", state, trial)
	}
}

// Who missed its time has no say; the check is done once more, by somebody else.
func TestACheckOfAKilledLecternIsTakenBack(t *testing.T) {
	t.Parallel()
	h := newHall(t, nil)
	h.upload(t, map[string][]byte{"p1.ipynb": trialSource("a = 5", "assert a", "assert a")})
	dead, err := h.store.TakeCheck(t.Context(), h.a.ID, time.Now().Add(-time.Hour))
	if course.IsKind(err, course.NotFound) { // it is asked for later than that
		dead, err = h.store.TakeCheck(t.Context(), h.a.ID, time.Now())
	}
	ok(t, err)
	c := h.checks(newRunner(t))
	c.Now = func() time.Time { return time.Now().Add(time.Minute) }
	ok(t, c.Mend(t.Context()))
	ok(t, c.Next(t.Context(), h.a.ID))
	ok(t, h.store.SaveCheckResult(t.Context(), dead, grading.Trial{Version: 99}, true))
	if _, state, trial := h.checked(t); state.State != "done" || trial.Version == 99 || !trial.Untouched {
		t.Errorf("%+v, %+v", state, trial)
	}
	// An upload in the middle takes the check away from who does it.
	_, err = h.store.TakeCheck(t.Context(), h.a.ID, time.Now())
	if !course.IsKind(err, course.NotFound) {
		t.Errorf("a check that is done was taken: %v", err)
	}
	ok(t, h.store.AskCheck(t.Context(), h.a.ID, time.Now()))
	old, err := h.store.TakeCheck(t.Context(), h.a.ID, time.Now())
	ok(t, err)
	h.upload(t, map[string][]byte{"p1.ipynb": trialSource("a = 6", "assert a", "assert a")})
	if ours, err := h.store.KeepCheck(t.Context(), old, "x", time.Now()); err != nil || ours {
		t.Errorf("kept after an upload: %v, %v", ours, err)
	}
}

// A run hashes answers, so that identical ones group without another pass; white
// space makes no difference, and work that was not handed in is like no other.
func TestARunHashesAnswers(t *testing.T) {
	t.Parallel()
	h := newHall(t, map[string]string{"one": red("01-correct"), "two": red("01-correct"), "three": red("02-wrong")})
	h.ask(t, store.RunAsk{})
	runner := newRunner(t)
	for range 3 {
		ok(t, h.graders(runner).Next(t.Context()))
	}
	if got := h.scalar(t, `select string_agg(n::text, ' ' order by n) from (select count(*) as n from run_results where question = 't1' and answer_hash <> '' group by answer_hash) x`); got != "1 2" {
		t.Errorf("groups of %s answers, want 1 and 2", got)
	}
	if got := h.scalar(t, `select count(*) from grade_cells where question = 't1' and answer_hash is null`); got != "0" {
		t.Errorf("%s answers wait to be hashed", got)
	}
}
