package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lectern/course"
)

const submissionColumns = `s.id, s.assignment_id, s.member_id, s.kind, s.taken_at, s.late_seconds, s.counts,
	s.snapshot, s.digest, s.files, s.notes`

// submissionRow is how a submission lies in its table.
type submissionRow struct {
	course.Submission
	LateSeconds int64
}

func (r submissionRow) submission() course.Submission {
	r.LateBy = time.Duration(r.LateSeconds) * time.Second
	return r.Submission
}

func submissions(rows []submissionRow) []course.Submission {
	out := make([]course.Submission, len(rows))
	for i, r := range rows {
		out[i] = r.submission()
	}
	return out
}

// submissionKey makes the form's key the member's own, so that nobody can take
// or ask for another's.
func submissionKey(a course.AssignmentID, m course.MemberID, form uuid.UUID) uuid.UUID {
	return uuid.NewSHA1(form, fmt.Appendf(nil, "%d/%d", a, m))
}

// RecordSubmission records a snapshot that is safely on disk, with the lateness
// of its TakenAt against the member's own due time, moves the mark of the one
// that counts, and writes the activity, all or nothing. form is the key of the
// form that asked; what was recorded under it before is returned instead, with
// fresh false. By the rule of course.Submission the last in time counts, else
// the last. ID, LateBy and Counts of sub need not be set.
func (s *Store) RecordSubmission(ctx context.Context, sub course.Submission, form uuid.UUID, actor course.UserID) (got course.Submission, fresh bool, err error) {
	key := submissionKey(sub.AssignmentID, sub.MemberID, form)
	err = s.InTx(ctx, func(tx *Store) error {
		due, err := tx.lockWork(ctx, sub.AssignmentID, sub.MemberID)
		if err != nil {
			return err
		}
		if got, err = tx.submissionByKey(ctx, key); err == nil || !course.IsKind(err, course.NotFound) {
			return err
		}
		fresh = true
		late := course.Late(sub.TakenAt, due)
		lateSeconds := int64((late + time.Second - 1) / time.Second) // a tenth late is late
		notes := sub.Notes
		if notes == nil {
			notes = []string{}
		}
		files := sub.Files
		if files == nil {
			files = []course.File{}
		}
		var id course.SubmissionID
		err = tx.db.QueryRow(ctx, `
			insert into submissions (assignment_id, member_id, kind, key, taken_at, late_seconds, snapshot, digest, files, bytes, notes)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning id`,
			sub.AssignmentID, sub.MemberID, sub.Kind, key, sub.TakenAt, lateSeconds, sub.Snapshot, sub.Digest,
			files, sub.Bytes(), notes).Scan(&id)
		if err != nil {
			return wrap("record submission", err)
		}
		if err := tx.recount(ctx, sub.AssignmentID, sub.MemberID); err != nil {
			return err
		}
		if err := tx.recordSubmitted(ctx, sub, actor); err != nil {
			return err
		}
		if got, err = tx.submissionByKey(ctx, key); err != nil || !got.Counts {
			return err
		}
		occasions := []string{OnSubmit}
		if got.LateBy > 0 { // its collection has been
			occasions = append(occasions, OnCollect)
		}
		return tx.wantRun(ctx, sub.AssignmentID, sub.MemberID, occasions...)
	})
	if err != nil {
		return course.Submission{}, false, err
	}
	return got, fresh, nil
}

// lockWork makes submissions of one member wait for each other, and is the due
// time that holds for the member.
func (s *Store) lockWork(ctx context.Context, a course.AssignmentID, m course.MemberID) (due *time.Time, err error) {
	// The lock and the due time are two statements: the second must see what the
	// one who held the lock before has committed.
	if _, err := exec(ctx, s.db, "lock work", `select from members where id = $1 for no key update`, m); err != nil {
		return nil, err
	}
	err = s.db.QueryRow(ctx, `
		select coalesce(e.due_at, a.due_at) from assignments a
		left join extensions e on e.assignment_id = a.id and e.member_id = $2
		where a.id = $1`, a, m).Scan(&due)
	if err != nil {
		return nil, wrap("due time", err)
	}
	return due, nil
}

// recount moves the mark to the submission that counts. The old mark goes first:
// no two may bear it even for a moment.
func (s *Store) recount(ctx context.Context, a course.AssignmentID, m course.MemberID) error {
	const best = `(select id from submissions where assignment_id = $1 and member_id = $2
		order by (late_seconds = 0) desc, taken_at desc, id desc limit 1)`
	if _, err := exec(ctx, s.db, "recount", `
		update submissions set counts = false
		where assignment_id = $1 and member_id = $2 and counts and id <> `+best, a, m); err != nil {
		return err
	}
	_, err := exec(ctx, s.db, "recount", `update submissions set counts = true where not counts and id = `+best, a, m)
	return err
}

func (s *Store) recordSubmitted(ctx context.Context, sub course.Submission, actor course.UserID) error {
	var c course.ID
	if err := s.db.QueryRow(ctx, `select course_id from assignments where id = $1`, sub.AssignmentID).Scan(&c); err != nil {
		return wrap("record submission", err)
	}
	verb := "submitted"
	if sub.Kind == course.ByCollect {
		verb = "collected"
	}
	return s.Record(ctx, course.Activity{Actor: actor, CourseID: c, AssignmentID: sub.AssignmentID, MemberID: sub.MemberID,
		Verb: verb, Detail: sub.Digest})
}

func (s *Store) submissionByKey(ctx context.Context, key uuid.UUID) (course.Submission, error) {
	r, err := one[submissionRow](ctx, s.db, "submission", `select `+submissionColumns+` from submissions s where s.key = $1`, key)
	return r.submission(), err
}

// SubmissionByForm is what the form with this key has led to, or NotFound.
func (s *Store) SubmissionByForm(ctx context.Context, a course.AssignmentID, m course.MemberID, form uuid.UUID) (course.Submission, error) {
	return s.submissionByKey(ctx, submissionKey(a, m, form))
}

// Submission is one submission of an assignment, whosever it is.
func (s *Store) Submission(ctx context.Context, a course.AssignmentID, id course.SubmissionID) (course.Submission, error) {
	r, err := one[submissionRow](ctx, s.db, "submission", `
		select `+submissionColumns+` from submissions s where s.id = $1 and s.assignment_id = $2`, id, a)
	return r.submission(), err
}

// SubmissionsOf lists one member's submissions of an assignment, the last first.
func (s *Store) SubmissionsOf(ctx context.Context, a course.AssignmentID, m course.MemberID) ([]course.Submission, error) {
	rows, err := many[submissionRow](ctx, s.db, "submissions", `
		select `+submissionColumns+` from submissions s
		where s.assignment_id = $1 and s.member_id = $2 order by s.taken_at desc, s.id desc`, a, m)
	return submissions(rows), err
}

// SubmissionsSince counts how often a member has handed an assignment in since.
func (s *Store) SubmissionsSince(ctx context.Context, a course.AssignmentID, m course.MemberID, since time.Time) (n int, err error) {
	err = s.db.QueryRow(ctx, `
		select count(*) from submissions
		where assignment_id = $1 and member_id = $2 and kind = 'submit' and recorded_at > $3`, a, m, since).Scan(&n)
	if err != nil {
		return 0, wrap("count submissions", err)
	}
	return n, nil
}

// CountedSubmission is the member's submission that counts, or NotFound.
func (s *Store) CountedSubmission(ctx context.Context, a course.AssignmentID, m course.MemberID) (course.Submission, error) {
	rows, err := s.db.Query(ctx, `
		select `+submissionColumns+` from submissions s
		where s.assignment_id = $1 and s.member_id = $2 and s.counts`, a, m)
	if err != nil {
		return course.Submission{}, fmt.Errorf("store: counted submission: %w", err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByNameLax[submissionRow])
	if errors.Is(err, pgx.ErrNoRows) {
		return course.Submission{}, course.Problemf(course.NotFound, "Nothing was submitted.")
	}
	if err != nil {
		return course.Submission{}, wrap("counted submission", err)
	}
	return r.submission(), nil
}
