package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/riverqueue/river"

	"lectern/course"
)

// ImageQueue is the queue of work with images.
const ImageQueue = "images"

// ImageArgs is a ticket for one job of work with an image. One that finds nothing
// to do is no error.
type ImageArgs struct {
	ID int64 `json:"id"`
}

// Kind names the job in the queue.
func (ImageArgs) Kind() string { return "image" }

// InsertOpts leaves what to try again to the job itself.
func (ImageArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: ImageQueue, MaxAttempts: 3}
}

// ImageLease is how long a job belongs to who took it without a sign of life.
const ImageLease = 15 * time.Second

// What a job with an image does.
const (
	ImageFetch = "fetch" // have it on every machine, pin it, and release what waits for it
	ImageNewer = "newer" // see what the name means by now
	ImageTest  = "test"  // start it, run a kernel, grade the solution
)

// ImageAsk names a job: there is one of each.
type ImageAsk struct {
	Kind         string
	Reference    string
	CourseID     course.ID           // 0 for the site's own test
	AssignmentID course.AssignmentID // whose solution a test grades; 0 for none
}

// ImageJob is a job and where it stands.
type ImageJob struct {
	ID int64
	ImageAsk
	State      string
	Attempts   int // the token: who finishes it must have taken it last
	Failures   int
	AskedBy    course.UserID
	AskedAt    time.Time
	NotBefore  time.Time
	StartedAt  *time.Time
	EndedAt    *time.Time
	Token      string // of the Jupyter that a test starts
	Step       string
	DoneBytes  int64
	TotalBytes int64 // 0 if not known
	Error, Log string
	Result     json.RawMessage // grading's; an empty object if there is none
}

// Moving reports whether something more will come by itself.
func (j ImageJob) Moving() bool { return j.State == "queued" || j.State == "running" }

const imageJobColumns = `j.id, j.kind, j.reference, coalesce(j.course_id, 0) as course_id, coalesce(j.assignment_id, 0) as assignment_id, j.state, j.attempts, j.failures,
	coalesce(j.asked_by, 0) as asked_by, j.asked_at, j.not_before, j.started_at, j.ended_at, j.token, j.step, j.done_bytes, j.total_bytes, j.error, j.log, j.result`

// AskImage asks for a job, unless it is under way. What an earlier one found out
// stays until there is something newer.
func (s *Store) AskImage(ctx context.Context, a ImageAsk, by course.UserID, now time.Time) error {
	return s.InTx(ctx, func(tx *Store) error {
		type row struct{ ID int64 }
		rows, err := many[row](ctx, tx.db, "image job", `
			insert into image_jobs as j (kind, reference, course_id, assignment_id, asked_by, asked_at, not_before)
			values ($1, $2, nullif($3::bigint, 0), nullif($4::bigint, 0), nullif($5::bigint, 0), $6, $6)
			on conflict (kind, reference, coalesce(course_id, 0), coalesce(assignment_id, 0)) do update set state = 'queued', failures = 0,
				asked_by = excluded.asked_by, asked_at = excluded.asked_at, not_before = excluded.not_before, started_at = null, ended_at = null,
				lease_until = null, step = '', done_bytes = 0, total_bytes = 0, error = '', log = ''
				where j.state <> 'running'
			returning j.id`, a.Kind, a.Reference, a.CourseID, a.AssignmentID, by, now)
		if err != nil || len(rows) == 0 {
			return err
		}
		return tx.Enqueue(ctx, ImageArgs{ID: rows[0].ID}, nil)
	})
}

// ImageJob is where a job stands; ok is false if it was never asked for.
func (s *Store) ImageJob(ctx context.Context, a ImageAsk) (j ImageJob, ok bool, err error) {
	j, err = one[ImageJob](ctx, s.db, "image job", `
		select `+imageJobColumns+` from image_jobs j
		where j.kind = $1 and j.reference = $2 and coalesce(j.course_id, 0) = $3 and coalesce(j.assignment_id, 0) = $4`,
		a.Kind, a.Reference, a.CourseID, a.AssignmentID)
	if course.IsKind(err, course.NotFound) {
		return j, false, nil
	}
	return j, err == nil, err
}

// ImageJobByID is the job of this id.
func (s *Store) ImageJobByID(ctx context.Context, id int64) (ImageJob, error) {
	return one[ImageJob](ctx, s.db, "image job", `select `+imageJobColumns+` from image_jobs j where j.id = $1`, id)
}

// SiteImageTests are the site's own tests of images, by reference.
func (s *Store) SiteImageTests(ctx context.Context) (map[string]ImageJob, error) {
	list, err := many[ImageJob](ctx, s.db, "image tests", `
		select `+imageJobColumns+` from image_jobs j where j.kind = 'test' and j.course_id is null`)
	out := make(map[string]ImageJob, len(list))
	for _, j := range list {
		out[j.Reference] = j
	}
	return out, err
}

// TakeImageJob takes a job if it waits, or NotFound. token is what a Jupyter that
// it starts will want to hear.
func (s *Store) TakeImageJob(ctx context.Context, id int64, token string, now time.Time) (ImageJob, error) {
	return one[ImageJob](ctx, s.db, "image job", `
		update image_jobs j set state = 'running', attempts = attempts + 1, started_at = $2, ended_at = null, lease_until = $2::timestamptz + $4::interval,
			token = $3, step = '', done_bytes = 0, total_bytes = 0, error = '', log = ''
		where id = $1 and state = 'queued' and not_before <= $2 returning `+imageJobColumns, id, now, token, ImageLease)
}

// KeepImageJob puts the end of the lease off and notes how far it is, unless step
// is empty; false says that the job is no longer the caller's.
func (s *Store) KeepImageJob(ctx context.Context, j ImageJob, step string, done, total int64, now time.Time) (bool, error) {
	n, err := exec(ctx, s.db, "keep image job", `
		update image_jobs set lease_until = $3::timestamptz + $4::interval, step = coalesce(nullif($5, ''), step),
			done_bytes = case when $5 = '' then done_bytes else $6 end, total_bytes = case when $5 = '' then total_bytes else $7 end
		where id = $1 and state = 'running' and attempts = $2`, j.ID, j.Attempts, now, ImageLease, step, done, total)
	return n == 1, err
}

// EndImageJob records what a job found out. false says that it is no longer the
// caller's, and nothing was recorded.
func (s *Store) EndImageJob(ctx context.Context, j ImageJob, result any, log string, now time.Time) (bool, error) {
	n, err := exec(ctx, s.db, "end image job", `
		update image_jobs set state = 'done', ended_at = $3, lease_until = null, token = '', step = '', error = '', log = $4, result = coalesce($5, result)
		where id = $1 and state = 'running' and attempts = $2`, j.ID, j.Attempts, now, log, result)
	return n == 1, err
}

// FailImageJob notes why a job failed. It waits until a time and is taken again;
// the zero time leaves it to a person.
func (s *Store) FailImageJob(ctx context.Context, j ImageJob, why, log string, result any, now, again time.Time) error {
	return s.InTx(ctx, func(tx *Store) error {
		n, err := exec(ctx, tx.db, "fail image job", `
			update image_jobs set state = case when $6::timestamptz is null then 'failed' else 'queued' end, failures = failures + 1, ended_at = $5,
				lease_until = null, not_before = coalesce($6, not_before), token = '', step = '', error = $3, log = $4, result = coalesce($7, result)
			where id = $1 and state = 'running' and attempts = $2`, j.ID, j.Attempts, why, log, now, orNull(again), result)
		if err != nil || n == 0 || again.IsZero() {
			return err
		}
		return tx.Enqueue(ctx, ImageArgs{ID: j.ID}, &river.InsertOpts{ScheduledAt: again})
	})
}

// GiveImageJobBack lets somebody else take the job at once; nothing was wrong with it.
func (s *Store) GiveImageJobBack(ctx context.Context, j ImageJob) error {
	return s.InTx(ctx, func(tx *Store) error {
		n, err := exec(ctx, tx.db, "give image job back", `
			update image_jobs set state = 'queued', lease_until = null, token = '', step = '' where id = $1 and state = 'running' and attempts = $2`, j.ID, j.Attempts)
		if err != nil || n == 0 {
			return err
		}
		return tx.Enqueue(ctx, ImageArgs{ID: j.ID}, nil)
	})
}

// MendImageJobs takes jobs back whose worker died, and sees to it that nothing
// waits without a ticket. Tickets that a dead program still holds do not count.
func (s *Store) MendImageJobs(ctx context.Context, now time.Time) (back int, err error) {
	err = s.InTx(ctx, func(tx *Store) error {
		n, err := exec(ctx, tx.db, "mend image jobs", `
			update image_jobs set state = 'queued', lease_until = null, token = '', step = '' where state = 'running' and lease_until < $1`, now)
		if err != nil {
			return err
		}
		back = int(n)
		type row struct{ ID int64 }
		rows, err := many[row](ctx, tx.db, "mend image jobs", `
			select id from image_jobs t where state = 'queued' and not_before <= $1 and not exists (
				select from river_job j where j.kind = 'image' and j.state in ('available', 'pending', 'scheduled', 'retryable')
					and j.args @> jsonb_build_object('id', t.id))`, now)
		for _, r := range rows { // what was lost: a handful
			err = errors.Join(err, tx.Enqueue(ctx, ImageArgs{ID: r.ID}, nil))
		}
		return err
	})
	return back, err
}
