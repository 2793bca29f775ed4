package spawner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Prestart starts a member's own workspace that nobody has asked for yet, such as
// while its student looks at the page with the button, and reports whether it
// did. It is behind every Open, and does nothing if one waits, if there is no
// room, or if the workspace is up or has only just come to rest: whoever stopped
// it, or could not start it, shall not find it started again. [Spawner.Open] and
// [Spawner.Target] make it like any other; unused, it ends by itself.
func (s *Spawner) Prestart(ctx context.Context, r Request) (bool, error) {
	if s.policy.Ahead <= 0 || s.policy.Unused <= 0 || r.SubmissionID != 0 || !s.queue.spare() || !s.room() {
		return false, nil
	}
	row, err := s.rows.AddWorkspace(ctx, Row{ID: newID(), CourseID: r.CourseID, MemberID: r.MemberID, Image: r.Image, State: Stopped})
	if err != nil {
		return false, fmt.Errorf("spawner: start ahead for member %d: %w", r.MemberID, err)
	}
	if !row.State.Resting() || row.Generation > 0 && s.now().Sub(row.UpdatedAt) < s.policy.Unused {
		return false, nil
	}
	s.early.Lock()
	defer s.early.Unlock()
	others, err := s.ahead(ctx)
	if err != nil || len(others) >= s.policy.Ahead || slices.ContainsFunc(others, func(o Row) bool { return o.MemberID == r.MemberID }) {
		return false, err
	}
	wanted := row.rest(Queued, None)
	wanted.Generation, wanted.Token, wanted.Ahead = row.Generation+1, newToken(), true
	wanted.QueuedAt, wanted.StartedAt, wanted.ReadyAt = s.now(), time.Time{}, time.Time{}
	switch err := s.save(ctx, row, wanted); {
	case errors.Is(err, ErrStale): // somebody has just opened it
		return false, nil
	case err != nil:
		return false, fmt.Errorf("spawner: start %s ahead: %w", row.ID, err)
	}
	s.queue.join(s.placeOf(wanted))
	s.kick(row.ID)
	return true, nil
}

// claim makes a workspace that was started ahead like any other. One that does not
// run yet was asked for now: from now it stands in line, and somebody waits.
func (s *Spawner) claim(ctx context.Context, row Row) (Row, error) {
	if !row.Ahead {
		return row, nil
	}
	mine := row
	mine.Ahead = false
	switch row.State {
	case Queued, Starting:
		mine.QueuedAt = s.now()
	case Running:
		mine.LastActivityAt = s.now()
	}
	if err := s.save(ctx, row, mine); err != nil {
		return row, err
	}
	return mine, nil
}

// use is the row of a workspace that somebody is about to reach. One that was
// started ahead is thereby in use, by whatever way they came.
func (s *Spawner) use(ctx context.Context, id string) (row Row, err error) {
	for range 5 {
		if row, err = s.rows.Workspace(ctx, id); err != nil || row.State != Running {
			return row, err
		}
		if row, err = s.claim(ctx, row); !errors.Is(err, ErrStale) {
			return row, err
		}
	}
	return row, err
}

// ahead are the workspaces that are up and that nobody has asked for.
func (s *Spawner) ahead(ctx context.Context) (list []Row, err error) {
	rows, err := s.rows.ActiveWorkspaces(ctx)
	if err != nil {
		return nil, fmt.Errorf("spawner: list workspaces: %w", err)
	}
	for _, row := range rows {
		if row.Ahead {
			list = append(list, row)
		}
	}
	return list, nil
}

// makeRoom ends what nobody asked for, and reports whether there is any.
func (s *Spawner) makeRoom() bool {
	list, err := s.ahead(s.life)
	if err != nil {
		s.log.Warn("workspaces started ahead are not known", "err", err)
		return false
	}
	for _, row := range list {
		if row.State == Stopping {
			continue
		}
		// Not by Close, which would stop one that was opened this moment.
		ending := row
		ending.State, ending.Reason = Stopping, Unused
		if err := s.save(s.life, row, ending); err != nil {
			continue
		}
		s.queue.leave(row.ID)
		s.kick(row.ID)
	}
	return len(list) > 0
}
