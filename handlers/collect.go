package handlers

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// collectNow takes the live work of everybody who opened the assignment, or of
// one student, without waiting for the due time.
func (s *Site) collectNow(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	members, err := s.Store.OpenedWork(r.Context(), v.assignment.ID)
	if err != nil {
		return err
	}
	if login := r.FormValue("login"); login != "" {
		m, err := s.Store.Member(r.Context(), v.course.ID, login)
		if err != nil {
			return err
		}
		members = only(members, m.ID)
	}
	if len(members) == 0 {
		return course.Problemf(course.Conflict, "Nobody has opened the assignment yet, so there is nothing to collect.")
	}
	batch := s.Now().UnixMicro()
	args := make([]store.CollectArgs, len(members))
	for i, m := range members {
		args[i] = store.CollectArgs{AssignmentID: v.assignment.ID, MemberID: m, Batch: batch, Actor: v.user.ID}
	}
	err = s.Store.InTx(r.Context(), func(tx *store.Store) error {
		if err := tx.EnqueueCollects(r.Context(), args); err != nil {
			return err
		}
		return tx.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: v.assignment.ID,
			Verb: "asked for collection", Detail: plural(len(args), "student")})
	})
	if err != nil {
		return err
	}
	return seeOther(w, r, assignmentPart(v.course.Slug, v.assignment.Slug, "submissions")+"?collecting="+strconv.FormatInt(batch, 10))
}

func only(all []course.MemberID, m course.MemberID) []course.MemberID {
	for _, id := range all {
		if id == m {
			return []course.MemberID{m}
		}
	}
	return nil
}

// collectProgress streams how far a collection is, until it is done.
func (s *Site) collectProgress(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	batch, err := strconv.ParseInt(r.FormValue("batch"), 10, 64)
	if err != nil {
		return course.Problemf(course.NotFound, "There is no such collection.")
	}
	ev := startEvents(w)
	began := time.UnixMicro(batch)
	for {
		p, err := s.Store.CollectProgress(r.Context(), v.assignment.ID, batch)
		if err != nil {
			return nil // the stream has begun; the browser asks again
		}
		view := collectView(p, s.Now().Sub(began))
		if err := ev.json("progress", map[string]any{"id": view.ID, "value": view.Value, "max": view.Max, "text": view.Text}); err != nil {
			return nil
		}
		if p.Done == p.Total {
			_ = ev.text("reload", "") // whoever has left does not need it
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// collectView is a collection's progress in words.
func collectView(p store.Progress, elapsed time.Duration) views.ProgressView {
	text := fmt.Sprintf("%d of %d · %s", p.Done, p.Total, lasting(max(elapsed, time.Second)))
	if p.Failing > 0 {
		text += fmt.Sprintf(" · %d being tried again", p.Failing)
	}
	return views.ProgressView{ID: "collect", Label: "Collecting", Value: p.Done, Max: max(1, p.Total), Text: text}
}
