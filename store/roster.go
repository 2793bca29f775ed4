package store

import (
	"context"
	"fmt"
	"time"

	"lectern/course"
)

// RosterQuery is what part of a roster is asked for. Zero fields ask for all.
type RosterQuery struct {
	Role    course.Role
	Section string
	Text    string // in login, name or e-mail
	State   string // "active" (also ""), "dropped", "unclaimed" or "all"
	Sort    string // login, name, role, section, seen; a leading "-" turns it round
	Offset  int
	Limit   int
}

// RosterRow is one line of a roster.
type RosterRow struct {
	course.Member
	Claimed      bool       // could ever sign in
	Manageable   bool       // the asker may still invite and describe them
	InvitedUntil *time.Time // an unused invitation holds until then
	Total        int        // rows of the whole answer, on every row
}

var rosterOrders = map[string]string{
	"": "u.login", "login": "u.login", "-login": "u.login desc",
	"name": "lower(u.name), u.login", "-name": "lower(u.name) desc, u.login",
	"role": "m.role, u.login", "-role": "m.role desc, u.login",
	"section": "m.section, u.login", "-section": "m.section desc, u.login",
	"seen": "u.last_seen_at nulls first, u.login", "-seen": "u.last_seen_at desc nulls last, u.login",
}

// Roster lists part of a course's roster, as by sees it.
func (s *Store) Roster(ctx context.Context, c course.ID, q RosterQuery, by course.User) ([]RosterRow, error) {
	order, ok := rosterOrders[q.Sort]
	if !ok {
		order = rosterOrders[""]
	}
	return many[RosterRow](ctx, s.db, "roster", `
		select `+memberColumns+`, u.claimed_at is not null as claimed, `+mayManage+` as manageable,
		       i.invited_until, (count(*) over ())::int as total
		from members m join users u on u.id = m.user_id
		left join lateral (select max(expires_at) as invited_until from invitations
			where user_id = u.id and used_at is null and expires_at > now()) i on true
		where m.course_id = $1
		  and ($4 = '' or m.role = $4) and ($5 = '' or m.section = $5)
		  and ($6 = '' or strpos(lower(u.login || ' ' || u.name || ' ' || u.email), lower($6)) > 0)
		  and case $7 when 'all' then true when 'dropped' then m.dropped_at is not null
		      when 'unclaimed' then m.dropped_at is null and u.claimed_at is null and u.last_seen_at is null
		      else m.dropped_at is null end
		order by `+order+` offset $8 limit $9`,
		c, by.ID, by.SiteAdmin, q.Role, q.Section, q.Text, q.State, q.Offset, q.Limit)
}

// RosterCount says how many a course's roster has, and what sections.
type RosterCount struct {
	Active, Dropped, Unclaimed int
	Sections                   []string
}

// RosterCount counts a course's roster.
func (s *Store) RosterCount(ctx context.Context, c course.ID) (RosterCount, error) {
	return one[RosterCount](ctx, s.db, "roster", `
		select count(*) filter (where m.dropped_at is null)::int as active,
		       count(*) filter (where m.dropped_at is not null)::int as dropped,
		       count(*) filter (where m.dropped_at is null and u.claimed_at is null and u.last_seen_at is null)::int as unclaimed,
		       coalesce(array_agg(distinct m.section order by m.section) filter (where m.section <> ''), '{}') as sections
		from members m join users u on u.id = m.user_id where m.course_id = $1`, c)
}

// RosterPeople is what a roster file is compared with: the whole roster, and
// the people of the site who have one of these logins.
func (s *Store) RosterPeople(ctx context.Context, c course.ID, by course.User, logins []string) ([]course.RosterPerson, error) {
	return many[course.RosterPerson](ctx, s.db, "roster", `
		select u.login, u.name, u.email, coalesce(m.role, '') as role, coalesce(m.section, '') as section,
		       m.id is not null as member, m.dropped_at is not null as dropped, `+mayManage+` as manageable
		from users u left join members m on m.user_id = u.id and m.course_id = $1
		where m.id is not null or u.login = any($4) order by u.login`, c, by.ID, by.SiteAdmin, logins)
}

// ApplyRoster makes the changes that check finds, all or none. check sees the
// roster as it is while nobody else can change it.
func (s *Store) ApplyRoster(ctx context.Context, c course.ID, by course.User, logins []string,
	check func([]course.RosterPerson) ([]course.RosterChange, error)) error {
	return s.InTx(ctx, func(tx *Store) error {
		if err := tx.lockRoster(ctx, c); err != nil {
			return err
		}
		now, err := tx.RosterPeople(ctx, c, by, logins)
		if err != nil {
			return err
		}
		changes, err := check(now)
		if err != nil || len(changes) == 0 {
			return err
		}
		if err := tx.applyRoster(ctx, c, by, changes); err != nil {
			return err
		}
		return tx.keepInstructor(ctx, c)
	})
}

// applyRoster takes four statements, however many people there are.
func (s *Store) applyRoster(ctx context.Context, c course.ID, by course.User, changes []course.RosterChange) error {
	var login, name, email, role, section, drop []string
	for _, ch := range changes {
		if ch.Kind == course.RosterDrop {
			drop = append(drop, ch.To.Login)
			continue
		}
		login, name, email = append(login, ch.To.Login), append(name, ch.To.Name), append(email, ch.To.Email)
		role, section = append(role, string(ch.To.Role)), append(section, ch.To.Section)
	}
	if _, err := exec(ctx, s.db, "roster people", `
		insert into users (login, name, email)
		select * from unnest($1::text[], $2::text[], $3::text[]) on conflict (login) do nothing`, login, name, email); err != nil {
		return err
	}
	if _, err := exec(ctx, s.db, "roster names", `
		update users u set name = t.name, email = t.email
		from unnest($1::text[], $4::text[], $5::text[]) as t (login, name, email)
		where u.login = t.login and (u.name, u.email) <> (t.name, t.email) and `+mayManage,
		login, by.ID, by.SiteAdmin, name, email); err != nil {
		return err
	}
	if _, err := exec(ctx, s.db, "roster members", `
		insert into members (course_id, user_id, role, section)
		select $1, u.id, t.role, t.section
		from unnest($2::text[], $3::text[], $4::text[]) as t (login, role, section) join users u on u.login = t.login
		on conflict (course_id, user_id) do update
		set role = excluded.role, section = excluded.section, dropped_at = null`, c, login, role, section); err != nil {
		return err
	}
	if _, err := exec(ctx, s.db, "roster drops", `
		update members m set dropped_at = now() from users u
		where u.id = m.user_id and m.course_id = $1 and u.login = any($2) and m.dropped_at is null`, c, drop); err != nil {
		return err
	}
	_, err := exec(ctx, s.db, "roster activity", `
		insert into activity (actor, course_id, verb, detail) values ($1, $2, 'changed the roster', $3)`,
		nullable(by.ID), c, fmt.Sprintf("%d added or changed, %d dropped, from a file", len(login), len(drop)))
	return err
}
