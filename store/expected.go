package store

import (
	"context"
	"time"
)

// What a class does by the clock: it opens an assignment when it may, as in a
// lab, and comes back in the last half-hour before it is due.
const (
	openSoon = 10 * time.Minute
	openJust = 5 * time.Minute
	dueSoon  = 30 * time.Minute
)

// ExpectedOpens is how many students may open a workspace about now, because an
// assignment opens for them or falls due, and have none that runs.
func (s *Store) ExpectedOpens(ctx context.Context, now time.Time) (int, error) {
	r, err := one[struct{ Students int }](ctx, s.db, "expected opens", `
		select count(*)::int as students from members m
		where m.role = 'student' and m.dropped_at is null and exists (
			select from assignments a
			where a.course_id = m.course_id and a.archived_at is null and (a.released_at is not null or a.scheduled_at is not null)
				and (a.opens_at between $2 and $3 or a.due_at between $1 and $4))
		and not exists (select from workspaces w where w.member_id = m.id and w.state in ('queued', 'starting', 'running'))`,
		now, now.Add(-openJust), now.Add(openSoon), now.Add(dueSoon))
	return r.Students, err
}
