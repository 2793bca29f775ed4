package handlers

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"lectern/course"
	"lectern/exchange"
	"lectern/store"
	"lectern/views"
)

// confirmReturn asks before everything that is ready is returned, for those without scripts.
func (s *Site) confirmReturn(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	counts, err := s.Store.FeedbackCounts(r.Context(), v.assignment.ID)
	if err != nil {
		return err
	}
	return s.show(w, r, views.FeedbackConfirm(s.assignmentFrame(r, "Return feedback", "feedback"), returnConfirm(v, counts.Ready)))
}

// returnFeedback gives the chosen students, or all for whom something is ready,
// their feedback and marks. One that fails does not hold up the others.
func (s *Site) returnFeedback(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	rows, err := s.chosenFeedback(r)
	if err != nil {
		return err
	}
	var ready []store.FeedbackRow
	for _, f := range rows {
		if f.Ready() {
			ready = append(ready, f)
		}
	}
	done := s.each(r, ready, func(ctx context.Context, tx *store.Store, f store.FeedbackRow) error {
		work := exchange.Work{Course: v.course.Slug, Login: f.Login, Assignment: v.assignment.Slug}
		// Without files there is nothing to move: the mark is what is returned.
		if err := s.Exchange.Return(ctx, work); err != nil && !course.IsKind(err, course.NotFound) {
			return err
		}
		// What went is what lies there now: an upload may have come between its files and their record.
		dir, err := s.Exchange.Layout.Feedback(v.course.Slug, f.Login, v.assignment.Slug)
		if err != nil {
			return err
		}
		files, err := s.filesIn(ctx, dir)
		if err != nil {
			return err
		}
		if len(files) > 0 {
			if err := tx.StageFeedback(ctx, v.assignment.ID, f.MemberID, files, s.Now()); err != nil {
				return err
			}
		}
		if err := tx.MarkReturned(ctx, v.assignment.ID, f.MemberID, v.user.ID, s.Now()); err != nil {
			return err
		}
		return tx.Record(ctx, course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: v.assignment.ID, MemberID: f.MemberID,
			Verb: "returned feedback", Detail: plural(len(files), "file")})
	})
	s.flash(r, done.kind(), done.text("returned", len(rows)-len(ready), "had nothing new to return"))
	return seeOther(w, r, feedbackPath(v.course.Slug, v.assignment.Slug))
}

// confirmWithdraw asks before feedback is taken back, for those without scripts.
func (s *Site) confirmWithdraw(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	rows, err := s.chosenFeedback(r)
	if err != nil {
		return err
	}
	rows = returnedOf(rows)
	if len(rows) == 0 {
		return course.Problemf(course.NotFound, "None of these students has feedback that could be withdrawn.")
	}
	return s.show(w, r, views.FeedbackConfirm(s.assignmentFrame(r, "Withdraw feedback", "feedback"), withdrawConfirm(v, "withdraw", rows)))
}

// withdrawFeedback takes returned feedback and marks out of students' sight.
func (s *Site) withdrawFeedback(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	rows, err := s.chosenFeedback(r)
	if err != nil {
		return err
	}
	returned := returnedOf(rows)
	done := s.each(r, returned, func(ctx context.Context, tx *store.Store, f store.FeedbackRow) error {
		// The record first: if the files cannot be moved, it does not hold either.
		if err := tx.MarkWithdrawn(ctx, v.assignment.ID, f.MemberID); err != nil {
			return err
		}
		if err := tx.Record(ctx, course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: v.assignment.ID, MemberID: f.MemberID,
			Verb: "withdrew feedback"}); err != nil {
			return err
		}
		return s.Exchange.Withdraw(ctx, exchange.Work{Course: v.course.Slug, Login: f.Login, Assignment: v.assignment.Slug})
	})
	s.flash(r, done.kind(), done.text("withdrawn", len(rows)-len(returned), "had nothing returned"))
	return seeOther(w, r, feedbackPath(v.course.Slug, v.assignment.Slug))
}

func returnedOf(rows []store.FeedbackRow) (out []store.FeedbackRow) {
	for _, f := range rows {
		if f.ReturnedAt != nil {
			out = append(out, f)
		}
	}
	return out
}

// chosenFeedback finds the rows that a form or a link names: its logins, or all
// that is ready.
func (s *Site) chosenFeedback(r *http.Request) ([]store.FeedbackRow, error) {
	if err := r.ParseForm(); err != nil {
		return nil, course.Problemf(course.Invalid, "That form could not be read. Nothing was changed.")
	}
	q := store.FeedbackQuery{Logins: r.Form["login"]}
	if len(q.Logins) == 0 {
		if r.Form.Get("all") != "ready" {
			return nil, nil
		}
		q.State = "ready"
	}
	return s.Store.FeedbackTable(r.Context(), visitOf(r).assignment.ID, q)
}

// batch is what became of an act on several students.
type batch struct {
	done   int
	failed []string // login and why
}

// each acts on students one by one, each in a transaction of its own. Who began
// it may leave: it goes on, and doing it again does no harm.
func (s *Site) each(r *http.Request, rows []store.FeedbackRow, act func(context.Context, *store.Store, store.FeedbackRow) error) (b batch) {
	ctx := context.WithoutCancel(r.Context())
	for _, f := range rows {
		err := func() error {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			return s.Store.WithFeedback(ctx, visitOf(r).assignment.ID, f.MemberID, func(tx *store.Store) error { return act(ctx, tx, f) })
		}()
		if err == nil {
			b.done++
			continue
		}
		why := "something went wrong, number " + visitOf(r).requestID
		if p, ok := course.AsProblem(err); ok {
			why = p.Text
		} else {
			s.Log.Error("feedback", "request", visitOf(r).requestID, "member", f.MemberID, "error", err)
		}
		b.failed = append(b.failed, fmt.Sprintf("%s (%s)", f.Login, why))
	}
	return b
}

func (b batch) kind() string {
	switch {
	case len(b.failed) > 0:
		return "bad"
	case b.done == 0:
		return "info"
	}
	return "good"
}

// text sums up: "12 students: returned. 3 had nothing new to return."
func (b batch) text(what string, skipped int, why string) string {
	var out string
	switch {
	case b.done > 0:
		out = "Feedback " + what + " for " + plural(b.done, "student") + "."
	case skipped == 0 && len(b.failed) == 0:
		return "Nobody was chosen."
	}
	if skipped > 0 {
		out += fmt.Sprintf(" %d %s.", skipped, why)
	}
	if len(b.failed) > 0 {
		out += " Not done: " + someOf(b.failed) + ". The others are not affected; try again."
	}
	return out
}
