package store

import (
	"context"
	"time"

	"lectern/course"
)

// countPrestart notes that a workspace was started ahead, opened after that, or
// ended unused.
func (s *Store) countPrestart(ctx context.Context, old, w Workspace) error {
	if old.Ahead == w.Ahead && (!w.Ahead || old.Generation == w.Generation) {
		return nil
	}
	up := w.State == "queued" || w.State == "starting" || w.State == "running"
	used := old.Ahead && !w.Ahead && old.Generation == w.Generation && up
	_, err := exec(ctx, s.db, "count workspaces started ahead", `
		insert into prestarts as p (course_id, day, started, used, unused)
		select w.course_id, (now() at time zone 'UTC')::date, $2::boolean::int, $3::boolean::int, $4::boolean::int from workspaces w where w.id = $1
		on conflict (course_id, day) do update set started = p.started + excluded.started, used = p.used + excluded.used, unused = p.unused + excluded.unused`,
		old.ID, w.Ahead, used, old.Ahead && !used)
	return err
}

// Prestarts says how many workspaces were started ahead of a click, and what
// became of them. Those that are neither wait for their member.
type Prestarts struct{ Started, Used, Unused int }

// Prestarts counts those of a course since a time, by whole days.
func (s *Store) Prestarts(ctx context.Context, c course.ID, since time.Time) (Prestarts, error) {
	return one[Prestarts](ctx, s.db, "workspaces started ahead", `
		select coalesce(sum(started), 0)::int as started, coalesce(sum(used), 0)::int as used, coalesce(sum(unused), 0)::int as unused
		from prestarts where course_id = $1 and day >= ($2::timestamptz at time zone 'UTC')::date`, c, since)
}

// SwitchPrestart says whether a course's workspaces may be started ahead.
func (s *Store) SwitchPrestart(ctx context.Context, c course.ID, on bool) error {
	_, err := exec(ctx, s.db, "course", `update courses set prestart = $2 where id = $1`, c, on)
	return err
}
