package exchange_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Whatever a home holds where release and feedback are to be mounted, a start
// finds directories there, and nothing of the student's is lost or followed.
func TestHomeClearsItsMountPoints(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	put(t, outside, map[string]string{"keep": canary})
	before := contents(t, outside)
	for what, lay := range map[string]func(string) error{
		"nothing":           func(string) error { return nil },
		"a file":            func(p string) error { return os.WriteFile(p, []byte("mine"), 0o600) },
		"a pipe":            func(p string) error { return unix.Mkfifo(p, 0o600) },
		"a socket":          func(p string) error { return unix.Mknod(p, unix.S_IFSOCK|0o600, 0) },
		"a link to a dir":   func(p string) error { return os.Symlink(outside, p) },
		"a link to nothing": func(p string) error { return os.Symlink("nowhere", p) },
		"a link to itself":  func(p string) error { return os.Symlink(p, p) },
	} {
		t.Run(what, func(t *testing.T) {
			x := open(t, t.TempDir())
			m, err := x.Home("c1", "student1")
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"release", "feedback"} {
				p := filepath.Join(m.Home, name)
				if err := errors.Join(os.RemoveAll(p), lay(p)); err != nil {
					t.Fatal(err)
				}
			}
			was, _ := os.Lstat(filepath.Join(m.Home, "release"))
			for range 2 { // the second time there is nothing to do
				if _, err := x.Home("c1", "student1"); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range []string{"release", "feedback"} {
				st, err := os.Lstat(filepath.Join(m.Home, name))
				if err != nil || !st.IsDir() || st.Mode().Perm() != 0o755 {
					t.Fatalf("%s = %v, %v; want a directory", name, st, err)
				}
				if uid := st.Sys().(*syscall.Stat_t).Uid; os.Geteuid() == 0 && uid != 1000 {
					t.Errorf("%s belongs to %d", name, uid)
				}
			}
			kept, err := os.Lstat(filepath.Join(m.Home, "release-1"))
			if what == "nothing" {
				if err == nil {
					t.Error("release-1 came from nowhere")
				}
			} else if err != nil || !os.SameFile(was, kept) {
				t.Errorf("what was there is not release-1: %v", err)
			}
			if entries, _ := os.ReadDir(m.Home); what != "nothing" && len(entries) != 4 {
				t.Errorf("the home holds %v", entries)
			}
		})
	}
	if after := contents(t, outside); !maps.Equal(before, after) {
		t.Errorf("outside was %v, is %v", before, after)
	}
}

func TestMountPointsNeverTakeTheirNeighboursNames(t *testing.T) {
	t.Parallel()
	x := open(t, t.TempDir())
	m, err := x.Home("c1", "student1")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for n := 1; n < 10; n++ {
		want[fmt.Sprintf("release-%d", n)] = fmt.Sprint(n)
	}
	put(t, m.Home, want)
	release := filepath.Join(m.Home, "release")
	if err := errors.Join(os.Remove(release), os.WriteFile(release, []byte("mine"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Home("c1", "student1"); err != nil {
		t.Fatal(err)
	}
	got := contents(t, m.Home)
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s = %q, was %q", name, got[name], text)
		}
		delete(got, name)
	}
	if len(got) != 1 {
		t.Fatalf("beside those there is %v, want one more", got)
	}
	for name, text := range got {
		if text != "mine" {
			t.Errorf("%s = %q", name, text)
		}
	}
}

func TestAFullMountPointIsLeftAlone(t *testing.T) {
	t.Parallel()
	x := open(t, t.TempDir())
	m, err := x.Home("c1", "student1")
	if err != nil {
		t.Fatal(err)
	}
	put(t, m.Home, map[string]string{"release/mine": "1"})
	before, _ := os.Lstat(filepath.Join(m.Home, "release"))
	if _, err := x.Home("c1", "student1"); err != nil {
		t.Fatal(err)
	}
	after, err := os.Lstat(filepath.Join(m.Home, "release"))
	if err != nil || !os.SameFile(before, after) || contents(t, m.Home)["release/mine"] != "1" {
		t.Errorf("it was touched: %v", err)
	}
}
