package exchange_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lectern/course"
	"lectern/exchange"
	"lectern/exchange/fail"
	"lectern/exchange/tree"
)

const canary = "CANARY: this text lies outside of every home"

func TestNothingOutsideIsCollectedWhileAStudentSwapsFiles(t *testing.T) {
	t.Parallel()
	ctx, x := context.Background(), open(t, t.TempDir())
	outside := t.TempDir()
	put(t, outside, map[string]string{"secret.txt": canary, "dir/a.txt": canary})
	work := must(x.Layout.WorkingCopy("c1", "student1", "ps1"))
	put(t, work, map[string]string{"good.txt": "good", "a.txt": "mine", "dir/a.txt": "mine", "spare.txt": "mine", "sparedir/a.txt": "mine"})
	at := func(name string) string { return filepath.Join(work, name) }
	if err := os.Symlink(filepath.Join(outside, "secret.txt"), at("link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "dir"), at("linkdir")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(outside, "secret.txt"), at("hard")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(at("fifo"), 0o666); err != nil {
		t.Fatal(err)
	}

	const wanted = 10_000
	var swaps atomic.Int64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		swap := func(a, b string) {
			if unix.Renameat2(unix.AT_FDCWD, at(a), unix.AT_FDCWD, at(b), unix.RENAME_EXCHANGE) == nil {
				swaps.Add(1)
			}
		}
		for {
			select {
			case <-stop:
				return
			default:
			}
			swap("a.txt", "link")
			swap("dir", "linkdir")
			swap("a.txt", "hard")
			swap("a.txt", "fifo")
			swap("dir", "a.txt")
			swap("spare.txt", "link")
			swap("sparedir", "linkdir")
		}
	}()
	var snaps []exchange.Snapshot
	for len(snaps) < 5 || swaps.Load() < wanted {
		s, err := x.Collect(ctx, theWork, due.Add(time.Duration(len(snaps))*time.Second), counts)
		if err != nil {
			t.Fatal(err)
		}
		snaps = append(snaps, s)
	}
	close(stop)
	<-stopped
	for name, text := range contents(t, must(x.Layout.Course("c1"))) {
		if strings.Contains(text, "CANARY") {
			t.Errorf("%s holds what lies outside of the home", name)
		}
	}
	for _, s := range snaps {
		if err := x.Verify(theWork, s.At); err != nil {
			t.Error(err)
		}
		if len(s.Files) == 0 || !fileIn(s, "good.txt") {
			t.Errorf("%s: good.txt was not collected: %v", s.At, s.Files)
		}
	}
	t.Logf("%d swaps during %d snapshots", swaps.Load(), len(snaps))
	noStages(t, x)
}

func fileIn(s exchange.Snapshot, path string) bool {
	for _, f := range s.Files {
		if f.Path == path {
			return true
		}
	}
	return false
}

func TestTheAssignmentsOwnFilesAreCollectedFirst(t *testing.T) {
	t.Parallel()
	ctx, x := context.Background(), open(t, t.TempDir())
	release(t, x, map[string]string{"zz.ipynb": notebook, "gone.txt": "removed by the student"})
	work := must(x.Layout.WorkingCopy("c1", "student1", "ps1"))
	put(t, work, map[string]string{"zz.ipynb": notebook})
	for i := range 2_500 {
		put(t, work, map[string]string{fmt.Sprintf("many/%05d", i): ""})
	}
	s, err := x.TakeSnapshot(ctx, theWork, due)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Files) != tree.Homes.Files || !fileIn(s, "zz.ipynb") {
		t.Errorf("%d files collected, want %d with zz.ipynb", len(s.Files), tree.Homes.Files)
	}
	if s.Skipped.Len() != 501 || s.Skipped.Named[0].Reason != tree.TooMany {
		t.Errorf("%d skipped, first %v", s.Skipped.Len(), s.Skipped.Named[0])
	}
}

func TestTheTotalSizeIsBounded(t *testing.T) {
	t.Parallel()
	ctx, root := context.Background(), t.TempDir()
	x, err := exchange.New(course.Layout{Root: root}, exchange.Options{UID: 1000, GID: 100,
		Work: tree.Limits{Files: 10, Entries: 100, FileSize: 1000, Total: 1500, Depth: 3, Time: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	put(t, must(x.Layout.WorkingCopy("c1", "student1", "ps1")), map[string]string{
		"a": strings.Repeat("a", 1000), "b": strings.Repeat("b", 1001), "c": strings.Repeat("c", 600), "d": strings.Repeat("d", 500)})
	s, err := x.TakeSnapshot(ctx, theWork, due)
	if err != nil {
		t.Fatal(err)
	}
	if s.Bytes() != 1500 || !fileIn(s, "a") || !fileIn(s, "d") {
		t.Errorf("files = %v", s.Files)
	}
	want := []tree.Skip{{Path: "b", Reason: tree.TooLarge}, {Path: "c", Reason: tree.OverTotal}}
	if len(s.Skipped.Named) != 2 || s.Skipped.Named[0] != want[0] || s.Skipped.Named[1] != want[1] {
		t.Errorf("skipped = %v, want %v", s.Skipped, want)
	}
}

// version is a notebook that says its own number at both ends, of a size that
// changes from one to the next.
func version(n int) []byte {
	data, _ := json.Marshal(map[string]any{"a": n, "pad": strings.Repeat(fmt.Sprint(n%10), 20_000+n%977), "z": n})
	return data
}

// savers are the ways editors write a file; the first is Jupyter's.
var savers = map[string]func(name string, data []byte) error{
	"emptied and written again in pieces": func(name string, data []byte) error {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		for len(data) > 0 {
			n := min(len(data), 8192)
			if _, err := f.Write(data[:n]); err != nil {
				return err
			}
			data = data[n:]
			time.Sleep(200 * time.Microsecond)
		}
		return f.Sync()
	},
	"written over without emptying": func(name string, data []byte) error {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		for at := 0; at < len(data); at += 4096 {
			if _, err := f.WriteAt(data[at:min(len(data), at+4096)], int64(at)); err != nil {
				return err
			}
		}
		return f.Truncate(int64(len(data)))
	},
	"written beside and renamed": func(name string, data []byte) error {
		if err := os.WriteFile(name+".new", data, 0o644); err != nil {
			return err
		}
		return os.Rename(name+".new", name)
	},
}

func TestASnapshotIsOneVersionOfANotebookBeingSaved(t *testing.T) {
	t.Parallel()
	for how, save := range savers {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			ctx, x := context.Background(), open(t, t.TempDir())
			work := must(x.Layout.WorkingCopy("c1", "student1", "ps1"))
			put(t, work, map[string]string{"a.ipynb": string(version(0))})
			stop, stopped := make(chan struct{}), make(chan error, 1)
			go func() {
				for n := 1; ; n++ {
					select {
					case <-stop:
						stopped <- nil
						return
					// Far more often than any person saves, and than Jupyter does by itself.
					case <-time.After(time.Duration(10+n*7%60) * time.Millisecond):
					}
					if err := save(filepath.Join(work, "a.ipynb"), version(n)); err != nil {
						stopped <- err
						return
					}
				}
			}()
			unsettled := 0
			for i := range 40 {
				s, err := x.TakeSnapshot(ctx, theWork, due.Add(time.Duration(i)*time.Second))
				if err != nil {
					t.Fatal(err)
				}
				data, err := os.ReadFile(filepath.Join(must(x.Layout.HistoryFiles("c1", "student1", "ps1", s.At)), "a.ipynb"))
				if err != nil {
					t.Fatal(err)
				}
				if s.Files[0].Unsettled {
					unsettled++
					continue
				}
				var got struct{ A, Z int }
				if err := json.Unmarshal(data, &got); err != nil || got.A != got.Z || string(data) != string(version(got.A)) {
					t.Errorf("snapshot %d holds no version that was ever saved: %d bytes, %v", i, len(data), err)
				}
			}
			close(stop)
			if err := <-stopped; err != nil {
				t.Fatal(err)
			}
			if unsettled > 4 {
				t.Errorf("%d of 40 snapshots found no quiet moment", unsettled)
			}
		})
	}
}

// Not parallel: it sets the hook for all.
func TestANotebookThatIsNeverQuietIsTakenAndFlagged(t *testing.T) {
	ctx, x := context.Background(), open(t, t.TempDir())
	work := must(x.Layout.WorkingCopy("c1", "student1", "ps1"))
	put(t, work, map[string]string{"a.ipynb": notebook, "broken.ipynb": "{", "calm.txt": "calm"})
	saves := 0
	// A save falls between the reading of a file and the second look at it.
	fail.Set(func(point string) {
		if point == "collect.copying" {
			saves++
			put(t, work, map[string]string{"a.ipynb": notebook})
		}
	})
	defer fail.Set(nil)
	s, err := x.TakeSnapshot(ctx, theWork, due)
	if err != nil {
		t.Fatal(err)
	}
	if f := s.Files[0]; !f.Unsettled || f.Broken || saves < 5 {
		t.Errorf("after %d tries, a.ipynb = %+v, want unsettled", saves, f)
	}
	if f := s.Files[1]; !f.Broken {
		t.Errorf("broken.ipynb = %+v, want broken", f)
	}
	if f := s.Files[2]; f.Unsettled || f.Broken || len(s.Doubtful()) != 2 {
		t.Errorf("calm.txt = %+v; doubtful %v", f, s.Doubtful())
	}
}

func TestNothingIsWrittenThroughALinkAStudentPlanted(t *testing.T) {
	t.Parallel()
	ctx, x := context.Background(), open(t, t.TempDir())
	release(t, x, map[string]string{"a.ipynb": notebook, "data/x.csv": "1"})
	outside := t.TempDir()
	put(t, outside, map[string]string{"a.ipynb": canary, "data/x.csv": canary, "home/keep": canary})
	before := contents(t, outside)
	m, err := x.Home("c1", "student1")
	if err != nil {
		t.Fatal(err)
	}
	plant := func(target, name string) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(m.Home, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(m.Home, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"ps1", "release", "feedback", ".staging", "ps1-2021-11-23-185013"} {
		plant(outside, name)
	}
	if fresh, err := x.Fetch(ctx, theWork); err != nil || fresh {
		t.Errorf("Fetch onto a link = %v, %v; want it left alone", fresh, err)
	}
	kept, err := x.StartOver(ctx, theWork, due)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Lstat(filepath.Join(m.Home, kept)); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was not kept as a link: %v, %v", st, err)
	}
	if _, err := x.TakeSnapshot(ctx, theWork, due); err != nil {
		t.Fatal(err)
	}
	// A link stands where the copy would be kept.
	if _, err := x.StartOver(ctx, theWork, due.Add(time.Second)); !course.IsKind(err, course.Conflict) {
		t.Errorf("StartOver onto a link = %v, want a conflict", err)
	}
	plant(outside, "ps1/data")
	plant(filepath.Join(outside, "a.ipynb"), "ps1/x (saved 2021-11-23 18.50.12).csv")
	name, err := x.RestoreFile(ctx, theWork, due, "data/x.csv")
	if err != nil || name != "x (saved 2021-11-23 18.50.12, 2).csv" {
		t.Errorf("RestoreFile = %q, %v", name, err)
	}
	if after := contents(t, outside); !maps.Equal(before, after) {
		t.Errorf("outside was %v, is %v", before, after)
	}
}
