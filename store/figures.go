package store

import (
	"context"
	"time"

	"lectern/course"
)

// CountMinute notes how many people have a workspace in this minute. Whoever of
// several processes comes first counts; the others change nothing.
func (s *Store) CountMinute(ctx context.Context) error {
	_, err := exec(ctx, s.db, "count", `
		with n as (
			select coalesce(w.course_id, 0) as course_id, count(distinct m.user_id)::int as people,
			       count(distinct m.user_id) filter (where w.last_activity_at > now() - interval '5 minutes')::int as active
			from workspaces w join members m on m.id = w.member_id where w.state = 'running' and not w.ahead
			group by grouping sets ((w.course_id), ()) having count(*) > 0),
		minute as (
			insert into running_minutes (course_id, at, people, active)
			select course_id, date_trunc('minute', now()), people, active from n on conflict do nothing returning *)
		insert into running_hours as h (course_id, at, people, active)
		select course_id, date_trunc('hour', at), people, active from minute
		on conflict (course_id, at) do update set people = greatest(h.people, excluded.people), active = greatest(h.active, excluded.active)`)
	return err
}

// PruneFigures forgets minutes, hours and starts that are older.
func (s *Store) PruneFigures(ctx context.Context, keep time.Duration) error {
	for _, sql := range []string{
		`delete from running_minutes where at < now() - $1::interval`,
		`delete from running_hours where at < now() - $1::interval`,
		`delete from workspace_starts where ready_at < now() - $1::interval`,
		`delete from start_days where day < (now() - $1::interval)::date`,
		`delete from announcements where ends_at < now() - $1::interval`,
	} {
		if _, err := exec(ctx, s.db, "prune figures", sql, keep); err != nil {
			return err
		}
	}
	return nil
}

// Crowd is the most people in one step of time.
type Crowd struct {
	At     time.Time // the step's beginning
	People int       // with a workspace
	Active int       // who did something
}

// Crowds lists the most people of each step from a time on, for a course or, of
// 0, the site; steps without any are left out. Steps of an hour or more are read
// from the hours.
func (s *Store) Crowds(ctx context.Context, c course.ID, from time.Time, step time.Duration) ([]Crowd, error) {
	table := "running_minutes"
	if step >= time.Hour {
		table = "running_hours"
	}
	return many[Crowd](ctx, s.db, "crowds", `
		select date_bin($3::interval, at, $2) as at, max(people) as people, max(active) as active
		from `+table+` where course_id = $1 and at >= $2 group by 1 order by 1`, c, from, step)
}

// StartDay is how many starts of a day took about how long.
type StartDay struct {
	Day    time.Time // midnight UTC of the date
	Bucket int       // see [StartTime]
	Starts int
}

// StartDays lists the starts of a course, or of the site, since a date.
func (s *Store) StartDays(ctx context.Context, c course.ID, from time.Time) ([]StartDay, error) {
	return many[StartDay](ctx, s.db, "start times", `
		select day::timestamp as day, bucket::int as bucket, starts from start_days where course_id = $1 and day >= $2::date order by day, bucket`, c, from)
}

// RecordSignIn notes a sign-in in the site's log and in that of each course the
// person is in.
func (s *Store) RecordSignIn(ctx context.Context, u course.UserID) error {
	_, err := exec(ctx, s.db, "sign-in", `
		insert into activity (actor, course_id, verb)
		select $1::bigint, null::bigint, 'signed in' union all
		select $1::bigint, m.course_id, 'signed in' from members m join courses c on c.id = m.course_id
		where m.user_id = $1::bigint and m.dropped_at is null and c.archived_at is null`, u)
	return err
}

// RecordKernel notes that a kernel was started in a workspace.
func (s *Store) RecordKernel(ctx context.Context, workspace string) error {
	_, err := exec(ctx, s.db, "kernel", `
		insert into activity (actor, course_id, verb)
		select m.user_id, w.course_id, 'started a kernel' from workspaces w join members m on m.id = w.member_id where w.id = $1`, workspace)
	return err
}
