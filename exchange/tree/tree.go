// Package tree reads directory trees that a student can write, while the
// student may be changing them. It never follows a link, never waits on a FIFO,
// never leaves the tree or its file system, and hands out regular files with a
// single name only. It refuses to write anything, and to open any path that was
// not walked from a directory already open.
package tree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// resolve is the promise of every open below: the kernel itself refuses links,
// "..", other file systems and /proc's magic links anywhere in the path.
const resolve = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS |
	unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

// Dir is an open directory; everything is resolved below it, whatever happens
// to its path in the meantime.
type Dir struct{ f *os.File }

// Open opens a directory by a path no student can change. The last component
// may be in a student's hands: a link there is refused.
func Open(name string) (*Dir, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &Dir{os.NewFile(uintptr(fd), name)}, nil
}

// Close closes the directory; files opened from it stay open.
func (d *Dir) Close() error { return d.f.Close() }

// Fd is the descriptor for renameat2 and the like; valid until Close.
func (d *Dir) Fd() int { return int(d.f.Fd()) }

// Sub opens a directory below d. Anything else there is an Odd.
func (d *Dir) Sub(rel string) (*Dir, error) {
	fd, err := d.openat2(rel, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, oddOpen(rel, err)
	}
	return &Dir{os.NewFile(uintptr(fd), path.Join(d.f.Name(), rel))}, nil
}

// renames is how often a file may be replaced while it is being opened.
const renames = 20

// stat describes rel itself, never what it points to.
func (d *Dir) stat(rel string) (st unix.Stat_t, err error) {
	for range renames {
		var fd int
		if fd, err = d.openat2(rel, unix.O_PATH); err != nil {
			return st, err
		}
		err = unix.Fstat(fd, &st)
		unix.Close(fd)
		// No name: a save by rename came between the two. The new file is there.
		if err != nil || st.Nlink > 0 {
			break
		}
	}
	return st, err
}

// File is an open regular file and what it was when it was opened.
type File struct {
	*os.File
	Was Stamp
}

// Stamp tells one version of a file from the next. The change time cannot be set
// by the file's owner, unlike the modification time.
type Stamp struct {
	Size       int64
	ModifiedAt time.Time
	ChangedAt  time.Time
	inode      uint64
	device     uint64
}

// File opens a regular file with exactly one name. Anything else is an Odd.
func (d *Dir) File(rel string) (f *File, err error) {
	for range renames {
		f, err = d.file(rel)
		if reason, odd := IsOdd(err); !odd || reason != replaced {
			return f, err
		}
	}
	return nil, &Odd{rel, Vanished}
}

func (d *Dir) file(rel string) (*File, error) {
	// O_PATH opens nothing: a device is refused before its driver hears of us.
	st, err := d.stat(rel)
	if err != nil {
		return nil, oddOpen(rel, err)
	}
	if reason := judge(st); reason != "" {
		return nil, &Odd{rel, reason}
	}
	fd, err := d.openat2(rel, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, oddOpen(rel, err)
	}
	f := os.NewFile(uintptr(fd), rel)
	if err := unix.Fstat(fd, &st); err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "fstat", Path: rel, Err: err}
	}
	if reason := judge(st); reason != "" {
		f.Close()
		return nil, &Odd{rel, reason}
	}
	return &File{File: f, Was: stamp(st)}, nil
}

// Now is the file's present stamp. A file that was given a second name since it
// was opened is an Odd.
func (f *File) Now() (Stamp, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Stamp{}, &fs.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	// A file that was unlinked by a save that renames is still whole.
	if st.Nlink > 1 {
		return Stamp{}, &Odd{f.Name(), HardLink}
	}
	return stamp(st), nil
}

// Limited reads at most limit bytes and then fails with an Odd, so that a file
// growing under the reader ends.
func (f *File) Limited(limit int64) io.Reader { return &limited{f.File, limit, f.Name()} }

type limited struct {
	r    io.Reader
	left int64
	name string
}

func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n, &Odd{l.name, TooLarge}
	}
	return n, err
}

func stamp(st unix.Stat_t) Stamp {
	return Stamp{
		Size:       st.Size,
		ModifiedAt: time.Unix(st.Mtim.Unix()).UTC(),
		ChangedAt:  time.Unix(st.Ctim.Unix()).UTC(),
		inode:      st.Ino,
		device:     uint64(st.Dev),
	}
}

func (d *Dir) openat2(rel string, flags uint64) (int, error) {
	if rel == "" || strings.ContainsRune(rel, 0) {
		return -1, unix.EINVAL
	}
	how := unix.OpenHow{Flags: flags | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: resolve}
	for {
		fd, err := unix.Openat2(d.Fd(), rel, &how)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if errors.Is(err, unix.ENOSYS) {
			return -1, fmt.Errorf("reading students' files needs openat2 (Linux 5.6, and a seccomp profile that allows it): %w", err)
		}
		return fd, err
	}
}

// Has reports whether anything at all has this name in the directory.
func (d *Dir) Has(name string) (bool, error) {
	var st unix.Stat_t
	err := unix.Fstatat(d.Fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil, err
}
