package exchange

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lectern/exchange/fail"
)

// moveAcross serves homes that are bounded each by itself: nothing can be renamed
// into one, so it is copied, beside where it belongs, and renamed there. The
// directory fd may be a student's; nothing in it is followed, and whatever the
// student puts in the copy's way is their own. Killed half-way, it leaves the copy
// under a name that tells what it is.
func moveAcross(from string, fd int, name string) (err error) {
	made := ".lectern-" + fresh()
	defer func() {
		if err == nil {
			return
		}
		if r, rerr := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", fd)); rerr == nil {
			_ = r.RemoveAll(made)
			r.Close()
		}
	}()
	if err := copyAcross(from, fd, made); err != nil {
		return err
	}
	fail.At("across.copied")
	return unix.Renameat2(fd, made, fd, name, unix.RENAME_NOREPLACE)
}

// copyAcross copies a file or a directory of Lectern's own, with owner, mode and
// time, to a new name inside the open directory fd, and to the disk.
func copyAcross(from string, fd int, name string) error {
	var st unix.Stat_t
	if err := unix.Lstat(from, &st); err != nil {
		return &fs.PathError{Op: "lstat", Path: from, Err: err}
	}
	var f *os.File
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if err := unix.Mkdirat(fd, name, 0o700); err != nil {
			return &fs.PathError{Op: "mkdir", Path: name, Err: err}
		}
		dir, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: name, Err: err}
		}
		f = os.NewFile(uintptr(dir), name)
		entries, err := os.ReadDir(from)
		for _, e := range entries {
			err = errors.Join(err, copyAcross(filepath.Join(from, e.Name()), dir, e.Name()))
			if err != nil {
				break
			}
		}
		if err != nil {
			f.Close()
			return err
		}
	case unix.S_IFREG:
		to, err := unix.Openat(fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return &fs.PathError{Op: "create", Path: name, Err: err}
		}
		f = os.NewFile(uintptr(to), name)
		src, err := os.Open(from)
		if err == nil {
			_, err = io.Copy(f, src) // which shares the blocks where it can
			src.Close()
		}
		if err != nil {
			f.Close()
			return err
		}
	default:
		return fmt.Errorf("%s is neither a file nor a directory", from)
	}
	to := int(f.Fd())
	err := unix.Fchown(to, int(st.Uid), int(st.Gid))
	err = errors.Join(err, unix.Fchmod(to, st.Mode&0o7777),
		unix.Futimes(to, []unix.Timeval{unix.NsecToTimeval(st.Atim.Nano()), unix.NsecToTimeval(st.Mtim.Nano())}))
	return errors.Join(err, f.Sync(), f.Close())
}
