package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// recorder keeps how long each first attempt at a step took, and how it failed.
// There are no second attempts.
type recorder struct {
	mu    sync.Mutex
	order []string
	took  map[string][]time.Duration
	fails map[failure]int
}

type failure struct{ step, text string }

func newRecorder() *recorder {
	return &recorder{took: map[string][]time.Duration{}, fails: map[failure]int{}}
}

// do takes one step and notes it. A step that the end of the run cut off is none.
func (r *recorder) do(ctx context.Context, step string, f func() error) error {
	return r.since(ctx, time.Now(), step, f)
}

// since is do for a step that began earlier.
func (r *recorder) since(ctx context.Context, began time.Time, step string, f func() error) error {
	err := f()
	took := time.Since(began)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.took[step]; !known {
		r.order, r.took[step] = append(r.order, step), nil
	}
	if err != nil {
		r.fails[failure{step, reason(err)}]++
		return err
	}
	r.took[step] = append(r.took[step], took)
	return nil
}

// reason is an error without the address, which is every student's own.
func reason(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		return fmt.Sprintf("%s: %v", u.Op, u.Err)
	}
	return err.Error()
}

// stepReport is one line of the report; times are milliseconds of first
// attempts that succeeded.
type stepReport struct {
	Step   string  `json:"step"`
	Count  int     `json:"count"` // with those that failed
	Failed int     `json:"failed"`
	P50    float64 `json:"p50_ms"`
	P95    float64 `json:"p95_ms"`
	P99    float64 `json:"p99_ms"`
	Max    float64 `json:"max_ms"`
}

type failReport struct {
	Step  string `json:"step"`
	Text  string `json:"text"`
	Count int    `json:"count"`
}

type report struct {
	Site      string       `json:"site"`
	Students  int          `json:"students"`
	Messy     int          `json:"messy"`
	Seconds   float64      `json:"seconds"`
	Submitted int          `json:"submitted"` // receipts whose files hold the last save
	Failed    int          `json:"failed"`    // steps
	Steps     []stepReport `json:"steps"`
	Failures  []failReport `json:"failures"`
	Receipts  []receipt    `json:"receipts"`
}

// receipt is what a student was shown, and what the work handed in must hold.
type receipt struct {
	Login string `json:"login"`
	Path  string `json:"path"`
	Saves int    `json:"saves"`
}

// fill writes the recorder's part of a report.
func (r *recorder) fill(to *report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	failed := map[string]int{}
	for f, n := range r.fails {
		failed[f.step] += n
		to.Failed += n
		to.Failures = append(to.Failures, failReport{f.step, f.text, n})
	}
	slices.SortFunc(to.Failures, func(a, b failReport) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Step+a.Text, b.Step+b.Text))
	})
	for _, name := range r.order {
		all := slices.Sorted(slices.Values(r.took[name]))
		to.Steps = append(to.Steps, stepReport{name, len(all) + failed[name], failed[name],
			rank(all, 50), rank(all, 95), rank(all, 99), rank(all, 100)})
	}
}

// rank is the smallest time that so many in a hundred did not exceed; 0 of none.
func rank(sorted []time.Duration, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := (len(sorted)*percent + 99) / 100
	return float64(sorted[max(i, 1)-1].Microseconds()) / 1000
}

func (r report) text(to io.Writer) error {
	fmt.Fprintf(to, "%d students at %s, %d of them messy, %.0f s: %d handed in what they had saved last, %d steps failed\n\n",
		r.Students, r.Site, r.Messy, r.Seconds, r.Submitted, r.Failed)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "step\tcount\tfailed\tp50 ms\tp95 ms\tp99 ms\tmax ms\t")
	for _, s := range r.Steps {
		fmt.Fprintf(w, "%s\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t\n", s.Step, s.Count, s.Failed, s.P50, s.P95, s.P99, s.Max)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range r.Failures[:min(len(r.Failures), 20)] {
		fmt.Fprintf(to, "\n%d × %s: %s", f.Count, f.Step, f.Text)
	}
	_, err := fmt.Fprintln(to)
	return err
}

// receipts in the order of logins.
func sorted(m map[string]receipt) []receipt {
	out := []receipt{}
	for _, login := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[login])
	}
	return out
}
