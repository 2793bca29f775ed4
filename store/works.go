package store

import (
	"context"
	"time"

	"lectern/course"
)

// RecordFetched notes that the member's working copy was laid out, from which
// version of the release. What is noted already stays.
func (s *Store) RecordFetched(ctx context.Context, a course.Assignment, m course.MemberID, actor course.UserID) error {
	return s.InTx(ctx, func(tx *Store) error {
		n, err := exec(ctx, tx.db, "record fetched", `
			insert into works (assignment_id, member_id, fetched_version) values ($1, $2, $3)
			on conflict do nothing`, a.ID, m, a.ReleaseVersion)
		if err != nil || n == 0 {
			return err
		}
		return tx.Record(ctx, course.Activity{Actor: actor, CourseID: a.CourseID, AssignmentID: a.ID, MemberID: m, Verb: "opened for the first time"})
	})
}

// Task is one assignment as one student meets it.
type Task struct {
	course.Assignment
	OwnDueAt    *time.Time // an extension
	FetchedAt   *time.Time // nil: never opened
	CollectedAt *time.Time // the live work was collected
	Submissions int64      // how many there are

	// Of the submission that counts; nil or zero without one.
	TakenAt     *time.Time
	Kind        *string
	LateSeconds *int64

	Graded     bool // nothing is left to mark
	ReturnedAt *time.Time
	Earned     *float64 // the total that was returned; nil before
	Penalty    float64  // that lateness took off it
	Most       *float64 // what counts in it can give; nil before
	Comment    string   // that came with it
}

// Of is the full points: of what was returned, else of the assignment.
func (t Task) Of() float64 {
	if t.Most != nil {
		return *t.Most
	}
	return t.Points
}

// Due is the deadline that holds for the student; nil is none.
func (t Task) Due() *time.Time { return course.EffectiveDue(t.DueAt, t.OwnDueAt) }

// tasks finds released assignments with everything one member has to do with
// them. Their total is the one that was returned: what was given, run or decided
// since is not theirs to see yet.
const tasks = `
	select ` + assignmentColumns + `, e.due_at as own_due_at, w.fetched_at, w.collected_at,
		(select count(*) from submissions n where n.assignment_id = a.id and n.member_id = $2) as submissions,
		s.taken_at, s.kind, s.late_seconds, f.returned_at, f.returned_points as earned, coalesce(f.returned_penalty, 0) as penalty, f.returned_most as most,
		coalesce((select comment from mark_events c where c.assignment_id = a.id and c.member_id = $2 and c.notebook = '' and c.question = ''
			and f.returned_at is not null and c.id <= f.marks_upto order by c.id desc limit 1), '') as comment,
		coalesce(k.excused or k.whole is not null or k.earned is not null and k.needs + k.waiting = 0, false) as graded
	from assignments a
	left join extensions e on e.assignment_id = a.id and e.member_id = $2
	left join works w on w.assignment_id = a.id and w.member_id = $2
	left join submissions s on s.assignment_id = a.id and s.member_id = $2 and s.counts
	left join feedbacks f on f.assignment_id = a.id and f.member_id = $2
	left join tallies k on k.assignment_id = a.id and k.member_id = $2
	where a.course_id = $1`

// Tasks lists what a student may see of a course at now, in the order it is due
// for this student.
func (s *Store) Tasks(ctx context.Context, c course.ID, m course.MemberID, now time.Time) ([]Task, error) {
	return many[Task](ctx, s.db, "tasks", tasks+`
		and a.archived_at is null and a.released_at is not null and (a.opens_at is null or a.opens_at <= $3)
		order by coalesce(e.due_at, a.due_at) nulls last, a.created_at`, c, m, now)
}

// Task is one assignment as one member meets it, released or not.
func (s *Store) Task(ctx context.Context, a course.Assignment, m course.MemberID) (Task, error) {
	return one[Task](ctx, s.db, "assignment", tasks+` and a.id = $3`, a.CourseID, m, a.ID)
}

// ReturnedFeedback lists the files that were returned to a member, in path
// order; none before anything was.
func (s *Store) ReturnedFeedback(ctx context.Context, a course.AssignmentID, m course.MemberID) ([]course.File, error) {
	rows, err := many[struct{ ReturnedFiles []course.File }](ctx, s.db, "feedback", `
		select returned_files from feedbacks where assignment_id = $1 and member_id = $2 and returned_at is not null`, a, m)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0].ReturnedFiles, nil
}
