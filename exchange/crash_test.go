package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lectern/course"
	"lectern/exchange"
	"lectern/exchange/fail"
)

// The operations a crash may interrupt, as a process of its own runs them on a
// data root. Each brings its tree from the old files to the new ones.
var moves = map[string]func(x *exchange.Exchange, root string) error{
	"import": func(x *exchange.Exchange, root string) error {
		u, err := x.NewUpload("c1")
		if err != nil {
			return err
		}
		defer u.Discard()
		for name, text := range newer {
			if err := u.Add(context.Background(), name, strings.NewReader(text)); err != nil {
				return err
			}
		}
		_, err = u.Import(context.Background(), "ps1", true)
		return err
	},
	"release": func(x *exchange.Exchange, root string) error {
		d, err := x.NewDraft("c1")
		if err != nil {
			return err
		}
		defer d.Discard()
		for name, text := range newer {
			if err := d.Write(name, []byte(text)); err != nil {
				return err
			}
		}
		if err := x.StageRelease(d, "ps1"); err != nil {
			return err
		}
		return x.Publish(context.Background(), "c1", "ps1")
	},
	"fetch": func(x *exchange.Exchange, root string) error {
		_, err := x.Fetch(context.Background(), exchange.Work{Course: "c1", Login: "student2", Assignment: "ps1"})
		return err
	},
	"collect": func(x *exchange.Exchange, root string) error {
		_, err := x.Collect(context.Background(), theWork, due, recordIn(root))
		return err
	},
	"return": func(x *exchange.Exchange, root string) error {
		return x.Return(context.Background(), theWork)
	},
	"withdraw": func(x *exchange.Exchange, root string) error {
		return x.Withdraw(context.Background(), exchange.Work{Course: "c1", Login: "student3", Assignment: "ps1"})
	},
	"copy": func(x *exchange.Exchange, root string) error {
		times, err := x.Snapshots(theWork)
		if err != nil {
			return err
		}
		_, err = x.Copy(context.Background(), aCopy, theWork, times[len(times)-1])
		return err
	},
	"drop copy": func(x *exchange.Exchange, root string) error { return x.DropCopy(droppedCopy) },
	"start over": func(x *exchange.Exchange, root string) error {
		_, err := x.StartOver(context.Background(), theWork, due)
		// Done again in the same second, it may have been done already.
		if err == nil || course.IsKind(err, course.Conflict) {
			_, err = x.Fetch(context.Background(), theWork)
		}
		return err
	},
}

var (
	older = map[string]string{"a.ipynb": notebook, "data/old.csv": "old"}
	newer = map[string]string{"a.ipynb": notebook + "\n", "data/new.csv": "new", "data/deep/er.txt": "deep"}
)

// recordIn is the record of snapshots in a file, as durable as a commit.
func recordIn(root string) exchange.Record {
	return func(_ context.Context, s exchange.Snapshot) (bool, error) {
		f, err := os.OpenFile(filepath.Join(root, "records"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return false, err
		}
		_, err = fmt.Fprintln(f, s.At.Format(time.RFC3339Nano))
		return true, errors.Join(err, f.Sync(), f.Close())
	}
}

func recorded(t *testing.T, root string) []time.Time {
	data, err := os.ReadFile(filepath.Join(root, "records"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var out []time.Time
	for line := range strings.Lines(string(data)) {
		at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, at)
	}
	return out
}

// TestMain turns this program into one move that kills itself at its n-th point.
func TestMain(m *testing.M) {
	move := os.Getenv("EXCHANGE_TEST_MOVE")
	if move == "" {
		os.Exit(m.Run())
	}
	crash, _ := strconv.Atoi(os.Getenv("EXCHANGE_TEST_CRASH"))
	root := os.Getenv("EXCHANGE_TEST_ROOT")
	x, err := exchange.New(layout(root), exchange.Options{UID: 1000, GID: 100})
	if err == nil {
		var points []string
		fail.Set(func(point string) {
			// How often a file is read depends on the clock.
			if point == "collect.copying" {
				return
			}
			if points = append(points, point); len(points) == crash {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		})
		err = moves[move](x, root)
		fmt.Println(strings.Join(points, " "))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run makes the move in a process of its own, which dies at the crash-th point or,
// if that is 0, tells its points.
func run(t *testing.T, move, root string, crash int) (points []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "EXCHANGE_TEST_MOVE="+move, "EXCHANGE_TEST_ROOT="+root, "EXCHANGE_TEST_CRASH="+strconv.Itoa(crash))
	out, err := cmd.CombinedOutput()
	if crash == 0 {
		if err != nil {
			t.Fatalf("%s: %v\n%s", move, err, out)
		}
		return strings.Fields(string(out))
	}
	if st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || st.Signal() != syscall.SIGKILL {
		t.Fatalf("%s did not die at point %d: %v\n%s", move, crash, err, out)
	}
	return nil
}

// prepare lays out a course in the middle of its life.
func prepare(t *testing.T, root string) *exchange.Exchange {
	t.Helper()
	x, ctx := open(t, root), context.Background()
	put(t, must(x.Layout.Source("c1", "ps1")), older)
	release(t, x, older)
	if _, err := x.Fetch(ctx, theWork); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Collect(ctx, theWork, due.Add(-time.Hour), recordIn(root)); err != nil {
		t.Fatal(err)
	}
	work := must(x.Layout.WorkingCopy("c1", "student1", "ps1"))
	os.RemoveAll(work)
	put(t, work, newer)
	put(t, must(x.Layout.Feedback("c1", "student1", "ps1")), older)
	put(t, must(x.Layout.StagedFeedback("c1", "student1", "ps1")), newer)
	put(t, must(x.Layout.Feedback("c1", "student3", "ps1")), newer)
	put(t, must(x.Layout.StagedFeedback("c1", "student3", "other")), older)
	if _, err := x.Copy(ctx, droppedCopy, theWork, collected(t, x)); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestACrashBetweenAnyTwoStepsDoesNoHarm(t *testing.T) {
	t.Parallel()
	total := 0
	for _, move := range slices.Sorted(maps.Keys(moves)) {
		first := t.TempDir()
		prepare(t, first)
		points := run(t, move, first, 0)
		if len(points) < 2 {
			t.Errorf("%s has only the points %v", move, points)
		}
		total += len(points)
		for n := range points {
			t.Run(fmt.Sprintf("%s at %d %s", move, n+1, points[n]), func(t *testing.T) {
				root := t.TempDir()
				x := prepare(t, root)
				run(t, move, root, n+1)
				checkWhole(t, x, root, move)
				// What was interrupted is done again, as a job or a person does.
				run(t, move, root, 0)
				checkWhole(t, x, root, move)
				checkDone(t, x, move)
				if _, err := x.Sweep(context.Background(), time.Now().Add(time.Hour), known(t, root)); err != nil {
					t.Fatal(err)
				}
				noStages(t, x)
				checkWhole(t, x, root, move)
				checkDone(t, x, move)
			})
		}
	}
	t.Logf("%d moves, %d crashes", len(moves), total)
}

func known(t *testing.T, root string) exchange.Recorded {
	return func(_ context.Context, _ exchange.Work, at time.Time) (bool, error) {
		return slices.ContainsFunc(recorded(t, root), at.Equal), nil
	}
}

// checkWhole looks at every tree a person could see: each is the old one or the
// new one, and every recorded snapshot is there.
func checkWhole(t *testing.T, x *exchange.Exchange, root, move string) {
	t.Helper()
	l := x.Layout
	for _, dir := range []string{
		must(l.Source("c1", "ps1")), must(l.Release("c1", "ps1")), must(l.Submitted("c1", "student1", "ps1")),
		must(l.Feedback("c1", "student1", "ps1")), must(l.Feedback("c1", "student3", "ps1")), must(l.StagedFeedback("c1", "student1", "ps1")),
		must(l.StagedFeedback("c1", "student3", "ps1")), must(l.StagedRelease("c1", "ps1")),
		must(l.WorkingCopy("c1", "student1", "ps1")), must(l.WorkingCopy("c1", "student2", "ps1")),
		must(l.WorkingCopy("c1", "student1", "ps1-2021-11-23-185012")),
		filepath.Join(must(l.Copies("c1")), "abcdefghijklmnop-3", "ps1"),
	} {
		if _, err := os.Lstat(dir); os.IsNotExist(err) {
			continue
		}
		got := contents(t, dir)
		delete(got, "timestamp.txt")
		if !maps.Equal(got, older) && !maps.Equal(got, newer) {
			t.Errorf("%s is neither old nor new: %v", dir, got)
		}
	}
	for _, dir := range []string{must(l.Source("c1", "ps1")), must(l.Release("c1", "ps1")), must(l.Feedback("c1", "student1", "ps1")), must(l.Submitted("c1", "student1", "ps1"))} {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("%s was there before %s: %v", dir, move, err)
		}
	}
	times, err := x.Snapshots(theWork)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range append(times, recorded(t, root)...) {
		if err := x.Verify(theWork, at); err != nil {
			t.Error(err)
		}
	}
}

// checkDone looks for the effect of a move that was repeated after its crash.
func checkDone(t *testing.T, x *exchange.Exchange, move string) {
	t.Helper()
	l := x.Layout
	want := map[string]map[string]map[string]string{
		"import":     {must(l.Source("c1", "ps1")): newer},
		"release":    {must(l.Release("c1", "ps1")): newer},
		"fetch":      {must(l.WorkingCopy("c1", "student2", "ps1")): older},
		"collect":    {must(l.Submitted("c1", "student1", "ps1")): newer},
		"return":     {must(l.Feedback("c1", "student1", "ps1")): newer, must(l.StagedFeedback("c1", "student1", "ps1")): {}},
		"withdraw":   {must(l.Feedback("c1", "student3", "ps1")): {}, must(l.StagedFeedback("c1", "student3", "ps1")): newer},
		"copy":       {filepath.Join(must(l.Copies("c1")), "abcdefghijklmnop-3", "ps1"): older},
		"drop copy":  {filepath.Join(must(l.Copies("c1")), "ponmlkjihgfedcba-1"): {}},
		"start over": {must(l.WorkingCopy("c1", "student1", "ps1")): older, must(l.WorkingCopy("c1", "student1", "ps1-2021-11-23-185012")): newer},
	}
	for dir, files := range want[move] {
		got := contents(t, dir)
		delete(got, "timestamp.txt")
		if !maps.Equal(got, files) {
			t.Errorf("after %s, %s = %v, want %v", move, dir, got, files)
		}
	}
}
