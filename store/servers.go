package store

import (
	"context"
	"fmt"
	"time"

	"lectern/course"
)

// Server is a workspace on a page of servers. CopyOf is the login of whose work
// it is a throw-away copy, "" for the member's own.
type Server struct {
	Workspace
	Login      string
	Name       string
	CopyOf     string
	CourseSlug string
	Course     string // its title

	// The last reading, if it is younger than [usageAge]; zero if there is none.
	ReadAt      time.Time
	CPU         *float64 // cores; nil after the first reading
	MemoryUsed  int64    // bytes; Memory is what it may use
	MemoryLimit int64    // 0: none
	Node        string   // "" where there is one machine
	Tabs        int      // that look at it now

	Home, HomeQuota int64 // bytes, as in Home; both 0 for a copy, and before anybody looked
}

// usageAge is how old a reading may be that a page shows.
const usageAge = 90 * time.Second

// Servers lists the workspaces that are neither stopped nor failed, of a course
// or, of 0, of all; the longest idle first.
func (s *Store) Servers(ctx context.Context, c course.ID) ([]Server, error) {
	return many[Server](ctx, s.db, "servers", `
		select `+workspaceColumns+`, u.login, u.name, coalesce(o.login, '') as copy_of, c.slug as course_slug, c.title as course,
		       coalesce(g.at, `+never+`) as read_at, g.cpu, coalesce(g.memory, 0) as memory_used, coalesce(g.memory_limit, 0) as memory_limit,
		       coalesce(g.node, '') as node, coalesce(t.tabs, 0)::int as tabs,
		       coalesce(h.bytes, 0) as home, coalesce(h.quota, 0) as home_quota
		from workspaces w join courses c on c.id = w.course_id join members m on m.id = w.member_id join users u on u.id = m.user_id
		left join submissions b on b.id = w.submission_id left join members bm on bm.id = b.member_id left join users o on o.id = bm.user_id
		left join workspace_usage g on g.workspace_id = w.id and g.at > now() - $2::interval and g.at > w.ready_at
		left join (select workspace_id, sum(tabs) as tabs from workspace_tabs where at > now() - $2::interval group by 1) t on t.workspace_id = w.id
		left join home_usage h on h.member_id = w.member_id and w.submission_id is null
		where ($1::bigint = 0 or w.course_id = $1) and w.state not in ('stopped', 'failed')
		order by w.last_activity_at nulls last, u.login`, c, usageAge)
}

// Reading is what one workspace uses.
type Reading struct {
	WorkspaceID         string
	At                  time.Time
	CPU                 time.Duration // used since the start
	Memory, MemoryLimit int64
	Node                string
}

// SaveReadings keeps readings; with the one before, each tells the share of the
// processor. A clock that went back, as after a restart, tells none.
func (s *Store) SaveReadings(ctx context.Context, rs []Reading) error {
	var ids, nodes []string
	var at []time.Time
	var cpu, memory, limit []int64
	for _, r := range rs {
		ids, nodes, at = append(ids, r.WorkspaceID), append(nodes, r.Node), append(at, r.At)
		cpu, memory, limit = append(cpu, int64(r.CPU)), append(memory, r.Memory), append(limit, r.MemoryLimit)
	}
	_, err := exec(ctx, s.db, "readings", `
		insert into workspace_usage as g (workspace_id, at, cpu_time, memory, memory_limit, node)
		select n.* from unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[]) as n (id, at, cpu, memory, max, node)
		join workspaces w on w.id = n.id
		on conflict (workspace_id) do update set at = excluded.at, cpu_time = excluded.cpu_time, memory = excluded.memory,
			memory_limit = excluded.memory_limit, node = excluded.node,
			cpu = case when excluded.cpu_time >= g.cpu_time and excluded.at > g.at
				then (excluded.cpu_time - g.cpu_time) / 1e9 / extract(epoch from excluded.at - g.at) end`, ids, at, cpu, memory, limit, nodes)
	return err
}

// SaveTabs replaces what one process of Lectern says of the tabs it serves, and
// forgets what processes said that ended.
func (s *Store) SaveTabs(ctx context.Context, process string, tabs map[string]int) error {
	var ids []string
	var counts []int32
	for id, n := range tabs {
		ids, counts = append(ids, id), append(counts, int32(n))
	}
	_, err := exec(ctx, s.db, "tabs", `
		with gone as (delete from workspace_tabs
			where process = $1 and workspace_id <> all(coalesce($2::text[], '{}')) or process <> $1 and at < now() - $4::interval)
		insert into workspace_tabs (process, at, workspace_id, tabs)
		select $1, now(), n.* from unnest($2::text[], $3::int[]) as n
		on conflict (workspace_id, process) do update set tabs = excluded.tabs, at = excluded.at`, process, ids, counts, 2*usageAge)
	return err
}

// Turn takes the turn of this name, if it was last taken so long ago or never,
// and reports whether it did: of several processes one does what is due.
func (s *Store) Turn(ctx context.Context, name string, every time.Duration) (bool, error) {
	n, err := exec(ctx, s.db, "turn", `
		insert into turns (name, taken_at) values ($1, now())
		on conflict (name) do update set taken_at = now() where turns.taken_at <= now() - $2::interval`, name, every)
	return n > 0, err
}

// Taken is how long ago a turn was taken; false if never.
func (s *Store) Taken(ctx context.Context, name string) (time.Duration, bool, error) {
	var ago []float64
	err := s.db.QueryRow(ctx, `
		select coalesce(array_agg(extract(epoch from now() - taken_at)::float8), '{}') from turns where name = $1`, name).Scan(&ago)
	if err != nil {
		return 0, false, fmt.Errorf("store: turn %s: %w", name, err)
	}
	if len(ago) == 0 {
		return 0, false, nil
	}
	return time.Duration(ago[0] * float64(time.Second)), true, nil
}
