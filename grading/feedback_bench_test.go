package grading_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"lectern/static"
	"lectern/store"
)

// BenchmarkFeedback makes feedback of a class, from the job to the staged page,
// with everything that takes: the database, reading, rendering, fsync. One worker
// a core, each student with a notebook of another kind.
func BenchmarkFeedback(b *testing.B) {
	names, err := filepath.Glob("testdata/redteam/*.ipynb")
	ok(b, err)
	work := map[string]string{}
	for i := range 60 {
		work[fmt.Sprintf("student%02d", i)] = names[i%len(names)]
	}
	h := newHall(b, work)
	h.ask(b, store.RunAsk{})
	runs := h.graders(doctor(full))
	for range work {
		ok(b, runs.Next(b.Context()))
	}
	if got := h.scalar(b, `select count(*) from runs where effective`); got != "60" {
		b.Fatalf("%s are graded", got)
	}
	feedback := h.feedback()
	feedback.Style = static.Inline()
	for b.Loop() {
		at := time.Now().UTC().Truncate(time.Microsecond)
		n, err := h.store.AskFeedback(b.Context(), h.a.ID, nil, h.user, at)
		ok(b, err)
		if n != 60 {
			b.Fatalf("asked for %d", n)
		}
		began := time.Now()
		var workers sync.WaitGroup
		jobs := make(chan store.FeedbackArgs, n)
		for _, m := range h.members {
			jobs <- store.FeedbackArgs{AssignmentID: h.a.ID, MemberID: m, AskedAt: at.UnixMicro()}
		}
		close(jobs)
		for range runtime.NumCPU() {
			workers.Go(func() {
				for args := range jobs {
					if err := feedback.Make(b.Context(), args, true); err != nil {
						b.Error(err)
					}
				}
			})
		}
		workers.Wait()
		b.ReportMetric(float64(n)/time.Since(began).Seconds()/float64(runtime.NumCPU()), "submissions/s/core")
	}
	if got := h.scalar(b, `select count(*) from feedback_jobs where state <> 'done'`); got != "0" {
		b.Errorf("%s were not made", got)
	}
}
