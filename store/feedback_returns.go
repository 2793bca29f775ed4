package store

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"lectern/course"
)

// ReturnArgs asks for one student's feedback and marks to be returned.
type ReturnArgs struct {
	AssignmentID course.AssignmentID `json:"assignment_id" river:"unique"`
	MemberID     course.MemberID     `json:"member_id" river:"unique"`
	AskedAt      int64               `json:"asked_at" river:"unique"` // microseconds
	By           course.UserID       `json:"by"`
}

// Kind names the job in the queue.
func (ReturnArgs) Kind() string { return "return" }

// InsertOpts tries for some minutes and then leaves it to a person.
func (ReturnArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: FeedbackQueue, MaxAttempts: 5, UniqueOpts: river.UniqueOpts{ByArgs: true}}
}

// ReturnTimeout bounds the return of one student's feedback.
const ReturnTimeout = time.Minute

// AskReturn puts the return of these members' feedback into the queue. What waits
// already is asked for anew, and done once.
func (s *Store) AskReturn(ctx context.Context, a course.AssignmentID, members []course.MemberID, by course.UserID, at time.Time) ([]ReturnArgs, error) {
	if len(members) == 0 {
		return nil, nil
	}
	var jobs []ReturnArgs
	params := make([]river.InsertManyParams, len(members))
	for i, m := range members {
		jobs = append(jobs, ReturnArgs{AssignmentID: a, MemberID: m, AskedAt: at.UnixMicro(), By: by})
		params[i].Args = jobs[i]
	}
	err := s.InTx(ctx, func(tx *Store) error {
		if _, err := exec(ctx, tx.db, "return feedback", `
			insert into feedback_returns (assignment_id, member_id, asked_by, asked_at) select $1, m, $3, $4 from unnest($2::bigint[]) m order by m
			on conflict (assignment_id, member_id) do update set state = 'queued', asked_by = excluded.asked_by, asked_at = excluded.asked_at, error = ''`,
			a, members, by, at); err != nil {
			return err
		}
		_, err := tx.jobs.client.InsertManyTx(ctx, tx.tx, params)
		return wrapIf("return feedback", err)
	})
	return jobs, err
}

// TakeReturn makes a return done, as part of the transaction that does it; false if
// it was done already, or asked for anew.
func (s *Store) TakeReturn(ctx context.Context, j ReturnArgs) (bool, error) {
	n, err := exec(ctx, s.db, "return feedback", `
		update feedback_returns set state = 'done', error = ''
		where assignment_id = $1 and member_id = $2 and asked_at = $3 and state = 'queued'`, j.AssignmentID, j.MemberID, time.UnixMicro(j.AskedAt))
	return n == 1, err
}

// FailReturn leaves a return to a person, with the reason.
func (s *Store) FailReturn(ctx context.Context, j ReturnArgs, why string) error {
	_, err := exec(ctx, s.db, "return feedback", `
		update feedback_returns set state = 'failed', error = $4
		where assignment_id = $1 and member_id = $2 and asked_at = $3 and state = 'queued'`, j.AssignmentID, j.MemberID, time.UnixMicro(j.AskedAt), why)
	return err
}

// ReturnProgress is how far the returns that were asked for last are.
func (s *Store) ReturnProgress(ctx context.Context, a course.AssignmentID) (FeedbackProgress, error) {
	return one[FeedbackProgress](ctx, s.db, "feedback", `
		with latest as (
			select j.*, u.login from feedback_returns j join members m on m.id = j.member_id join users u on u.id = m.user_id
			where j.assignment_id = $1 and (j.state <> 'done' or j.asked_at = (select max(asked_at) from feedback_returns where assignment_id = $1)))
		select count(*)::int as total, (count(*) filter (where state <> 'queued'))::int as done, (count(*) filter (where state = 'failed'))::int as failing,
			coalesce((array_agg(login || ': ' || error order by login) filter (where state = 'failed'))[:5], '{}') as failed, max(asked_at) as asked_at
		from latest`, a)
}

// MendReturns puts what waits back into the queue if nothing in there will do it:
// its program was killed. Asked for anew, it is no longer the dead one's.
func (s *Store) MendReturns(ctx context.Context, now time.Time) (int, error) {
	n := 0
	err := s.InTx(ctx, func(tx *Store) error {
		rows, err := many[ReturnArgs](ctx, tx.db, "return feedback", `
			update feedback_returns r set asked_at = asked_at + interval '1 microsecond'
			where state = 'queued' and not exists (
				select from river_job j where j.kind = 'return' and j.args @> jsonb_build_object('assignment_id', r.assignment_id, 'member_id', r.member_id)
					and (j.state in ('available', 'pending', 'scheduled', 'retryable') or j.state = 'running' and j.attempted_at > $1::timestamptz - $2::interval))
			returning assignment_id, member_id, (extract(epoch from asked_at) * 1000000)::bigint as asked_at, coalesce(asked_by, 0) as by`, now, 2*ReturnTimeout)
		if err != nil || len(rows) == 0 {
			return err
		}
		n = len(rows)
		params := make([]river.InsertManyParams, n)
		for i, r := range rows {
			params[i].Args = r
		}
		_, err = tx.jobs.client.InsertManyTx(ctx, tx.tx, params)
		return wrapIf("return feedback", err)
	})
	return n, err
}

// Uploaded are the files of a member's feedback that a person uploaded: of what
// waits, or else of what was returned.
type Uploaded struct {
	Waits bool
	Names []string
}

// UploadedFeedback of a member.
func (s *Store) UploadedFeedback(ctx context.Context, a course.AssignmentID, m course.MemberID) (Uploaded, error) {
	return one[Uploaded](ctx, s.db, "feedback", `
		select staged_at is not null as waits, array(
			select f->>'path' from jsonb_array_elements(case when staged_at is not null then staged_files else returned_files end) f
			where f->>'path' <> all(case when staged_at is not null then staged_made else returned_made end) order by 1) as names
		from feedbacks where assignment_id = $1 and member_id = $2`, a, m)
}

// StageMade notes feedback files that wait to be returned, and which of them
// Lectern made.
func (s *Store) StageMade(ctx context.Context, id course.AssignmentID, m course.MemberID, files []course.File, made []string, at time.Time) error {
	if err := s.StageFeedback(ctx, id, m, files, at); err != nil {
		return err
	}
	_, err := exec(ctx, s.db, "stage feedback", `update feedbacks set staged_made = $3 where assignment_id = $1 and member_id = $2`, id, m, texts(made))
	return err
}

// RestageFeedback notes what lies there now, in place of what was noted, if
// something waits.
func (s *Store) RestageFeedback(ctx context.Context, id course.AssignmentID, m course.MemberID, files []course.File, at time.Time) error {
	_, err := exec(ctx, s.db, "stage feedback", `
		update feedbacks set staged_files = $3, staged_at = $4,
			staged_made = case when staged_at is null then returned_made else staged_made end where assignment_id = $1 and member_id = $2`, id, m, files, at)
	return err
}
