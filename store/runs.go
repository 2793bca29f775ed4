package store

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"lectern/course"
)

// RunID keys a run: one autograding of one submission.
type RunID int64

// AutogradeQueue is the queue of tickets for autograding.
const AutogradeQueue = "autograde"

// AutogradeArgs is a ticket: a worker that is free serves a run that waits. There
// is one ticket a run, but which run it serves is decided when a worker is free,
// not when it is inserted: only so is every course served in turn, however many
// submissions one of them asks for at once. A ticket that finds nothing to do is
// no error.
type AutogradeArgs struct {
	RunID RunID `json:"run_id"` // the run it was inserted for
}

// Kind names the job in the queue.
func (AutogradeArgs) Kind() string { return "autograde" }

// InsertOpts leaves what to try again to the run itself.
func (AutogradeArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: AutogradeQueue, MaxAttempts: 3}
}

// When work is autograded by itself.
const (
	OnCollect = "collect" // at the due time; late work when it is handed in
	OnSubmit  = "submit"  // each time work is handed in that counts
	OnDemand  = "manual"  // when a person asks
)

// RunSettings are an assignment's choices about autograding and what feedback shows.
type RunSettings struct {
	AutogradeOn string
	RevealTests bool   // feedback shows hidden tests
	GradeGroup  string // of the gradebook
}

// RunSettings are the assignment's.
func (s *Store) RunSettings(ctx context.Context, id course.AssignmentID) (RunSettings, error) {
	return one[RunSettings](ctx, s.db, "assignment", `select autograde_on, reveal_tests, grade_group from assignments where id = $1`, id)
}

// SaveRunSettings changes them.
func (s *Store) SaveRunSettings(ctx context.Context, id course.AssignmentID, r RunSettings) error {
	_, err := exec(ctx, s.db, "save assignment", `
		update assignments set autograde_on = $2, reveal_tests = $3, grade_group = $4 where id = $1`, id, r.AutogradeOn, r.RevealTests, r.GradeGroup)
	return err
}

// RunAsk is what somebody wants autograded.
type RunAsk struct {
	AssignmentID course.AssignmentID
	Members      []course.MemberID // nil is everybody
	Only         string            // "" all that count; "new" those without a result; "failed" those whose last run failed
	Trial        bool              // a dry run
	FreshImage   bool              // the image as it is now, not that of earlier runs
	By           course.UserID     // 0 is nobody: collection or an instant check
}

// AskRuns puts runs of the submissions that count into the queue, with their
// tickets, and says how many are new. What waits already is not asked for twice.
func (s *Store) AskRuns(ctx context.Context, ask RunAsk) (int, error) {
	n := 0
	err := s.InTx(ctx, func(tx *Store) error {
		type row struct{ ID RunID }
		rows, err := many[row](ctx, tx.db, "runs", `
			insert into runs (submission_id, assignment_id, member_id, trial, fresh_image, asked_by)
			select b.id, b.assignment_id, b.member_id, $4, $5, nullif($6::bigint, 0)
			from submissions b
			where b.assignment_id = $1 and b.counts and ($2::bigint[] is null or b.member_id = any($2))
				and exists (select from questions q where q.assignment_id = $1 and q.kind in ('tests', 'manual', 'task'))
				and case $3
					when 'new' then not exists (select from runs r where r.submission_id = b.id and not r.trial and r.state <> 'cancelled')
					when 'failed' then (select r.state from runs r where r.submission_id = b.id and r.trial = $4 order by r.id desc limit 1) = 'failed'
					else true end
			order by b.taken_at, b.id
			on conflict (submission_id, trial) where state = 'queued' do nothing
			returning id`, ask.AssignmentID, ask.Members, ask.Only, ask.Trial, ask.FreshImage, ask.By)
		if err != nil {
			return err
		}
		ids := make([]RunID, len(rows))
		for i, r := range rows {
			ids[i] = r.ID
		}
		n = len(ids)
		return tx.tickets(ctx, ids, time.Time{})
	})
	return n, err
}

// wantRun asks for the run of a member's submission that counts, if the
// assignment is autograded on one of these occasions and it has none yet. It is
// part of the transaction that makes it necessary.
func (s *Store) wantRun(ctx context.Context, a course.AssignmentID, m course.MemberID, occasions ...string) error {
	var on bool
	if err := s.db.QueryRow(ctx, `select autograde_on = any($2) from assignments where id = $1`, a, occasions).Scan(&on); err != nil {
		return wrap("autograde", err)
	}
	if !on {
		return nil
	}
	_, err := s.AskRuns(ctx, RunAsk{AssignmentID: a, Members: []course.MemberID{m}, Only: "new"})
	return err
}

// tickets puts one ticket a run into the queue, to be used not before a time;
// zero is at once.
func (s *Store) tickets(ctx context.Context, ids []RunID, at time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, len(ids))
	for i, id := range ids {
		params[i] = river.InsertManyParams{Args: AutogradeArgs{RunID: id}}
		if !at.IsZero() {
			params[i].InsertOpts = &river.InsertOpts{ScheduledAt: at}
		}
	}
	_, err := s.jobs.client.InsertManyTx(ctx, s.tx, params)
	return wrapIf("queue runs", err)
}

func wrapIf(what string, err error) error {
	if err == nil {
		return nil
	}
	return wrap(what, err)
}

// CancelRuns ends the runs of these members, nil for all, that wait or run; what
// runs notices within seconds.
func (s *Store) CancelRuns(ctx context.Context, a course.AssignmentID, members []course.MemberID, trial bool) (int, error) {
	n, err := exec(ctx, s.db, "cancel runs", `
		update runs set state = 'cancelled', finished_at = now(), lease_until = null
		where assignment_id = $1 and state in ('queued', 'running') and trial = $3 and ($2::bigint[] is null or member_id = any($2))`, a, members, trial)
	return int(n), err
}

// RunCounts is how far an assignment's autograding is: of each submission that
// counts, the latest run.
type RunCounts struct {
	Submissions                              int // that count
	None                                     int // never asked for
	Queued, Running, Done, Failed, Cancelled int
	Flagged                                  int        // done, with something for a grader to look at
	Ahead                                    int        // runs of anybody waiting or running
	Oldest                                   *time.Time // when the first of those waiting or running was asked for
	Graders                                  int        // running now, in the whole site
}

// latestRuns is one row a submission that counts, with its last run.
const latestRuns = `
	select b.id as submission_id, b.member_id, r.*
	from submissions b
	left join lateral (select r.id as run_id, r.state, r.attempts, r.queued_at, r.started_at, r.finished_at, r.not_before, r.source_version, r.error, r.log,
			r.flags, r.repairs, r.effective
		from runs r where r.submission_id = b.id and r.trial = $2 order by r.id desc limit 1) r on true
	where b.assignment_id = $1 and b.counts`

// RunCounts counts the submissions of an assignment by their last run; trial counts the dry run.
func (s *Store) RunCounts(ctx context.Context, a course.AssignmentID, trial bool) (RunCounts, error) {
	return one[RunCounts](ctx, s.db, "assignment", `
		with latest as (`+latestRuns+`)
		select count(*)::int as submissions, (count(*) filter (where state is null))::int as none,
			(count(*) filter (where state = 'queued'))::int as queued, (count(*) filter (where state = 'running'))::int as running,
			(count(*) filter (where state = 'done'))::int as done, (count(*) filter (where state = 'failed'))::int as failed,
			(count(*) filter (where state = 'cancelled'))::int as cancelled,
			(count(*) filter (where state = 'done' and (cardinality(flags) > 0 or repairs <> '[]')))::int as flagged,
			min(queued_at) filter (where state in ('queued', 'running')) as oldest,
			(select count(*) from runs where state in ('queued', 'running'))::int as ahead,
			(select count(*) from runs where state = 'running')::int as graders
		from latest`, a, trial)
}

// RunRow is one submission that counts, with its last run; nil fields without one.
type RunRow struct {
	SubmissionID  course.SubmissionID
	MemberID      course.MemberID
	Login, Name   string
	Section       string
	RunID         *RunID
	State         *string
	Attempts      *int
	QueuedAt      *time.Time
	StartedAt     *time.Time
	FinishedAt    *time.Time
	NotBefore     *time.Time
	SourceVersion *int
	Effective     *bool
	Points        *float64 // of its tests; nil before it is done
	Max           *float64
	Needs         int // questions that wait for a person
	Error, Log    *string
	Flags         []string
	Repairs       []RunRepair
	Asked         []string // flags of single questions
	Total         int
}

// RunRepair is one thing that was put right before a submission could be graded.
type RunRepair struct {
	Notebook string `json:"notebook"`
	Question string `json:"question,omitempty"`
	Text     string `json:"text"`
}

// RunQuery narrows the table of runs. Zero shows all, by login.
type RunQuery struct {
	State  string // "", none, queued, running, done, failed, cancelled, flagged, repaired
	Search string
	Login  string // this student's only
	Limit  int
	Offset int
}

var runStates = map[string]string{
	"": "true", "none": "l.state is null", "queued": "l.state = 'queued'", "running": "l.state = 'running'", "done": "l.state = 'done'",
	"failed": "l.state = 'failed'", "cancelled": "l.state = 'cancelled'", "flagged": "l.state = 'done' and cardinality(l.flags) > 0",
	"repaired": "l.state = 'done' and l.repairs <> '[]'",
}

// RunTable is a page of the submissions that count with their last runs.
func (s *Store) RunTable(ctx context.Context, a course.AssignmentID, q RunQuery) ([]RunRow, error) {
	state, known := runStates[q.State]
	if !known {
		return nil, course.Problemf(course.Invalid, "The table knows no such filter.")
	}
	return many[RunRow](ctx, s.db, "runs", `
		with latest as (`+latestRuns+`), page as (
			select l.*, u.login, u.name, m.section, (count(*) over ())::int as total
			from latest l join members m on m.id = l.member_id join users u on u.id = m.user_id
			where `+state+` and ($3 = '' or strpos(lower(u.login || ' ' || u.name), lower($3)) > 0) and ($6 = '' or u.login = $6)
			order by array_position(array['running', 'failed'], l.state), u.login limit nullif($4, 0) offset $5
		)
		select p.*, x.points, x.max, coalesce(x.needs, 0)::int as needs, coalesce(x.asked, '{}') as asked
		from page p
		left join lateral (select sum(points) as points, sum(max) filter (where points is not null) as max, count(*) filter (where points is null) as needs,
				array(select q.question || ': ' || f from run_results q, unnest(q.flags) f where q.run_id = p.run_id order by q.notebook, q.position) as asked
			from run_results x where x.run_id = p.run_id and p.state = 'done') x on true
		order by array_position(array['running', 'failed'], p.state), p.login`, a, false, q.Search, q.Limit, q.Offset, q.Login)
}

// MembersByLogin finds members of a course; logins that are nobody's are left out.
func (s *Store) MembersByLogin(ctx context.Context, c course.ID, logins []string) ([]course.MemberID, error) {
	type row struct{ ID course.MemberID }
	rows, err := many[row](ctx, s.db, "members", `
		select m.id from members m join users u on u.id = m.user_id where m.course_id = $1 and u.login = any($2) order by 1`, c, logins)
	out := make([]course.MemberID, len(rows))
	for i, r := range rows {
		out[i] = r.ID
	}
	return out, err
}

// RunState is where the last run of a member's submission stands.
type RunState struct {
	MemberID course.MemberID
	State    string
	Points   *float64 // of its tests
	Max      *float64
	ByHand   int  // questions that the tests leave to a person
	Marked   bool // a person has marked something
	Flagged  bool
}

// RunStates are the last runs of these members' submissions that count; a member
// without one is not there.
func (s *Store) RunStates(ctx context.Context, a course.AssignmentID, members []course.MemberID) (map[course.MemberID]RunState, error) {
	rows, err := many[RunState](ctx, s.db, "runs", `
		with latest as (`+latestRuns+` and b.member_id = any($3))
		select l.member_id, l.state, x.points, x.max, coalesce(x.by_hand, 0)::int as by_hand, cardinality(l.flags) > 0 as flagged,
			exists (select from mark_events e where e.assignment_id = $1 and e.member_id = l.member_id) as marked
		from latest l
		left join lateral (select sum(points) as points, sum(max) filter (where points is not null) as max, count(*) filter (where points is null) as by_hand
			from run_results where run_id = l.run_id) x on l.state = 'done'
		where l.state is not null`, a, false, members)
	out := make(map[course.MemberID]RunState, len(rows))
	for _, r := range rows {
		out[r.MemberID] = r
	}
	return out, err
}
