package quota

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// full reports whether an error of writing is that of a bound.
func full(err error) bool { return errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.ENOSPC) }

// command runs a tool of the file system and returns what it prints.
func command(ctx context.Context, args ...string) (string, error) {
	ctx, done := context.WithTimeout(ctx, 20*time.Second)
	defer done()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(args[:2], " "), err, strings.TrimSpace(errs.String()))
	}
	return string(out), nil
}

// Btrfs bounds homes that are subvolumes by their quota group. Quotas must be
// enabled on the file system.
type Btrfs struct{}

// New implements [Driver]: the directory becomes a subvolume.
func (Btrfs) New(ctx context.Context, dir string) error {
	if err := os.Remove(dir); err != nil {
		return err
	}
	_, err := command(ctx, "btrfs", "subvolume", "create", dir)
	return err
}

// firstInode is the number of a subvolume's own directory, and of no other.
const firstInode = 256

// Bound implements [Driver]. A subvolume has its own id.
func (Btrfs) Bound(ctx context.Context, home string, _ uint32, bytes int64) error {
	var st unix.Stat_t
	if err := unix.Lstat(home, &st); err != nil {
		return &os.PathError{Op: "stat", Path: home, Err: err}
	}
	if st.Ino != firstInode {
		return ErrPlain
	}
	_, err := command(ctx, "btrfs", "qgroup", "limit", strconv.FormatInt(bytes, 10), home)
	return err
}

// Used implements [Driver]. What was written in the last half minute may be
// missing: btrfs counts when it commits.
func (b Btrfs) Used(ctx context.Context, home string) (Usage, error) {
	var st unix.Stat_t
	if unix.Lstat(home, &st) == nil && st.Ino != firstInode {
		return Walk{}.Used(ctx, home)
	}
	out, err := command(ctx, "btrfs", "qgroup", "show", "--raw", "-f", home)
	if err != nil {
		return Usage{}, err
	}
	return parseQgroup(out)
}

// parseQgroup reads the last line of a table of id, bytes and bytes of its own.
func parseQgroup(out string) (Usage, error) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	f := strings.Fields(lines[len(lines)-1])
	if len(f) < 2 || !strings.HasPrefix(f[0], "0/") {
		return Usage{}, fmt.Errorf("quota: btrfs says %.200q", out)
	}
	n, err := strconv.ParseInt(f[1], 10, 64)
	return Usage{Bytes: n}, err
}

// XFS bounds homes that are projects. The file system must be mounted with
// prjquota.
type XFS struct{}

// New implements [Driver]: any directory can become a project.
func (XFS) New(context.Context, string) error { return nil }

// Bound implements [Driver]. The files that are there already are counted once,
// when the home becomes a project.
func (XFS) Bound(ctx context.Context, home string, id uint32, bytes int64) error {
	have, err := projectOf(home)
	if err != nil {
		return err
	}
	mount, err := mountOf(home)
	if err != nil {
		return err
	}
	for _, args := range xfsBound(mount, home, have, id, bytes) {
		if _, err := command(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// xfsBound are the commands that bound a home of project have. xfs_quota takes
// words apart at spaces, and neither slugs nor logins have any.
func xfsBound(mount, home string, have, id uint32, bytes int64) (cmds [][]string) {
	if have != id {
		cmds = append(cmds, []string{"xfs_quota", "-x", "-c", fmt.Sprintf("project -s -p %s %d", home, id), mount})
	}
	return append(cmds, []string{"xfs_quota", "-x", "-c", fmt.Sprintf("limit -p bhard=%d %d", bytes, id), mount})
}

// Used implements [Driver]: asked of a project's directory, the file system
// tells of the project as if it were a disk of its own.
func (XFS) Used(ctx context.Context, home string) (Usage, error) {
	if id, err := projectOf(home); err != nil || id == 0 {
		return Walk{}.Used(ctx, home)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(home, &st); err != nil {
		return Usage{}, &os.PathError{Op: "statfs", Path: home, Err: err}
	}
	return Usage{Bytes: int64(st.Blocks-st.Bfree) * st.Bsize}, nil
}

// projectOf is the project a directory belongs to, 0 for none.
func projectOf(dir string) (uint32, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	var attr struct { // struct fsxattr of linux/fs.h
		flags, extent, extents, project, cow uint32
		_                                    [8]byte
	}
	const get = 0x801c581f // FS_IOC_FSGETXATTR
	if _, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), get, uintptr(unsafe.Pointer(&attr))); no != 0 {
		return 0, &os.PathError{Op: "project of", Path: dir, Err: no}
	}
	return attr.project, nil
}

// mountOf is where the file system of a directory is mounted.
func mountOf(dir string) (string, error) {
	var here unix.Stat_t
	if err := unix.Stat(dir, &here); err != nil {
		return "", &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	for {
		var up unix.Stat_t
		parent := filepath.Dir(dir)
		if err := unix.Stat(parent, &up); err != nil {
			return "", &os.PathError{Op: "stat", Path: parent, Err: err}
		}
		if parent == dir || up.Dev != here.Dev {
			return dir, nil
		}
		dir = parent
	}
}
