package store

import (
	"context"
	"time"

	"lectern/course"
)

// Home is what a member's home held when somebody last looked.
type Home struct {
	MemberID   course.MemberID
	MeasuredAt time.Time
	Bytes      int64
	More       bool  // there is more than was counted
	Quota      int64 // bytes it may hold; 0: as many as there are
	Bounded    bool  // the file system sees to it
}

// HomePlace is a home to look at.
type HomePlace struct {
	MemberID    course.MemberID
	Slug, Login string
}

// HomesDue are at most n homes that should be looked at: those of workspaces that
// are up and were not for so long, and those of workspaces that ended since.
func (s *Store) HomesDue(ctx context.Context, every time.Duration, n int) ([]HomePlace, error) {
	return many[HomePlace](ctx, s.db, "homes", `
		select m.id as member_id, c.slug, u.login
		from members m join courses c on c.id = m.course_id join users u on u.id = m.user_id left join home_usage h on h.member_id = m.id
		where exists (select from workspaces w where w.member_id = m.id and w.submission_id is null and w.queued_at is not null
			and (h.measured_at is null
				or w.state in ('stopped', 'failed') and w.updated_at > h.measured_at
				or w.state not in ('stopped', 'failed') and h.measured_at < now() - $1::interval))
		order by h.measured_at nulls first, m.id limit $2`, every, n)
}

// SaveHome notes what a home holds now.
func (s *Store) SaveHome(ctx context.Context, h Home) error {
	_, err := exec(ctx, s.db, "home", `
		insert into home_usage (member_id, bytes, more, quota, bounded) values ($1, $2, $3, $4, $5)
		on conflict (member_id) do update set measured_at = now(), bytes = excluded.bytes, more = excluded.more,
			quota = excluded.quota, bounded = excluded.bounded`, h.MemberID, h.Bytes, h.More, h.Quota, h.Bounded)
	return err
}

// HomeOf is what a member's home holds; the zero value if nobody has looked.
func (s *Store) HomeOf(ctx context.Context, m course.MemberID) (Home, error) {
	all, err := many[Home](ctx, s.db, "home", `
		select member_id, measured_at, bytes, more, quota, bounded from home_usage where member_id = $1`, m)
	if err != nil || len(all) == 0 {
		return Home{}, err
	}
	return all[0], nil
}

// homesFull are notes of homes that are at least 95 % full, of the person whose id
// $user is.
const homesFull = `
	select '', '', c.slug, c.title, c.zone, '` + HomeFull + `', ` + never + `, h.bytes, h.quota
	from home_usage h join members m on m.id = h.member_id join courses c on c.id = m.course_id
	where m.user_id = $user and m.dropped_at is null and h.quota > 0 and h.bytes >= h.quota / 20 * 19`

// HomeFull is a note's Why when files are about to fill a home.
const HomeFull = "home-full"
