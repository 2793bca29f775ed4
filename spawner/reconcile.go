package spawner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"lectern/spawner/container"
)

// reconcileEvery bounds how long a difference between rows and containers can
// last that no event told of.
const reconcileEvery = 15 * time.Second

// Run keeps rows and containers the same, both ways, until ctx ends. Workspaces
// stay up when it does; the next Run adopts them.
func (s *Spawner) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.end)
	defer stop()
	s.busy.Go(s.listen)
	flushed := s.now()
	for {
		if err := s.reconcile(s.life); err != nil && ctx.Err() == nil {
			s.log.Warn("reconcile", "err", err)
		}
		if s.now().Sub(flushed) >= time.Minute {
			flushed = s.now()
			s.flush(s.life)
		}
		select {
		case <-ctx.Done():
			s.finish()
			return nil
		case <-time.After(reconcileEvery):
		}
	}
}

// finish lets every driver stop where it is: each step can be taken up again.
func (s *Spawner) finish() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.busy.Wait()
	ctx, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	s.flush(ctx)
}

// listen hears of deaths at once instead of at the next reconcile.
func (s *Spawner) listen() {
	for s.life.Err() == nil {
		err := s.engine.Events(s.life, map[string]string{LabelRealm: s.realm}, func(e container.Event) {
			id := e.Labels[LabelWorkspace]
			if _, test := TrialOf(id); test || e.Kind == container.Started {
				return // whoever started it knows
			}
			if e.Kind == container.OutOfMemory {
				s.mu.Lock()
				s.noticed[id] = s.now()
				s.mu.Unlock()
			}
			s.kick(id)
		})
		if s.life.Err() != nil {
			return
		}
		s.log.Warn("container events broke off", "err", err)
		select {
		case <-s.life.Done():
		case <-time.After(2 * time.Second):
		}
		// What happened meanwhile was not told.
		if err := s.reconcile(s.life); err != nil && s.life.Err() == nil {
			s.log.Warn("reconcile", "err", err)
		}
	}
}

// reconcile compares all rows with all containers once and has a driver look
// after each that differ.
func (s *Spawner) reconcile(ctx context.Context) error {
	if err := s.engine.Ensure(ctx); err != nil {
		return fmt.Errorf("spawner: prepare the engine: %w", err)
	}
	// Containers first: one that is started in between has its row already.
	found, err := s.engine.List(ctx, map[string]string{LabelRealm: s.realm})
	if err != nil {
		return fmt.Errorf("spawner: list containers: %w", err)
	}
	rows, err := s.rows.ActiveWorkspaces(ctx)
	if err != nil {
		return fmt.Errorf("spawner: list workspaces: %w", err)
	}
	if !s.room() {
		s.makeRoom()
	}
	containers := map[string]container.Status{}
	for _, c := range found {
		containers[c.Labels[LabelWorkspace]] = c
	}
	for _, row := range rows {
		seen := Seen{Known: true}
		if c, ok := containers[row.ID]; ok {
			s.fill(&seen, row, c)
		}
		delete(containers, row.ID)
		if s.differs(row, seen) {
			s.kick(row.ID)
		}
		if row.State == Running {
			s.learn(row)
		}
	}
	// What is left has no active row: its driver removes it, if the database
	// confirms that it rests or does not exist.
	for id, c := range containers {
		if _, test := TrialOf(id); test {
			s.sweepTrial(ctx, c)
			continue
		}
		s.kick(id)
	}
	return nil
}

// differs reports whether a row needs a driver: it is on its way, or something
// is to be done, or it may have become idle and must be asked.
func (s *Spawner) differs(row Row, seen Seen) bool {
	if row.State != Running {
		return true
	}
	idle := seen
	idle.Asked, idle.Kernels = true, 1
	after, actions := next(row, idle, s.now(), s.policy)
	after.LastActivityAt = row.LastActivityAt // batched by flush
	return after != row || len(actions) > 0
}

// flush tells the database what Touch noted since the last time.
func (s *Spawner) flush(ctx context.Context) {
	s.mu.Lock()
	at := maps.Clone(s.touched)
	s.mu.Unlock()
	if len(at) == 0 {
		return
	}
	if err := s.rows.TouchWorkspaces(ctx, at); err != nil {
		if !errors.Is(err, context.Canceled) {
			s.log.Warn("activity not recorded", "err", err)
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, t := range at {
		if s.touched[id].Equal(t) {
			delete(s.touched, id)
		}
	}
}
