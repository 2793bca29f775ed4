package store

import (
	"context"
	"time"

	"lectern/course"
)

const limitColumns = `coalesce(l.memory, 0) as memory, coalesce(l.cpus, 0) as cpus, coalesce(l.pids, 0) as pids,
	coalesce(l.network, '') as network, coalesce(l.hosts, '{}') as hosts`

// LimitsOf are the limits that a course's page or, if a is not 0, an assignment's
// sets; the zero value if none.
func (s *Store) LimitsOf(ctx context.Context, c course.ID, a course.AssignmentID) (course.Limits, error) {
	return one[course.Limits](ctx, s.db, "course", `
		select `+limitColumns+` from courses c
		left join limits l on l.course_id = c.id and l.assignment_id is not distinct from nullif($2::bigint, 0)
		where c.id = $1`, c, a)
}

// SaveLimits sets them.
func (s *Store) SaveLimits(ctx context.Context, c course.ID, a course.AssignmentID, l course.Limits) error {
	if l.Hosts == nil {
		l.Hosts = []string{}
	}
	_, err := exec(ctx, s.db, "limits", `
		insert into limits (course_id, assignment_id, memory, cpus, pids, network, hosts)
		values ($1, nullif($2::bigint, 0), nullif($3::bigint, 0), nullif($4::float8, 0), nullif($5::bigint, 0), nullif($6, ''), $7)
		on conflict (course_id, coalesce(assignment_id, 0)) do update set memory = excluded.memory, cpus = excluded.cpus, pids = excluded.pids,
			network = excluded.network, hosts = excluded.hosts`,
		c, a, l.Memory, l.CPUs, l.PIDs, string(l.Network), l.Hosts)
	return err
}

// works are, for each workspace w, the limits of every assignment that its
// member can work on at $1, with the course's where it says nothing: every one
// that is released, has opened and is not due yet for them. It does not matter
// in which image: all workspaces of a member have the same files. Of a
// throw-away copy it is the one assignment. Without any it is the course's.
const works = `
	left join limits cl on cl.course_id = w.course_id and cl.assignment_id is null
	left join lateral (
		select a.id, al.memory, al.cpus, al.pids, al.network, al.hosts
		from assignments a
		left join limits al on al.assignment_id = a.id
		left join extensions x on x.assignment_id = a.id and x.member_id = w.member_id
		where a.course_id = w.course_id and case when w.submission_id is null
			then a.archived_at is null and a.released_at is not null and (a.opens_at is null or a.opens_at <= $1)
				and (coalesce(x.due_at, a.due_at) is null or coalesce(x.due_at, a.due_at) > $1)
			else a.id = (select b.assignment_id from submissions b where b.id = w.submission_id) end
	) al on true`

const worksColumns = `coalesce(al.memory, cl.memory, 0) as memory, coalesce(al.cpus, cl.cpus, 0) as cpus, coalesce(al.pids, cl.pids, 0) as pids,
	coalesce(al.network, cl.network, '') as network,
	case when al.network is not null then al.hosts else coalesce(cl.hosts, '{}') end as hosts`

// WorkspaceLimits are those of all the work that the workspace serves at now; see
// [course.Together]. None for a workspace that is not there.
func (s *Store) WorkspaceLimits(ctx context.Context, id string, now time.Time) ([]course.Limits, error) {
	return many[course.Limits](ctx, s.db, "limits of a workspace", `
		select `+worksColumns+` from workspaces w`+works+` where w.id = $2`, now, id)
}

// MemberLimits are the same for whatever workspace the member has.
func (s *Store) MemberLimits(ctx context.Context, c course.ID, m course.MemberID, now time.Time) ([]course.Limits, error) {
	return many[course.Limits](ctx, s.db, "limits of a member", `
		select `+worksColumns+` from (select $2::bigint as course_id, $3::bigint as member_id, null::bigint as submission_id) w`+works, now, c, m)
}

// LimitsAt are the same for the workspace that runs at an address of the
// workspaces' network; none, and an empty id, unless there is exactly one.
func (s *Store) LimitsAt(ctx context.Context, ip string, now time.Time) (id string, all []course.Limits, err error) {
	type row struct {
		ID string
		course.Limits
	}
	list, err := many[row](ctx, s.db, "limits at an address", `
		select w.id, `+worksColumns+` from workspaces w`+works+`
		where w.state = 'running' and split_part(w.addr, ':', 1) = $2`, now, ip)
	for _, r := range list {
		if id != "" && id != r.ID {
			return "", nil, nil
		}
		id, all = r.ID, append(all, r.Limits)
	}
	return id, all, err
}

// SettleLimits notes what a workspace is given at this start; ErrStale if it is
// at another by now. In line it has been given nothing yet.
func (s *Store) SettleLimits(ctx context.Context, id string, generation int64, h course.Held) error {
	n, err := exec(ctx, s.db, "settle limits", `
		update workspaces set memory = $3, cpus = $4, pids = $5, network = $6,
			limits_for = case when state = 'queued' then limits_for else $2 end
		where id = $1 and generation = $2`, id, generation, h.Memory, h.CPUs, h.PIDs, string(h.Network))
	if err == nil && n == 0 {
		err = ErrStale
	}
	return err
}

// runsOpen is a workspace w that was given an open network at this start.
const runsOpen = `w.state in ('starting', 'running') and w.network = 'open' and w.limits_for = w.generation`

// TooOpen are the workspaces that must start again, because they were given an
// open network and somebody has closed it since, or work began that closes it.
func (s *Store) TooOpen(ctx context.Context, now time.Time) ([]string, error) {
	type row struct{ ID string }
	list, err := many[row](ctx, s.db, "open workspaces", `
		select distinct w.id from workspaces w`+works+`
		where `+runsOpen+` and coalesce(al.network, cl.network, 'open') <> 'open'`, now)
	ids := make([]string, len(list))
	for i, r := range list {
		ids[i] = r.ID
	}
	return ids, err
}

// TooOpenIn is how many of them are of the course.
func (s *Store) TooOpenIn(ctx context.Context, c course.ID, now time.Time) (int, error) {
	type row struct{ N int }
	r, err := one[row](ctx, s.db, "open workspaces", `
		select count(distinct w.id)::int as n from workspaces w`+works+`
		where w.course_id = $2 and `+runsOpen+` and coalesce(al.network, cl.network, 'open') <> 'open'`, now, c)
	return r.N, err
}
