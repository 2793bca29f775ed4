package store

import (
	"context"
	"time"

	"lectern/course"
)

// RunLease is how long a run belongs to who took it without a sign of life.
const RunLease = 30 * time.Second

// RunWork is a run that was taken, and what it takes to do it.
type RunWork struct {
	ID             RunID
	Attempts       int // the token: who finishes a run must have taken it last
	Trial          bool
	SubmissionID   course.SubmissionID
	AssignmentID   course.AssignmentID
	MemberID       course.MemberID
	CourseID       course.ID
	CourseSlug     string
	Slug           string // of the assignment
	Login          string
	Snapshot       string
	Counts         bool
	SourceVersion  int    // of the source as it is now
	CheckedVersion int    // of the source that can be graded with
	Image          string // as the assignment names it
	Pinned         string // id of the image that earlier runs used, or else students have; empty for none
	Exact          bool   // score like nbgrader
}

// TakeRun takes a run that waits, or NotFound. Courses take turns: the one with
// the fewest runs under way goes first, of those the one that was served longest
// ago, and within a course what was asked for first. A person who asks for one
// submission does not wait behind another course's three thousand.
func (s *Store) TakeRun(ctx context.Context, now time.Time) (RunWork, error) {
	return one[RunWork](ctx, s.db, "run", `
		with busy as (
			select a.course_id, count(*) filter (where r.state = 'running') as running, max(r.started_at) as served
			from runs r join assignments a on a.id = r.assignment_id
			where r.state = 'running' or r.started_at > $1::timestamptz - interval '1 hour' group by 1
		), waiting as (
			select distinct on (a.course_id) a.course_id from runs r join assignments a on a.id = r.assignment_id
			where r.state = 'queued' and r.not_before <= $1 order by a.course_id
		), turn as (
			select w.course_id, row_number() over (order by coalesce(b.running, 0), b.served nulls first, w.course_id) as place
			from waiting w left join busy b using (course_id)
		), next as (
			select r.id from runs r join assignments a on a.id = r.assignment_id join turn t on t.course_id = a.course_id
			where r.state = 'queued' and r.not_before <= $1
			order by t.place, r.asked_by is null, r.id limit 1 for update of r skip locked
		), taken as (
			update runs r set state = 'running', attempts = r.attempts + 1, started_at = $1, finished_at = null, lease_until = $1::timestamptz + $2::interval
			from next where r.id = next.id returning r.*
		)
		select r.id, r.attempts, r.trial, r.submission_id, r.assignment_id, r.member_id, c.id as course_id, c.slug as course_slug, a.slug, u.login,
			b.snapshot, b.counts, a.source_version, a.checked_version, coalesce(nullif(a.image, ''), c.image) as image, c.exact,
			coalesce(case when not r.fresh_image then (select p.image_digest from runs p where p.assignment_id = a.id and p.state = 'done'
				and p.image = coalesce(nullif(a.image, ''), c.image) and p.image_digest <> '' order by p.id desc limit 1) end, `+pinnedFor+`, '') as pinned
		from taken r join assignments a on a.id = r.assignment_id join courses c on c.id = a.course_id
		join members m on m.id = r.member_id join users u on u.id = m.user_id join submissions b on b.id = r.submission_id`, now, RunLease)
}

// KeepRun puts the end of the lease off; false says that the run is no longer the
// caller's: cancelled, or taken by somebody else.
func (s *Store) KeepRun(ctx context.Context, w RunWork, now time.Time) (bool, error) {
	n, err := exec(ctx, s.db, "keep run", `
		update runs set lease_until = $3::timestamptz + $4::interval where id = $1 and state = 'running' and attempts = $2`, w.ID, w.Attempts, now, RunLease)
	return n == 1, err
}

// RunFound is what a run found out.
type RunFound struct {
	SourceVersion int
	Image         string
	ImageDigest   string
	Exact         bool
	Log           string
	Flags         []string
	Repairs       []RunRepair
	Results       []RunResult
}

// RunResult is one question of a run.
type RunResult struct {
	Notebook   string   `json:"notebook"`
	Question   string   `json:"question"`
	Position   int      `json:"position"`
	Points     *float64 `json:"points"` // nil: a person marks it
	Max        float64  `json:"max"`
	NoResponse bool     `json:"no_response"`
	Reason     string   `json:"reason"`
	Flags      []string `json:"flags"`
	AnswerHash string   `json:"answer_hash"`
}

// FinishRun records what a run found, once. The run of the highest number is the
// one in effect: an older one that ends later is kept, and changes nothing. place
// puts the graded files where they belong; it is called before anything is
// committed, and only if the run comes into effect for the submission that counts,
// or is a dry run. kept is false if the run was not the caller's any more.
func (s *Store) FinishRun(ctx context.Context, w RunWork, f RunFound, now time.Time, place func() error) (kept bool, err error) {
	err = s.InTx(ctx, func(tx *Store) error {
		// Two runs of one submission end one after the other.
		var counts bool
		if err := tx.db.QueryRow(ctx, `select counts from submissions where id = $1 for no key update`, w.SubmissionID).Scan(&counts); err != nil {
			return wrap("finish run", err)
		}
		n, err := exec(ctx, tx.db, "finish run", `
			update runs set state = 'done', finished_at = $3, lease_until = null, error = '', source_version = $4, image = $5, image_digest = $6,
				exact = $7, log = $8, flags = $9, repairs = $10
			where id = $1 and state = 'running' and attempts = $2`, w.ID, w.Attempts, now, f.SourceVersion, f.Image, f.ImageDigest, f.Exact,
			f.Log, texts(f.Flags), orEmpty(f.Repairs))
		if err != nil || n == 0 {
			return err
		}
		kept = true
		if _, err := exec(ctx, tx.db, "finish run", `
			insert into run_results (run_id, notebook, question, position, points, max, no_response, reason, flags, answer_hash)
			select $1, x.notebook, x.question, x.position, x.points, x.max, x.no_response, x.reason,
				coalesce(array(select jsonb_array_elements_text(x.flags)), '{}'), x.answer_hash
			from jsonb_to_recordset($2::jsonb) as x (notebook text, question text, position int, points float8, max float8, no_response bool,
				reason text, flags jsonb, answer_hash text)
			on conflict do nothing`, w.ID, results(f.Results)); err != nil {
			return err
		}
		if w.Trial {
			return place()
		}
		effective, err := tx.takeEffect(ctx, []RunID{w.ID})
		if err != nil || !counts || len(effective) == 0 {
			return err
		}
		return place()
	})
	return kept && err == nil, err
}

// takeEffect makes done runs those in effect, unless a newer one is, and says
// which became so. The caller holds the submissions.
func (s *Store) takeEffect(ctx context.Context, ids []RunID) ([]RunID, error) {
	if _, err := exec(ctx, s.db, "finish run", `
		update runs o set effective = false from runs n
		where n.id = any($1) and o.submission_id = n.submission_id and o.effective and o.id < n.id`, ids); err != nil {
		return nil, err
	}
	type row struct{ ID RunID }
	rows, err := many[row](ctx, s.db, "finish run", `
		update runs n set effective = true
		where n.id = any($1) and not exists (select from runs o where o.submission_id = n.submission_id and o.effective) returning n.id`, ids)
	out := make([]RunID, len(rows))
	for i, r := range rows {
		out[i] = r.ID
	}
	return out, err
}

func orEmpty(r []RunRepair) []RunRepair {
	if r == nil {
		return []RunRepair{}
	}
	return r
}

func results(list []RunResult) []RunResult {
	out := make([]RunResult, len(list))
	for i, r := range list {
		r.Flags = texts(r.Flags)
		out[i] = r
	}
	return out
}

// superseded: a newer run of the submission waits or is under way, and will do.
const superseded = `exists (select from runs q where q.submission_id = r.submission_id and q.trial = r.trial
	and (q.state = 'queued' or q.state = 'running' and q.id > r.id))`

// FailRun notes a failure of ours. The run waits until a time and is then taken
// again; the zero time leaves it to a person. It never costs a student anything.
func (s *Store) FailRun(ctx context.Context, w RunWork, why, log string, now, again time.Time) error {
	return s.InTx(ctx, func(tx *Store) error {
		if again.IsZero() {
			_, err := exec(ctx, tx.db, "fail run", `
				update runs set state = 'failed', finished_at = $3, lease_until = null, error = $4, log = $5
				where id = $1 and state = 'running' and attempts = $2`, w.ID, w.Attempts, now, why, log)
			return err
		}
		n, err := exec(ctx, tx.db, "fail run", `
			update runs r set state = case when `+superseded+`
					then 'cancelled' else 'queued' end,
				lease_until = null, not_before = $3, error = $4, log = $5
			where id = $1 and state = 'running' and attempts = $2`, w.ID, w.Attempts, again, why, log)
		if err != nil || n == 0 {
			return err
		}
		return tx.tickets(ctx, []RunID{w.ID}, again)
	})
}

// GiveRunBack lets somebody else take the run at once; nothing was wrong with it.
func (s *Store) GiveRunBack(ctx context.Context, w RunWork, now time.Time) error {
	return s.InTx(ctx, func(tx *Store) error {
		n, err := exec(ctx, tx.db, "give run back", `
			update runs r set state = case when `+superseded+`
					then 'cancelled' else 'queued' end, lease_until = null, not_before = $3
			where id = $1 and state = 'running' and attempts = $2`, w.ID, w.Attempts, now)
		if err != nil || n == 0 {
			return err
		}
		return tx.tickets(ctx, []RunID{w.ID}, time.Time{})
	})
}

// MendRuns takes runs back whose worker died, and sees to it that nothing waits
// without a ticket. A run that has been tried often enough is left to a person.
func (s *Store) MendRuns(ctx context.Context, now time.Time, most int) (back int, err error) {
	err = s.InTx(ctx, func(tx *Store) error {
		n, err := exec(ctx, tx.db, "mend runs", `
			update runs r set lease_until = null,
				error = 'Lectern stopped while this was graded.',
				finished_at = case when attempts >= $2 then $1::timestamptz end,
				state = case when attempts >= $2 then 'failed'
					when `+superseded+` then 'cancelled'
					else 'queued' end
			where state = 'running' and lease_until < $1`, now, most)
		if err != nil {
			return err
		}
		back = int(n)
		type row struct{ ID RunID }
		// Tickets that a dead program still holds do not count.
		rows, err := many[row](ctx, tx.db, "mend runs", `
			select id from runs where state = 'queued' and not_before <= $1 order by id
			limit greatest(0, (select count(*) from runs where state = 'queued' and not_before <= $1)
				- (select count(*) from river_job where kind = 'autograde' and state in ('available', 'pending')))`, now)
		if err != nil {
			return err
		}
		ids := make([]RunID, len(rows))
		for i, r := range rows {
			ids[i] = r.ID
		}
		return tx.tickets(ctx, ids, time.Time{})
	})
	return back, err
}
