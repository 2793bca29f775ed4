package exchange

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// The ways by hand serve file systems that most machines do not have, so they are
// called directly.
func TestMovingByHandReplacesNothing(t *testing.T) {
	t.Parallel()
	dir, home := t.TempDir(), t.TempDir()
	fd, err := unix.Open(home, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for name, make := range map[string]func(string) error{
		"file":   func(p string) error { return os.WriteFile(p, []byte("new"), 0o644) },
		"folder": func(p string) error { return os.Mkdir(p, 0o755) },
	} {
		from := filepath.Join(dir, name)
		for what, lay := range map[string]func(string) error{
			"nothing":       func(string) error { return nil },
			"a file":        func(p string) error { return os.WriteFile(p, []byte("old"), 0o644) },
			"a folder":      func(p string) error { return os.MkdirAll(filepath.Join(p, "in"), 0o755) },
			"an empty link": func(p string) error { return os.Symlink("nowhere", p) },
		} {
			to := name + " on " + what
			if err := errors.Join(make(from), lay(filepath.Join(home, to))); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(filepath.Join(home, to))
			err := moveByHand(from, fd, to)
			after, statErr := os.Lstat(filepath.Join(home, to))
			if what == "nothing" {
				if _, left := os.Lstat(from); err != nil || statErr != nil || !errors.Is(left, fs.ErrNotExist) {
					t.Errorf("%s: %v, %v, %v", to, err, statErr, left)
				}
				continue
			}
			if !errors.Is(err, fs.ErrExist) || !os.SameFile(before, after) {
				t.Errorf("%s: %v; want it refused and untouched", to, err)
			}
			if err := os.Remove(from); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestSwappingByHandKeepsBothTrees(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	for _, d := range []string{from, to} {
		if err := errors.Join(os.Mkdir(d, 0o755), os.WriteFile(filepath.Join(d, "was"), []byte(filepath.Base(d)), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := swapByHand(from, to); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]string{to: "from", from: "to"} {
		if got, err := os.ReadFile(filepath.Join(at, "was")); string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", at, got, err, want)
		}
	}
}
