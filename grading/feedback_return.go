package grading

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"lectern/course"
	"lectern/exchange"
	"lectern/store"
)

// Returns gives students their feedback and marks.
type Returns struct {
	Exchange *exchange.Exchange
	Store    *store.Store
	Log      *slog.Logger
	Now      func() time.Time
}

// Work does one job. What cannot be mended by trying again, or was tried for the
// last time, is noted for staff.
func (r *Returns) Work(ctx context.Context, j store.ReturnArgs, last bool) error {
	err := r.Return(ctx, j)
	p, known := course.AsProblem(err)
	switch {
	case err == nil:
		return nil
	case known && p.Kind != course.Busy:
		return r.Store.FailReturn(ctx, j, p.Text)
	case last:
		return errors.Join(err, r.Store.FailReturn(context.WithoutCancel(ctx), j, "Something went wrong. The log says more."))
	}
	return err
}

// Return moves one student's files where they see them, and records that and the
// marks. What is done already is not done again: a student who has looked at it
// has looked at it.
func (r *Returns) Return(ctx context.Context, j store.ReturnArgs) error {
	ctx, cancel := context.WithTimeout(ctx, store.ReturnTimeout)
	defer cancel()
	return r.Store.WithFeedback(ctx, j.AssignmentID, j.MemberID, func(tx *store.Store) error {
		waits, err := tx.TakeReturn(ctx, j)
		if err != nil || !waits {
			return err
		}
		t, err := tx.CollectTarget(ctx, j.AssignmentID, j.MemberID)
		if err != nil {
			return err
		}
		// Without files there is nothing to move: the mark is what is returned.
		if err := r.Exchange.Return(ctx, exchange.Work{Course: t.CourseSlug, Login: t.Login, Assignment: t.Slug}); err != nil && !course.IsKind(err, course.NotFound) {
			return err
		}
		// What went is what lies there now: an upload may have come between its files and their record.
		dir, err := r.Exchange.Layout.Feedback(t.CourseSlug, t.Login, t.Slug)
		if err != nil {
			return err
		}
		files, err := FilesIn(ctx, r.Exchange, dir)
		if err != nil {
			return err
		}
		if len(files) > 0 {
			if err := tx.RestageFeedback(ctx, j.AssignmentID, j.MemberID, files, r.Now()); err != nil {
				return err
			}
		}
		if err := tx.MarkReturned(ctx, j.AssignmentID, j.MemberID, j.By, r.Now()); err != nil {
			return err
		}
		detail := fmt.Sprintf("%d files", len(files))
		if len(files) == 1 {
			detail = "1 file"
		}
		return tx.Record(ctx, course.Activity{Actor: j.By, CourseID: t.CourseID, AssignmentID: j.AssignmentID, MemberID: j.MemberID, Verb: "returned feedback", Detail: detail})
	})
}

// Mend puts the returns of a Lectern that was killed back into the queue.
func (r *Returns) Mend(ctx context.Context) error {
	n, err := r.Store.MendReturns(ctx, r.Now())
	if n > 0 {
		r.Log.Info("returns taken back", "students", n)
	}
	return err
}

// FilesIn lists one of Lectern's own trees with the hash of each file.
func FilesIn(ctx context.Context, x *exchange.Exchange, dir string) ([]course.File, error) {
	entries, err := x.List(dir)
	if err != nil {
		return nil, err
	}
	var files []course.File
	for _, e := range entries {
		if e.Dir {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, err := x.Open(dir, e.Path)
		if err != nil {
			return nil, err
		}
		sum := sha256.New()
		n, err := io.Copy(sum, f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("grading: hash feedback: %w", err)
		}
		files = append(files, course.File{Path: e.Path, Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))})
	}
	return files, nil
}
