package e2e_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"lectern/spawner/container/enginetest"
)

// A student fills a home that btrfs bounds, from inside the workspace. A save that
// does not fit is refused and the one before stays, the work is handed in all the
// same, nobody else notices, and with files removed it goes on.
func TestAHomeThatIsFullIsHandedIn(t *testing.T) {
	t.Parallel()
	p := launch(t, "LECTERN_DATA="+btrfsDisk(t), "LECTERN_HOME_QUOTA=8MiB", "LECTERN_HOME_QUOTA_DRIVER=btrfs",
		"LECTERN_NOTEBOOK_IMAGE="+enginetest.StubImage(t), "LECTERN_WORKSPACE_MEMORY=64MiB", "LECTERN_PRESTART=0")
	c := p.class(2)
	var both []at
	for _, login := range []string{"student1", "student2"} {
		s := at{client: p.as(login)}
		lab, err := s.enter()
		must(t, err)
		s.origin = origin(lab)
		both = append(both, s)
	}
	full, other := both[0], both[1]
	put := func(s at, name, text string) reply {
		t.Helper()
		got, err := s.ask(http.MethodPut, s.origin+"/api/contents/first-steps/"+name, "application/json",
			strings.NewReader(`{"type":"file","format":"text","content":"`+text+`"}`))
		must(t, err)
		return got
	}
	for name, text := range map[string]string{"work.txt": "saved", "big.txt": strings.Repeat("x", 6<<20)} {
		if got := put(full, name, text); got.status >= 300 {
			t.Fatalf("%s fits: %d %.300s", name, got.status, got.body)
		}
	}
	if got := put(full, "bigger.txt", strings.Repeat("y", 6<<20)); got.status < 400 || !strings.Contains(got.body, "quota exceeded") {
		t.Errorf("what is too much: %d %.300s", got.status, got.body)
	}
	if got := put(other, "big.txt", strings.Repeat("x", 6<<20)); got.status >= 300 {
		t.Errorf("of another: %d %.300s", got.status, got.body)
	}
	receipt, _, err := full.submit(uuid.New(), 20*time.Second)
	if err != nil || receipt.status != http.StatusOK {
		t.Fatalf("handing in with a full home: %d %.300s, %v", receipt.status, receipt.body, err)
	}
	subs := c.of("student1")
	if len(subs) != 1 || len(subs[0].Files) < 3 {
		t.Errorf("handed in %+v", subs)
	}
	c.check()
	home, err := c.files.Layout.Home("demo", "student1")
	must(t, err)
	remove := exec.Command("sh", "-c", `rm "$0"/first-steps/big.txt "$0"/first-steps/.~bigger.txt`, home)
	remove.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 100}}
	if out, err := remove.CombinedOutput(); err != nil {
		t.Errorf("a student cannot remove files of a full home: %v %s", err, out)
	}
	if got := put(full, "work.txt", "saved again"); got.status >= 300 {
		t.Errorf("with room: %d %.300s", got.status, got.body)
	}
	if out, err := exec.Command("btrfs", "subvolume", "show", home).CombinedOutput(); err != nil {
		t.Errorf("the home is no subvolume: %v %s", err, out)
	}
}

// btrfsDisk mounts one with quotas and gives a data root on it.
func btrfsDisk(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lectern-e2e-btrfs-")
	must(t, err)
	must(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	image, at := filepath.Join(dir, "image"), filepath.Join(dir, "disk")
	must(t, os.Mkdir(at, 0o755))
	for _, args := range [][]string{{"truncate", "-s", "1G", image}, {"mkfs.btrfs", "-q", "-m", "single", image},
		{"mount", "-o", "loop", image, at}, {"btrfs", "quota", "enable", at}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("this test needs root and btrfs-progs: %v: %v\n%s", args, err, out)
		}
		if args[0] == "mount" {
			t.Cleanup(func() {
				err := syscall.Unmount(at, 0)
				// A process that is just being started by a test beside this one has
				// all our files open for a moment.
				for tries := 0; err == syscall.EBUSY && tries < 200; tries++ {
					time.Sleep(50 * time.Millisecond)
					err = syscall.Unmount(at, 0)
				}
				must(t, err)
			})
		}
	}
	return filepath.Join(at, "data")
}
