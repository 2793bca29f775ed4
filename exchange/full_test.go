package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lectern/course"
	"lectern/exchange"
)

// small is a data root on a file system of its own with little room.
func small(t *testing.T, options string) string {
	t.Helper()
	root := t.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, options); err != nil {
		t.Fatalf("this test mounts a small tmpfs and needs root: %v", err)
	}
	t.Cleanup(func() {
		err := unix.Unmount(root, 0)
		// A process that is just being started by a test beside this one has all
		// our files open for a moment.
		for tries := 0; errors.Is(err, unix.EBUSY) && tries < 100; tries++ {
			time.Sleep(20 * time.Millisecond)
			err = unix.Unmount(root, 0)
		}
		if err != nil {
			t.Error(err)
		}
	})
	return root
}

func TestAFullDiskIsSaidClearlyAndLosesNothing(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		options string
		fill    func(dir string) // takes what is left, after the course was laid out
	}{
		"no bytes left": {"size=8m", func(dir string) {
			os.WriteFile(filepath.Join(dir, "fill"), make([]byte, 64<<20), 0o644)
		}},
		"no inodes left": {"size=64m,nr_inodes=120", func(dir string) {
			for i := 0; os.WriteFile(filepath.Join(dir, fmt.Sprint("fill", i)), nil, 0o644) == nil; i++ {
			}
		}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			ctx, root := context.Background(), small(t, c.options)
			x := prepare(t, root)
			big := strings.Repeat("x", 100_000)
			put(t, must(x.Layout.WorkingCopy("c1", "student1", "ps1")), map[string]string{"big.txt": big})
			d, err := x.NewDraft("c1")
			if err != nil {
				t.Fatal(err)
			}
			defer d.Discard()
			before := contents(t, root)
			filling := filepath.Join(root, "filling")
			if err := os.Mkdir(filling, 0o755); err != nil {
				t.Fatal(err)
			}
			c.fill(filling)

			at := due.Add(time.Hour)
			for move, try := range map[string]func() error{
				"collect": func() error { _, err := x.Collect(ctx, theWork, at, recordIn(root)); return err },
				"fetch": func() error {
					_, err := x.Fetch(ctx, exchange.Work{Course: "c1", Login: "student9", Assignment: "ps1"})
					return err
				},
				"publish": func() error { return x.Publish(ctx, "c1", "ps1") },
				"return":  func() error { return x.Return(ctx, theWork) },
				"import": func() error {
					u, err := x.NewUpload("c1")
					if err != nil {
						return err
					}
					defer u.Discard()
					if err := u.Add(ctx, "big.txt", strings.NewReader(big)); err != nil {
						return err
					}
					_, err = u.Import(ctx, "ps1", false)
					return err
				},
				"import a zip": func() error {
					u, err := x.NewUpload("c1")
					if err != nil {
						return err
					}
					defer u.Discard()
					return u.Add(ctx, "z.zip", strings.NewReader(string(zipOf(t, "a", noise(1<<20)))))
				},
				"draft": func() error { return d.Write("big.txt", []byte(big)) },
			} {
				err := try()
				if p, ok := course.AsProblem(err); !ok || p.Kind != course.Busy || !strings.Contains(p.Text, "disk is full") {
					t.Errorf("%s on a full disk: %v; want a clear message", move, err)
				}
			}
			d.Discard()
			noStages(t, x)
			after := contents(t, root)
			for name := range after {
				if strings.HasPrefix(name, "filling/") {
					delete(after, name)
				}
			}
			if !maps.Equal(before, after) {
				t.Errorf("a full disk changed something: %d files before, %d after", len(before), len(after))
			}
			if err := os.RemoveAll(filling); err != nil {
				t.Fatal(err)
			}
			if _, err := x.Collect(ctx, theWork, at, recordIn(root)); err != nil {
				t.Errorf("with room again: %v", err)
			}
		})
	}
}

func TestManySubmitsAtOnceAreAllWhole(t *testing.T) {
	t.Parallel()
	ctx, x := context.Background(), open(t, t.TempDir())
	put(t, must(x.Layout.WorkingCopy("c1", "student1", "ps1")), newer)
	var wg sync.WaitGroup
	var mu sync.Mutex
	latest := time.Time{}
	// The last in time counts, as in the database.
	record := func(_ context.Context, s exchange.Snapshot) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if !s.At.After(latest) {
			return false, nil
		}
		latest = s.At
		return true, nil
	}
	for range 50 {
		wg.Go(func() {
			if _, err := x.Collect(ctx, theWork, due, record); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	times, err := x.Snapshots(theWork)
	if err != nil || len(times) != 50 || !times[49].Equal(due.Add(49*time.Microsecond)) {
		t.Fatalf("%d snapshots, %v", len(times), err)
	}
	if at, ok, err := x.Counted(theWork); err != nil || !ok || !at.Equal(latest) || !at.Equal(times[49]) {
		t.Errorf("Counted = %s, %v, %v; want %s", at, ok, err, latest)
	}
	noStages(t, x)
}

func TestTheSweeperTakesOnlyWhatNobodyKnows(t *testing.T) {
	t.Parallel()
	ctx, x := context.Background(), open(t, t.TempDir())
	put(t, must(x.Layout.WorkingCopy("c1", "student1", "ps1")), newer)
	for i := range 3 {
		if _, err := x.TakeSnapshot(ctx, theWork, due.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	u, err := x.NewUpload("c1")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Discard()
	first := func(_ context.Context, w exchange.Work, at time.Time) (bool, error) {
		return w == theWork && at.Equal(due), nil
	}
	// All are named after times long past, but just made: one may be about to be
	// recorded. Only the second is old on the disk and unknown.
	for i := range 2 {
		old := time.Now().Add(-48 * time.Hour)
		if err := os.Chtimes(must(x.Layout.History("c1", "student1", "ps1", due.Add(time.Duration(i)*time.Hour))), old, old); err != nil {
			t.Fatal(err)
		}
	}
	swept, err := x.Sweep(ctx, time.Now().Add(-24*time.Hour), first)
	if err != nil || swept != (exchange.Swept{Snapshots: 1}) {
		t.Fatalf("Sweep = %+v, %v", swept, err)
	}
	times, err := x.Snapshots(theWork)
	if err != nil || len(times) != 2 || !times[0].Equal(due) || !times[1].Equal(due.Add(2*time.Hour)) {
		t.Errorf("Snapshots = %v, %v", times, err)
	}
	if swept, err := x.Sweep(ctx, time.Now().Add(-time.Hour), nil); err != nil || swept.Staged != 0 {
		t.Errorf("Sweep took a running upload: %+v, %v", swept, err)
	}
	if swept, err := x.Sweep(ctx, time.Now().Add(time.Hour), nil); err != nil || swept.Staged != 1 {
		t.Errorf("Sweep = %+v, %v; want the abandoned upload gone", swept, err)
	}
}
