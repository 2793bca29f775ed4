package exchange_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lectern/course"
	"lectern/exchange"
)

func TestTheWholeWayOfAnAssignment(t *testing.T) {
	t.Parallel()
	ctx, x := context.Background(), open(t, t.TempDir())
	given := map[string]string{"ps1.ipynb": notebook, "data/x.csv": "a,b\n1,2\n"}
	release(t, x, given)

	fresh, err := x.Fetch(ctx, theWork)
	if err != nil || !fresh {
		t.Fatalf("Fetch = %v, %v; want true", fresh, err)
	}
	work := must(x.Layout.WorkingCopy("c1", "student1", "ps1"))
	if got := contents(t, work); !maps.Equal(got, given) {
		t.Errorf("working copy = %v, want %v", got, given)
	}
	for _, name := range []string{"", "ps1", "ps1/ps1.ipynb", "ps1/data", "release", "feedback"} {
		st, err := os.Stat(filepath.Join(filepath.Dir(work), name))
		if err != nil {
			t.Fatal(err)
		}
		if own := st.Sys().(*syscall.Stat_t); os.Geteuid() == 0 && (own.Uid != 1000 || own.Gid != 100) {
			t.Errorf("%q in the home belongs to %d:%d, want 1000:100", name, own.Uid, own.Gid)
		}
	}

	put(t, work, map[string]string{"ps1.ipynb": strings.Replace(notebook, "x = 1", "x = 42", 1), "extra.py": "print()", "timestamp.txt": "1999"})
	if fresh, err := x.Fetch(ctx, theWork); err != nil || fresh {
		t.Errorf("second Fetch = %v, %v; want false", fresh, err)
	}
	release(t, x, map[string]string{"ps1.ipynb": "{}", "new.txt": "new"})
	mine := contents(t, work)
	if _, ok := mine["new.txt"]; ok || !strings.Contains(mine["ps1.ipynb"], "42") {
		t.Errorf("a re-release touched the working copy: %v", mine)
	}

	snap, err := x.Collect(ctx, theWork, due, counts)
	if err != nil {
		t.Fatal(err)
	}
	delete(mine, "timestamp.txt")
	if got := contents(t, must(x.Layout.HistoryFiles("c1", "student1", "ps1", snap.At))); !maps.Equal(got, mine) {
		t.Errorf("snapshot = %v, want %v", got, mine)
	}
	if !snap.Skipped.Has("timestamp.txt") {
		t.Errorf("skipped = %v, want the student's timestamp.txt named", snap.Skipped)
	}
	mine["timestamp.txt"] = "2021-11-23 18:50:12.123456 UTC"
	if got := contents(t, must(x.Layout.Submitted("c1", "student1", "ps1"))); !maps.Equal(got, mine) {
		t.Errorf("submitted = %v, want %v", got, mine)
	}
	if err := x.Verify(theWork, snap.At); err != nil {
		t.Error(err)
	}

	var buf bytes.Buffer
	if err := x.ZipSubmissions(ctx, &buf, "c1", []exchange.Download{{Login: "student1", Assignment: "ps1"}, {Login: "student2", Assignment: "ps1"}}); err != nil {
		t.Fatal(err)
	}
	zipped := unzip(t, buf.Bytes())
	for name, text := range mine {
		if got := zipped["submitted/student1/ps1/"+name]; got != text {
			t.Errorf("zip has %q for %s, want %q", got, name, text)
		}
	}
	if !strings.Contains(zipped["missing.txt"], "student2") || len(zipped) != len(mine)+1 {
		t.Errorf("zip = %v", zipped)
	}
	noStages(t, x)
}

func TestALaterSnapshotIsKeptBesideTheOneThatCounts(t *testing.T) {
	t.Parallel()
	ctx, x := context.Background(), open(t, t.TempDir())
	release(t, x, map[string]string{"ps1.ipynb": notebook})
	if _, err := x.Fetch(ctx, theWork); err != nil {
		t.Fatal(err)
	}
	first, err := x.Collect(ctx, theWork, due, counts)
	if err != nil {
		t.Fatal(err)
	}
	late := func(context.Context, exchange.Snapshot) (bool, error) { return false, nil }
	second, err := x.Collect(ctx, theWork, due, late)
	if err != nil {
		t.Fatal(err)
	}
	if second.At != due.Add(time.Microsecond) || second.Digest() != first.Digest() {
		t.Errorf("second snapshot at %s with digest %s, first at %s with %s", second.At, second.Digest(), first.At, first.Digest())
	}
	times, err := x.Snapshots(theWork)
	if err != nil || !slices.Equal(times, []time.Time{first.At, second.At}) {
		t.Errorf("Snapshots = %v, %v", times, err)
	}
	if at, ok, err := x.Counted(theWork); err != nil || !ok || !at.Equal(first.At) {
		t.Errorf("Counted = %s, %v, %v; want %s", at, ok, err, first.At)
	}
	if err := x.Count(ctx, theWork, second.At); err != nil {
		t.Fatal(err)
	}
	if at, _, _ := x.Counted(theWork); !at.Equal(second.At) {
		t.Errorf("Counted = %s after Count(%s)", at, second.At)
	}
	noStages(t, x)
}

func TestAFlippedByteInASnapshotIsNoticed(t *testing.T) {
	t.Parallel()
	ctx, x := context.Background(), open(t, t.TempDir())
	put(t, must(x.Layout.WorkingCopy("c1", "student1", "ps1")), map[string]string{"a.ipynb": notebook, "b.txt": "b"})
	snap, err := x.TakeSnapshot(ctx, theWork, due)
	if err != nil {
		t.Fatal(err)
	}
	files := must(x.Layout.HistoryFiles("c1", "student1", "ps1", snap.At))
	put(t, files, map[string]string{"b.txt": "c"})
	if err := x.Verify(theWork, snap.At); err == nil || !strings.Contains(err.Error(), "b.txt") {
		t.Errorf("Verify = %v, want b.txt named", err)
	}
	if err := x.Count(ctx, theWork, snap.At); err == nil {
		t.Error("Count took a damaged snapshot")
	}
	if got := contents(t, must(x.Layout.Submitted("c1", "student1", "ps1"))); len(got) > 0 {
		t.Errorf("submitted = %v", got)
	}
	put(t, files, map[string]string{"b.txt": "b", "c.txt": "c"})
	if err := x.Verify(theWork, snap.At); err == nil || !strings.Contains(err.Error(), "c.txt") {
		t.Errorf("Verify = %v, want c.txt named", err)
	}
}

func TestWithoutAWorkingCopyThereIsNothingToCollect(t *testing.T) {
	t.Parallel()
	ctx, x := context.Background(), open(t, t.TempDir())
	if _, err := x.TakeSnapshot(ctx, theWork, due); !course.IsKind(err, course.NotFound) {
		t.Errorf("no home: %v, want not found", err)
	}
	m, err := x.Home("c1", "student1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.TakeSnapshot(ctx, theWork, due); !course.IsKind(err, course.NotFound) {
		t.Errorf("no folder: %v, want not found", err)
	}
	if err := os.Symlink("/etc", filepath.Join(m.Home, "ps1")); err != nil {
		t.Fatal(err)
	}
	if _, err := x.TakeSnapshot(ctx, theWork, due); !course.IsKind(err, course.NotFound) {
		t.Errorf("a link: %v, want not found", err)
	}
	os.Remove(filepath.Join(m.Home, "ps1"))
	put(t, filepath.Join(m.Home, "ps1", "__pycache__"), map[string]string{"a.pyc": ""})
	if _, err := x.TakeSnapshot(ctx, theWork, due); !course.IsKind(err, course.Invalid) {
		t.Errorf("only junk: %v, want invalid", err)
	}
	noStages(t, x)
}

func TestStartingOverAndRestoringKeepEverything(t *testing.T) {
	t.Parallel()
	ctx, x := context.Background(), open(t, t.TempDir())
	release(t, x, map[string]string{"ps1.ipynb": notebook, "data/x.csv": "1"})
	if _, err := x.Fetch(ctx, theWork); err != nil {
		t.Fatal(err)
	}
	home := must(x.Layout.Home("c1", "student1"))
	put(t, home, map[string]string{"ps1/data/x.csv": "mine"})
	if _, err := x.TakeSnapshot(ctx, theWork, due); err != nil {
		t.Fatal(err)
	}
	kept, err := x.StartOver(ctx, theWork, due)
	if err != nil || kept != "ps1-2021-11-23-185012" {
		t.Fatalf("StartOver = %q, %v", kept, err)
	}
	if got := contents(t, home); got["ps1/data/x.csv"] != "1" || got[kept+"/data/x.csv"] != "mine" {
		t.Errorf("home = %v", got)
	}
	if _, err := x.StartOver(ctx, theWork, due); !course.IsKind(err, course.Conflict) {
		t.Errorf("StartOver in the same second = %v, want a conflict", err)
	}
	for _, want := range []string{"data/x (saved 2021-11-23 18.50.12).csv", "data/x (saved 2021-11-23 18.50.12, 2).csv"} {
		name, err := x.RestoreFile(ctx, theWork, due, "data/x.csv")
		if err != nil || name != want {
			t.Fatalf("RestoreFile = %q, %v; want %q", name, err, want)
		}
		if got := contents(t, home)["ps1/"+name]; got != "mine" {
			t.Errorf("%s = %q", name, got)
		}
	}
	// A student who puts a link where the folder was gets the file beside it.
	outside := t.TempDir()
	os.RemoveAll(filepath.Join(home, "ps1/data"))
	if err := os.Symlink(outside, filepath.Join(home, "ps1/data")); err != nil {
		t.Fatal(err)
	}
	if name, err := x.RestoreFile(ctx, theWork, due, "data/x.csv"); err != nil || filepath.Dir(name) != "." {
		t.Errorf("RestoreFile over a link = %q, %v", name, err)
	}
	if got := contents(t, outside); len(got) > 0 {
		t.Errorf("RestoreFile wrote outside of the home: %v", got)
	}
	for _, rel := range []string{"../manifest.json", "/etc/passwd", "", ".", "data", "data/y.csv", "a\x00b"} {
		if _, err := x.RestoreFile(ctx, theWork, due, rel); !course.IsKind(err, course.NotFound) {
			t.Errorf("RestoreFile(%q) = %v, want not found", rel, err)
		}
	}
	noStages(t, x)
}

func unzip(t testing.TB, data []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		got[f.Name] = string(text)
	}
	return got
}
