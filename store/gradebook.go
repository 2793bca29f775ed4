package store

import (
	"context"
	"encoding/json"
	"time"

	"lectern/course"
)

// Book is how the course's total is made.
func (s *Store) Book(ctx context.Context, c course.ID) (b course.Book, exact bool, err error) {
	var raw []byte
	if err = s.db.QueryRow(ctx, `select gradebook, exact from courses where id = $1`, c).Scan(&raw, &exact); err != nil {
		return b, false, wrap("gradebook", err)
	}
	return b, exact, wrapIf("gradebook", json.Unmarshal(raw, &b))
}

// SaveBook changes how the course's total is made, and whether scores are exactly
// nbgrader's from the next run on.
func (s *Store) SaveBook(ctx context.Context, c course.ID, b course.Book, exact bool) error {
	_, err := exec(ctx, s.db, "gradebook", `update courses set gradebook = $2, exact = $3 where id = $1`, c, b, exact)
	return err
}

// BookAssignment is a column of the gradebook.
type BookAssignment struct {
	ID          course.AssignmentID
	Slug, Title string
	Points      float64
	DueAt       *time.Time
	GradeGroup  string
}

// BookAssignments lists the course's released assignments in the order they are due.
func (s *Store) BookAssignments(ctx context.Context, c course.ID) ([]BookAssignment, error) {
	return many[BookAssignment](ctx, s.db, "assignments", `
		select id, slug, title, points, due_at, grade_group from assignments
		where course_id = $1 and archived_at is null and released_at is not null order by due_at nulls last, created_at, id`, c)
}

// BookStudent is a row of the gradebook.
type BookStudent struct {
	MemberID    course.MemberID
	Login, Name string
	Email       string
	Section     string
	Total       int // rows of the whole answer
}

// BookQuery is what part of a class is asked for. Zero is all who take part, by name.
type BookQuery struct {
	Search, Section string
	Sort            string // "" by name, login, section
	Down            bool
	Limit, Offset   int // 0 is all
}

var bookOrders = map[string]string{"": "lower(coalesce(nullif(u.name, ''), u.login))", "login": "u.login", "section": "m.section"}

// BookStudents is a page of the students who take part.
func (s *Store) BookStudents(ctx context.Context, c course.ID, q BookQuery) ([]BookStudent, error) {
	order, known := bookOrders[q.Sort]
	if !known {
		return nil, course.Problemf(course.Invalid, "The gradebook knows no such order.")
	}
	if q.Down {
		order += " desc"
	}
	return many[BookStudent](ctx, s.db, "students", `
		select m.id as member_id, u.login, u.name, u.email, m.section, (count(*) over ())::int as total
		from members m join users u on u.id = m.user_id
		where m.course_id = $1 and m.role = 'student' and m.dropped_at is null and ($2 = '' or m.section = $2)
			and ($3 = '' or strpos(lower(u.login || ' ' || u.name), lower($3)) > 0)
		order by `+order+`, u.login limit nullif($4, 0) offset $5`, c, q.Section, q.Search, q.Limit, q.Offset)
}

// BookCell is what one student has in one assignment.
type BookCell struct {
	AssignmentID course.AssignmentID
	MemberID     course.MemberID
	course.Total
	TakenAt     *time.Time // of the work that counts
	LateSeconds int64
	OwnDueAt    *time.Time
}

// BookCells are the students' totals in these assignments, in one statement.
func (s *Store) BookCells(ctx context.Context, assignments []course.AssignmentID, members []course.MemberID) ([]BookCell, error) {
	return many[BookCell](ctx, s.db, "gradebook", `
		select t.assignment_id, t.member_id, t.whole, t.earned, t.extra, t.most, t.lost, t.excused, t.needs::int as needs, t.waiting::int as waiting,
			b.taken_at, coalesce(b.late_seconds, 0) as late_seconds, x.due_at as own_due_at
		from current_totals t
		left join submissions b on b.id = t.submission_id
		left join extensions x on x.assignment_id = t.assignment_id and x.member_id = t.member_id
		where t.assignment_id = any($1) and t.member_id = any($2)`, assignments, members)
}

// BookComment is what people wrote on a student's work as a whole.
type BookComment struct {
	AssignmentID course.AssignmentID
	MemberID     course.MemberID
	Comment      string
}

// BookComments are a course's comments on whole assignments.
func (s *Store) BookComments(ctx context.Context, c course.ID) ([]BookComment, error) {
	return many[BookComment](ctx, s.db, "comments", `
		select * from (
			select distinct on (e.assignment_id, e.member_id) e.assignment_id, e.member_id, e.comment
			from mark_events e join assignments a on a.id = e.assignment_id
			where a.course_id = $1 and e.notebook = '' and e.question = '' order by e.assignment_id, e.member_id, e.id desc) latest
		where comment <> ''`, c)
}

// QuestionStats is how a class did in one question. Nil figures have nobody behind them.
type QuestionStats struct {
	Notebook, Question, Kind string
	Max                      float64
	Marked                   int
	Mean, Median             *float64
	Full, None               int // students with all points, with none
	Unanswered               int
}

// QuestionStats are an assignment's questions in the order of its notebooks.
func (s *Store) QuestionStats(ctx context.Context, a course.AssignmentID) ([]QuestionStats, error) {
	return many[QuestionStats](ctx, s.db, "statistics", `
		select notebook, question, kind, max, count(points)::int as marked, avg(points) as mean, percentile_cont(0.5) within group (order by points) as median,
			(count(*) filter (where points >= max))::int as full, (count(*) filter (where points <= 0))::int as none,
			(count(*) filter (where no_response))::int as unanswered
		from grade_cells where assignment_id = $1 and not excused group by notebook, question, kind, position, max order by notebook, position`, a)
}

// AssignmentScores are the totals of those who have one, in points.
func (s *Store) AssignmentScores(ctx context.Context, a course.AssignmentID) ([]float64, error) {
	type row struct{ Points float64 }
	rows, err := many[row](ctx, s.db, "statistics", `
		select t.points from current_totals t join members m on m.id = t.member_id
		where t.assignment_id = $1 and t.points is not null and m.role = 'student' and m.dropped_at is null order by 1`, a)
	out := make([]float64, len(rows))
	for i, r := range rows {
		out[i] = r.Points
	}
	return out, err
}
