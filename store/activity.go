package store

import (
	"context"
	"fmt"
	"time"

	"lectern/course"
)

// Record writes a line of the activity log. Detail holds no secrets and no contents.
func (s *Store) Record(ctx context.Context, a course.Activity) error {
	_, err := s.db.Exec(ctx, `
		insert into activity (actor, course_id, assignment_id, member_id, verb, detail)
		values (nullif($1::bigint, 0), nullif($2::bigint, 0), nullif($3::bigint, 0), nullif($4::bigint, 0), $5, $6)`,
		a.Actor, a.CourseID, a.AssignmentID, a.MemberID, a.Verb, a.Detail)
	if err != nil {
		return fmt.Errorf("store: record %s: %w", a.Verb, err)
	}
	return nil
}

// ActivityQuery is what part of a course's log is asked for. Zero fields ask for all.
type ActivityQuery struct {
	Actor  string // login
	Verb   string
	Text   string // in the detail, or the login or name of whom it concerns
	Before int64  // lines older than this id: the next page
	Limit  int
}

// ActivityLine is one line of the log, with names.
type ActivityLine struct {
	ID         int64
	At         time.Time
	Actor      string // login; empty for Lectern itself
	ActorName  string
	Verb       string
	Detail     string
	Assignment string // slug
	Title      string // of the assignment
	Member     string // login of whom it concerns
	MemberName string
}

// Activity lists a course's log, the newest first.
func (s *Store) Activity(ctx context.Context, c course.ID, q ActivityQuery) ([]ActivityLine, error) {
	return many[ActivityLine](ctx, s.db, "activity", `
		select l.id, l.at, coalesce(u.login, '') as actor, coalesce(u.name, '') as actor_name, l.verb, l.detail,
		       coalesce(a.slug, '') as assignment, coalesce(a.title, '') as title,
		       coalesce(mu.login, '') as member, coalesce(mu.name, '') as member_name
		from activity l
		left join users u on u.id = l.actor
		left join assignments a on a.id = l.assignment_id
		left join members m on m.id = l.member_id left join users mu on mu.id = m.user_id
		where l.course_id = $1 and ($2 = '' or u.login = $2) and ($3 = '' or l.verb = $3)
		  and ($4 = '' or strpos(lower(concat_ws(' ', l.detail, mu.login, mu.name, a.title)), lower($4)) > 0)
		  and ($5::bigint = 0 or l.id < $5)
		order by l.id desc limit $6`, c, q.Actor, q.Verb, q.Text, q.Before, q.Limit)
}

// ActivityVerbs lists what has happened in a course, for the filter.
func (s *Store) ActivityVerbs(ctx context.Context, c course.ID) ([]string, error) {
	var verbs []string
	// From one verb to the next in the index, since a term's log is long.
	err := s.db.QueryRow(ctx, `
		with recursive v as (
			(select verb from activity where course_id = $1 order by verb limit 1)
			union all
			select (select a.verb from activity a where a.course_id = $1 and a.verb > v.verb order by a.verb limit 1) from v where v.verb is not null)
		select coalesce(array_agg(verb order by verb), '{}') from v where verb is not null`, c).Scan(&verbs)
	if err != nil {
		return nil, fmt.Errorf("store: activity verbs: %w", err)
	}
	return verbs, nil
}
