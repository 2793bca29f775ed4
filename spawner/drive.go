package spawner

import (
	"context"
	"errors"
	"slices"
	"time"

	"lectern/spawner/container"
)

// driver moves one workspace until it rests or runs. There is at most one for
// each workspace in a process; what it alone touches needs no lock.
type driver struct {
	id   string
	wake chan struct{} // holds one: look again

	generation int64
	step       Step
	failed     Reason
	answers    bool
	progressAt time.Time
	cpu        time.Duration // of the container, when last asked
	askedAt    time.Time
}

// kick has somebody look after a workspace now: its driver, or a new one.
func (s *Spawner) kick(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if d := s.drivers[id]; d != nil {
		select {
		case d.wake <- struct{}{}:
		default:
		}
		return
	}
	d := &driver{id: id, wake: make(chan struct{}, 1)}
	s.drivers[id] = d
	s.busy.Go(func() { s.drive(d) })
}

// pace of a driver that has nothing better to wait for.
const (
	probeEvery = 25 * time.Millisecond // while Jupyter boots
	lookEvery  = time.Second           // at the container, while waiting
	maxTrouble = 30                    // looks in vain, before the reconciler takes over
)

func (s *Spawner) drive(d *driver) {
	defer s.queue.leave(d.id)
	for trouble := 0; ; {
		more, err := s.turn(d)
		if err != nil {
			if trouble++; trouble == 1 || trouble == maxTrouble {
				s.log.Warn("workspace needs another try", "id", d.id, "try", trouble, "err", err)
			}
		} else {
			trouble = 0
		}
		if s.life.Err() != nil || (!more || trouble >= maxTrouble) && s.retire(d) {
			return
		}
		if !more || trouble > 0 {
			s.rest(d, lookEvery)
		}
	}
}

// retire ends the driver, unless somebody woke it meanwhile.
func (s *Spawner) retire(d *driver) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(d.wake) > 0 {
		return false
	}
	delete(s.drivers, d.id)
	return true
}

func (s *Spawner) rest(d *driver, how time.Duration) {
	select {
	case <-d.wake:
	case <-s.life.Done():
	case <-time.After(how):
	}
}

// turn looks once and does what next says. more means that the workspace is
// not yet where it should be.
func (s *Spawner) turn(d *driver) (more bool, err error) {
	row, err := s.rows.Workspace(s.life, d.id)
	if errors.Is(err, ErrNoWorkspace) {
		return false, s.engine.Remove(s.life, ContainerName(d.id))
	}
	if err != nil {
		return true, err
	}
	if row.Generation != d.generation || d.progressAt.IsZero() {
		s.renew(d, row.Generation)
	}
	switch row.State {
	case Queued:
		s.measure()
	case Starting:
		s.queue.hold(s.placeOf(row))
	}
	seen := s.look(d, row)
	after, actions := next(row, seen, s.now(), s.policy)
	if after != row {
		if err := s.save(s.life, row, after); err != nil && !errors.Is(err, ErrStale) {
			return true, err
		} else if err != nil {
			return true, nil // somebody else changed it: look again
		}
	}
	switch {
	case after.State == Queued && row.State == Starting:
		s.queue.refused(d.id)
	case after.State != Starting && after.State != Queued:
		s.queue.leave(d.id)
	}
	for _, a := range actions {
		if err := s.do(d, after, seen, a); err != nil {
			return true, err
		}
	}
	switch after.State {
	case Queued, Starting, Stopping:
		s.pause(d, actions)
		return true, nil
	}
	return slices.ContainsFunc(actions, func(a Action) bool { return a != Warn && a != Quiet }), nil
}

// renew starts over for a new generation.
func (s *Spawner) renew(d *driver, generation int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*d = driver{id: d.id, wake: d.wake, generation: generation, progressAt: s.now()}
}

// pause waits after a turn that took no time of its own.
func (s *Spawner) pause(d *driver, actions []Action) {
	switch {
	case len(actions) == 0, // the engine is silent
		actions[0] == Wait && !s.queue.holds(d.id),
		d.failed == NoEngine:
		s.rest(d, lookEvery)
	}
}

// look finds out what there is of a workspace.
func (s *Spawner) look(d *driver, row Row) Seen {
	seen := Seen{Admitted: s.queue.holds(d.id), Failed: d.failed, Answers: d.answers, ProgressAt: d.progressAt}
	d.failed = None
	c, err := s.engine.Inspect(s.life, ContainerName(d.id))
	switch {
	case errors.Is(err, container.ErrNotFound):
		seen.Known = true
	case err != nil:
		return seen
	}
	if row.State == Queued {
		d.progressAt = s.now() // the engine answers, and the queue moves on
	}
	if err != nil {
		return seen
	}
	s.fill(&seen, row, c)
	p := s.policy.of(row)
	first := sooner(p.KernelsAfter, p.IdleAfter)
	ask := first / 2
	if p.IdleAfter > 0 {
		ask = min(ask, p.IdleAfter-p.WarnBefore) // a long warning must not come late
	}
	quiet := first > 0 && s.now().Sub(seen.ActiveAt) > ask
	if row.State == Running && seen.Mine && seen.Phase == container.Up && seen.Contact == container.Reached && quiet {
		if a, err := s.jupyter.Activity(s.life, Target{c.Addr, row.Token}); err == nil {
			seen.Asked, seen.Busy, seen.Kernels = true, a.Busy, a.Kernels
			// The server is the student's and may claim any time.
			if a.LastAt.Before(s.now()) {
				seen.ActiveAt = later(seen.ActiveAt, a.LastAt)
			}
			if a.Busy {
				seen.ActiveAt = s.now()
			}
		}
	}
	return seen
}

// fill takes over what is known of a container without asking Jupyter.
func (s *Spawner) fill(seen *Seen, row Row, c container.Status) {
	seen.Known, seen.Found = true, true
	seen.Mine = c.Labels[LabelGeneration] == row.labels(s.realm)[LabelGeneration]
	seen.Phase, seen.ExitCode, seen.OOM, seen.ID, seen.Addr = c.Phase, c.ExitCode, c.OOM, c.ID, c.Addr
	seen.Contact = c.Contact
	s.mu.Lock()
	defer s.mu.Unlock()
	seen.ActiveAt = later(row.LastActivityAt, s.touched[row.ID])
	killed, ok := s.noticed[row.ID]
	seen.KernelOOM = ok && c.Phase == container.Up
	// An engine may tell of the killing and then forget it in the status of a
	// container that ended of it at once.
	seen.OOM = seen.OOM || ok && s.now().Sub(killed) < 5*time.Second
}

// do is one action. An error means that looking again is all there is to do.
func (s *Spawner) do(d *driver, row Row, seen Seen, a Action) error {
	switch a {
	case Wait:
		s.progress(d, StepQueued)
		if !s.queue.stands(d.id, rankOf(row)) {
			s.queue.join(s.placeOf(row))
		}
	case Create:
		s.create(d, row)
	case Probe:
		s.probe(d, row, seen.Addr)
	case Warn:
		s.announce(row, seen)
	case Quiet:
		return s.endKernels(row, seen)
	case End:
		return s.engine.Stop(s.life, ContainerName(d.id), s.policy.Grace)
	case Remove:
		if row.State == Failed {
			s.quote(row)
		}
		return s.engine.Remove(s.life, ContainerName(d.id))
	}
	return nil
}

// create brings the container up, or notes why not.
func (s *Spawner) create(d *driver, row Row) {
	note := func(what string, err error, why Reason) {
		s.log.Warn("workspace not created", "id", d.id, "step", what, "err", err)
		d.failed = why
	}
	s.progress(d, StepImage)
	if _, err := s.engine.Image(s.life, row.starts()); err != nil {
		note("image", err, failure(err))
		return
	}
	limit := 10 * time.Second
	if row.SubmissionID != 0 {
		limit = 40 * time.Second // files are copied
	}
	ctx, done := context.WithTimeout(s.life, limit)
	defer done()
	plan, err := s.plan(ctx, row)
	if err != nil {
		note("plan", err, NoFiles)
		return
	}
	s.progress(d, StepContainer)
	got, err := s.engine.Start(s.life, Template(s.realm, row, plan))
	switch {
	case err == nil:
		s.probe(d, row, got.Addr)
	case errors.Is(err, container.ErrNoRoom) && !row.Ahead && s.makeRoom():
		s.rest(d, lookEvery) // what nobody opened ends, and it is tried again
	case errors.Is(err, container.ErrConflict):
		// Another container has the name, or another process was quicker: the
		// next look tells which.
		s.rest(d, probeEvery)
	default:
		note("container", err, failure(err))
	}
}

// probe asks Jupyter every 25 ms until it answers, something happens to the
// container, or it is time to look at the container again.
func (s *Spawner) probe(d *driver, row Row, addr string) {
	s.progress(d, StepJupyter)
	for end := s.now().Add(lookEvery); s.now().Before(end) && s.life.Err() == nil; {
		if s.jupyter.Up(s.life, Target{addr, row.Token}) {
			d.answers = true
			return
		}
		select {
		case <-d.wake:
			return
		case <-s.life.Done():
			return
		case <-time.After(probeEvery):
		}
	}
	// CPU time used is progress: importing a thousand modules on a crowded
	// machine is slow, not stuck.
	if s.now().Sub(d.askedAt) < s.policy.Patience/10 {
		return
	}
	d.askedAt = s.now()
	if u, err := s.engine.Usage(s.life, ContainerName(row.ID)); err == nil && u.CPU > d.cpu+10*time.Millisecond {
		d.cpu, d.progressAt = u.CPU, s.now()
	}
}

// announce warns once of each stop.
func (s *Spawner) announce(row Row, seen Seen) {
	at, why := row.stopAt(seen, s.policy.of(row))
	s.mu.Lock()
	known := s.warned[row.ID].Equal(at)
	s.warned[row.ID] = at
	s.mu.Unlock()
	if !known {
		s.warn(s.life, row, at, why)
	}
}

// endKernels ends what has been idle for longer than the course has kernels
// kept. Not being able to is no reason to look again at once.
func (s *Spawner) endKernels(row Row, seen Seen) error {
	n, err := s.jupyter.EndKernels(s.life, Target{seen.Addr, row.Token}, s.now().Add(-s.policy.of(row).KernelsAfter))
	if n > 0 || err != nil {
		s.log.Info("idle kernels ended", "id", row.ID, "kernels", n, "err", err)
	}
	return nil
}

// quote keeps the end of a failed program's log, before it goes with the
// container. What is in it is the student's, so it is only ever quoted.
func (s *Spawner) quote(row Row) {
	text, err := s.engine.Logs(s.life, ContainerName(row.ID), 20)
	if err != nil {
		return
	}
	s.log.Warn("workspace failed", "id", row.ID, "reason", row.Reason, "log", text[max(0, len(text)-1000):])
}
