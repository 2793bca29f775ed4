package grading

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"lectern/course"
	"lectern/exchange"
	"lectern/exchange/tree"
	"lectern/store"
)

// Collector takes students' live work: when they submit, when it is due, and
// when a person asks for it.
type Collector struct {
	Exchange *exchange.Exchange
	Store    *store.Store
	Log      *slog.Logger
	Now      func() time.Time
}

// punctual is how long after the due time a collection may run and still be
// taken for the work as it was then. Beyond it, a person is told.
const punctual = 2 * time.Minute

// Take makes a snapshot of the work as it is now and records it as taken at the
// given time. form is the key of whoever asked: the same key is the same
// submission, however often it is asked for.
func (c *Collector) Take(ctx context.Context, w exchange.Work, sub course.Submission, form uuid.UUID, actor course.UserID) (course.Submission, error) {
	return c.take(ctx, w, sub, form, actor, nil)
}

// errUnchanged: the work is what its student submitted last. The snapshot that
// showed it stays unrecorded, for the sweeper.
var errUnchanged = errors.New("unchanged since the last submission")

// take is Take, unless the work has this digest; nil is any work.
func (c *Collector) take(ctx context.Context, w exchange.Work, sub course.Submission, form uuid.UUID, actor course.UserID, last *string) (course.Submission, error) {
	var got course.Submission
	notes := sub.Notes
	_, err := c.Exchange.Collect(ctx, w, sub.TakenAt, func(ctx context.Context, snap exchange.Snapshot) (bool, error) {
		sub.Snapshot, sub.Digest = snap.At.UTC().Format(course.SnapshotForm), snap.Digest()
		if last != nil && sub.Digest == *last {
			return false, errUnchanged
		}
		sub.Notes = append(snapshotNotes(snap), notes...)
		sub.Files = nil
		for _, f := range snap.Files {
			sub.Files = append(sub.Files, course.File{Path: f.Path, Bytes: f.Size, SHA256: f.SHA256})
		}
		fresh := false
		var err error
		got, fresh, err = c.Store.RecordSubmission(ctx, sub, form, actor)
		return fresh && got.Counts, err
	})
	if err != nil && got.ID != 0 {
		// The receipt stands; only the copy in submitted/ is behind, and is made up
		// for when it is needed.
		c.Log.Error("submission not laid out", "submission", got.ID, "error", err)
		err = nil
	}
	return got, err
}

// snapshotNotes says what people should know about what was taken.
func snapshotNotes(snap exchange.Snapshot) []string {
	var notes []string
	for _, f := range snap.Files {
		switch {
		case f.Broken:
			notes = append(notes, f.Path+" is not a valid notebook: JupyterLab cannot open it either.")
		case f.Unsettled:
			notes = append(notes, f.Path+" was being saved again and again, so this copy may be in the middle of a change.")
		}
	}
	for _, k := range snap.Skipped.Named {
		if k.Reason == tree.Junk { // what programs leave behind is nobody's concern
			continue
		}
		notes = append(notes, "Left out: "+k.Path+" ("+string(k.Reason)+").")
	}
	if n := snap.Skipped.More; n > 0 {
		notes = append(notes, fmt.Sprintf("Left out: %d more files.", n))
	}
	return notes
}

// Collect does one job of collection. Work that is what its student submitted
// last is not taken twice; work that is not there is noted, and is no error.
func (c *Collector) Collect(ctx context.Context, args store.CollectArgs) error {
	t, err := c.Store.CollectTarget(ctx, args.AssignmentID, args.MemberID)
	if err != nil {
		return err
	}
	now := c.Now().UTC().Truncate(time.Microsecond)
	w := exchange.Work{Course: t.CourseSlug, Login: t.Login, Assignment: t.Slug}
	sub := course.Submission{AssignmentID: args.AssignmentID, MemberID: args.MemberID, Kind: course.ByCollect, TakenAt: now}
	var due time.Time
	if args.DueUnix != 0 {
		// The time of record is the due time: nobody is late because the queue was long.
		due = time.Unix(args.DueUnix, 0).UTC()
		sub.TakenAt = due
		if behind := now.Sub(due); behind > punctual {
			sub.Notes = append(sub.Notes, fmt.Sprintf("Collected %s after the due time, because Lectern could not do it then; it may hold work done in between.", lasting(behind)))
		}
	}
	form := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "collect %d %d %d %d", args.AssignmentID, args.MemberID, args.DueUnix, args.Batch))
	why := ""
	_, err = c.take(ctx, w, sub, form, args.Actor, t.LastDigest)
	switch p, ok := course.AsProblem(err); {
	case ok && (p.Kind == course.NotFound || p.Kind == course.Invalid):
		why = p.Text
	case err != nil && !errors.Is(err, errUnchanged):
		return fmt.Errorf("grading: collect %s: %w", w, err)
	}
	return c.Store.MarkCollected(ctx, args.AssignmentID, args.MemberID, due, now, why)
}

// dueAtOnce bounds one statement's work; the next look takes the rest.
const dueAtOnce = 500

// EnqueueDue puts the collection of work that has become due into the queue. Two
// programs doing so do no harm.
func (c *Collector) EnqueueDue(ctx context.Context) error {
	due, err := c.Store.DueWork(ctx, c.Now(), dueAtOnce)
	if err != nil {
		return err
	}
	args := make([]store.CollectArgs, len(due))
	for i, d := range due {
		args[i] = store.CollectArgs{AssignmentID: d.AssignmentID, MemberID: d.MemberID, DueUnix: d.DueAt.Unix()}
	}
	return c.Store.EnqueueCollects(ctx, args)
}

// Recorded reports whether a snapshot on disk is a submission, for the sweeper.
func (c *Collector) Recorded(ctx context.Context, w exchange.Work, at time.Time) (bool, error) {
	return c.Store.HasSnapshot(ctx, w.Course, w.Login, w.Assignment, at.UTC().Format(course.SnapshotForm))
}

// LayOut makes submitted/ hold what counts, for submissions recorded after a
// time: a crash right after the record leaves it one version behind.
func (c *Collector) LayOut(ctx context.Context, since time.Time) error {
	list, err := c.Store.CountedSince(ctx, since)
	if err != nil {
		return err
	}
	var failed []error
	for _, w := range list {
		if err := ctx.Err(); err != nil {
			return err // there may be thousands, and the program is to end
		}
		at, err := time.Parse(course.SnapshotForm, w.Snapshot)
		if err == nil {
			err = c.Exchange.Count(ctx, exchange.Work{Course: w.Course, Login: w.Login, Assignment: w.Assignment}, at)
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// lasting names a span of at least some minutes in its two largest units.
func lasting(d time.Duration) string {
	minutes := int(d / time.Minute)
	switch {
	case minutes < 60:
		return fmt.Sprintf("%d min", minutes)
	case minutes < 48*60:
		return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
	}
	return fmt.Sprintf("%d days %d h", minutes/(24*60), minutes%(24*60)/60)
}
