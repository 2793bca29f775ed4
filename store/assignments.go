package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lectern/course"
)

const assignmentColumns = `a.id, a.course_id, a.slug, a.title, a.image, a.points, a.opens_at, a.due_at,
	a.source_version, a.checked_version, a.release_version, a.released_at, a.scheduled_at, a.created_at, a.archived_at`

// Assignment is the course's assignment of this short name.
func (s *Store) Assignment(ctx context.Context, c course.ID, slug string) (course.Assignment, error) {
	return one[course.Assignment](ctx, s.db, "assignment", `
		select `+assignmentColumns+` from assignments a where a.course_id = $1 and a.slug = $2`, c, slug)
}

// AssignmentByID is the assignment with this id.
func (s *Store) AssignmentByID(ctx context.Context, id course.AssignmentID) (course.Assignment, error) {
	return one[course.Assignment](ctx, s.db, "assignment", `
		select `+assignmentColumns+` from assignments a where a.id = $1`, id)
}

// Assignments lists a course's assignments in the order they are due.
func (s *Store) Assignments(ctx context.Context, c course.ID) ([]course.Assignment, error) {
	return many[course.Assignment](ctx, s.db, "assignments", `
		select `+assignmentColumns+` from assignments a
		where a.course_id = $1 and a.archived_at is null
		order by a.due_at nulls last, a.created_at`, c)
}

// AddAssignment makes an assignment and fills in its ID.
func (s *Store) AddAssignment(ctx context.Context, a *course.Assignment) error {
	err := s.db.QueryRow(ctx, `
		insert into assignments (course_id, slug, title, image, opens_at, due_at)
		values ($1, $2, $3, $4, $5, $6) returning id, created_at`,
		a.CourseID, a.Slug, a.Title, a.Image, a.OpensAt, a.DueAt).Scan(&a.ID, &a.CreatedAt)
	if err != nil {
		return wrap("add assignment", err)
	}
	return nil
}

// AssignmentRow is an assignment in the table of its course's staff.
type AssignmentRow struct {
	course.Assignment
	CheckOK   bool // the last check found nothing that stops a release
	Students  int  // active students of the course
	Opened    int  // of them, who opened it
	Handed    int  // of them, whose work is in
	Late      int  // of the work that counts, what came late
	Marked    int  // of them, with a mark for the whole or for every question
	Returned  int  // of them, who have their feedback
	Extended  int  // of them, with a due time of their own
	CheckedAt *time.Time
}

// AssignmentTable lists a course's assignments with how far the class has come.
// Those who are no active students are few: leaving them out of what an index
// counts is much quicker than looking up everybody who is one.
func (s *Store) AssignmentTable(ctx context.Context, c course.ID) ([]AssignmentRow, error) {
	return many[AssignmentRow](ctx, s.db, "assignments", `
		with others as (
			select id from members where course_id = $1 and (role <> 'student' or dropped_at is not null)
		)
		select `+assignmentColumns+`, coalesce(k.ok and k.source_version = a.source_version, false) as check_ok, k.checked_at,
			(select count(*) from members where course_id = $1 and role = 'student' and dropped_at is null) as students,
			(select count(*) from works w where w.assignment_id = a.id and w.member_id not in (select id from others)) as opened,
			handed.n as handed, handed.late,
			(select count(*) from tallies e where e.assignment_id = a.id and e.member_id not in (select id from others)
				and (e.excused or e.whole is not null or e.earned is not null and e.needs + e.waiting = 0)) as marked,
			(select count(*) from feedbacks f where f.assignment_id = a.id and f.returned_at is not null
				and f.member_id not in (select id from others)) as returned,
			(select count(*) from extensions x where x.assignment_id = a.id and x.member_id not in (select id from others)) as extended
		from assignments a
		left join checks k on k.assignment_id = a.id
		cross join lateral (
			select count(*) as n, count(*) filter (where b.late_seconds > 0) as late
			from submissions b where b.assignment_id = a.id and b.counts and b.member_id not in (select id from others)) handed
		where a.course_id = $1 and a.archived_at is null
		order by a.due_at nulls last, a.created_at`, c)
}

// SaveAssignment changes what may be edited at any time: title, image, dates.
func (s *Store) SaveAssignment(ctx context.Context, a course.Assignment) error {
	_, err := exec(ctx, s.db, "save assignment", `
		update assignments set title = $2, image = $3, opens_at = $4, due_at = $5 where id = $1`,
		a.ID, a.Title, a.Image, a.OpensAt, a.DueAt)
	return err
}

// ArchiveAssignment takes an assignment out of every list; its work is kept.
func (s *Store) ArchiveAssignment(ctx context.Context, id course.AssignmentID, at *time.Time) error {
	_, err := exec(ctx, s.db, "archive assignment", `update assignments set archived_at = $2, scheduled_at = null where id = $1`, id, at)
	return err
}

// BumpSource counts a change of the source files and returns the new version.
func (s *Store) BumpSource(ctx context.Context, id course.AssignmentID) (int, error) {
	var v int
	err := s.db.QueryRow(ctx, `
		update assignments set source_version = source_version + 1 where id = $1 returning source_version`, id).Scan(&v)
	if err != nil {
		return 0, wrap("count source", err)
	}
	return v, nil
}

// Question is a cell of the instructor's version that grading stands on.
type Question struct {
	Notebook string  `json:"notebook"` // without .ipynb
	GradeID  string  `json:"grade_id"`
	Position int     `json:"position"` // of the cell in its notebook
	Kind     string  `json:"kind"`     // answer, tests, manual, task, readonly
	CellType string  `json:"cell_type"`
	Points   float64 `json:"points"`
	Source   string  `json:"source"` // with hidden tests
	Checksum string  `json:"checksum"`
}

// SaveCheck keeps the report of a check of a source version, with the questions
// that a release of it will have. A report of an older version changes nothing.
func (s *Store) SaveCheck(ctx context.Context, id course.AssignmentID, version int, ok bool, points float64, report any, questions []Question) error {
	if questions == nil {
		questions = []Question{}
	}
	return s.InTx(ctx, func(tx *Store) error {
		n, err := exec(ctx, tx.db, "save check", `
			insert into checks (assignment_id, source_version, ok, report, questions, checked_at)
			values ($1, $2, $3, $4, $5, now())
			on conflict (assignment_id) do update set source_version = excluded.source_version, ok = excluded.ok,
				report = excluded.report, questions = excluded.questions, checked_at = excluded.checked_at,
				tests = case when checks.source_version = excluded.source_version then checks.tests else '{}' end
			where checks.source_version <= excluded.source_version`, id, version, ok, report, questions)
		if err != nil || n == 0 || !ok {
			return err
		}
		_, err = exec(ctx, tx.db, "save check", `
			update assignments set checked_version = $2,
				points = case when released_at is null then $3 else points end where id = $1`, id, version, points)
		return err
	})
}

// Check is the last check of an assignment; ok is false if there was none.
func (s *Store) Check(ctx context.Context, id course.AssignmentID, report any) (version int, ok bool, err error) {
	err = s.db.QueryRow(ctx, `select source_version, report from checks where assignment_id = $1`, id).Scan(&version, report)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("store: check: %w", err)
	}
	return version, true, nil
}

// MarkReleased records that students now get a checked version, with its
// questions. Released at stays what it was the first time.
func (s *Store) MarkReleased(ctx context.Context, id course.AssignmentID, version int, at time.Time) error {
	return s.InTx(ctx, func(tx *Store) error {
		n, err := exec(ctx, tx.db, "release", `
			update assignments a set release_version = $2, released_at = coalesce(a.released_at, $3), scheduled_at = null, release_asked_at = null,
				points = coalesce((select sum((q->>'points')::float8) from checks k, jsonb_array_elements(k.questions) q
					where k.assignment_id = a.id), 0)
			where a.id = $1 and a.checked_version = $2`, id, version, at)
		if err != nil {
			return err
		}
		if n == 0 {
			return course.Problemf(course.Conflict, "The files were changed in between. Look at the new check report before releasing.")
		}
		if _, err = exec(ctx, tx.db, "release", `delete from questions where assignment_id = $1`, id); err != nil {
			return err
		}
		_, err = exec(ctx, tx.db, "release", `
			insert into questions (assignment_id, notebook, grade_id, position, kind, cell_type, points, source, checksum)
			select k.assignment_id, q.notebook, q.grade_id, q.position, q.kind, q.cell_type, q.points, q.source, q.checksum
			from checks k, jsonb_to_recordset(k.questions) as q (notebook text, grade_id text, position int, kind text,
				cell_type text, points float8, source text, checksum text)
			where k.assignment_id = $1`, id)
		return err
	})
}

// Schedule asks for the release at OpensAt; nil takes the wish back.
func (s *Store) Schedule(ctx context.Context, id course.AssignmentID, at *time.Time) error {
	_, err := exec(ctx, s.db, "schedule", `update assignments set scheduled_at = $2 where id = $1 and released_at is null`, id, at)
	return err
}

// ScheduledRelease is an assignment to be released, with its course.
type ScheduledRelease struct {
	course.Assignment
	Course course.Course
}

// ScheduledBefore lists assignments whose planned release is due.
func (s *Store) ScheduledBefore(ctx context.Context, now time.Time) ([]ScheduledRelease, error) {
	type row struct {
		course.Assignment
		CourseSlug string
	}
	rows, err := many[row](ctx, s.db, "scheduled", `
		select `+assignmentColumns+`, c.slug as course_slug from assignments a join courses c on c.id = a.course_id
		where a.scheduled_at is not null and a.released_at is null and a.archived_at is null
			and (a.opens_at is null or a.opens_at <= $1)`, now)
	out := make([]ScheduledRelease, len(rows))
	for i, r := range rows {
		out[i] = ScheduledRelease{r.Assignment, course.Course{ID: r.CourseID, Slug: r.CourseSlug}}
	}
	return out, err
}

// OpenedCount is how many members have laid out a working copy.
func (s *Store) OpenedCount(ctx context.Context, id course.AssignmentID) (int, error) {
	var n int
	if err := s.db.QueryRow(ctx, `select count(*) from works where assignment_id = $1`, id).Scan(&n); err != nil {
		return 0, fmt.Errorf("store: opened: %w", err)
	}
	return n, nil
}

// LockAssignment is the assignment, kept from every other change until the
// transaction ends. Only within InTx.
func (s *Store) LockAssignment(ctx context.Context, id course.AssignmentID) (course.Assignment, error) {
	return one[course.Assignment](ctx, s.db, "assignment", `
		select `+assignmentColumns+` from assignments a where a.id = $1 for update`, id)
}
