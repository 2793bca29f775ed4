// Package swarmtest holds the swarm driver to its promises on real swarms. All of
// it runs in namespaces of its own, which end with it whatever happens: a switch,
// and machines that are namespaces of network, mounts and host name with an
// engine each. It needs root, or sudo that asks nothing.
package swarmtest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"lectern/spawner/container/enginetest"
)

// labDir is set inside the namespaces.
const labDir = "LECTERN_SWARM_LAB"

func TestMain(m *testing.M) {
	if dir := os.Getenv(labDir); dir != "" {
		theLab.dir = dir
		code := m.Run()
		enginetest.CleanStub()
		os.Exit(code)
	}
	code, err := inside()
	if err != nil {
		fmt.Fprintln(os.Stderr, "swarmtest:", err)
		code = 1
	}
	os.Exit(code)
}

// inside runs this same test program in new namespaces and clears up after it.
func inside() (code int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "lectern-swarm-")
	if err != nil {
		return 1, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return 1, err
	}
	defer clear(dir)
	// The shell is process 1 of the namespace, since it must be one that takes
	// care of orphans. With it, everything in the namespace dies.
	args := []string{"unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"env", labDir + "=" + dir, "PATH=" + os.Getenv("PATH")}
	if os.Geteuid() != 0 {
		args = append(args, "GOCACHE="+dir+"/gocache") // or root's files would come into one's own
	}
	args = append(args, "sh", "-c", `"$0" "$@"; exit $?`, self)
	cmd := asRoot(append(args, os.Args[1:]...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	runtime.LockOSThread() // the signal comes when the thread that started it ends
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	err = cmd.Run()
	if cmd.ProcessState != nil && cmd.ProcessState.Exited() {
		return cmd.ProcessState.ExitCode(), nil
	}
	return 1, err
}

func asRoot(args ...string) *exec.Cmd {
	if os.Geteuid() != 0 {
		args = append([]string{"sudo", "-n", "--preserve-env"}, args...)
	}
	return exec.Command(args[0], args[1:]...)
}

// clear removes the lab's files and control groups, and those of labs whose
// process was killed before it could.
func clear(dir string) {
	_ = asRoot("rm", "-rf", dir).Run()
	var groups []string
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(path, "/lectern-swarm-") {
			groups = append(groups, path)
		}
		return nil
	})
	slices.Reverse(groups) // inner ones first; one in use cannot be removed
	if len(groups) > 0 {
		_ = asRoot(append([]string{"rmdir"}, groups...)...).Run()
	}
}
