// Package exchange makes every move of files: import, stage, publish, fetch,
// snapshot, collect, return. It is the only writer below the data root, and it
// treats whatever a student or an upload hands over as hostile. It refuses to
// decide: who may do what, which snapshot counts and what is recorded is the
// caller's. Every move is: copy to a fresh name, fsync, rename; the caller
// records last, so a crash leaves an unrecorded directory, never a record
// without files.
package exchange

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"

	"lectern/course"
	"lectern/exchange/tree"
)

// Exchange moves the files of all courses below one data root. Safe for
// concurrent use; moves of the same tree wait for each other.
type Exchange struct {
	Layout course.Layout

	owner   *owner
	newHome func(dir string) error
	limits  tree.Limits
	locks   locks
}

// Options are what a site may choose.
type Options struct {
	// UID and GID own a student's home and working copies: the user inside
	// every container. Without the right to give files away, which root has,
	// they stay Lectern's own.
	UID, GID int
	// NewHome, if set, replaces the empty directory of a home that is being made
	// by one that can be bounded.
	NewHome func(dir string) error
	// Work bounds one snapshot; the zero value is tree.Homes.
	Work tree.Limits
}

// Work is one student's assignment.
type Work struct{ Course, Login, Assignment string }

func (w Work) String() string { return w.Course + "/" + w.Login + "/" + w.Assignment }

// New makes the data root's two directories and checks that the kernel can read
// hostile trees safely.
func New(layout course.Layout, o Options) (*Exchange, error) {
	x := &Exchange{Layout: layout, newHome: o.NewHome, limits: o.Work}
	if x.limits == (tree.Limits{}) {
		x.limits = tree.Homes
	}
	if mayGive() {
		x.owner = &owner{o.UID, o.GID}
	}
	// Homes may be passed through on the way to one's own; courses may not.
	for dir, mode := range map[string]fs.FileMode{layout.CoursesDir(): 0o700, layout.HomesDir(): 0o711} {
		if err := ensureDir(dir, mode); err != nil {
			return nil, fmt.Errorf("exchange: data root: %w", err)
		}
	}
	d, err := tree.Open(layout.HomesDir())
	if err != nil {
		return nil, fmt.Errorf("exchange: data root: %w", err)
	}
	defer d.Close()
	if sub, err := d.Sub("."); err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	} else {
		sub.Close()
	}
	return x, nil
}

// mayGive reports whether this process may give files to others: root may, and
// a service that was left that one capability.
func mayGive() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // of 32 capabilities each
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_CHOWN) != 0
}

// owner is whom a student's files belong to; nil leaves them Lectern's.
type owner struct{ uid, gid int }

// explain turns a full disk into something a person can read, in the deferred
// call of every move; op names the move for the log.
func explain(op string, err *error) {
	if *err == nil {
		return
	}
	var p *course.Problem
	switch {
	case errors.As(*err, &p):
	case errors.Is(*err, unix.EDQUOT):
		*err = &course.Problem{Kind: course.Busy, Err: fmt.Errorf("exchange: %s: %w", op, *err),
			Text: "The disk quota on the server is used up. Nothing was changed. Remove files that are not needed and try again."}
	case errors.Is(*err, unix.ENOSPC):
		*err = &course.Problem{Kind: course.Busy, Err: fmt.Errorf("exchange: %s: %w", op, *err),
			Text: "The server's disk is full. Nothing was changed and nothing was lost. Please tell your instructor and try again later."}
	default:
		*err = fmt.Errorf("exchange: %s: %w", op, *err)
	}
}

// locks lets one move at a time touch a tree.
type locks struct {
	mu   sync.Mutex
	held map[string]*waiters
}

type waiters struct {
	sync.Mutex
	n int
}

// lock waits for the tree and gives back how to let it go.
func (l *locks) lock(tree string) (unlock func()) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*waiters{}
	}
	w := l.held[tree]
	if w == nil {
		w = &waiters{}
		l.held[tree] = w
	}
	w.n++
	l.mu.Unlock()
	w.Lock()
	return func() {
		w.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if w.n--; w.n == 0 {
			delete(l.held, tree)
		}
	}
}
