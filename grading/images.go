package grading

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lectern/course"
	"lectern/spawner/container"
	"lectern/store"
)

// Images carries out work with the images of courses: it has them fetched to where
// they are needed, pins what a name means when a course is first released with it,
// finds out what the name means later, and tests them. Whatever happens, also to
// Lectern itself, a job ends: done, or failed and left to a person.
type Images struct {
	Store    *store.Store
	Preparer *Preparer
	Engine   container.Images
	Checks   *Checks // grades solutions
	Lab      Lab     // starts JupyterLab
	Log      *slog.Logger
	Now      func() time.Time

	Wait []time.Duration // before the second try, the third…; then it is left to a person; nil is for some hours
	Beat time.Duration   // between signs of life; 0 is 2 s

	testing sync.Mutex // one test at a time boots a server; downloads wait for nobody
}

// Lab starts JupyterLab in an image as a workspace would, and runs a cell.
type Lab interface {
	// Try says what it does as it goes. log is what the program wrote in the end;
	// a LabFault is the image's, any other error ours.
	Try(ctx context.Context, j store.ImageJob, say func(string)) (log string, err error)
}

// LabFault is what is wrong with an image, in a sentence.
type LabFault string

func (f LabFault) Error() string { return string(f) }

// Next does a job, if it waits. Only a failure that says nothing about the job is
// an error: the database is away.
func (m *Images) Next(ctx context.Context, id int64) error {
	j, err := m.Store.TakeImageJob(ctx, id, rand.Text()+rand.Text(), m.Now())
	if course.IsKind(err, course.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	err = m.alive(ctx, j)
	record, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	switch {
	case err == nil, errors.Is(err, errLost):
		return nil
	case ctx.Err() != nil:
		return m.Store.GiveImageJobBack(record, j)
	}
	m.Log.Warn("work with an image failed", "kind", j.Kind, "image", j.Reference, "failures", j.Failures, "error", err)
	why, final := imageReason(err)
	var again time.Time
	if waits := m.waits(j); !final && j.Failures < len(waits) {
		again = m.Now().Add(waits[j.Failures])
	}
	return m.Store.FailImageJob(record, j, why, tail(err.Error()), nil, m.Now(), again)
}

// waits are long for what students wait for, and short where a person looks on.
func (m *Images) waits(j store.ImageJob) []time.Duration {
	if m.Wait != nil {
		return m.Wait
	}
	waits := []time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second}
	if j.Kind == store.ImageFetch {
		for range 30 {
			waits = append(waits, 5*time.Minute)
		}
	}
	return waits
}

// Mend takes back the jobs of a Lectern that was killed.
func (m *Images) Mend(ctx context.Context) error {
	n, err := m.Store.MendImageJobs(ctx, m.Now())
	if n > 0 {
		m.Log.Info("work with images taken back", "jobs", n)
	}
	return err
}

// alive does a job, giving signs of life on the way.
func (m *Images) alive(ctx context.Context, j store.ImageJob) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	beat := m.Beat
	if beat == 0 {
		beat = 2 * time.Second
	}
	go func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if ours, err := m.Store.KeepImageJob(ctx, j, "", 0, 0, m.Now()); err == nil && !ours {
				stop(errLost)
				return
			}
		}
	}()
	var err error
	switch j.Kind {
	case store.ImageFetch:
		err = m.fetch(ctx, j)
	case store.ImageNewer:
		err = m.newer(ctx, j)
	case store.ImageTest:
		err = m.test(ctx, j)
	default:
		err = fmt.Errorf("grading: no such work with an image: %s", j.Kind)
	}
	if errors.Is(context.Cause(ctx), errLost) {
		return errLost
	}
	return err
}

// say notes on the page how far a job is.
func (m *Images) say(ctx context.Context, j store.ImageJob) func(container.Fetching) {
	return func(f container.Fetching) {
		text := f.Text
		if f.Machine != "" {
			text = f.Machine + ": " + f.Text
		}
		_, _ = m.Store.KeepImageJob(ctx, j, clean(text), f.Done, f.Total, m.Now()) // the next one says as much
	}
}

// imageReason says what failed to people, and whether trying again is of no use.
func imageReason(err error) (why string, final bool) {
	var fault LabFault
	switch p, ok := course.AsProblem(err); {
	case errors.As(err, &fault):
		return string(fault), true
	case ok:
		return p.Text, p.Kind != course.Busy
	case errors.Is(err, errGone):
		return "The image was built on the engine and is no longer there, so it cannot be fetched. Load it again, or take a newer one.", true
	case errors.Is(err, container.ErrNoSuchImage):
		return "The registry has no such image, or wants a sign-in for it. Check the name; an image behind a sign-in has to be loaded on the engine by hand.", true
	case errors.Is(err, container.ErrStalled):
		return "The download stood still and was given up.", false
	case errors.Is(err, container.ErrRegistry):
		return "The registry does not answer as it should.", false
	case errors.Is(err, container.ErrEngineDown):
		return "The container engine does not answer at the moment.", false
	case errors.Is(err, container.ErrImageMissing):
		return "The image is not on the machines that need it, and no registry has it: load it there by hand.", false
	}
	return "That did not work, through a fault of the server. The log says more.", false
}
