package exchange

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"

	"lectern/exchange/tree"
)

// shown are the directories of a home that Lectern's own trees are mounted over.
var shown = []string{"release", "feedback"}

// mountPoints makes sure that the engine finds directories to mount over: it
// would refuse a file, follow a link, and make what is missing as root. Whatever
// else has the name is the student's and is kept beside it. A directory may be
// mounted over in a running container, so it is never touched.
func (x *Exchange) mountPoints(homePath string) error {
	defer x.locks.lock(homePath)()
	home, err := tree.Open(homePath)
	if err != nil {
		return err
	}
	defer home.Close()
	for _, name := range shown {
		if err := x.mountPoint(home.Fd(), name); err != nil {
			return fmt.Errorf("mount point %s: %w", name, err)
		}
	}
	return nil
}

func (x *Exchange) mountPoint(home int, name string) error {
	var st unix.Stat_t
	err := unix.Fstatat(home, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return nil
	case err == nil:
		if err := setAside(home, name); err != nil {
			return err
		}
	case !errors.Is(err, unix.ENOENT):
		return err
	}
	// Another workspace on the same home may be faster, or put something else
	// there; then the next start sees it.
	if err := unix.Mkdirat(home, name, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	dir, err := unix.Openat(home, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if x.owner != nil {
		if err := unix.Fchown(dir, x.owner.uid, x.owner.gid); err != nil {
			return err
		}
	}
	return errors.Join(unix.Fchmod(dir, 0o755), unix.Fsync(home))
}

// setAside renames to the first free of name-1, name-2, …; to a name that
// nobody can have taken if a student took all of those.
func setAside(home int, name string) error {
	for n := 1; n < 10; n++ {
		err := moveFree(home, name, name+"-"+strconv.Itoa(n))
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return moveFree(home, name, name+"-"+fresh())
}

// moveFree is moveAside that replaces nothing even where the kernel cannot
// promise it, as long as nobody else writes there at that moment.
func moveFree(fd int, from, to string) error {
	var st unix.Stat_t
	switch err := unix.Fstatat(fd, to, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err == nil:
		return fs.ErrExist
	case !errors.Is(err, unix.ENOENT):
		return err
	}
	return moveAside(fd, from, to)
}
