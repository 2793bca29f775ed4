package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"lectern/course"
	"lectern/exchange/fail"
	"lectern/exchange/tree"
)

// timestampName is nbgrader's; a student's file of that name is left out.
const timestampName = "timestamp.txt"

// patience is how long one snapshot may wait, over all its files, for saves to end.
const patience = 10 * time.Second

// Record stores a snapshot where the course remembers it, in one transaction,
// and says whether it is the one that counts.
type Record func(context.Context, Snapshot) (counts bool, err error)

// Collect takes a snapshot, has it recorded, and puts it into submitted/ if it
// counts. If record fails the snapshot stays on disk, unrecorded, for the
// sweeper: whether a failed commit happened cannot be known here. After a crash
// or an error behind the record, Count makes up leeway.
func (x *Exchange) Collect(ctx context.Context, w Work, at time.Time, record Record) (Snapshot, error) {
	s, err := x.TakeSnapshot(ctx, w, at)
	if err != nil {
		return s, err
	}
	return x.record(ctx, w, s, record)
}

// record is the second half of Collect.
func (x *Exchange) record(ctx context.Context, w Work, s Snapshot, record Record) (Snapshot, error) {
	// Two at once must not leave the older one in submitted/: what is recorded
	// last is also laid out last.
	defer x.locks.lock("record of " + w.String())()
	counts, err := record(ctx, s)
	fail.At("collect.recorded")
	if err != nil || !counts {
		return s, err
	}
	return s, x.Count(ctx, w, s.At)
}

// TakeSnapshot copies the student's working copy as it is now into history, one
// whole version of each file, and returns it with the time it is filed under: at,
// or microseconds later if that is taken. A NotFound Problem says that there is
// no working copy, an Invalid one that it holds nothing to take.
func (x *Exchange) TakeSnapshot(ctx context.Context, w Work, at time.Time) (s Snapshot, err error) {
	home, err := x.Layout.Home(w.Course, w.Login)
	if err != nil {
		return s, err
	}
	return x.snapshot(ctx, w, at, func() (*tree.Dir, error) { return openWork(home, w.Assignment) })
}

// snapshot copies the tree that open finds into history.
func (x *Exchange) snapshot(ctx context.Context, w Work, at time.Time, open func() (*tree.Dir, error)) (s Snapshot, err error) {
	defer explain("snapshot of "+w.String(), &err)
	history, err := x.Layout.HistoryDir(w.Course, w.Login, w.Assignment)
	if err != nil {
		return s, err
	}
	staging, err := x.Layout.Staging(w.Course)
	if err != nil {
		return s, err
	}
	defer x.locks.lock(history)()
	from, err := open()
	if err != nil {
		return s, err
	}
	defer from.Close()
	st, err := newStage(staging, "collect", nil)
	if err != nil {
		return s, err
	}
	defer st.drop()
	fail.At("collect.staged")

	s = Snapshot{Course: w.Course, Login: w.Login, Assignment: w.Assignment, At: at.UTC().Truncate(time.Microsecond)}
	if err := x.takeAll(ctx, &s, from, st); err != nil {
		return s, err
	}
	if len(s.Files) == 0 {
		return s, course.Problemf(course.Invalid, "The folder %s holds no files that can be collected.", w.Assignment)
	}
	fail.At("collect.copied")
	if err := ensureDir(history, 0o700); err != nil {
		return s, err
	}
	err = x.file(&s, st)
	return s, err
}

// openWork opens a working copy, or says why there is none.
func openWork(home, assignment string) (*tree.Dir, error) {
	none := course.Problemf(course.NotFound, "There is no folder %s yet: open the assignment first.", assignment)
	d, err := tree.Open(home)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, none
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	from, err := d.Sub(assignment)
	switch reason, odd := tree.IsOdd(err); {
	case odd && reason == tree.Vanished:
		return nil, none
	case odd:
		return nil, course.Problemf(course.NotFound, "In your home, %s is not a folder but %s.", assignment, reason)
	}
	return from, err
}

// takeAll copies within the limits. The files of the release go first, so that
// nothing a student adds can crowd them out.
func (x *Exchange) takeAll(ctx context.Context, s *Snapshot, from *tree.Dir, st *stage) error {
	entries, skips, err := from.List(ctx, x.limits)
	if err != nil {
		return err
	}
	s.Skipped = skips
	given, err := x.given(s.Course, s.Assignment)
	if err != nil {
		return err
	}
	var paths []string
	seen := map[string]bool{}
	for _, e := range entries {
		seen[e.Path] = !e.Dir
		if !e.Dir && !given[e.Path] {
			paths = append(paths, e.Path)
		}
	}
	first := slices.Sorted(maps.Keys(given))
	paths = append(first, paths...)

	t := taker{from: from, to: st, below: filesName, patience: patience}
	until, left := time.Now().Add(x.limits.Time), x.limits.Total
	for i, p := range paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		why := tree.Reason("")
		switch {
		case p == timestampName:
			why = tree.Reserved
		case len(s.Files) >= x.limits.Files:
			why = tree.TooMany
		case time.Now().After(until):
			why = tree.TooSlow
		}
		if why == "" {
			var f File
			f, err = t.take(ctx, p, min(left, x.limits.FileSize), seen[p])
			if err == nil {
				left -= f.Size
				s.Files = append(s.Files, f)
				continue
			}
			odd := false
			if why, odd = tree.IsOdd(err); !odd {
				return err
			}
			if why == tree.TooLarge && left < x.limits.FileSize {
				why = tree.OverTotal
			}
			// What the release holds but the student removed is no oddity, and what
			// the listing named already is not named twice.
			if i < len(first) && (why == tree.Vanished || s.Skipped.Has(p)) {
				continue
			}
		}
		s.Skipped.Add(p, why)
	}
	slices.SortFunc(s.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return nil
}

// given names the files of the release.
func (x *Exchange) given(slug, assignment string) (map[string]bool, error) {
	dir, err := x.Layout.Release(slug, assignment)
	if err != nil {
		return nil, err
	}
	entries, err := x.List(dir)
	given := map[string]bool{}
	for _, e := range entries {
		if !e.Dir {
			given[e.Path] = true
		}
	}
	return given, err
}

// file writes the manifest and puts the snapshot under the first free time: the
// files and what is said of them appear by one rename.
func (x *Exchange) file(s *Snapshot, st *stage) error {
	for {
		data, err := json.MarshalIndent(s, "", " ")
		if err != nil {
			return fmt.Errorf("manifest: %w", err)
		}
		if err := st.write(manifestName, append(data, '\n'), time.Time{}); err != nil {
			return err
		}
		if err := st.settle(); err != nil {
			return err
		}
		fail.At("collect.settled")
		dir, err := x.Layout.History(s.Course, s.Login, s.Assignment, s.At)
		if err != nil {
			return err
		}
		err = moveNew(st.tree(), dir)
		fail.At("collect.renamed")
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		s.At = s.At.Add(time.Microsecond)
		if err := st.root.Remove(manifestName); err != nil {
			return err
		}
	}
}
