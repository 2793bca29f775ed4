package spawner

import (
	"time"

	"lectern/spawner/container"
)

// Policy is how long things may take and how long a workspace may stay.
type Policy struct {
	// Patience is how long a start may show no progress. Progress moves the
	// deadline, so that a slow machine is not mistaken for a dead one.
	Patience time.Duration
	// StartLimit bounds a start however busy it looks.
	StartLimit time.Duration
	// IdleAfter without a running cell, a program's output or somebody's input
	// a workspace is stopped; 0 never.
	IdleAfter time.Duration
	// MaxAge stops a workspace so long after it was ready, busy or not; 0 never.
	MaxAge time.Duration
	// CopyIdle and CopyAge are the same for a throw-away copy, where nothing is
	// lost and nobody comes back; never longer than the two above.
	CopyIdle time.Duration
	CopyAge  time.Duration
	// Unused so long, a workspace that was started ahead is stopped, and one
	// that rests is not started ahead before. Ahead is how many of them may be
	// up at once; 0 of either starts none.
	Unused time.Duration
	Ahead  int
	// WarnBefore either stop the page is told.
	WarnBefore time.Duration
	// KernelsAfter without anything of that kind idle kernels are ended, and the
	// workspace goes on without what they held in memory; 0 never. It is the
	// course's to choose, and no copy's are.
	KernelsAfter time.Duration
	// Grace is how long Jupyter may take to end before it is killed.
	Grace time.Duration
}

// DefaultPolicy suits a class on one machine.
var DefaultPolicy = Policy{
	Patience: time.Minute, StartLimit: 5 * time.Minute,
	IdleAfter: time.Hour, MaxAge: 24 * time.Hour, WarnBefore: 5 * time.Minute,
	CopyIdle: 30 * time.Minute, CopyAge: 2 * time.Hour,
	Unused: 10 * time.Minute, Ahead: 10,
	Grace: 10 * time.Second,
}

// of is what of the policy holds for the row: a course may have its workspaces
// end sooner than the site's, never later.
func (p Policy) of(row Row) Policy {
	p.IdleAfter, p.MaxAge = sooner(row.IdleAfter, p.IdleAfter), sooner(row.MaxAge, p.MaxAge)
	p.KernelsAfter = row.KernelsAfter
	if row.WarnBefore > 0 {
		p.WarnBefore = row.WarnBefore
	}
	if row.SubmissionID != 0 {
		p.IdleAfter, p.MaxAge, p.KernelsAfter = sooner(p.CopyIdle, p.IdleAfter), sooner(p.CopyAge, p.MaxAge), 0
	}
	return p
}

// sooner is the shorter of two times, of which 0 is never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Seen is what was found when looking for the container of a row.
type Seen struct {
	Known bool // the engine answered; if not, nothing may be concluded
	Found bool // a container of the row's name exists
	Mine  bool // and it is of the row's generation

	Phase    container.Phase
	ExitCode int
	OOM      bool
	ID, Addr string
	// Contact with the machine it runs on: while that is Unreachable the
	// container may go on writing to the home, and nothing may be concluded,
	// ended or started in its place.
	Contact container.Contact

	Admitted   bool      // the queue gave the row its turn
	Failed     Reason    // the last attempt to create it ended so
	Answers    bool      // Jupyter answered, with our token
	ProgressAt time.Time // the start was last seen to get on

	KernelOOM bool      // something in it was killed for want of memory
	Asked     bool      // Jupyter told what it is doing
	Busy      bool      // a kernel runs a cell
	Kernels   int       // that live, busy or not
	ActiveAt  time.Time // last output or input known
}

// Action is one thing to do before looking again. Each may be repeated.
type Action string

const (
	Wait   Action = "wait"   // take a place in the queue
	Create Action = "create" // make and start the container
	Probe  Action = "probe"  // ask Jupyter whether it is up
	Warn   Action = "warn"   // tell the page that a stop is near
	Quiet  Action = "quiet"  // end the kernels, all of which are idle
	End    Action = "end"    // ask the program to end, kill it after a grace
	Remove Action = "remove" // forget the container
)

// next is the whole of a workspace's life: from the row and what was seen, what
// the row becomes and what to do about it. It is pure, and each step survives a
// crash before, between and after: the row changes first, then the world.
func next(row Row, seen Seen, now time.Time, p Policy) (Row, []Action) {
	p = p.of(row)
	switch row.State {
	case Queued:
		return nextQueued(row, seen, now, p)
	case Starting:
		return nextStarting(row, seen, now, p)
	case Running:
		return nextRunning(row, seen, now, p)
	case Stopping:
		if seen.Known && !seen.Found {
			return row.rest(Stopped, row.Reason), nil
		}
	}
	return row, seen.clear()
}

func nextQueued(row Row, seen Seen, now time.Time, p Policy) (Row, []Action) {
	switch {
	case !seen.Known && now.Sub(later(row.QueuedAt, seen.ProgressAt)) >= p.Patience:
		return row.rest(Failed, NoEngine), nil
	case !seen.Known:
		return row, nil
	case row.Ahead && !seen.Admitted && now.Sub(row.QueuedAt) >= p.Unused:
		return row.rest(Stopped, Unused), seen.clear()
	case seen.Found && seen.Contact == container.Unreachable:
		row.Reason = OldAway
		return row, nil
	case seen.Found && !seen.Mine:
		row.Reason = None
		return row, seen.clear()
	case !seen.Admitted:
		row.Reason = None
		return row, []Action{Wait}
	}
	row.State, row.StartedAt, row.Reason = Starting, now, None
	return row, []Action{Create}
}

func nextStarting(row Row, seen Seen, now time.Time, p Policy) (Row, []Action) {
	overdue := now.Sub(row.StartedAt) >= p.StartLimit || now.Sub(later(row.StartedAt, seen.ProgressAt)) >= p.Patience
	switch {
	case seen.Failed == NoRoom:
		// It was measured otherwise a moment ago: it keeps its place in line.
		row.State, row.StartedAt = Queued, time.Time{}
		return row, seen.clear()
	case seen.Failed != None && seen.Failed != NoEngine:
		return row.rest(Failed, seen.Failed), seen.clear()
	case overdue && (!seen.Known || seen.Failed == NoEngine):
		return row.rest(Failed, NoEngine), seen.clear()
	case !seen.Known:
		return row, nil
	case seen.Found && seen.Contact == container.Unreachable && overdue:
		return row.rest(Failed, Away), nil
	case seen.Found && seen.Contact == container.Unreachable:
		return row, nil
	case seen.Found && !seen.Mine:
		return row, append(seen.clear(), Create)
	case seen.Found && seen.Contact == container.Lost:
		return row.rest(Failed, Lost), seen.clear()
	case seen.Found && seen.Phase == container.Exited:
		return row.rest(Failed, bootEnd(seen)), seen.clear()
	case seen.Found && seen.Phase == container.Up && seen.Answers:
		row.State, row.Reason, row.ReadyAt, row.LastActivityAt = Running, None, now, now
		row.ContainerID, row.Addr, row.ExpiresAt = seen.ID, seen.Addr, time.Time{}
		if p.MaxAge > 0 {
			row.ExpiresAt = now.Add(p.MaxAge)
		}
		return row, nil
	case overdue:
		return row.rest(Failed, TooSlow), seen.clear()
	case seen.Found && seen.Phase == container.Up:
		return row, []Action{Probe}
	}
	return row, []Action{Create}
}

func nextRunning(row Row, seen Seen, now time.Time, p Policy) (Row, []Action) {
	switch {
	case !seen.Known:
		// A silent engine says nothing of the containers: they go on, and so
		// does the proxy.
		return row, nil
	case seen.Found && seen.Mine && seen.Contact == container.Unreachable:
		row.Reason = Away
		return row, nil
	case seen.Found && seen.Mine && seen.Contact == container.Lost:
		return row.rest(Failed, Lost), seen.clear()
	case !seen.Found || !seen.Mine || seen.Phase == container.Created:
		return row.rest(Failed, Gone), seen.clear()
	case seen.Phase == container.Exited && seen.ExitCode == 0:
		// First, because engines remember that once a kernel was killed.
		return row.rest(Stopped, QuitSelf), seen.clear()
	case seen.Phase == container.Exited && seen.OOM:
		return row.rest(Failed, OutOfMem), seen.clear()
	case seen.Phase == container.Exited:
		return row.rest(Failed, Crashed), seen.clear()
	}
	row.ContainerID, row.Addr = seen.ID, seen.Addr
	row.LastActivityAt = later(row.LastActivityAt, seen.ActiveAt)
	if row.Reason == Away {
		row.Reason = None
	}
	if seen.KernelOOM {
		row.Reason = KernelOOM
	}
	stopAt, why := row.stopAt(seen, p)
	if !stopAt.IsZero() && !now.Before(stopAt) {
		row.State, row.Reason = Stopping, why
		return row, seen.clear()
	}
	var actions []Action
	if !stopAt.IsZero() && !row.Ahead && !now.Before(stopAt.Add(-p.WarnBefore)) {
		actions = append(actions, Warn)
	}
	if row.quiet(seen, now, p) {
		actions = append(actions, Quiet)
	}
	return row, actions
}

// quiet reports whether the kernels have rested for so long that they are ended.
func (row Row) quiet(seen Seen, now time.Time, p Policy) bool {
	return p.KernelsAfter > 0 && seen.Asked && !seen.Busy && seen.Kernels > 0 && now.Sub(row.LastActivityAt) >= p.KernelsAfter
}

// stopAt is when a running workspace will be stopped unless something happens,
// and why; zero if never. A workspace that could not be asked, or that is busy,
// is not idle.
func (row Row) stopAt(seen Seen, p Policy) (at time.Time, why Reason) {
	if !row.ExpiresAt.IsZero() {
		at, why = row.ExpiresAt, TooOld
	}
	if p.IdleAfter > 0 && seen.Asked && !seen.Busy {
		idle := row.LastActivityAt.Add(p.IdleAfter)
		if at.IsZero() || idle.Before(at) {
			at, why = idle, Idle
		}
	}
	if unused := row.ReadyAt.Add(p.Unused); row.Ahead && (at.IsZero() || unused.Before(at)) {
		at, why = unused, Unused
	}
	return at, why
}

// rest is the row with nothing left of the run but its story.
func (row Row) rest(state State, why Reason) Row {
	row.State, row.Reason, row.Ahead = state, why, false
	row.ContainerID, row.Addr, row.Token, row.ExpiresAt = "", "", "", time.Time{}
	return row
}

// clear removes the container that was seen, gently if it may hold work. On a
// machine out of reach nothing can be done; a lost one has nothing to be asked.
func (seen Seen) clear() []Action {
	switch {
	case !seen.Known || !seen.Found || seen.Contact == container.Unreachable:
		return nil
	case seen.Phase == container.Up && seen.Contact != container.Lost:
		return []Action{End, Remove}
	}
	return []Action{Remove}
}

func bootEnd(seen Seen) Reason {
	switch {
	case seen.ExitCode == 127:
		return NoJupyter
	case seen.OOM:
		return BootOOM
	}
	return BootEnded
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
