package exchange

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"

	"lectern/course"
)

// StageAutograded keeps the draft as the graded tree of one dry run of the work.
func (x *Exchange) StageAutograded(d *Draft, w Work, run int64) (err error) {
	defer explain("stage autograded of "+w.String(), &err)
	dir, err := x.Layout.StagedAutograded(w.Course, w.Login, w.Assignment)
	if err != nil {
		return err
	}
	return x.place(d, filepath.Join(dir, strconv.FormatInt(run, 10)), "autograded")
}

// Autograded is the work's graded tree, a directory to be read, given the run that
// is in effect: a dry run that was applied since is moved into place first. Hence
// a crash between the record and the files is made up for by whoever needs them.
func (x *Exchange) Autograded(w Work, run int64) (dir string, err error) {
	defer explain("autograded of "+w.String(), &err)
	staged, err := x.Layout.StagedAutograded(w.Course, w.Login, w.Assignment)
	if err != nil {
		return "", err
	}
	to, err := x.Layout.Autograded(w.Course, w.Login, w.Assignment)
	if err != nil {
		return "", err
	}
	defer x.locks.lock(to)()
	from := filepath.Join(staged, strconv.FormatInt(run, 10))
	waits, err := exists(from)
	if err != nil {
		return "", err
	}
	if waits {
		if err := ensureDir(filepath.Dir(to), 0o700); err != nil {
			return "", err
		}
		if err := swapIn(from, to); err != nil {
			return "", err
		}
		if err := x.away(w.Course, staged); err != nil { // whatever other dry runs left
			return "", err
		}
	}
	there, err := exists(to)
	if err == nil && !there {
		err = course.Problemf(course.NotFound, "The graded notebooks of %s are not there. Autograde the submission again.", w.Login)
	}
	return to, err
}

// DropStaged removes the graded trees of dry runs of the work.
func (x *Exchange) DropStaged(_ context.Context, w Work) (err error) {
	defer explain("drop dry runs of "+w.String(), &err)
	staged, err := x.Layout.StagedAutograded(w.Course, w.Login, w.Assignment)
	if err != nil {
		return err
	}
	if there, err := exists(staged); err != nil || !there {
		return err
	}
	err = x.away(w.Course, staged)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
