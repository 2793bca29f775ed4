package store

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"lectern/course"
)

// FeedbackQueue is the queue of feedback pages.
const FeedbackQueue = "feedback"

// FeedbackArgs asks for one student's feedback pages to be made.
type FeedbackArgs struct {
	AssignmentID course.AssignmentID `json:"assignment_id" river:"unique"`
	MemberID     course.MemberID     `json:"member_id" river:"unique"`
	AskedAt      int64               `json:"asked_at" river:"unique"` // microseconds
}

// Kind names the job in the queue.
func (FeedbackArgs) Kind() string { return "feedback" }

// InsertOpts tries for some minutes and then leaves it to a person.
func (FeedbackArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: FeedbackQueue, MaxAttempts: 5, UniqueOpts: river.UniqueOpts{ByArgs: true}}
}

// AskFeedback puts the feedback pages of these logins, nil for everybody whose
// work is graded or marked, into the queue, and says of how many.
func (s *Store) AskFeedback(ctx context.Context, a course.AssignmentID, logins []string, by course.UserID, at time.Time) (int, error) {
	n := 0
	err := s.InTx(ctx, func(tx *Store) error {
		type row struct{ MemberID course.MemberID }
		rows, err := many[row](ctx, tx.db, "feedback", `
			insert into feedback_jobs (assignment_id, member_id, asked_by, asked_at)
			select b.assignment_id, b.member_id, $3, $4 from submissions b
			join members m on m.id = b.member_id join users u on u.id = m.user_id
			where b.assignment_id = $1 and b.counts and ($2::text[] is null or u.login = any($2))
				and (exists (select from runs r where r.submission_id = b.id and r.effective)
					or exists (select from mark_events h where h.assignment_id = b.assignment_id and h.member_id = b.member_id))
			on conflict (assignment_id, member_id) do update set state = 'queued', asked_by = excluded.asked_by, asked_at = excluded.asked_at, error = ''
			returning member_id`, a, logins, by, at)
		if err != nil || len(rows) == 0 {
			return err
		}
		n = len(rows)
		params := make([]river.InsertManyParams, n)
		for i, r := range rows {
			params[i].Args = FeedbackArgs{AssignmentID: a, MemberID: r.MemberID, AskedAt: at.UnixMicro()}
		}
		_, err = tx.jobs.client.InsertManyTx(ctx, tx.tx, params)
		return wrapIf("queue feedback", err)
	})
	return n, err
}

// FeedbackMade notes what became of a student's feedback pages, unless they were
// asked for again since; why is empty when all went well.
func (s *Store) FeedbackMade(ctx context.Context, args FeedbackArgs, why string) error {
	_, err := exec(ctx, s.db, "feedback", `
		update feedback_jobs set state = case when $4 = '' then 'done' else 'failed' end, error = $4
		where assignment_id = $1 and member_id = $2 and asked_at = $3`, args.AssignmentID, args.MemberID, time.UnixMicro(args.AskedAt), why)
	return err
}

// FeedbackProgress is how far the feedback pages asked for last are. Failed names
// at most a few students with the reason.
type FeedbackProgress struct {
	Total, Done, Failing int
	Failed               []string
	AskedAt              *time.Time
}

// FeedbackProgress of what was asked for together with the latest.
func (s *Store) FeedbackProgress(ctx context.Context, a course.AssignmentID) (FeedbackProgress, error) {
	return one[FeedbackProgress](ctx, s.db, "feedback", `
		with latest as (
			select j.*, u.login from feedback_jobs j join members m on m.id = j.member_id join users u on u.id = m.user_id
			where j.assignment_id = $1 and (j.state <> 'done' or j.asked_at = (select max(asked_at) from feedback_jobs where assignment_id = $1)))
		select count(*)::int as total, (count(*) filter (where state <> 'queued'))::int as done, (count(*) filter (where state = 'failed'))::int as failing,
			coalesce((array_agg(login || ': ' || error order by login) filter (where state = 'failed'))[:5], '{}') as failed, max(asked_at) as asked_at
		from latest`, a)
}

// FeedbackTarget is whose feedback is made from what.
type FeedbackTarget struct {
	CourseSlug, CourseTitle, Zone string
	Slug, Title                   string
	Login, Name                   string
	Reveal                        bool // hidden tests may be shown
	SubmissionID                  course.SubmissionID
	Snapshot                      string
	TakenAt                       time.Time
	RunID                         *RunID // in effect; nil: never autograded
	course.Total
	Comment string // on the whole
}

// FeedbackTarget finds a member's work that counts, its graded version, and what it comes to.
func (s *Store) FeedbackTarget(ctx context.Context, a course.AssignmentID, m course.MemberID) (FeedbackTarget, error) {
	return one[FeedbackTarget](ctx, s.db, "submission", `
		select c.slug as course_slug, c.title as course_title, c.zone, a.slug, a.title, u.login, u.name, a.reveal_tests as reveal,
			b.id as submission_id, b.snapshot, b.taken_at, r.id as run_id, t.whole, t.earned, t.extra, t.most, t.lost, t.excused,
			t.needs::int as needs, t.waiting::int as waiting, coalesce(e.comment, '') as comment
		from submissions b
		join assignments a on a.id = b.assignment_id join courses c on c.id = a.course_id
		join members m on m.id = b.member_id join users u on u.id = m.user_id
		join current_totals t on t.assignment_id = a.id and t.member_id = m.id
		left join runs r on r.submission_id = b.id and r.effective
		left join lateral (select comment from mark_events l where l.assignment_id = a.id and l.member_id = m.id
			and l.notebook = '' and l.question = '' order by l.id desc limit 1) e on true
		where b.assignment_id = $1 and b.member_id = $2 and b.counts`, a, m)
}

// FeedbackMark is one question as its student may know it.
type FeedbackMark struct {
	Notebook, Question string
	Kind               string
	State              string // one of grade_cells'
	Max                float64
	Auto, Given        *float64
	Extra              float64
	Reason             string // why the tests gave less
	Comment            string
	Items              []FeedbackItem
}

// FeedbackItem is a rubric item that was chosen.
type FeedbackItem struct {
	Text   string  `json:"text"`
	Points float64 `json:"points"`
	Deduct bool    `json:"deduct"`
}

// FeedbackMarks are a member's questions, in the order of the notebooks.
func (s *Store) FeedbackMarks(ctx context.Context, a course.AssignmentID, m course.MemberID) ([]FeedbackMark, error) {
	return many[FeedbackMark](ctx, s.db, "marks", `
		select k.notebook, k.question, k.kind, k.state, k.max, k.auto, k.given, k.extra, coalesce(x.reason, '') as reason, coalesce(e.comment, '') as comment,
			coalesce((select jsonb_agg(jsonb_build_object('text', i.text, 'points', i.points, 'deduct', coalesce(b.mode, 'add') = 'deduct') order by i.id)
				from rubric_items i left join rubrics b on b.assignment_id = i.assignment_id and b.notebook = i.notebook and b.question = i.question
				where i.id = any(e.rubric) and i.assignment_id = k.assignment_id and i.deleted_at is null), '[]') as items
		from grade_cells k
		left join run_results x on x.run_id = k.run_id and x.notebook = k.notebook and x.question = k.question
		left join mark_events e on e.id = k.event_id
		where k.assignment_id = $1 and k.member_id = $2 order by k.notebook, k.position`, a, m)
}
