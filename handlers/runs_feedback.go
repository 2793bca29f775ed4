package handlers

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// makeFeedback has feedback pages made, of the students who are named or of
// everybody whose work is graded or marked. They wait to be returned.
func (s *Site) makeFeedback(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if err := r.ParseForm(); err != nil {
		return course.Problemf(course.Invalid, "That form could not be read. Nothing was made.")
	}
	logins := r.PostForm["login"]
	if len(logins) == 0 && r.PostForm.Get("all") != "graded" {
		s.flash(r, "info", "Nobody was chosen.")
		return seeOther(w, r, feedbackPath(v.course.Slug, v.assignment.Slug))
	}
	n := 0
	err := s.Store.InTx(r.Context(), func(tx *store.Store) (err error) {
		if n, err = tx.AskFeedback(r.Context(), v.assignment.ID, logins, v.user.ID, s.Now().UTC().Truncate(time.Microsecond)); err != nil || n == 0 {
			return err
		}
		return s.recordIn(r, tx, "made feedback", plural(n, "student"))
	})
	if err != nil {
		return err
	}
	if n == 0 {
		s.flash(r, "info", "There is nothing to make feedback of: the work has to be autograded or marked first.")
	}
	return seeOther(w, r, feedbackPath(v.course.Slug, v.assignment.Slug))
}

// recordIn writes an act on the assignment into the activity log, with what it did.
func (s *Site) recordIn(r *http.Request, tx *store.Store, verb, detail string) error {
	v := visitOf(r)
	return tx.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: v.assignment.ID, Verb: verb, Detail: detail})
}

// fillMaking says how far feedback pages in the making are.
func (s *Site) fillMaking(r *http.Request, page *views.FeedbackView) error {
	v := visitOf(r)
	c, a := v.course.Slug, v.assignment.Slug
	p, err := s.Store.FeedbackProgress(r.Context(), v.assignment.ID)
	if err != nil {
		return err
	}
	page.Make = makePath(c, a)
	if p.Done < p.Total {
		page.Making, page.MakeEvents = makingView(p), makePath(c, a)
	}
	if p.Failing > 0 {
		page.MakeFailed = fmt.Sprintf("Pages of %s could not be made: %s", plural(p.Failing, "student"), strings.Join(p.Failed, "; "))
	}
	return nil
}

func makingView(p store.FeedbackProgress) views.ProgressView {
	return views.ProgressView{ID: "making", Label: "Making feedback", Value: p.Done, Max: max(1, p.Total), Text: fmt.Sprintf("%d of %d", p.Done, p.Total)}
}

// makingEvents moves the bar of feedback in the making and reloads the page at its end.
func (s *Site) makingEvents(w http.ResponseWriter, r *http.Request) error {
	ev := startEvents(w)
	for {
		p, err := s.Store.FeedbackProgress(r.Context(), visitOf(r).assignment.ID)
		if err != nil {
			return nil // the stream has begun; the browser asks again
		}
		if p.Done == p.Total {
			_ = ev.text("reload", "") // whoever has left does not need it
			return nil
		}
		view := makingView(p)
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
