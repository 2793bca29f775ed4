package handlers

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"lectern/course"
	"lectern/exchange"
	"lectern/grading"
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
	return s.show(w, r, views.FeedbackConfirm(s.assignmentFrame(r, "Return feedback", "feedback"), returnConfirm(v, counts)))
}

// returnedAtOnce is how many students' feedback is returned while the browser
// waits; more of it goes on by itself, and the page shows how far it is.
const returnedAtOnce = 5

// returnFeedback gives the chosen students, or all for whom something is ready,
// their feedback and marks. One that fails does not hold up the others. It is
// asked for first: whoever leaves, or whatever ends, it is done in the end.
func (s *Site) returnFeedback(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	rows, err := s.chosenFeedback(r)
	if err != nil {
		return err
	}
	var ready []store.FeedbackRow
	var members []course.MemberID
	for _, f := range rows {
		if f.Ready() {
			ready, members = append(ready, f), append(members, f.MemberID)
		}
	}
	jobs, err := s.Store.AskReturn(r.Context(), v.assignment.ID, members, v.user.ID, s.Now().UTC().Truncate(time.Microsecond))
	if err != nil {
		return err
	}
	to := feedbackPath(v.course.Slug, v.assignment.Slug)
	if len(jobs) > returnedAtOnce {
		return seeOther(w, r, to)
	}
	returns := grading.Returns{Exchange: s.Exchange, Store: s.Store, Log: s.Log, Now: s.Now}
	var done batch
	for i, j := range jobs {
		s.count(r, &done, ready[i], returns.Return(context.WithoutCancel(r.Context()), j))
	}
	s.flash(r, done.kind(), done.text("returned", len(rows)-len(ready), "had nothing new to return"))
	return seeOther(w, r, to)
}

// fillReturning says how far feedback on its way to students is.
func (s *Site) fillReturning(r *http.Request, page *views.FeedbackView) error {
	v := visitOf(r)
	p, err := s.Store.ReturnProgress(r.Context(), v.assignment.ID)
	if err != nil {
		return err
	}
	if p.Done < p.Total {
		page.Returning, page.ReturnEvents = returningView(p), returningPath(v.course.Slug, v.assignment.Slug)
	}
	if p.Failing > 0 {
		page.ReturnFailed = fmt.Sprintf("Feedback of %s could not be returned: %s", plural(p.Failing, "student"), strings.Join(p.Failed, "; "))
	}
	return nil
}

func returningView(p store.FeedbackProgress) views.ProgressView {
	return views.ProgressView{ID: "returning", Label: "Returning feedback", Value: p.Done, Max: max(1, p.Total), Text: fmt.Sprintf("%d of %d", p.Done, p.Total)}
}

// returningEvents moves the bar of feedback on its way, and reloads the page at the end.
func (s *Site) returningEvents(w http.ResponseWriter, r *http.Request) error {
	ev := startEvents(w)
	for {
		p, err := s.Store.ReturnProgress(r.Context(), visitOf(r).assignment.ID)
		if err != nil {
			return nil // the stream has begun; the browser asks again
		}
		if p.Done == p.Total {
			_ = ev.text("reload", "") // whoever has left does not need it
			return nil
		}
		view := returningView(p)
		if err := ev.json("progress", map[string]any{"id": view.ID, "value": view.Value, "max": view.Max, "text": view.Text}); err != nil {
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-time.After(300 * time.Millisecond):
		}
	}
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
		s.count(r, &b, f, err)
	}
	return b
}

// count adds what became of one student's.
func (s *Site) count(r *http.Request, b *batch, f store.FeedbackRow, err error) {
	if err == nil {
		b.done++
		return
	}
	why := "something went wrong, number " + visitOf(r).requestID
	if p, ok := course.AsProblem(err); ok {
		why = p.Text
	} else {
		s.Log.Error("feedback", "request", visitOf(r).requestID, "member", f.MemberID, "error", err)
	}
	b.failed = append(b.failed, fmt.Sprintf("%s (%s)", f.Login, why))
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
