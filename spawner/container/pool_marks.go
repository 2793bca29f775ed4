package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// mark is a directory that says how far one container of the pool is. Only
// Lectern can reach it. Files appear in this order, each whole:
//
//	kind.json   before the container is made: what kind it is, a Spec
//	ready       its Jupyter has booted and it is paused
//	claim.json  whose it is, for ever; nothing of theirs is mounted yet
//	given       it runs with everything mounted
//
// Whoever moves it on holds the lock meanwhile. Unlocked without ready, or with a
// claim and without given, it is what somebody who was killed left behind.
type mark string

// ready is the file of that name. A paused container keeps its address.
type ready struct{ Addr string }

// claim is claim.json: what the container is called, and what its labels would
// be if it had been made for this workspace.
type claim struct {
	Name   string
	Labels map[string]string
}

const (
	kindMark  = "kind.json"
	readyMark = "ready"
	claimMark = "claim.json"
	givenMark = "given"
	probeMark = "probe" // an empty directory
)

var errLocked = errors.New("container: somebody else is at it")

func (p *Pool) mark(name string) mark {
	if !plainName(name) {
		return ""
	}
	return mark(filepath.Join(p.options.Dir, name))
}

// lock is errLocked while somebody holds it. Closing the file gives it back, and
// so does the end of the process.
func (m mark) lock() (*os.File, error) {
	f, err := os.Open(string(m))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, errLocked
	}
	return f, nil
}

// has is true also if that cannot be found out: a container of which that is so
// is left alone.
func (m mark) has(name string) bool {
	_, err := os.Lstat(filepath.Join(string(m), name))
	return !errors.Is(err, fs.ErrNotExist)
}

// since is when its container was ready.
func (m mark) since() time.Time {
	info, err := os.Lstat(filepath.Join(string(m), readyMark))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// put makes a file appear as a whole. It outlives a kill of this process; when
// the machine goes down, so does the container.
func (m mark) put(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	path := filepath.Join(string(m), name)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (m mark) read(name string, v any) error {
	text, err := os.ReadFile(filepath.Join(string(m), name))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// remove forgets it; what it was made of must be gone.
func (m mark) remove() error {
	if m == "" {
		return nil
	}
	return os.RemoveAll(string(m))
}

// newMark makes one and locks it.
func (p *Pool) newMark() (m mark, lock *os.File, err error) {
	// Above it are the secrets, which are passed through by others.
	err = errors.Join(os.MkdirAll(filepath.Dir(p.options.Dir), 0o711), os.MkdirAll(p.options.Dir, 0o700))
	if err != nil {
		return "", nil, fmt.Errorf("container: pool: %w", err)
	}
	dir, err := os.MkdirTemp(p.options.Dir, "")
	if err != nil {
		return "", nil, fmt.Errorf("container: pool: %w", err)
	}
	if err := os.Mkdir(filepath.Join(dir, probeMark), 0o700); err != nil {
		return "", nil, fmt.Errorf("container: pool: %w", err)
	}
	lock, err = mark(dir).lock()
	return mark(dir), lock, err
}

// sweepMarks removes those of containers that are not there.
func (p *Pool) sweepMarks(found map[string]bool) error {
	entries, err := os.ReadDir(p.options.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		info, gone := e.Info()
		if gone != nil || found[e.Name()] || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		m := p.mark(e.Name())
		lock, busy := m.lock()
		if busy != nil {
			continue
		}
		err = errors.Join(err, m.remove())
		lock.Close()
	}
	return err
}
