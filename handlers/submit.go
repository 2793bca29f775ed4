package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"lectern/course"
	"lectern/views"
)

// submitLimit bounds a submission once it is asked for; the visitor may leave.
const submitLimit = 3 * time.Minute

// submitsAnHour is far more than anybody needs: each keeps a copy for good.
const submitsAnHour = 30

// submitPage asks before submitting, for those without scripts.
func (s *Site) submitPage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if err := mayHandIn(v); err != nil {
		return err
	}
	subs, err := s.Store.SubmissionsOf(r.Context(), v.assignment.ID, v.member.ID)
	if err != nil {
		return err
	}
	page := s.coursePage(r, v.assignment.Title, "")
	page.Width = "narrow"
	return s.show(w, r, views.Confirm(views.ConfirmPageView{Page: page, Confirm: submitConfirm(v, uuid.NewString(), len(subs))}))
}

// submit takes the student's work as it is now. However often the same form is
// sent, it is one submission.
func (s *Site) submit(w http.ResponseWriter, r *http.Request) error {
	at := s.Now().UTC().Truncate(time.Microsecond) // the time of record: the visitor has just been recognised
	v := visitOf(r)
	if err := mayHandIn(v); err != nil {
		return err
	}
	form, err := uuid.Parse(r.FormValue("key"))
	if err != nil {
		return course.Problemf(course.Invalid, "This form was not complete. Go back, reload the page and submit again.")
	}
	sub, err := s.submitOnce(r.Context(), v, form, at)
	if p, ok := course.AsProblem(err); ok && (p.Kind == course.Invalid || p.Kind == course.NotFound) {
		s.flash(r, "bad", "Nothing was submitted. "+p.Text)
		return seeOther(w, r, assignmentPath(v.course.Slug, v.assignment.Slug))
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, receiptPath(v.course.Slug, v.assignment.Slug, sub.ID))
}

// submitOnce is what the form has led to, or takes and records a snapshot. Those
// who ask at once wait for one another; between two copies of Lectern the
// database decides. It goes on when the visitor has left: the button was pressed.
func (s *Site) submitOnce(ctx context.Context, v *visit, form uuid.UUID, at time.Time) (course.Submission, error) {
	if sub, err := s.Store.SubmissionByForm(ctx, v.assignment.ID, v.member.ID, form); !course.IsKind(err, course.NotFound) {
		return sub, err
	}
	name := fmt.Sprintf("%d/%d/%s", v.assignment.ID, v.member.ID, form)
	got, err, _ := s.submits.Do(name, func() (any, error) {
		ctx, done := context.WithTimeout(context.WithoutCancel(ctx), submitLimit)
		defer done()
		// One who came after the flight before had landed.
		if sub, err := s.Store.SubmissionByForm(ctx, v.assignment.ID, v.member.ID, form); !course.IsKind(err, course.NotFound) {
			return sub, err
		}
		switch n, err := s.Store.SubmissionsSince(ctx, v.assignment.ID, v.member.ID, at.Add(-time.Hour)); {
		case err != nil:
			return course.Submission{}, err
		case n >= submitsAnHour:
			return course.Submission{}, course.Problemf(course.Invalid, "You have submitted %d times within an hour; all are kept. Wait a while before the next.", n)
		}
		return s.Collector.Take(ctx, workOf(v), course.Submission{AssignmentID: v.assignment.ID, MemberID: v.member.ID,
			Kind: course.BySubmit, TakenAt: at}, form, v.user.ID)
	})
	if err != nil {
		return course.Submission{}, err
	}
	return got.(course.Submission), nil
}

// receipt is one submission of the visitor's own.
func (s *Site) receipt(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	sub, err := s.ownSubmission(r)
	if err != nil {
		return err
	}
	all, err := s.Store.SubmissionsOf(r.Context(), v.assignment.ID, v.member.ID)
	if err != nil {
		return err
	}
	n := len(all)
	for n > 1 && all[len(all)-n].ID != sub.ID {
		n--
	}
	now := s.Now()
	page := views.ReceiptPageView{Page: s.coursePage(r, v.assignment.Title, ""), Receipt: receiptView(v, sub, n, now), Notes: sub.Notes,
		Late: sub.LateBy > 0, Counts: sub.Counts,
		Back: assignmentPath(v.course.Slug, v.assignment.Slug), BackText: v.assignment.Title, Restore: restorePath(v.course.Slug, v.assignment.Slug, sub.ID)}
	page.Page.Crumbs = []views.Crumb{{Text: v.course.Title, URL: coursePath(v.course.Slug)}, {Text: v.assignment.Title, URL: page.Back}, {Text: page.Receipt.Title}}
	return s.show(w, r, views.ReceiptPage(page))
}

// receiptZip streams the files of a submission of the visitor's own.
func (s *Site) receiptZip(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	sub, err := s.ownSubmission(r)
	if err != nil {
		return err
	}
	at, err := time.Parse(course.SnapshotForm, sub.Snapshot)
	if err != nil {
		return fmt.Errorf("handlers: snapshot of submission %d: %w", sub.ID, err)
	}
	dir, err := s.Exchange.Layout.HistoryFiles(v.course.Slug, v.member.Login, v.assignment.Slug, at)
	if err != nil {
		return err
	}
	name := v.assignment.Slug + "-" + sub.TakenAt.In(v.course.Location()).Format("2006-01-02-1504")
	return s.sendZip(w, r, name, func() error { return s.Exchange.ZipTree(r.Context(), w, dir, v.assignment.Slug) })
}

// myFiles streams the visitor's working copy as it is now.
func (s *Site) myFiles(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if err := mustBeMember(v); err != nil {
		return err
	}
	return s.sendZip(w, r, v.assignment.Slug, func() error { return s.Exchange.ZipWork(r.Context(), w, workOf(v)) })
}

// myFeedbackFile shows one returned file, on a content host: it may hold what the
// student wrote.
func (s *Site) myFeedbackFile(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	files, err := s.Store.ReturnedFeedback(r.Context(), v.assignment.ID, v.member.ID)
	if err != nil {
		return err
	}
	name := r.FormValue("file")
	if !slices.ContainsFunc(files, func(f course.File) bool { return f.Path == name }) {
		return course.Problemf(course.NotFound, "There is no such file in your feedback.")
	}
	to, err := s.content.address(r.Context(), contentRef{Course: v.course.Slug, Login: v.member.Login, Assignment: v.assignment.Slug,
		Tree: treeFeedback, Path: name})
	if err != nil {
		return err
	}
	return seeOther(w, r, to)
}

// myFeedback streams what was returned to the visitor.
func (s *Site) myFeedback(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	files, err := s.Store.ReturnedFeedback(r.Context(), v.assignment.ID, v.member.ID)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return course.Problemf(course.NotFound, "Nothing has been returned to you yet.")
	}
	dir, err := s.Exchange.Layout.Feedback(v.course.Slug, v.member.Login, v.assignment.Slug)
	if err != nil {
		return err
	}
	return s.sendZip(w, r, v.assignment.Slug+"-feedback", func() error { return s.Exchange.ZipTree(r.Context(), w, dir, v.assignment.Slug) })
}

// zipsAtOnce is how many zips one person may be sent at a time: packing is work.
const zipsAtOnce = 4

// sendZip sends what write streams under a file name. A failure before the first
// byte is a page; after it the connection is cut, so that a half zip cannot be
// taken for a whole one.
func (s *Site) sendZip(w http.ResponseWriter, r *http.Request, name string, write func() error) error {
	busy := fmt.Sprintf("zip %d", visitOf(r).user.ID)
	if !s.limits.take(busy, zipsAtOnce) {
		return course.Problemf(course.Busy, "You are downloading %d files already. Wait until they are there.", zipsAtOnce)
	}
	defer s.limits.give(busy)
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="`+name+`.zip"`)
	h.Set("Cache-Control", "no-store")
	err := write()
	if err == nil {
		return nil
	}
	var p *course.Problem
	if errors.As(err, &p) { // Problems come before any byte
		h.Del("Content-Disposition")
		return err
	}
	if r.Context().Err() == nil {
		s.Log.Error("zip cut short", "request", visitOf(r).requestID, "error", err)
	}
	panic(http.ErrAbortHandler)
}

// restore puts one file of an earlier submission back beside the present ones.
func (s *Site) restore(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	sub, err := s.ownSubmission(r)
	if err != nil {
		return err
	}
	at, err := time.Parse(course.SnapshotForm, sub.Snapshot)
	if err != nil {
		return fmt.Errorf("handlers: snapshot of submission %d: %w", sub.ID, err)
	}
	rel := r.FormValue("file")
	known := false
	for _, f := range sub.Files {
		known = known || f.Path == rel
	}
	if !known {
		return course.Problemf(course.NotFound, "That file is not part of this submission.")
	}
	name, err := s.Exchange.RestoreFile(r.Context(), workOf(v), at, rel)
	if err != nil {
		return err
	}
	if err := s.Store.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: v.assignment.ID,
		MemberID: v.member.ID, Verb: "restored a file", Detail: rel}); err != nil {
		return err
	}
	s.flash(r, "good", "Restored as "+name+". Nothing was overwritten.")
	return seeOther(w, r, receiptPath(v.course.Slug, v.assignment.Slug, sub.ID))
}

// ownSubmission is the visitor's submission that the path names.
func (s *Site) ownSubmission(r *http.Request) (course.Submission, error) {
	v := visitOf(r)
	missing := course.Problemf(course.NotFound, "There is no such submission.")
	id, err := strconv.ParseInt(chi.URLParam(r, "submission"), 10, 64)
	if err != nil {
		return course.Submission{}, missing
	}
	sub, err := s.Store.Submission(r.Context(), v.assignment.ID, course.SubmissionID(id))
	if err == nil && (sub.MemberID != v.member.ID || v.member.ID == 0) {
		err = missing
	}
	return sub, err
}

func plainNumber(n int) string { return strconv.Itoa(n) }
