package main

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestFiguresAreOfFirstAttempts(t *testing.T) {
	t.Parallel()
	r, ctx := newRecorder(), context.Background()
	began := time.Now()
	for n := range 100 {
		_ = r.since(ctx, began.Add(-time.Duration(n)*time.Second), "cell", func() error { return nil })
	}
	for range 3 {
		_ = r.do(ctx, "cell", func() error { return errors.New("the kernel raised NameError") })
	}
	_ = r.do(ctx, "save", func() error { return &url.Error{Op: "Put", URL: "http://one.student/x", Err: errors.New("refused")} })
	cut, end := context.WithCancel(ctx)
	_ = r.do(cut, "save", func() error { end(); return errors.New("cut off") })

	got := report{}
	r.fill(&got)
	if len(got.Steps) != 2 || got.Failed != 4 {
		t.Fatalf("%d steps, %d failed: %+v", len(got.Steps), got.Failed, got)
	}
	c := got.Steps[0]
	near := func(ms float64, s int) bool { return ms >= float64(s)*1000 && ms < float64(s)*1000+900 }
	if c.Step != "cell" || c.Count != 103 || c.Failed != 3 || !near(c.P50, 49) || !near(c.P95, 94) || !near(c.P99, 98) || !near(c.Max, 99) {
		t.Errorf("cells: %+v", c)
	}
	if s := got.Steps[1]; s.Count != 1 || s.Failed != 1 || s.P99 != 0 {
		t.Errorf("a step that only failed: %+v; what the end of the run cut off is none", s)
	}
	if f := got.Failures; len(f) != 2 || f[0] != (failReport{"cell", "the kernel raised NameError", 3}) || f[1].Text != "Put: refused" {
		t.Errorf("failures %+v", f)
	}
	var text strings.Builder
	if err := got.text(&text); err != nil || !strings.Contains(text.String(), "3 × cell: the kernel raised NameError") {
		t.Errorf("%v: %s", err, text.String())
	}
}

func TestRankIsTheNearest(t *testing.T) {
	t.Parallel()
	var all []time.Duration
	for n := 1; n <= 10; n++ {
		all = append(all, time.Duration(n)*time.Millisecond)
	}
	for percent, want := range map[int]float64{1: 1, 50: 5, 51: 6, 95: 10, 100: 10} {
		if got := rank(all, percent); got != want {
			t.Errorf("the %dth of ten is %v, want %v", percent, got, want)
		}
	}
	if rank(nil, 50) != 0 || rank(all[:1], 1) != 1 {
		t.Error("none, or one, has no rank")
	}
}

func TestAPageIsToldBriefly(t *testing.T) {
	t.Parallel()
	got := brief(`<html><script>var x = 1</script><main id="m"><svg><path d="M0 0"/></svg><h1>Not  now</h1><p>` + strings.Repeat("word ", 100) + `</p></main>`)
	if !strings.HasPrefix(got, "Not now word word") || len(got) > 160 {
		t.Errorf("%q", got)
	}
	if got := field(`<input type="hidden" name="key" value="a&amp;b"/>`, "key"); got != "a&b" {
		t.Errorf("a hidden field is %q", got)
	}
	u := &url.URL{Path: "/courses/demo/workspaces/abcdef/events"}
	if got := pathOf(u); got != "/courses/demo/workspaces/…/events" {
		t.Error(got)
	}
}
