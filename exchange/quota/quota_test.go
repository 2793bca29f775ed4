package quota_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lectern/course"
	"lectern/exchange"
	"lectern/exchange/quota"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// btrfs mounts a file system of its own with quotas.
func btrfs(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lectern-quota-") // not t.TempDir, which is removed before it is unmounted
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	image, at := filepath.Join(dir, "image"), filepath.Join(dir, "root")
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("this test needs root and btrfs-progs: %v: %v\n%s", args, err, out)
		}
	}
	run("truncate", "-s", "256M", image)
	run("mkfs.btrfs", "-q", "-m", "single", image)
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(at, 0o755)); err != nil {
		t.Fatal(err)
	}
	run("mount", "-o", "loop", image, at)
	t.Cleanup(func() {
		err := unix.Unmount(at, 0)
		for tries := 0; errors.Is(err, unix.EBUSY) && tries < 100; tries++ {
			time.Sleep(20 * time.Millisecond) // a test beside this one starts a process
			err = unix.Unmount(at, 0)
		}
		if err != nil {
			t.Error(err)
		}
	})
	run("btrfs", "quota", "enable", at)
	return at
}

// A student fills the home to its bound. Nothing more can be saved and what was
// saved stays; the work is handed in all the same, for snapshots lie outside.
func TestAFullHomeIsHandedIn(t *testing.T) {
	ctx, root := t.Context(), btrfs(t)
	layout := course.Layout{Root: root}
	if err := os.Mkdir(layout.HomesDir(), 0o711); err != nil {
		t.Fatal(err)
	}
	d, err := quota.Open(ctx, "btrfs", layout.HomesDir())
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(layout.HomesDir()); err != nil || len(left) > 0 {
		t.Errorf("the trial left %v, %v", left, err)
	}
	x, err := exchange.New(layout, exchange.Options{UID: 1000, GID: 100,
		NewHome: func(dir string) error { return d.New(ctx, dir) }})
	if err != nil {
		t.Fatal(err)
	}
	release(t, x, layout)
	w := exchange.Work{Course: "c1", Login: "student1", Assignment: "ps1"}
	if fresh, err := x.Fetch(ctx, w); err != nil || !fresh {
		t.Fatalf("the working copy: %v, %v", fresh, err)
	}
	home := must(layout.Home("c1", "student1"))
	if err := d.Bound(ctx, home, 70000, 8<<20); err != nil {
		t.Fatal(err)
	}
	// As the student, of whom nothing is spared.
	script := fmt.Sprintf(`cd %s/ps1 && echo '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5, "saved": 1}' > work.ipynb &&
		dd if=/dev/zero of=big bs=1M count=6 2>/dev/null && sync . && dd if=/dev/zero of=bigger bs=1M count=6`, home)
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 100}}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "quota exceeded") {
		t.Fatalf("more than the bound was written: %v %s", err, out)
	}
	files := names(t, filepath.Join(home, "ps1"))
	if !slices.Contains(files, "work.ipynb") || !slices.Contains(files, "1-first.ipynb") {
		t.Errorf("the working copy holds %v", files)
	}
	snap, err := x.TakeSnapshot(ctx, w, time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatalf("handing in with a full home: %v", err)
	}
	if !slices.ContainsFunc(snap.Files, func(f exchange.File) bool { return f.Path == "work.ipynb" && f.Size > 70 }) {
		t.Errorf("handed in %+v", snap.Files)
	}
	must(0, os.Remove(filepath.Join(home, "ps1", "bigger")))
	unix.Sync()
	use, err := d.Used(ctx, home)
	if err != nil || use.Bytes < 6<<20 || use.Bytes > 8<<20 || use.More {
		t.Errorf("it holds %+v, %v", use, err)
	}
	// What does not fit is refused whole, and half of it is not left.
	if err := d.Bound(ctx, home, 70000, 1<<20); err != nil {
		t.Fatal(err)
	}
	before := names(t, home)
	if _, err := x.StartOver(ctx, w, time.Now()); !course.IsKind(err, course.Busy) || !strings.Contains(err.Error(), "quota") {
		t.Errorf("starting over with a full home: %v", err)
	}
	for _, n := range names(t, home) {
		if strings.HasPrefix(n, ".lectern-") {
			t.Errorf("left in the home: %s of %v, before %v", n, names(t, home), before)
		}
	}
}

func release(t *testing.T, x *exchange.Exchange, layout course.Layout) {
	t.Helper()
	dir := must(layout.Release("c1", "ps1"))
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"1-first.ipynb", "data/values.csv"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(`{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}`), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		out = append(out, e.Name())
	}
	return out
}

// A home that was made before cannot be bounded; it is counted, and said so.
func TestAPlainHomeIsCounted(t *testing.T) {
	home := filepath.Join(btrfs(t), "plain")
	must(0, os.Mkdir(home, 0o755))
	must(0, os.WriteFile(filepath.Join(home, "file"), make([]byte, 1<<20), 0o644))
	unix.Sync()
	d := quota.Btrfs{}
	if err := d.Bound(t.Context(), home, 70000, 1<<20); !errors.Is(err, quota.ErrPlain) {
		t.Errorf("bounding it: %v", err)
	}
	if use, err := d.Used(t.Context(), home); err != nil || use.Bytes < 1<<20 || use.Bytes > 2<<20 {
		t.Errorf("%+v, %v", use, err)
	}
}

// A file system that cannot do it is found out when Lectern starts.
func TestABoundThatDoesNotHoldIsRefused(t *testing.T) {
	t.Parallel()
	homes := t.TempDir()
	for _, name := range []string{"btrfs", "xfs", "zfs"} {
		if d, err := quota.Open(t.Context(), name, homes); err == nil {
			t.Errorf("%s on any file system: %T", name, d)
		}
	}
	if left := names(t, homes); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if d, err := quota.Open(t.Context(), "none", homes); err != nil || d == nil {
		t.Error(d, err)
	}
}

// What a student puts there neither misleads nor holds up the count.
func TestCountingAHostileHome(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	must(0, os.WriteFile(filepath.Join(home, "file"), make([]byte, 1<<20), 0o644))
	for n := range 50 {
		must(0, os.Link(filepath.Join(home, "file"), filepath.Join(home, fmt.Sprint("again", n))))
	}
	must(0, os.Symlink("/usr", filepath.Join(home, "usr")))
	must(0, os.Symlink(".", filepath.Join(home, "loop")))
	must(0, syscall.Mkfifo(filepath.Join(home, "pipe"), 0o644))
	f := must(os.Create(filepath.Join(home, "sparse")))
	must(0, f.Truncate(1<<40))
	f.Close()
	deep := home
	for range 100 {
		deep = filepath.Join(deep, "d")
	}
	must(0, os.MkdirAll(deep, 0o755))
	began := time.Now()
	use, err := quota.Walk{}.Used(context.Background(), home)
	if err != nil || use.Bytes < 1<<20 || use.Bytes > 2<<20 || !use.More || time.Since(began) > 10*time.Second {
		t.Errorf("%+v, %v after %v; want about 1 MiB, and more below", use, err, time.Since(began))
	}
	if _, err := (quota.Walk{}).Used(t.Context(), filepath.Join(home, "none")); err == nil {
		t.Error("a home that is not there is counted")
	}
}
