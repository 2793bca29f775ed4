package exchange

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lectern/exchange/fail"
)

// ensureDir makes a directory of Lectern's own and those above it, and makes
// sure that they survive a power cut before anything is put into them.
func ensureDir(dir string, mode fs.FileMode) error {
	if st, err := os.Lstat(dir); err == nil {
		if !st.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: unix.ENOTDIR}
		}
		return nil
	}
	if err := ensureDir(filepath.Dir(dir), mode); err != nil {
		return err
	}
	if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	fail.At("dir.made")
	// The umask may have taken away what a container's user needs.
	if err := os.Chmod(dir, mode); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// moveInto renames from to name inside the open directory fd, which a student may
// own: nothing is followed and nothing that is there is replaced (fs.ErrExist).
func moveInto(from string, fd int, name string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, fd, name, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		err = moveByHand(from, fd, name)
	}
	if errors.Is(err, unix.EXDEV) {
		err = moveAcross(from, fd, name)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: name, Err: err}
	}
	return unix.Fsync(fd)
}

// moveAside renames within an open directory that a student may own.
func moveAside(fd int, from, to string) error {
	err := unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		err = unix.Renameat(fd, from, fd, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return unix.Fsync(fd)
}

// moveByHand serves file systems without RENAME_NOREPLACE, such as NFS. A file is
// linked, which replaces nothing; a directory's rename can at worst replace an
// empty directory that appeared in between.
func moveByHand(from string, fd int, name string) error {
	var st unix.Stat_t
	if err := unix.Lstat(from, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		if err := unix.Linkat(unix.AT_FDCWD, from, fd, name, 0); err != nil {
			return err
		}
		return unix.Unlink(from)
	}
	switch err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err == nil:
		return unix.EEXIST
	case !errors.Is(err, unix.ENOENT):
		return err
	}
	return unix.Renameat(unix.AT_FDCWD, from, fd, name)
}

// moveNew renames within Lectern's own trees, replacing nothing (fs.ErrExist).
func moveNew(from, to string) error {
	fd, err := unix.Open(filepath.Dir(to), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: filepath.Dir(to), Err: err}
	}
	defer unix.Close(fd)
	return moveInto(from, fd, filepath.Base(to))
}

// swapIn puts from where to is. A reader of to sees the old tree or the new
// one, whole; afterwards the old tree, if there was one, is at from.
func swapIn(from, to string) error {
	err := moveNew(from, to)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	err = unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return swapByHand(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "exchange", Old: from, New: to, Err: err}
	}
	return syncDir(filepath.Dir(to))
}

// swapByHand serves file systems without an atomic exchange, such as NFS: for a
// moment there is no tree at all, but never half of one.
func swapByHand(from, to string) error {
	old := from + ".old"
	if err := os.Rename(to, old); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return errors.Join(err, os.Rename(old, to))
	}
	if err := os.Rename(old, from); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}
