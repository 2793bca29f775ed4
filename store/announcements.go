package store

import (
	"context"
	"strings"
	"time"

	"lectern/course"
)

// Announcement is a text that the people of a course see on every page until it
// ends; of course 0 everybody's of the site.
type Announcement struct {
	ID       int64
	CourseID course.ID
	Text     string
	By       string // name of who made it
	MadeAt   time.Time
	EndsAt   time.Time
}

// Announce makes one that lasts so long.
func (s *Store) Announce(ctx context.Context, c course.ID, by course.UserID, text string, lasts time.Duration) error {
	return s.InTx(ctx, func(tx *Store) error {
		if _, err := exec(ctx, tx.db, "announcement", `
			insert into announcements (course_id, text, made_by, ends_at) values (nullif($1::bigint, 0), $2, $3, now() + $4::interval)`,
			c, text, by, lasts); err != nil {
			return err
		}
		return tx.Record(ctx, course.Activity{Actor: by, CourseID: c, Verb: "announced", Detail: text})
	})
}

// Announcements are those of a course, or of the site, that have not ended.
func (s *Store) Announcements(ctx context.Context, c course.ID) ([]Announcement, error) {
	return many[Announcement](ctx, s.db, "announcements", `
		select a.id, coalesce(a.course_id, 0) as course_id, a.text, coalesce(nullif(u.name, ''), u.login) as by, a.made_at, a.ends_at
		from announcements a join users u on u.id = a.made_by
		where coalesce(a.course_id, 0) = $1 and a.ends_at > now() and a.withdrawn_at is null order by a.id desc`, c)
}

// Withdraw ends an announcement of the course; another's is NotFound.
func (s *Store) Withdraw(ctx context.Context, c course.ID, id int64, by course.UserID) error {
	return s.InTx(ctx, func(tx *Store) error {
		n, err := exec(ctx, tx.db, "announcement", `
			update announcements set withdrawn_at = coalesce(withdrawn_at, now()) where id = $1 and coalesce(course_id, 0) = $2`, id, c)
		if err == nil && n == 0 {
			err = notFound("announcement")
		}
		if err != nil {
			return err
		}
		return tx.Record(ctx, course.Activity{Actor: by, CourseID: c, Verb: "withdrew an announcement"})
	})
}

// Note is something that a person should see wherever they are: an
// announcement, that a workspace of theirs is about to be stopped, or that a home
// is about to be full.
type Note struct {
	Text string // of an announcement

	Workspace string // that is stopped; else ""
	Course    string // its slug
	Title     string // the course's, or "" of the whole site
	Zone      string
	Why       string    // the spawner's word, or HomeFull
	At        time.Time // when it is stopped

	Bytes, Quota int64 // of a home
}

// notes of the person whose id the expression gives.
func notes(user string) string {
	return strings.ReplaceAll(`
	select text, '' as workspace, slug as course, title, zone, '' as why, ends_at as at, 0::bigint as bytes, 0::bigint as quota from (
		select a.id, a.text, coalesce(c.slug, '') as slug, coalesce(c.title, '') as title, coalesce(c.zone, 'UTC') as zone, a.ends_at
		from announcements a left join courses c on c.id = a.course_id
		where a.ends_at > now() and a.withdrawn_at is null and (a.course_id is null or exists (
			select from members m where m.course_id = a.course_id and m.user_id = $user and m.dropped_at is null))
		order by a.id desc limit 5) a
	union all
	select '', w.id, c.slug, c.title, c.zone, w.stops_why, w.stops_at, 0, 0
	from workspaces w join members m on m.id = w.member_id join courses c on c.id = w.course_id
	where m.user_id = $user and w.state = 'running' and w.stops_at > now()
	union all`+homesFull, "$user", user)
}

// Notes are what a person should see now.
func (s *Store) Notes(ctx context.Context, u course.UserID) ([]Note, error) {
	return many[Note](ctx, s.db, "notes", notes("$1"), u)
}

// NotesIn are what whoever is in the workspace should see now; of stops, only
// its own.
func (s *Store) NotesIn(ctx context.Context, workspace string) ([]Note, error) {
	return many[Note](ctx, s.db, "notes", `
		select n.* from (`+notes(`(select me.user_id from workspaces o join members me on me.id = o.member_id where o.id = $1)`)+`) n
		where n.workspace in ('', $1)`, workspace)
}

// WarnWorkspace notes that a workspace is to be stopped then, so that every
// page can say so.
func (s *Store) WarnWorkspace(ctx context.Context, id string, at time.Time, why string) error {
	_, err := exec(ctx, s.db, "warning", `
		update workspaces set stops_at = $2, stops_why = $3 where id = $1 and state = 'running'`, id, at, why)
	return err
}

// MayStay counts as activity in a running workspace of the person, and reports
// whether it is one.
func (s *Store) MayStay(ctx context.Context, u course.UserID, id string, now time.Time) (bool, error) {
	n, err := exec(ctx, s.db, "activity", `
		update workspaces w set last_activity_at = greatest(w.last_activity_at, $3),
			stops_at = case when w.stops_why = 'idle' then null else w.stops_at end
		from members m where m.id = w.member_id and m.user_id = $1 and m.dropped_at is null and w.id = $2 and w.state = 'running'`, u, id, now)
	return n > 0, err
}
