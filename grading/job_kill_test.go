package grading_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"lectern/course"
	"lectern/exchange"
	"lectern/grading"
	"lectern/spawner/container"
	"lectern/store"
)

// The child of TestKilledGradersLoseAndRepeatNothing grades until it is killed.
const (
	gradeURL  = "LECTERN_GRADE_URL"
	gradeRoot = "LECTERN_GRADE_ROOT"
	gradeSite = "LECTERN_GRADE_SITE"
)

func init() {
	if os.Getenv(gradeURL) != "" {
		os.Exit(gradeChild())
	}
}

func gradeChild() int {
	ctx := context.Background()
	s, err := store.Open(ctx, os.Getenv(gradeURL))
	if err == nil {
		defer s.Close()
	}
	x, err2 := exchange.New(course.Layout{Root: os.Getenv(gradeRoot)}, exchange.Options{UID: 1000, GID: 100})
	d, err3 := container.NewDocker(container.DockerOptions{Data: container.Paths{Inside: os.Getenv(gradeRoot)}, Secrets: filepath.Join(os.Getenv(gradeRoot), "secrets")})
	for _, err := range []error{err, err2, err3} {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	}
	runner := grading.NewRunner(grading.RunnerOptions{Engine: d, Site: os.Getenv(gradeSite), Ahead: 1})
	if err := runner.Sweep(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	runs := &grading.Runs{Store: s, Exchange: x, Runner: runner, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Now: time.Now}
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for s.Ping(ctx) == nil {
				left := 0
				if s.Pool().QueryRow(ctx, `select count(*) from runs where state in ('queued', 'running')`).Scan(&left) != nil || left == 0 {
					return
				}
				if err := runs.Next(ctx); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	workers.Wait()
	if err := runner.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return 0
}

// Graders are killed at random moments, over and over; in the end every run has
// ended, every submission has one result in effect, and no container stays.
func TestKilledGradersLoseAndRepeatNothing(t *testing.T) {
	t.Parallel()
	const students, kills = 12, 4
	work := map[string]string{}
	for i := range students {
		work[fmt.Sprintf("student%02d", i)] = red("01-correct")
	}
	h := newHall(t, work)
	engine := newEngine(t)
	site := "kill-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if n := h.ask(t, store.RunAsk{By: h.user}); n != students {
		t.Fatalf("asked for %d", n)
	}
	for i := range kills + 1 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), gradeURL+"="+h.url, gradeRoot+"="+h.root, gradeSite+"="+site)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		ok(t, cmd.Start())
		if i < kills {
			time.Sleep(300*time.Millisecond + time.Duration(rand.IntN(1800))*time.Millisecond)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			// The dead one's leases end; nobody has to wait for that here.
			if _, err := h.store.MendRuns(t.Context(), time.Now().Add(2*store.RunLease), 100); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("the last graders: %v\n%s", err, &out)
		}
	}
	if got := h.scalar(t, `select string_agg(distinct state, ',') from runs`); got != "done" {
		t.Errorf("runs are %s", got)
	}
	if got := h.scalar(t, `select count(*) from runs where effective`); got != fmt.Sprint(students) {
		t.Errorf("%s results are in effect, want %d", got, students)
	}
	if got := h.scalar(t, `select count(*) from run_results x join runs r on r.id = x.run_id and r.effective where x.question = 't1'`); got != fmt.Sprint(students) {
		t.Errorf("question t1 has %s results, want %d", got, students)
	}
	if got := h.scalar(t, `select string_agg(distinct points::text, ',') from current_totals where assignment_id = $1`, h.a.ID); got != "7" {
		t.Errorf("totals are %s, want 7 each", got)
	}
	for login := range work {
		if _, err := os.Stat(filepath.Join(h.root, "courses", "c", "autograded", login, "ps1", "p1.ipynb")); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { _ = engine.SweepGraders(context.Background(), site, func(string) bool { return false }) })
	left, err := engine.List(t.Context(), map[string]string{container.GraderLabel: site})
	ok(t, err)
	if len(left) > 0 {
		t.Errorf("containers are left: %+v", left)
	}
}
