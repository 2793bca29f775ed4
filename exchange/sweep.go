package exchange

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"lectern/course"
)

// Swept counts what a sweep removed.
type Swept struct {
	Staged    int // unfinished copies
	Snapshots int // snapshots no record knows
}

// Recorded reports whether the course remembers the snapshot of this time.
type Recorded func(ctx context.Context, w Work, at time.Time) (bool, error)

// Sweep removes what crashes left behind: stages last touched before the given
// time and, if recorded is not nil, snapshots put on disk before it that no record
// knows. Choose a time no move can still be running since; a day is plenty. It
// goes on past what it cannot remove and reports that at the end.
func (x *Exchange) Sweep(ctx context.Context, before time.Time, recorded Recorded) (Swept, error) {
	var swept Swept
	var faults []error
	for _, root := range []string{x.Layout.CoursesDir(), x.Layout.HomesDir()} {
		courses, err := os.ReadDir(root)
		if err != nil {
			return swept, fmt.Errorf("exchange: sweep: %w", err)
		}
		for _, c := range courses {
			if !course.ValidSlug(c.Name()) {
				continue
			}
			n, err := sweepStages(ctx, filepath.Join(root, c.Name(), ".staging"), before)
			swept.Staged += n
			faults = append(faults, err)
			if recorded != nil && root == x.Layout.CoursesDir() {
				n, err := x.sweepHistory(ctx, c.Name(), before, recorded)
				swept.Snapshots += n
				faults = append(faults, err)
			}
		}
	}
	if err := errors.Join(faults...); err != nil {
		return swept, fmt.Errorf("exchange: sweep: %w", err)
	}
	return swept, nil
}

func sweepStages(ctx context.Context, staging string, before time.Time) (n int, err error) {
	stages, err := os.ReadDir(staging)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	var faults []error
	for _, s := range stages {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		st, err := s.Info()
		if err != nil || !st.ModTime().Before(before) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(staging, s.Name())); err != nil {
			faults = append(faults, err)
			continue
		}
		n++
	}
	return n, errors.Join(faults...)
}

// sweepHistory asks about each old snapshot; the caller's answer decides.
func (x *Exchange) sweepHistory(ctx context.Context, slug string, before time.Time, recorded Recorded) (n int, err error) {
	own, err := x.Layout.Course(slug)
	if err != nil {
		return 0, err
	}
	dirs, err := filepath.Glob(filepath.Join(own, "history", "*", "*"))
	if err != nil {
		return 0, err
	}
	var faults []error
	for _, dir := range dirs {
		w := Work{slug, filepath.Base(filepath.Dir(dir)), filepath.Base(dir)}
		times, err := x.Snapshots(w)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, at := range times {
			if err := ctx.Err(); err != nil {
				return n, err
			}
			snap := filepath.Join(dir, at.Format(course.SnapshotForm))
			// Its name may be a due time long past: only the disk knows whether
			// the one who made it may be about to record it.
			st, err := os.Lstat(snap)
			if err != nil || !st.ModTime().Before(before) {
				faults = append(faults, err)
				continue
			}
			known, err := recorded(ctx, w, at)
			if err == nil && !known {
				err = x.away(slug, snap)
				n++
			}
			faults = append(faults, err)
		}
	}
	return n, errors.Join(faults...)
}
