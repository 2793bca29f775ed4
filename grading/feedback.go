package grading

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/course/notebook/render"
	"lectern/exchange"
	"lectern/exchange/tree"
	"lectern/store"
)

// Feedback makes the pages that students get back: their notebook as it was
// graded, with marks, comments and test results beside it.
type Feedback struct {
	Exchange *exchange.Exchange
	Store    *store.Store
	Render   *render.Renderer
	Style    []byte // of the pages, which stand alone
	Now      func() time.Time
}

// maxPicture bounds a picture that a page takes in.
const maxPicture = 5 << 20

// Make does one job: it stages the pages of one student, to be returned. What
// cannot be mended by trying again, or was tried for the last time, is noted for
// staff, and is no error.
func (f *Feedback) Make(ctx context.Context, args store.FeedbackArgs, last bool) error {
	err := f.make(ctx, args.AssignmentID, args.MemberID)
	p, known := course.AsProblem(err)
	switch {
	case err == nil:
		return f.Store.FeedbackMade(ctx, args, "")
	case known && p.Kind != course.Busy:
		return f.Store.FeedbackMade(ctx, args, p.Text)
	case last:
		return errors.Join(err, f.Store.FeedbackMade(context.WithoutCancel(ctx), args, "Something went wrong while the page was made. The log says more."))
	}
	return err
}

func (f *Feedback) make(ctx context.Context, a course.AssignmentID, m course.MemberID) error {
	return f.Store.WithFeedback(ctx, a, m, func(tx *store.Store) error {
		t, err := tx.FeedbackTarget(ctx, a, m)
		if err != nil {
			return err
		}
		marks, err := tx.FeedbackMarks(ctx, a, m)
		if err != nil {
			return err
		}
		dir, err := f.tree(t)
		if err != nil {
			return err
		}
		draft, err := f.Exchange.NewDraft(t.CourseSlug)
		if err != nil {
			return err
		}
		defer draft.Discard()
		kept, err := f.keepUploaded(ctx, tx, a, m, t, draft)
		if err != nil {
			return err
		}
		files, err := f.pages(dir, t, marks, draft, kept)
		if err != nil {
			return err
		}
		var made []string
		for _, file := range files {
			made = append(made, file.Path)
		}
		if err := f.Exchange.StageFeedback(draft, t.Login, t.Slug); err != nil {
			return err
		}
		return tx.StageMade(ctx, a, m, append(files, kept...), made, f.Now())
	})
}

// keepUploaded takes the files that a person uploaded over into the draft: pages
// that are made come beside them, never in their place.
func (f *Feedback) keepUploaded(ctx context.Context, tx *store.Store, a course.AssignmentID, m course.MemberID, t store.FeedbackTarget, draft *exchange.Draft) ([]course.File, error) {
	up, err := tx.UploadedFeedback(ctx, a, m)
	if err != nil || len(up.Names) == 0 {
		return nil, err
	}
	dir, err := f.Exchange.Layout.Feedback(t.CourseSlug, t.Login, t.Slug)
	if up.Waits {
		dir, err = f.Exchange.Layout.StagedFeedback(t.CourseSlug, t.Login, t.Slug)
	}
	if err != nil {
		return nil, err
	}
	all, err := FilesIn(ctx, f.Exchange, dir)
	if err != nil {
		return nil, err
	}
	var kept []course.File
	for _, file := range all {
		if slices.Contains(up.Names, file.Path) {
			kept = append(kept, file)
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	return kept, draft.CopyTree(ctx, dir, func(e tree.Entry) bool { return !e.Dir && slices.Contains(up.Names, e.Path) })
}

// pageName is the name of a notebook's page, which is not one of the kept files'.
func pageName(name string, kept []course.File) string {
	page := name + ".html"
	for slices.ContainsFunc(kept, func(f course.File) bool { return strings.EqualFold(f.Path, page) }) {
		name += "-marks"
		page = name + ".html"
	}
	return page
}

// tree is where the notebooks lie: graded, or as they were handed in if nothing
// was ever run.
func (f *Feedback) tree(t store.FeedbackTarget) (string, error) {
	w := exchange.Work{Course: t.CourseSlug, Login: t.Login, Assignment: t.Slug}
	if t.RunID != nil {
		return f.Exchange.Autograded(w, int64(*t.RunID))
	}
	at, err := time.Parse(course.SnapshotForm, t.Snapshot)
	if err != nil {
		return "", fmt.Errorf("grading: snapshot of submission %d: %w", t.SubmissionID, err)
	}
	return f.Exchange.Layout.HistoryFiles(w.Course, w.Login, w.Assignment, at)
}

// pages writes one page a notebook into the draft.
func (f *Feedback) pages(dir string, t store.FeedbackTarget, marks []store.FeedbackMark, draft *exchange.Draft, kept []course.File) ([]course.File, error) {
	entries, err := f.Exchange.List(dir)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, m := range marks {
		known[m.Notebook] = true
	}
	var files []course.File
	for _, e := range entries {
		name, is := strings.CutSuffix(e.Path, ".ipynb")
		if e.Dir || !is || len(known) > 0 && !known[name] || e.Size > notebook.MaxSize {
			continue
		}
		data, err := f.read(dir, e.Path, notebook.MaxSize)
		if err != nil {
			return nil, err
		}
		nb, _ := notebook.Salvage(data)
		if nb == nil {
			continue
		}
		page := feedbackPage{Feedback: f, target: t, name: name, nb: nb, dir: dir}
		for _, m := range marks {
			if m.Notebook == name {
				page.marks = append(page.marks, m)
			}
		}
		html, err := page.html()
		if err != nil {
			return nil, fmt.Errorf("grading: feedback on %s: %w", e.Path, err)
		}
		path := pageName(name, kept)
		if err := draft.Write(path, html); err != nil {
			return nil, err
		}
		files = append(files, course.File{Path: path, Bytes: int64(len(html))})
	}
	if len(files) == 0 {
		return nil, course.Problemf(course.NotFound, "There is no notebook in this work to make a page of.")
	}
	return files, nil
}

func (f *Feedback) read(dir, rel string, most int64) ([]byte, error) {
	r, err := f.Exchange.Open(dir, rel)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, most))
}

// picture is a file that the notebook's text shows; nil if there is none.
func (f *Feedback) picture(dir, rel string) []byte {
	data, err := f.read(dir, rel, maxPicture+1)
	if err != nil || len(data) > maxPicture || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return data
}
