package exchange

import (
	"context"
	"io"
	"path/filepath"
	"time"

	"lectern/course"
	"lectern/exchange/fail"
	"lectern/exchange/tree"
)

// Draft is a tree in the making for another room: grading writes a release or
// feedback into it, then has it staged. Discard it in any case.
type Draft struct {
	course string
	stage  *stage
}

// NewDraft begins an empty tree.
func (x *Exchange) NewDraft(slug string) (d *Draft, err error) {
	defer explain("draft", &err)
	staging, err := x.Layout.Staging(slug)
	if err != nil {
		return nil, err
	}
	st, err := newStage(staging, "draft", nil)
	if err != nil {
		return nil, err
	}
	return &Draft{slug, st}, nil
}

// Path is the directory itself, to be read; for instance by a checker.
func (d *Draft) Path() string { return d.stage.tree() }

// Write makes one file. rel is slash-separated; one that leads out is an error, as
// is one that exists.
func (d *Draft) Write(rel string, data []byte) (err error) {
	defer explain("draft "+rel, &err)
	return d.stage.write(rel, data, time.Time{})
}

// WriteFrom makes one file from a reader.
func (d *Draft) WriteFrom(rel string, r io.Reader) (err error) {
	defer explain("draft "+rel, &err)
	f, err := d.stage.create(rel)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return d.stage.done(f, time.Time{})
}

// CopyTree copies a tree of Lectern's own, a path from Layout, except what keep
// says no to; nil keeps all.
func (d *Draft) CopyTree(ctx context.Context, dir string, keep func(tree.Entry) bool) (err error) {
	defer explain("draft", &err)
	return copyTree(ctx, dir, d.stage, keep)
}

// Discard removes what was not staged.
func (d *Draft) Discard() { d.stage.drop() }

// place settles the draft and puts it where to is.
func (x *Exchange) place(d *Draft, to, point string) error {
	defer x.locks.lock(to)()
	if err := d.stage.settle(); err != nil {
		return err
	}
	if err := ensureDir(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	fail.At(point + ".settled")
	err := swapIn(d.stage.tree(), to)
	fail.At(point + ".renamed")
	return err
}

// StageRelease keeps the draft as the release to be published, instead of one
// staged before. No student sees it.
func (x *Exchange) StageRelease(d *Draft, assignment string) (err error) {
	defer explain("stage release of "+assignment, &err)
	to, err := x.Layout.StagedRelease(d.course, assignment)
	if err != nil {
		return err
	}
	return x.place(d, to, "stage")
}

// StageFeedback keeps the draft as feedback to be returned, instead of feedback
// staged before. No student sees it.
func (x *Exchange) StageFeedback(d *Draft, login, assignment string) (err error) {
	defer explain("stage feedback for "+login, &err)
	to, err := x.Layout.StagedFeedback(d.course, login, assignment)
	if err != nil {
		return err
	}
	return x.place(d, to, "feedback")
}

// SaveAutograded keeps the draft as the work's autograded tree.
func (x *Exchange) SaveAutograded(d *Draft, login, assignment string) (err error) {
	defer explain("save autograded of "+login, &err)
	to, err := x.Layout.Autograded(d.course, login, assignment)
	if err != nil {
		return err
	}
	return x.place(d, to, "autograded")
}

// Publish gives the staged release to students: release/ changes in one step and
// keeps the old files until then; nobody's working copy is touched. The staged
// release stays, so that doing it twice, after a crash or not, does no harm.
func (x *Exchange) Publish(ctx context.Context, slug, assignment string) (err error) {
	defer explain("publish "+assignment, &err)
	from, err := x.Layout.StagedRelease(slug, assignment)
	if err != nil {
		return err
	}
	to, err := x.Layout.Release(slug, assignment)
	if err != nil {
		return err
	}
	defer x.locks.lock(to)()
	defer x.locks.lock(from)()
	st, err := x.copyStaged(ctx, slug, from)
	if err != nil {
		return err
	}
	if st == nil {
		return course.Problemf(course.Conflict, "There is no checked release of %s yet: upload its files and read the check report first.", assignment)
	}
	defer st.drop()
	fail.At("release.settled")
	if err := x.ensureShown(slug, filepath.Dir(to)); err != nil {
		return err
	}
	err = swapIn(st.tree(), to)
	fail.At("release.renamed")
	return err
}

// copyStaged is a settled copy of a staged tree, or nil if there is none.
func (x *Exchange) copyStaged(ctx context.Context, slug, from string) (*stage, error) {
	ok, err := exists(from)
	if err != nil || !ok {
		return nil, err
	}
	staging, err := x.Layout.Staging(slug)
	if err != nil {
		return nil, err
	}
	st, err := newStage(staging, "publish", nil)
	if err != nil {
		return nil, err
	}
	if err = copyTree(ctx, from, st, nil); err == nil {
		err = st.settle()
	}
	if err != nil {
		st.drop()
		return nil, err
	}
	return st, nil
}

// ensureShown makes a directory below the course that containers mount, so that
// the user inside can read it. The course around it stays closed.
func (x *Exchange) ensureShown(slug, dir string) error {
	own, err := x.Layout.Course(slug)
	if err != nil {
		return err
	}
	if err := ensureDir(own, 0o700); err != nil {
		return err
	}
	return ensureDir(dir, 0o755)
}
