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
	Email     string
	Section   string
	Submitted bool
	Late      bool // what counts was handed in after the student's due time
	Points    *float64
	Comment   *string
	By        *string // login; nil with a mark is the autograder
	At        *time.Time
	EventID   *int64     // of the current mark; what a form was made from
	Returned  *time.Time // the student has been shown a mark or feedback
	Unseen    bool       // the mark was given after that
	Total     int        // rows of the whole answer, on every row
}

// MarkQuery is what part of a class is asked for. Zero fields ask for all who
// take part as students, by login.
type MarkQuery struct {
	Logins  []string // these people only, students or not, dropped or not
	Text    string   // in login or name
	Section string
	State   string // "", marked, unmarked, todo (handed in and not marked), missing
	Sort    string // "" by login, name, section, points, at
	Down    bool
	Limit   int // 0 is all
	Offset  int
}

// questionsMarked is true of who has a mark for the whole, or for every question.
const questionsMarked = "coalesce(e.points is not null or k.excused or k.earned is not null and k.needs + k.waiting = 0, false)"

var markStates = map[string]string{
	"": "true", "marked": questionsMarked, "unmarked": "not " + questionsMarked,
	"todo": "s.id is not null and not " + questionsMarked, "missing": "s.id is null",
}

var markOrders = map[string]string{
	"": "u.login", "name": "lower(u.name)", "section": "m.section", "points": "e.points", "at": "e.at",
}

// currentMark finds the mark of m for the whole of a, by one step into an index:
// that is quick for a class of any size, whatever the planner knows of it.
const currentMark = `select * from mark_events x
	where x.assignment_id = a.id and x.member_id = m.id and x.notebook = '' and x.question = '' order by x.id desc limit 1`

// MarkTable lists a course's students with their mark for the whole of an assignment.
func (s *Store) MarkTable(ctx context.Context, id course.AssignmentID, q MarkQuery) ([]MarkRow, error) {
	state, known := markStates[q.State]
	order, sorted := markOrders[q.Sort]
	if !known || !sorted {
		return nil, course.Problemf(course.Invalid, "The table knows no such filter or order.")
	}
	if q.Down {
		order += " desc"
	}
	return many[MarkRow](ctx, s.db, "marks", `
		select m.id as member_id, u.login, u.name, u.email, m.section, s.id is not null as submitted,
			coalesce(s.late_seconds > 0, false) as late, e.points, e.comment, g.login as by, e.at, e.id as event_id,
			f.returned_at as returned, f.returned_at is not null and coalesce(e.id > f.marks_upto, false) as unseen,
			(count(*) over ())::int as total
		from assignments a join members m on m.course_id = a.course_id join users u on u.id = m.user_id
		left join submissions s on s.assignment_id = a.id and s.member_id = m.id and s.counts
		left join feedbacks f on f.assignment_id = a.id and f.member_id = m.id
		left join lateral (`+currentMark+`) e on true
		left join tallies k on k.assignment_id = a.id and k.member_id = m.id
		left join users g on g.id = e.actor
		where a.id = $1 and `+state+`
			and case when cardinality($2::text[]) > 0 then u.login = any($2) else m.role = 'student' and m.dropped_at is null end
			and ($3 = '' or m.section = $3) and ($4 = '' or strpos(lower(u.login || ' ' || u.name), lower($4)) > 0)
		order by `+order+` nulls last, u.login limit nullif($5, 0) offset $6`,
		id, texts(q.Logins), q.Section, q.Text, q.Limit, q.Offset)
}

// texts is never null in SQL.
func texts(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// MarkCounts is how a class stands, whatever the filter.
type MarkCounts struct {
	Students, Submitted, Marked, Todo int
	Mean                              *float64
	Sections                          []string
}

// MarkCounts counts the students of an assignment by what there is to mark.
func (s *Store) MarkCounts(ctx context.Context, id course.AssignmentID) (MarkCounts, error) {
	return one[MarkCounts](ctx, s.db, "assignment", `
		select count(*)::int as students, count(s.id)::int as submitted, (count(*) filter (where `+questionsMarked+`))::int as marked,
			(count(s.id) filter (where not `+questionsMarked+`))::int as todo, avg(k.points) as mean,
			coalesce(array_agg(distinct m.section order by m.section) filter (where m.section <> ''), '{}') as sections
		from assignments a join members m on m.course_id = a.course_id and m.role = 'student' and m.dropped_at is null
		left join submissions s on s.assignment_id = a.id and s.member_id = m.id and s.counts
		left join lateral (`+currentMark+`) e on true
		left join current_totals k on k.assignment_id = a.id and k.member_id = m.id
		where a.id = $1`, id)
}

// ChangeMarks gives the marks for the whole assignment that decide finds, all or
// none. decide sees the marks of these people (of the class if logins is empty)
// as they are while nobody else can change them.
func (s *Store) ChangeMarks(ctx context.Context, id course.AssignmentID, logins []string, actor course.UserID, reason string,
	decide func(tx *Store, now []MarkRow) ([]course.Mark, error)) error {
	return s.InTx(ctx, func(tx *Store) error {
		if _, err := exec(ctx, tx.db, "marks", `select from assignments where id = $1 for no key update`, id); err != nil {
			return err
		}
		now, err := tx.MarkTable(ctx, id, MarkQuery{Logins: logins})
		if err != nil {
			return err
		}
		marks, err := decide(tx, now)
		if err != nil || len(marks) == 0 {
			return err
		}
		return tx.GiveMarks(ctx, id, marks, actor, reason)
	})
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
	Shown    bool // to the student, as things are now
}

const markEvents = `
	select e.id, e.notebook, e.question, e.points, e.comment, e.source, e.reason, u.login as by, e.at,
		f.returned_at is not null and (e.id <= f.marks_upto
			or f.returned_questions @> jsonb_build_array(jsonb_build_object('event', e.id))) as shown -- the latter with the answer to a regrade request
	from mark_events e left join users u on u.id = e.actor
	left join feedbacks f on f.assignment_id = e.assignment_id and f.member_id = e.member_id
	where e.assignment_id = $1`

// MarkHistory lists every mark a member was given in an assignment, the newest first.
func (s *Store) MarkHistory(ctx context.Context, id course.AssignmentID, m course.MemberID) ([]MarkEvent, error) {
	return many[MarkEvent](ctx, s.db, "marks", markEvents+` and e.member_id = $2 order by e.id desc`, id, m)
}

// MarkEvents finds some of an assignment's marks by id, current or not.
func (s *Store) MarkEvents(ctx context.Context, id course.AssignmentID, events []int64) (map[int64]MarkEvent, error) {
	rows, err := many[MarkEvent](ctx, s.db, "marks", markEvents+` and e.id = any($2)`, id, events)
	out := make(map[int64]MarkEvent, len(rows))
	for _, e := range rows {
		out[e.ID] = e
	}
	return out, err
}
