package storetest

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// lockThread keeps the goroutine's thread alive, because the server is told to
// die with the thread that started it.
func lockThread() { runtime.LockOSThread() }

// sweep removes the clusters of test processes that are gone.
func sweep(base string) {
	dirs, _ := filepath.Glob(filepath.Join(base, "lectern-pg-*"))
	for _, d := range dirs {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(d), "lectern-pg-"))
		if err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			_ = os.RemoveAll(d)
		}
	}
}
