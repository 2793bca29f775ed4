package container

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// able says what this process lacks to do what follows; nil if that can only be
// known by trying.
func able() error {
	var head unix.CapUserHeader
	var has [2]unix.CapUserData
	head.Version = unix.LINUX_CAPABILITY_VERSION_3
	if err := unix.Capget(&head, &has[0]); err != nil {
		return err
	}
	for _, c := range []uint{unix.CAP_SYS_ADMIN, unix.CAP_SYS_CHROOT, unix.CAP_SYS_PTRACE} {
		if has[0].Effective&(1<<c) == 0 {
			return fmt.Errorf("this process lacks capability %d: it is not root, or confined", c)
		}
	}
	return nil
}

// tree is a directory of the data root as a mount that hangs nowhere yet.
type tree struct {
	fd       int
	to       string // where it goes in the container
	readOnly bool
	dev, ino uint64
}

// trees opens what lies in a student's home, outermost first. No link is
// followed below the data root. What may only be read is so before it hangs
// anywhere; no set-uid bit and no device counts on any of them.
func (p *Pool) trees(mounts []Mount) (list []tree, err error) {
	defer func() {
		if err != nil {
			shut(list)
		}
	}()
	root, err := unix.Open(p.Docker.options.Data.Inside, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: data root: %w", ErrMount, err)
	}
	defer unix.Close(root)
	for _, m := range mounts {
		t := tree{to: m.To, readOnly: !m.Writable}
		if t.fd, err = p.tree(root, m); err != nil {
			return list, fmt.Errorf("%w: %s: %w", ErrMount, m.From, err)
		}
		list = append(list, t)
		var at unix.Stat_t
		if err = unix.Fstat(t.fd, &at); err != nil {
			return list, err
		}
		list[len(list)-1].dev, list[len(list)-1].ino = at.Dev, at.Ino
	}
	slices.SortStableFunc(list, func(a, b tree) int { return cmp.Compare(strings.Count(a.to, "/"), strings.Count(b.to, "/")) })
	return list, nil
}

func (p *Pool) tree(root int, m Mount) (fd int, err error) {
	if _, err := p.Docker.options.Data.Translate(m.From); err != nil {
		return -1, err
	}
	rest, err := filepath.Rel(p.Docker.options.Data.Inside, m.From)
	if err != nil {
		return -1, err
	}
	dir, err := unix.Openat2(root, rest, &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	fd, err = unix.OpenTree(dir, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return -1, fmt.Errorf("open_tree: %w", err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV, Propagation: unix.MS_PRIVATE}
	if !m.Writable {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("mount_setattr: %w", err)
	}
	return fd, nil
}

func shut(list []tree) {
	for _, t := range list {
		unix.Close(t.fd)
	}
}

// within calls f with / being the container's, on a thread that is thrown away
// after. pid is what the engine says its first process is; that it belongs to
// the very container is asked of the kernel, after it cannot be another's any more.
func within(pid int, id string, f func() error) error {
	if pid <= 0 || len(id) < 64 {
		return errors.New("container: the engine tells no process")
	}
	proc, err := unix.Open(fmt.Sprintf("/proc/%d", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("container: its process is not seen from here: %w", err)
	}
	defer unix.Close(proc)
	ns, err := unix.Openat(proc, "ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("container: its mount namespace: %w", err)
	}
	defer unix.Close(ns)
	if groups, err := readAt(proc, "cgroup"); err != nil || !bytes.Contains(groups, []byte(id)) {
		return errors.Join(fmt.Errorf("container: process %d, seen from here, is not of %s", pid, id), err)
	}
	done := make(chan error, 1)
	go onThread(func() {
		err := unix.Unshare(unix.CLONE_FS)
		if err == nil {
			err = unix.Setns(ns, unix.CLONE_NEWNS)
		}
		if err != nil {
			done <- fmt.Errorf("container: enter its mount namespace: %w", err)
			return
		}
		done <- f()
	})
	return <-done
}

// onThread calls f on a thread that ends with it. The first thread of a process
// cannot end and stands for it in /proc: it is left as it is.
func onThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		f() // and never unlock
		return
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		onThread(f)
	}()
	<-over
	runtime.UnlockOSThread()
}

func readAt(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	buf := make([]byte, 64<<10)
	n, err := f.Read(buf)
	return buf[:n], err
}

// attach hangs the trees into the container, and looks that what is then seen
// there is what was meant.
func attach(list []tree) error {
	for _, t := range list {
		at, err := inside(t.to)
		if err != nil {
			return err
		}
		err = unix.MoveMount(t.fd, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
		unix.Close(at)
		if err != nil {
			return fmt.Errorf("%w: move_mount to %s: %w", ErrMount, t.to, err)
		}
		if err := t.look(); err != nil {
			return err
		}
	}
	return nil
}

func (t tree) look() error {
	at, err := inside(t.to)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	var is unix.Stat_t
	var fs unix.Statfs_t
	if err := errors.Join(unix.Fstat(at, &is), unix.Fstatfs(at, &fs)); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMount, t.to, err)
	}
	if is.Dev != t.dev || is.Ino != t.ino || t.readOnly != (fs.Flags&unix.ST_RDONLY != 0) {
		return fmt.Errorf("%w: %s is not what was mounted there", ErrMount, t.to)
	}
	return nil
}

// inside is a directory of the container; no link is followed on the way, for
// what lies in the home is its student's.
func inside(path string) (int, error) {
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return -1, fmt.Errorf("%w: %s in the container: %w", ErrMount, path, err)
	}
	return fd, nil
}

// detach takes away what hangs at path.
func detach(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("%w: take away %s: %w", ErrMount, path, err)
	}
	return nil
}
