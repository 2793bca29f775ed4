package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"lectern/course"
	"lectern/grading"
	"lectern/store"
)

// autogradeWorker serves runs that wait, whichever course's turn it is.
type autogradeWorker struct {
	river.WorkerDefaults[store.AutogradeArgs]
	runs *grading.Runs
}

// Work does one run.
func (w *autogradeWorker) Work(ctx context.Context, _ *river.Job[store.AutogradeArgs]) error {
	return w.runs.Next(ctx)
}

// Timeout is the run's own concern, which knows what its notebooks may take.
func (w *autogradeWorker) Timeout(*river.Job[store.AutogradeArgs]) time.Duration { return -1 }

// checkWorker finds out by running what a check cannot see in the files.
type checkWorker struct {
	river.WorkerDefaults[store.CheckArgs]
	checks *grading.Checks
}

// Work does one assignment's.
func (w *checkWorker) Work(ctx context.Context, job *river.Job[store.CheckArgs]) error {
	return w.checks.Next(ctx, job.Args.AssignmentID)
}

// Timeout is the check's own concern.
func (w *checkWorker) Timeout(*river.Job[store.CheckArgs]) time.Duration { return -1 }

// feedbackWorker makes feedback pages.
type feedbackWorker struct {
	river.WorkerDefaults[store.FeedbackArgs]
	feedback *grading.Feedback
}

// Work makes one student's.
func (w *feedbackWorker) Work(ctx context.Context, job *river.Job[store.FeedbackArgs]) error {
	err := w.feedback.Make(ctx, job.Args, job.Attempt >= job.MaxAttempts)
	if course.IsKind(err, course.NotFound) {
		return river.JobCancel(err) // the assignment or the member is gone
	}
	return err
}

// Timeout bounds one student's pages.
func (w *feedbackWorker) Timeout(*river.Job[store.FeedbackArgs]) time.Duration {
	return 3 * time.Minute
}

// returnWorker returns feedback.
type returnWorker struct {
	river.WorkerDefaults[store.ReturnArgs]
	returns *grading.Returns
}

// Work returns one student's.
func (w *returnWorker) Work(ctx context.Context, job *river.Job[store.ReturnArgs]) error {
	return w.returns.Work(ctx, job.Args, job.Attempt >= job.MaxAttempts)
}

// Timeout bounds one student's.
func (w *returnWorker) Timeout(*river.Job[store.ReturnArgs]) time.Duration {
	return store.ReturnTimeout
}

// graders makes what autogrades. Without an engine, runs wait and then say so to
// staff.
func (h *house) graders(realm string) {
	h.runner = grading.NewRunner(grading.RunnerOptions{Engine: h.sealing, Site: realm, Ahead: h.cfg.Graders, Log: h.log,
		Limits: grading.Limits{Cell: h.cfg.CellTime, Memory: h.cfg.GradeMemory}})
	h.runs = &grading.Runs{Store: h.store, Exchange: h.exchange, Runner: h.runner, Log: h.log, Now: time.Now}
	h.checks = &grading.Checks{Store: h.store, Exchange: h.exchange, Preparer: h.preparer, Runner: h.runner, Log: h.log, Now: time.Now}
	h.imagery()
}

// runGraders keeps autograding going until ctx ends: it removes what a killed
// Lectern left, and takes its runs back.
func (h *house) runGraders(ctx context.Context) error {
	go func() {
		if err := h.runner.Sweep(ctx); err != nil && ctx.Err() == nil {
			h.log.Warn("containers of an earlier grading could not be looked for", "error", err)
		}
	}()
	return h.loop(ctx, "autograding", 5*time.Second, func(ctx context.Context) error { return errors.Join(h.runs.Mend(ctx), h.checks.Mend(ctx)) })
}

// parseGraders reads how many submissions are graded at once.
func parseGraders(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1000 {
		return 0, fmt.Errorf("%q is not a number of submissions to grade at once", s)
	}
	return n, nil
}

// parseCellTime reads how long a cell may run. Zero would mean the default, and
// a negative time none at all.
func parseCellTime(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil && d <= 0 {
		err = fmt.Errorf("%q is no time in which a cell could run", s)
	}
	return d, err
}

// allCores is how many graders there are unless the operator says otherwise.
func allCores() string { return strconv.Itoa(runtime.NumCPU()) }
