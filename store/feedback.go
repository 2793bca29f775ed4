package store

import (
	"context"
	"time"

	"lectern/course"
)

// FeedbackRow is a student and the feedback that waits for, or is with, them.
type FeedbackRow struct {
	MemberID      course.MemberID
	Login         string
	Name          string
	Submitted     bool
	Points        *float64
	StagedAt      *time.Time
	StagedFiles   []course.File
	ReturnedAt    *time.Time
	ReturnedFiles []course.File
	SeenAt        *time.Time
}

// FeedbackTable lists the students who submitted, or whom feedback concerns.
func (s *Store) FeedbackTable(ctx context.Context, id course.AssignmentID) ([]FeedbackRow, error) {
	return many[FeedbackRow](ctx, s.db, "feedback", `
		with latest as (
			select distinct on (member_id, notebook, question) member_id, points from mark_events
			where assignment_id = $1 order by member_id, notebook, question, id desc
		), marked as (select member_id, sum(points) as points from latest where points is not null group by 1)
		select m.id as member_id, u.login, u.name, s.id is not null as submitted, k.points,
			f.staged_at, coalesce(f.staged_files, '[]') as staged_files, f.returned_at, coalesce(f.returned_files, '[]') as returned_files, f.seen_at
		from assignments a join members m on m.course_id = a.course_id join users u on u.id = m.user_id
		left join submissions s on s.assignment_id = a.id and s.member_id = m.id and s.counts
		left join marked k on k.member_id = m.id
		left join feedbacks f on f.assignment_id = a.id and f.member_id = m.id
		where a.id = $1 and (s.id is not null or k.member_id is not null or f.member_id is not null)
		order by u.login`, id)
}

// StageFeedback notes feedback files that wait to be returned.
func (s *Store) StageFeedback(ctx context.Context, id course.AssignmentID, m course.MemberID, files []course.File, at time.Time) error {
	if files == nil {
		files = []course.File{}
	}
	_, err := exec(ctx, s.db, "stage feedback", `
		insert into feedbacks (assignment_id, member_id, staged_at, staged_files) values ($1, $2, $3, $4)
		on conflict (assignment_id, member_id) do update set staged_at = excluded.staged_at, staged_files = excluded.staged_files`,
		id, m, at, files)
	return err
}

// MarkReturned notes that a member has their feedback and marks. Files that
// waited are theirs now.
func (s *Store) MarkReturned(ctx context.Context, id course.AssignmentID, m course.MemberID, by course.UserID, at time.Time) error {
	_, err := exec(ctx, s.db, "return feedback", `
		insert into feedbacks as f (assignment_id, member_id, returned_at, returned_by) values ($1, $2, $3, nullif($4::bigint, 0))
		on conflict (assignment_id, member_id) do update set returned_at = excluded.returned_at, returned_by = excluded.returned_by,
			returned_files = case when f.staged_at is null then f.returned_files else f.staged_files end,
			staged_at = null, staged_files = '[]', seen_at = null`, id, m, at, by)
	return err
}

// MarkWithdrawn notes that a member no longer has their feedback; it waits again,
// unless newer files do.
func (s *Store) MarkWithdrawn(ctx context.Context, id course.AssignmentID, m course.MemberID) error {
	_, err := exec(ctx, s.db, "withdraw feedback", `
		update feedbacks set
			staged_files = case when staged_at is null then returned_files else staged_files end,
			staged_at = case when staged_at is null and returned_files <> '[]' then returned_at else staged_at end,
			returned_at = null, returned_files = '[]', returned_by = null, seen_at = null
		where assignment_id = $1 and member_id = $2`, id, m)
	return err
}
