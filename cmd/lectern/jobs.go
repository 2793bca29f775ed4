package main

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"lectern/course"
	"lectern/grading"
	"lectern/store"
)

// collectWorker runs collections. What it does is grading's.
type collectWorker struct {
	river.WorkerDefaults[store.CollectArgs]
	collector *grading.Collector
}

// Work collects one member's live work.
func (w *collectWorker) Work(ctx context.Context, job *river.Job[store.CollectArgs]) error {
	err := w.collector.Collect(ctx, job.Args)
	if course.IsKind(err, course.NotFound) {
		return river.JobCancel(err) // the assignment or the member is gone
	}
	return err
}

// Timeout bounds one collection: the safe walk gives up after a minute.
func (w *collectWorker) Timeout(*river.Job[store.CollectArgs]) time.Duration { return 3 * time.Minute }

// NextRetry tries again soon, and never waits longer than a minute: a student
// waits for the receipt.
func (w *collectWorker) NextRetry(job *river.Job[store.CollectArgs]) time.Time {
	return time.Now().Add(min(time.Minute, time.Second<<min(job.Attempt, 6)))
}

// runJobs works the queue until ctx ends; what runs then is finished or handed back.
func (h *house) runJobs(ctx context.Context) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, &collectWorker{collector: h.collector})
	river.AddWorker(workers, &autogradeWorker{runs: h.runs})
	river.AddWorker(workers, &checkWorker{checks: h.checks})
	river.AddWorker(workers, &feedbackWorker{feedback: h.feedback})
	river.AddWorker(workers, &returnWorker{returns: h.returns})
	river.AddWorker(workers, &imageWorker{images: h.imaging})
	client, err := river.NewClient(riverpgxv5.New(h.store.Pool()), &river.Config{
		Workers: workers,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 8}, store.AutogradeQueue: {MaxWorkers: h.cfg.Graders},
			store.CheckQueue: {MaxWorkers: runtime.NumCPU()}, store.FeedbackQueue: {MaxWorkers: runtime.NumCPU()}, store.ImageQueue: {MaxWorkers: 8}},
		// The default lets a deadline's rush wait between small helpings.
		FetchCooldown: 10 * time.Millisecond,
		Logger:        slog.New(quiet{h.log.Handler()}),
	})
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	<-ctx.Done()
	return stopJobs(ctx, client)
}

func stopJobs(ctx context.Context, client *river.Client[pgx.Tx]) error {
	soft, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*time.Second)
	defer cancel()
	if err := client.Stop(soft); err == nil {
		return nil
	}
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return client.StopAndCancel(hard)
}

// loop does something over and over until ctx ends. A failure that lasts is
// logged when it begins and when it ends, not at every try.
func (h *house) loop(ctx context.Context, name string, every time.Duration, do func(context.Context) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	failing := false
	for {
		err := do(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			h.log.Error("loop fails", "loop", name, "error", err)
		case err == nil && failing:
			h.log.Info("loop works again", "loop", name)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// release publishes scheduled assignments that open now.
func (h *house) release(ctx context.Context) error {
	return h.preparer.ReleaseScheduled(ctx, time.Now())
}

// sweep mends what crashes left behind: it lays out submissions of the last days
// and removes unrecorded files older than a day.
func (h *house) sweep(ctx context.Context) error {
	if err := h.collector.LayOut(ctx, time.Now().Add(-72*time.Hour)); err != nil {
		return err
	}
	swept, err := h.exchange.Sweep(ctx, time.Now().Add(-24*time.Hour), h.collector.Recorded)
	if swept.Staged+swept.Snapshots > 0 {
		h.log.Info("swept", "stages", swept.Staged, "snapshots", swept.Snapshots)
	}
	return err
}
