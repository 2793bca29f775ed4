package grading

import (
	"context"
	"io"

	"lectern/course"
	"lectern/exchange"
	"lectern/store"
)

// loadAssignment takes a version of an assignment's source apart, with the course's
// way of making releases and the tests that its check made.
func loadAssignment(ctx context.Context, st *store.Store, x *exchange.Exchange, id course.AssignmentID, version int, courseSlug, slug, image string) (*Assignment, error) {
	files, err := sourceFiles(x, courseSlug, slug)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, course.Problemf(course.NotFound, "The assignment has no source files to grade with.")
	}
	w, err := wayOf(ctx, st, x, id, version)
	if err != nil {
		return nil, err
	}
	a, err := newAssignment(slug, image, files, w.options)
	if err != nil {
		return nil, err
	}
	if w.unmade {
		return nil, course.Problemf(course.Busy, "The autotests of these files have not been made yet. The check report on the source page says how far that is.")
	}
	return a, nil
}

// sourceFiles are the instructor's files.
func sourceFiles(x *exchange.Exchange, courseSlug, slug string) ([]File, error) {
	dir, err := x.Layout.Source(courseSlug, slug)
	if err != nil {
		return nil, err
	}
	entries, err := x.List(dir)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, e := range entries {
		if !e.Dir {
			files = append(files, fileIn(x, dir, e.Path, e.Size))
		}
	}
	return files, nil
}

// fileIn is one file of a tree of Lectern's own.
func fileIn(x *exchange.Exchange, dir, rel string, size int64) File {
	return File{Path: rel, Size: size, Open: func() (io.ReadCloser, error) {
		f, err := x.Open(dir, rel)
		if err != nil {
			return nil, err
		}
		return f, nil
	}}
}
