package store

import (
	"context"

	"lectern/course"
)

// RegradeQuery is what part of a course's requests is asked for. Zero fields ask
// for all: those that wait first, one's own before others', the oldest first.
type RegradeQuery struct {
	Assignment string // slug
	State      string // open, answered, withdrawn
	Grader     string // login, or "me", or "nobody": the instructors'
	Sort       string // asked, assignment, question, student, grader, state
	ByName     bool   // students sort by name, not by paper
	Down       bool
	Limit      int
	Offset     int
}

var regradeOrders = map[string]string{
	"asked": "q.at", "assignment": "a.title", "question": "g.question", "student": "p.number", "grader": "hu.login", "state": "g.state",
}

// RegradeList is a page of a course's requests. Those of archived assignments are
// in nobody's way. In two statements.
func (s *Store) RegradeList(ctx context.Context, c course.ID, whom course.UserID, q RegradeQuery) ([]Regrade, error) {
	order := "g.state <> 'open', " + isMine + " desc, case when g.state = 'open' then q.at end, e.at desc"
	if q.Sort != "" {
		by, known := regradeOrders[q.Sort]
		if !known {
			return nil, course.Problemf(course.Invalid, "The list knows no such order.")
		}
		if q.Sort == "student" && q.ByName {
			by = "lower(u.name)"
		}
		order = by
		if q.Down {
			order += " desc"
		}
		order += " nulls last"
	}
	// A page is picked before anything long, such as the reasons, is read.
	type pick struct {
		ID    course.RegradeID
		Total int
	}
	picked, err := many[pick](ctx, s.db, "regrade requests", `
		select g.id, count(*) over ()::int as total`+regradesFrom+`
		where a.course_id = $2 and a.archived_at is null and ($3 = '' or a.slug = $3) and ($4 = '' or g.state = $4)
			and case $5 when '' then true when 'nobody' then h.user_id is null when 'me' then `+isMine+` else hu.login = $5 end
		order by `+order+`, g.id limit nullif($6, 0) offset $7`, whom, c, q.Assignment, q.State, q.Grader, q.Limit, q.Offset)
	if err != nil || len(picked) == 0 {
		return nil, err
	}
	ids := make([]course.RegradeID, len(picked))
	for i, p := range picked {
		ids[i] = p.ID
	}
	rows, err := many[Regrade](ctx, s.db, "regrade requests", regrades+` where g.id = any($2) order by array_position($2, g.id)`, whom, ids)
	for i := range rows {
		rows[i].Total = picked[0].Total
	}
	return rows, err
}

// RegradeChoice is something that the list can be narrowed to.
type RegradeChoice struct {
	Kind  string // assignment or grader
	Value string // slug or login
	Text  string
}

// RegradeChoices are the assignments that have requests, and who holds any.
func (s *Store) RegradeChoices(ctx context.Context, c course.ID) ([]RegradeChoice, error) {
	return many[RegradeChoice](ctx, s.db, "regrade requests", `
		select 'assignment' as kind, a.slug as value, a.title as text from assignments a
		where a.course_id = $1 and a.archived_at is null and exists (select from regrades g where g.assignment_id = a.id)
		union all
		select 'grader', u.login, coalesce(nullif(u.name, ''), u.login) from members h join users u on u.id = h.user_id
		where h.course_id = $1 and h.role <> 'student' and h.dropped_at is null and exists (
			select from regrades g join assignments a on a.id = g.assignment_id where a.course_id = $1 and a.archived_at is null and g.grader_id = h.user_id)
		order by 1, 3`, c)
}

// RegradesWaiting counts the requests that wait for a person, by course: those of
// the marks they gave, and for instructors those that are nobody's.
func (s *Store) RegradesWaiting(ctx context.Context, whom course.UserID) (map[course.ID]int, error) {
	type row struct {
		CourseID course.ID
		N        int
	}
	rows, err := many[row](ctx, s.db, "regrade requests", `
		select i.course_id, count(*)::int as n from members i
		join assignments a on a.course_id = i.course_id and a.archived_at is null
		join regrades g on g.assignment_id = a.id and g.state = 'open'
		left join members h on h.course_id = i.course_id and h.user_id = g.grader_id and h.role <> 'student' and h.dropped_at is null
		where i.user_id = $1 and i.role <> 'student' and i.dropped_at is null
			and (h.user_id = $1 or h.user_id is null and i.role = 'instructor')
		group by 1`, whom)
	out := map[course.ID]int{}
	for _, r := range rows {
		out[r.CourseID] = r.N
	}
	return out, err
}
