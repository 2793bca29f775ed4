package e2e_test

import (
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"

	"lectern/store/storetest"
)

// The data root is a small file system of its own here; the database is elsewhere,
// as it is at an operator's who has one.
func TestAFullDiskIsSaidAndNothingIsHalfDone(t *testing.T) {
	t.Parallel()
	p := launch(t, "LECTERN_DATABASE_URL="+storetest.URL(t), smallDisk(t))
	c := p.class(3)
	c.fetch("student1")
	teacher, student := p.as("instructor"), p.as("student1")
	answer := strings.Repeat("an answer of some length\n", 40_000)
	c.write("student1", "answer.txt", answer)
	page := firstSteps + "/submit"
	if got := student.mustPost(page, url.Values{"key": {uuid.NewString()}}); !strings.Contains(got.location, "/receipts/") {
		t.Fatalf("with room: %d %s", got.status, got.location)
	}
	before := p.tree(t)
	ballast := filepath.Join(p.data, "homes", "ballast")
	if err := os.WriteFile(ballast, make([]byte, 256<<20), 0o600); err == nil {
		t.Fatal("the disk is not small")
	}

	key := url.Values{"key": {uuid.NewString()}}
	full := func(what string, got reply) {
		t.Helper()
		if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "disk is full") || !strings.Contains(got.body, "<html") {
			t.Errorf("%s on a full disk: %d to %q: %.3000s; want a page that says so", what, got.status, got.location, got.body)
		}
	}
	full("submit", student.mustPost(page, key))
	full("upload", teacher.upload(firstSteps+"/source", nil, "more.csv", strings.Repeat("1,2\n", 500_000)))
	for _, path := range []string{firstSteps, "/courses/demo", firstSteps + "/my-files"} {
		if got := student.mustGet(path); got.status != http.StatusOK {
			t.Errorf("GET %s on a full disk: %d", path, got.status)
		}
	}
	must(t, os.Remove(ballast))
	if after := p.tree(t); !maps.Equal(before, after) {
		t.Errorf("a full disk left %v, there was %v", after, before)
	}
	if n := c.check(); n != 1 {
		t.Errorf("%d submissions are recorded, want the one with a receipt", n)
	}

	if got := student.mustPost(page, key); !strings.Contains(got.location, "/receipts/") {
		t.Errorf("the same form with room again: %d to %s; want a receipt", got.status, got.location)
	}
	if got := teacher.upload(firstSteps+"/source", nil, "more.csv", "1,2\n"); got.status != http.StatusSeeOther {
		t.Errorf("upload with room again: %d %.300s", got.status, got.body)
	}
	if n := c.check(); n != 2 {
		t.Errorf("%d submissions are recorded, want two", n)
	}
}

// smallDisk mounts one and gives the setting that makes it the data root.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m,mode=755"); err != nil {
		t.Fatalf("this test mounts a small tmpfs and needs root: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return "LECTERN_DATA=" + dir
}

// tree names everything in the courses and homes with its size.
func (p *program) tree(t *testing.T) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for _, top := range []string{"courses", "homes"} {
		err := filepath.WalkDir(filepath.Join(p.data, top), func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err == nil && !e.IsDir() {
				out[path] = info.Size()
			}
			return err
		})
		must(t, err)
	}
	return out
}
