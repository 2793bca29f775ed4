package exchange_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lectern/exchange"
)

var (
	aCopy       = exchange.Copy{Course: "c1", Workspace: "abcdefghijklmnop", Generation: 3}
	droppedCopy = exchange.Copy{Course: "c1", Workspace: "ponmlkjihgfedcba", Generation: 1} // in the course that prepare makes
)

// collected is the snapshot that prepare has made.
func collected(t *testing.T, x *exchange.Exchange) time.Time {
	t.Helper()
	times, err := x.Snapshots(theWork)
	if err != nil || len(times) != 1 {
		t.Fatalf("snapshots = %v, %v", times, err)
	}
	return times[0]
}

func TestACopyHoldsTheSubmittedFilesAndTakesNothingAlong(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	x := prepare(t, root)
	at := collected(t, x)
	mine := contents(t, must(x.Layout.Home("c1", "student1")))
	home, err := x.Copy(context.Background(), aCopy, theWork, at)
	if err != nil {
		t.Fatal(err)
	}
	got := contents(t, filepath.Join(home, "ps1"))
	if want := must(x.Layout.HistoryFiles("c1", "student1", "ps1", at)); !maps.Equal(got, contents(t, want)) {
		t.Errorf("the copy holds %v", got)
	}
	if entries, err := os.ReadDir(home); err != nil || len(entries) != 1 {
		t.Errorf("beside the assignment there are %v, %v", entries, err)
	}
	// What is done in the copy stays there, and a second start of the same keeps it.
	if err := os.WriteFile(filepath.Join(home, "ps1", "a.ipynb"), []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if again, err := x.Copy(context.Background(), aCopy, theWork, at); err != nil || again != home {
		t.Errorf("again: %s, %v", again, err)
	}
	if text, _ := os.ReadFile(filepath.Join(home, "ps1", "a.ipynb")); string(text) != "changed" {
		t.Errorf("a copy that was there was laid out again: %q", text)
	}
	if err := x.Verify(theWork, at); err != nil {
		t.Error(err)
	}
	if now := contents(t, must(x.Layout.Home("c1", "student1"))); !maps.Equal(now, mine) {
		t.Errorf("the student's home changed: %v", now)
	}
	if list, err := x.Copies(); err != nil || !slices.Equal(list, []exchange.Copy{aCopy, droppedCopy}) {
		t.Errorf("copies = %v, %v", list, err)
	}
	for range 2 {
		if err := x.DropCopy(aCopy); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := x.Copies(); err != nil || !slices.Equal(list, []exchange.Copy{droppedCopy}) {
		t.Errorf("after it was dropped, copies = %v, %v", list, err)
	}
	noStages(t, x)
}

func TestACopyThatItsProgramClosedIsDroppedAllTheSame(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	x := prepare(t, root)
	home, err := x.Copy(context.Background(), aCopy, theWork, collected(t, x))
	if err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(root, "outside")
	if err := os.WriteFile(outside, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	deep := filepath.Join(home, "ps1", "closed", "deeper")
	for _, err := range []error{os.MkdirAll(deep, 0o755), os.WriteFile(filepath.Join(deep, "file"), nil, 0),
		os.Symlink(root, filepath.Join(home, "link")), os.Symlink(outside, filepath.Join(deep, "link")),
		os.Chmod(deep, 0), os.Chmod(filepath.Dir(deep), 0), os.Chmod(home, 0)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := x.DropCopy(aCopy); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(home); !os.IsNotExist(err) {
		t.Errorf("the copy is still there: %v", err)
	}
	if text, err := os.ReadFile(outside); string(text) != "kept" {
		t.Errorf("what a link led to is gone: %v", err)
	}
}

func TestACopyOfWhatIsNotThereLeavesNothing(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	x := prepare(t, root)
	at := collected(t, x)
	file := filepath.Join(must(x.Layout.HistoryFiles("c1", "student1", "ps1", at)), "a.ipynb")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("not what was collected"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		copy exchange.Copy
		at   time.Time
	}{
		"no snapshot":       {aCopy, at.Add(time.Second)},
		"a changed one":     {aCopy, at},
		"a name with a way": {exchange.Copy{Course: "c1", Workspace: "../../../etc/pass", Generation: 1}, at},
		"another course":    {exchange.Copy{Course: "../c1", Workspace: aCopy.Workspace, Generation: 1}, at},
	} {
		if home, err := x.Copy(context.Background(), c.copy, theWork, c.at); err == nil {
			t.Errorf("%s: %s was made", name, home)
		}
	}
	if list, err := x.Copies(); err != nil || !slices.Equal(list, []exchange.Copy{droppedCopy}) {
		t.Errorf("copies = %v, %v", list, err)
	}
	noStages(t, x)
}
