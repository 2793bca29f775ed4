package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"lectern/course"
)

// CheckQueue is the queue of checks that run something.
const CheckQueue = "check"

// CheckArgs is a ticket for what a check of an assignment finds out by running.
// One that finds nothing to do is no error.
type CheckArgs struct {
	AssignmentID course.AssignmentID `json:"assignment_id"`
}

// Kind names the job in the queue.
func (CheckArgs) Kind() string { return "check" }

// InsertOpts leaves what to try again to the check itself.
func (CheckArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: CheckQueue, MaxAttempts: 3}
}

// CheckLease is how long a check belongs to who took it without a sign of life.
const CheckLease = 15 * time.Second

// CheckTrial is where a check's running stands.
type CheckTrial struct {
	SourceVersion int // that was asked for
	State         string
	Failures      int
	AskedAt       time.Time
	NotBefore     time.Time
	StartedAt     *time.Time
	Step          string
	Error, Log    string
	Result        json.RawMessage // grading's; an empty object if there is none
}

// Moving reports whether something more will come by itself.
func (t CheckTrial) Moving() bool { return t.State == "queued" || t.State == "running" }

// CheckTrial is an assignment's; ok is false if none was ever asked for.
func (s *Store) CheckTrial(ctx context.Context, id course.AssignmentID) (t CheckTrial, ok bool, err error) {
	t, err = one[CheckTrial](ctx, s.db, "check", `
		select source_version, state, failures, asked_at, not_before, started_at, step, error, log, result
		from check_trials where assignment_id = $1`, id)
	if course.IsKind(err, course.NotFound) {
		return t, false, nil
	}
	return t, err == nil, err
}

// AskCheck asks for the running of the present version. What was found out before
// stays until there is something newer; who works on it loses it.
func (s *Store) AskCheck(ctx context.Context, id course.AssignmentID, now time.Time) error {
	return s.InTx(ctx, func(tx *Store) error {
		if _, err := exec(ctx, tx.db, "check", `
			insert into check_trials as t (assignment_id, source_version, asked_at, not_before)
			select id, source_version, $2, $2 from assignments where id = $1
			on conflict (assignment_id) do update set source_version = excluded.source_version, state = 'queued', attempts = t.attempts + 1, failures = 0,
				asked_at = excluded.asked_at, not_before = excluded.not_before, started_at = null, lease_until = null, step = '', error = '', log = ''`, id, now); err != nil {
			return err
		}
		return tx.Enqueue(ctx, CheckArgs{AssignmentID: id}, nil)
	})
}

// AskChecks asks for a new version and its check of every assignment of a course
// that has files, because what goes into all of them was changed.
func (s *Store) AskChecks(ctx context.Context, c course.ID, now time.Time) (int, error) {
	n := 0
	err := s.InTx(ctx, func(tx *Store) error {
		type row struct{ ID course.AssignmentID }
		rows, err := many[row](ctx, tx.db, "check", `
			update assignments set source_version = source_version + 1
			where course_id = $1 and source_version > 0 and archived_at is null returning id`, c)
		if err != nil {
			return err
		}
		n = len(rows)
		for _, r := range rows { // rare, and a course has dozens
			if err := tx.AskCheck(ctx, r.ID, now); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// CheckWork is a check that was taken, and what it takes to do it.
type CheckWork struct {
	AssignmentID  course.AssignmentID
	Attempts      int // the token: who finishes it must have taken it last
	Failures      int
	SourceVersion int
	CourseSlug    string
	Slug          string
	Image         string // as the assignment names it, or the id of what students have
	Exact         bool   // score like nbgrader
}

// TakeCheck takes an assignment's check if it waits, or NotFound.
func (s *Store) TakeCheck(ctx context.Context, id course.AssignmentID, now time.Time) (CheckWork, error) {
	return one[CheckWork](ctx, s.db, "check", `
		with taken as (
			update check_trials set state = 'running', attempts = attempts + 1, started_at = $2, lease_until = $2::timestamptz + $3::interval, error = '', log = ''
			where assignment_id = $1 and state = 'queued' and not_before <= $2 returning *
		)
		select t.assignment_id, t.attempts, t.failures, t.source_version, c.slug as course_slug, a.slug, coalesce(`+pinnedFor+`, nullif(a.image, ''), c.image) as image, c.exact
		from taken t join assignments a on a.id = t.assignment_id join courses c on c.id = a.course_id`, id, now, CheckLease)
}

// KeepCheck puts the end of the lease off and says what is being done now, unless
// step is empty; false says that the check is no longer the caller's.
func (s *Store) KeepCheck(ctx context.Context, w CheckWork, step string, now time.Time) (bool, error) {
	n, err := exec(ctx, s.db, "keep check", `
		update check_trials set lease_until = $3::timestamptz + $4::interval, step = coalesce(nullif($5, ''), step)
		where assignment_id = $1 and state = 'running' and attempts = $2`, w.AssignmentID, w.Attempts, now, CheckLease, step)
	return n == 1, err
}

// SaveCheckResult keeps what was found out so far, nothing new if it is nil; done
// ends the check.
func (s *Store) SaveCheckResult(ctx context.Context, w CheckWork, result any, done bool) error {
	_, err := exec(ctx, s.db, "save check", `
		update check_trials set result = coalesce($3, result), state = case when $4 then 'done' else state end, lease_until = case when $4 then null else lease_until end,
			step = case when $4 then '' else step end
		where assignment_id = $1 and state = 'running' and attempts = $2`, w.AssignmentID, w.Attempts, result, done)
	return err
}

// FailCheck notes a failure of ours. The check waits until a time and is taken
// again; the zero time leaves it to a person.
func (s *Store) FailCheck(ctx context.Context, w CheckWork, why, log string, again time.Time) error {
	return s.InTx(ctx, func(tx *Store) error {
		n, err := exec(ctx, tx.db, "fail check", `
			update check_trials set state = case when $5::timestamptz is null then 'failed' else 'queued' end, failures = failures + 1, lease_until = null,
				not_before = coalesce($5, not_before), step = '', error = $3, log = $4
			where assignment_id = $1 and state = 'running' and attempts = $2`, w.AssignmentID, w.Attempts, why, log, orNull(again))
		if err != nil || n == 0 || again.IsZero() {
			return err
		}
		return tx.Enqueue(ctx, CheckArgs{AssignmentID: w.AssignmentID}, &river.InsertOpts{ScheduledAt: again})
	})
}

// GiveCheckBack lets somebody else take the check at once; nothing was wrong with it.
func (s *Store) GiveCheckBack(ctx context.Context, w CheckWork) error {
	return s.InTx(ctx, func(tx *Store) error {
		n, err := exec(ctx, tx.db, "give check back", `
			update check_trials set state = 'queued', lease_until = null, step = '' where assignment_id = $1 and state = 'running' and attempts = $2`, w.AssignmentID, w.Attempts)
		if err != nil || n == 0 {
			return err
		}
		return tx.Enqueue(ctx, CheckArgs{AssignmentID: w.AssignmentID}, nil)
	})
}

// MendChecks takes checks back whose worker died, and sees to it that nothing
// waits without a ticket. Tickets that a dead program still holds do not count.
func (s *Store) MendChecks(ctx context.Context, now time.Time) (back int, err error) {
	err = s.InTx(ctx, func(tx *Store) error {
		n, err := exec(ctx, tx.db, "mend checks", `
			update check_trials set state = 'queued', lease_until = null, step = '' where state = 'running' and lease_until < $1`, now)
		if err != nil {
			return err
		}
		back = int(n)
		type row struct{ AssignmentID course.AssignmentID }
		rows, err := many[row](ctx, tx.db, "mend checks", `
			select assignment_id from check_trials t where state = 'queued' and not_before <= $1 and not exists (
				select from river_job j where j.kind = 'check' and j.state in ('available', 'pending', 'scheduled', 'retryable')
					and j.args @> jsonb_build_object('assignment_id', t.assignment_id))`, now)
		for _, r := range rows { // what was lost: a handful
			err = errors.Join(err, tx.Enqueue(ctx, CheckArgs{AssignmentID: r.AssignmentID}, nil))
		}
		return err
	})
	return back, err
}

// Preparing is what the making of an assignment's release stands on.
type Preparing struct {
	CourseSlug  string
	Preparation course.Preparation
	// The tests made of AUTOTEST lines: of which version of the source, and what.
	TestsVersion int
	Tests        json.RawMessage
}

// Preparing of an assignment.
func (s *Store) Preparing(ctx context.Context, id course.AssignmentID) (Preparing, error) {
	return one[Preparing](ctx, s.db, "assignment", `
		select c.slug as course_slug, c.preparing as preparation, coalesce(k.source_version, 0) as tests_version, coalesce(k.tests, '{}') as tests
		from assignments a join courses c on c.id = a.course_id left join checks k on k.assignment_id = a.id where a.id = $1`, id)
}

// SaveTests keeps the tests that were made for a version, with its report.
func (s *Store) SaveTests(ctx context.Context, id course.AssignmentID, version int, tests any) error {
	_, err := exec(ctx, s.db, "save tests", `update checks set tests = $3 where assignment_id = $1 and source_version = $2`, id, version, tests)
	return err
}

// Preparation is how a course's releases are made.
func (s *Store) Preparation(ctx context.Context, c course.ID) (p course.Preparation, err error) {
	err = s.db.QueryRow(ctx, `select preparing from courses where id = $1`, c).Scan(&p)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, notFound("course")
	}
	return p, wrapIf("course", err)
}

// SavePreparation changes it.
func (s *Store) SavePreparation(ctx context.Context, c course.ID, p course.Preparation) error {
	_, err := exec(ctx, s.db, "save course", `update courses set preparing = $2 where id = $1`, c, p)
	return err
}

// Checkable is the present version of an assignment's source as a check would take
// it; false while it has not passed one.
func (s *Store) Checkable(ctx context.Context, id course.AssignmentID) (w CheckWork, ok bool, err error) {
	w, err = one[CheckWork](ctx, s.db, "assignment", `
		select a.id as assignment_id, a.source_version, c.slug as course_slug, a.slug, coalesce(`+pinnedFor+`, nullif(a.image, ''), c.image) as image, c.exact
		from assignments a join courses c on c.id = a.course_id
		where a.id = $1 and a.source_version > 0 and a.checked_version = a.source_version`, id)
	if course.IsKind(err, course.NotFound) {
		return w, false, nil
	}
	return w, err == nil, err
}
