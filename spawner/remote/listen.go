package remote

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Peers are who may connect, besides the server's own user. -1 is nobody.
type Peers struct {
	User  int
	Group int // primary group of the peer; also the socket file's group
}

// Listen makes the socket, mode 0660, and accepts only peers that the kernel
// says are allowed ones. A socket that an ended server left is replaced; one of
// a server that lives is an error.
func Listen(path string, p Peers, log *slog.Logger) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("spawner socket: %w", err)
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spawner socket: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("spawner socket: another process listens at %s", path)
	}
	fresh := path + ".new"
	for _, old := range []string{fresh, path} {
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			lock.Close()
			return nil, fmt.Errorf("spawner socket: %w", err)
		}
	}
	// Under another name until its mode is right: nobody connects before.
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err == nil {
		ln.SetUnlinkOnClose(false)
		err = errors.Join(os.Chown(fresh, -1, p.Group), os.Chmod(fresh, 0o660), os.Rename(fresh, path))
		if err != nil {
			ln.Close()
		}
	}
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("spawner socket: %w", err)
	}
	return &listener{UnixListener: ln, peers: p, lock: lock, path: path, log: log}, nil
}

type listener struct {
	*net.UnixListener
	peers Peers
	lock  *os.File // held while the socket is ours
	path  string
	log   *slog.Logger
}

// Accept returns the next connection of somebody who may.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		who, err := credentials(conn)
		if err == nil && l.peers.allow(who) {
			return conn, nil
		}
		conn.Close()
		if err != nil {
			l.log.Warn("a peer without credentials was turned away", "error", err)
			continue
		}
		l.log.Warn("a peer was turned away", "uid", who.Uid, "gid", who.Gid, "pid", who.Pid)
	}
}

// Close also removes the socket, so that callers learn at once that nobody is there.
func (l *listener) Close() error {
	err := l.UnixListener.Close()
	_ = os.Remove(l.path)
	return errors.Join(err, l.lock.Close())
}

func (p Peers) allow(who *unix.Ucred) bool {
	return int(who.Uid) == os.Geteuid() || p.User >= 0 && int(who.Uid) == p.User || p.Group >= 0 && int(who.Gid) == p.Group
}

// credentials are the peer's when it connected, from the kernel.
func credentials(conn *net.UnixConn) (who *unix.Ucred, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	if e := raw.Control(func(fd uintptr) { who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); e != nil {
		return nil, e
	}
	return who, err
}
