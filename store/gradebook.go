package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

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
	Late        course.LateRule `db:"-"`
}

// BookAssignments lists the course's released assignments in the order they are due.
func (s *Store) BookAssignments(ctx context.Context, c course.ID) ([]BookAssignment, error) {
	type row struct {
		BookAssignment
		Unit         string
		Percent, Cap float64
		Minutes      int64
		ZeroAfter    *int
	}
	rows, err := many[row](ctx, s.db, "assignments", `
		select id, slug, title, points, due_at, grade_group, late_unit as unit, late_percent as percent, late_cap as cap, late_grace as minutes, late_zero_after as zero_after
		from assignments
		where course_id = $1 and archived_at is null and released_at is not null order by due_at nulls last, created_at, id`, c)
	out := make([]BookAssignment, len(rows))
	for i, r := range rows {
		out[i] = r.BookAssignment
		out[i].Late = course.LateRule{Unit: r.Unit, Percent: r.Percent, Cap: r.Cap, Grace: minutes(r.Minutes), ZeroAfter: r.ZeroAfter}
	}
	return out, err
}

// BookQuery is which students are asked for. Zero is all who take part, by name.
type BookQuery struct {
	Search, Section string
	Sort            string // "" by name, login, section
	Down            bool
}

var bookOrders = map[string]string{"": "lower(coalesce(nullif(u.name, ''), u.login))", "login": "u.login", "section": "m.section"}

// BookMembers are the students who take part and fit, in the order asked for.
func (s *Store) BookMembers(ctx context.Context, c course.ID, q BookQuery) ([]course.MemberID, error) {
	order, known := bookOrders[q.Sort]
	if !known {
		return nil, course.Problemf(course.Invalid, "The gradebook knows no such order.")
	}
	if q.Down {
		order += " desc"
	}
	rows, err := s.db.Query(ctx, `
		select m.id from members m join users u on u.id = m.user_id
		where m.course_id = $1 and m.role = 'student' and m.dropped_at is null and ($2 = '' or m.section = $2)
			and ($3 = '' or strpos(lower(u.login || ' ' || u.name), lower($3)) > 0)
		order by `+order+`, u.login`, c, q.Section, q.Search)
	if err != nil {
		return nil, wrap("students", err)
	}
	var id course.MemberID
	var out []course.MemberID
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		out = append(out, id)
		return nil
	})
	return out, wrapIf("students", err)
}

// BookStudent is a row of the gradebook.
type BookStudent struct {
	MemberID    course.MemberID
	Login, Name string
	Email       string
	Section     string
}

// BookStudents says who these members are, in their order.
func (s *Store) BookStudents(ctx context.Context, members []course.MemberID) ([]BookStudent, error) {
	return many[BookStudent](ctx, s.db, "students", `
		select m.id as member_id, u.login, u.name, u.email, m.section
		from unnest($1::bigint[]) with ordinality as o (id, n) join members m on m.id = o.id join users u on u.id = m.user_id order by o.n`, members)
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
