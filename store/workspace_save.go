package store

import (
	"context"
	"fmt"
)

// SaveWorkspace replaces the row if its state, generation and being ahead are
// still old's, else it is ErrStale. Its last activity never goes back. With
// another state, what happened is noted in the same statement: a start that came
// to its end, if somebody waited for it, and the end of one in the log, with the
// spawner's word why.
func (s *Store) SaveWorkspace(ctx context.Context, old, w Workspace) error {
	sql := saved + ` select count(*) from u`
	if old.State != w.State {
		sql = saved + noted + ` select count(*) from u`
	}
	var n int
	err := s.db.QueryRow(ctx, sql,
		old.ID, old.State, old.Generation, w.State, w.Generation, w.ContainerID, w.Addr, w.Token, w.Reason,
		orNull(w.QueuedAt), orNull(w.StartedAt), orNull(w.ReadyAt), orNull(w.LastActivityAt), orNull(w.ExpiresAt), old.Ahead, w.Ahead).Scan(&n)
	if err != nil {
		return fmt.Errorf("store: save workspace: %w", err)
	}
	if n == 0 {
		return ErrStale
	}
	return s.countPrestart(ctx, old, w)
}

const saved = `
	with u as (update workspaces set state = $4, generation = $5, container_id = $6, addr = $7, token = $8, reason = $9,
			queued_at = $10, started_at = $11, ready_at = $12, last_activity_at = greatest(last_activity_at, $13),
			stops_at = case when $4 = 'running' and not (stops_why = 'idle' and $13 > last_activity_at) then stops_at end,
			expires_at = $14, ahead = $16, updated_at = now()
		where id = $1 and state = $2 and generation = $3 and ahead = $15
		returning id, generation, course_id, member_id, queued_at, started_at, ready_at, image)`

const noted = `,
	began as (
		insert into workspace_starts (workspace_id, generation, course_id, queued_at, started_at, ready_at)
		select id, generation, course_id, queued_at, started_at, ready_at from u
		where $2 = 'starting' and $4 = 'running' and not $16::boolean and queued_at is not null and started_at is not null and ready_at > queued_at and not $16 -- nobody waited for one started ahead
		on conflict do nothing returning course_id, queued_at, ready_at),
	took as (
		select b.*, floor(ln(greatest(1, extract(epoch from b.ready_at - b.queued_at) * 1000)) / ln(1.05))::smallint as bucket from began b),
	counted as (
		insert into start_days as d (course_id, day, bucket, starts)
		select t.course_id, (t.ready_at at time zone c.zone)::date, t.bucket, 1 from took t join courses c on c.id = t.course_id
		union all select 0, (t.ready_at at time zone 'UTC')::date, t.bucket, 1 from took t
		on conflict (course_id, day, bucket) do update set starts = d.starts + 1),
	logged as (
		insert into activity (course_id, member_id, verb, detail)
		select u.course_id, u.member_id, case when $4 = 'running' then 'workspace ready' else 'workspace ended' end,
		       case when $4 = 'running' then to_char(extract(epoch from u.ready_at - u.queued_at), 'FM999990.0') || ' s' else $9 end
		from u where $4 in ('stopped', 'failed') or $2 = 'starting' and $4 = 'running')`
