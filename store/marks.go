package store

import (
	"context"
	"time"

	"lectern/course"
)

// GiveMarks appends one event a mark: its points (nil takes the mark back) and
// comment replace what was current for that member and question.
func (s *Store) GiveMarks(ctx context.Context, id course.AssignmentID, marks []course.Mark, actor course.UserID, reason string) error {
	return s.InTx(ctx, func(tx *Store) error {
		var members []course.MemberID
		var notebooks, questions, comments, sources []string
		var points []*float64
		for _, m := range marks {
			members, points = append(members, m.MemberID), append(points, m.Points)
			notebooks, questions = append(notebooks, m.Notebook), append(questions, m.Question)
			comments, sources = append(comments, m.Comment), append(sources, m.Source)
		}
		_, err := exec(ctx, tx.db, "give marks", `
			insert into mark_events (assignment_id, member_id, notebook, question, points, comment, source, reason, actor)
			select a.id, m.id, x.notebook, x.question, x.points, x.comment, x.source, $9, nullif($8::bigint, 0)
			from unnest($2::bigint[], $3::text[], $4::text[], $5::float8[], $6::text[], $7::text[])
				as x (member_id, notebook, question, points, comment, source)
			join assignments a on a.id = $1 join members m on m.id = x.member_id and m.course_id = a.course_id`,
			id, members, notebooks, questions, points, comments, sources, actor, reason)
		return err
	})
}

// MarkRow is a student and the current mark for the whole of an assignment.
type MarkRow struct {
	MemberID  course.MemberID
	Login     string
	Name      string
	Section   string
	Submitted bool
	Points    *float64
	Comment   *string
	By        *string // login
	At        *time.Time
	EventID   *int64 // of the current mark; what a form was made from
}

// MarkTable lists a course's students with their mark for the whole of an assignment.
func (s *Store) MarkTable(ctx context.Context, id course.AssignmentID) ([]MarkRow, error) {
	return many[MarkRow](ctx, s.db, "marks", `
		select m.id as member_id, u.login, u.name, m.section,
			exists (select from submissions s where s.assignment_id = a.id and s.member_id = m.id) as submitted,
			e.points, e.comment, g.login as by, e.at, e.id as event_id
		from assignments a join members m on m.course_id = a.course_id and m.role = 'student' and m.dropped_at is null
		join users u on u.id = m.user_id
		left join (select distinct on (member_id) * from mark_events
			where assignment_id = $1 and notebook = '' and question = '' order by member_id, id desc) e on e.member_id = m.id
		left join users g on g.id = e.actor
		where a.id = $1 order by u.login`, id)
}

// MarkEvent is one line of a mark's history.
type MarkEvent struct {
	ID       int64
	Notebook string
	Question string
	Points   *float64
	Comment  string
	Source   string
	Reason   string
	By       *string // login; nil is the autograder
	At       time.Time
}

// MarkHistory lists every mark a member was given in an assignment, the newest first.
func (s *Store) MarkHistory(ctx context.Context, id course.AssignmentID, m course.MemberID) ([]MarkEvent, error) {
	return many[MarkEvent](ctx, s.db, "marks", `
		select e.id, e.notebook, e.question, e.points, e.comment, e.source, e.reason, u.login as by, e.at
		from mark_events e left join users u on u.id = e.actor
		where e.assignment_id = $1 and e.member_id = $2 order by e.id desc`, id, m)
}
