package handlers

import (
	"fmt"
	"net/http"
	"time"

	"lectern/course"
	"lectern/spawner"
	"lectern/store"
	"lectern/views"
)

// soonDue is how near a due time must be for the course's page to make ready.
const soonDue = 24 * time.Hour

// prestart makes a student's workspace ready because they look at a page with the
// button that opens it. The page's script asks, so there is no page to answer
// with: always 204, whether or not anything was started.
func (s *Site) prestart(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	w.WriteHeader(http.StatusNoContent)
	if !s.prestarts(v) || v.assignment.ReleasedAt == nil || v.assignment.ArchivedAt != nil {
		return nil
	}
	t, err := s.Store.Task(r.Context(), v.assignment, v.member.ID)
	if err == nil && stillToDo(t, s.Now()) {
		_, err = s.Workspaces.Prestart(r.Context(), spawner.Request{CourseID: v.course.ID, MemberID: v.member.ID, Image: imageOf(v)})
	}
	if err != nil && r.Context().Err() == nil {
		s.Log.Warn("workspace not started ahead", "course", v.course.Slug, "member", v.member.ID, "error", err)
	}
	return nil
}

// prestarts reports whether workspaces of this visitor may be started ahead.
func (s *Site) prestarts(v *visit) bool {
	return s.Prestart && v.course.Prestart && v.course.ArchivedAt == nil && v.member.ID != 0 && v.member.Role == course.Student
}

// stillToDo: it is not due yet, or was begun and never handed in.
func stillToDo(t store.Task, now time.Time) bool {
	due := t.Due()
	return t.ReturnedAt == nil && (due == nil || now.Before(*due) || t.FetchedAt != nil && t.TakenAt == nil)
}

// offerPrestart has the page's script ask for it, "" if it is not to.
func (s *Site) offerPrestart(v *visit, page *views.PageView, t store.Task) string {
	if !s.prestarts(v) || !stillToDo(t, s.Now()) {
		return ""
	}
	page.Scripts = append(page.Scripts, "prestart.js")
	return prestartPath(v.course.Slug, t.Slug)
}

// dueSoon reports whether the course's page may expect a click on this one.
func dueSoon(t store.Task, now time.Time) bool {
	due := t.Due()
	return due != nil && now.Before(*due) && due.Sub(now) <= soonDue
}

// prestartSettings is what of it the course's settings show.
func (s *Site) prestartSettings(r *http.Request, v *visit) (views.PrestartView, error) {
	const days = 30
	n, err := s.Store.Prestarts(r.Context(), v.course.ID, s.Now().AddDate(0, 0, -days))
	out := views.PrestartView{Action: prestartSettingsPath(v.course.Slug), On: v.course.Prestart, Site: s.Prestart}
	if n.Started > 0 {
		out.Figures = fmt.Sprintf("In the last %d days %s started ahead: %s used, %s ended unused.", days,
			pick(n.Started == 1, "one workspace was", plural(n.Started, "workspace")+" were"), plainNumber(n.Used), plainNumber(n.Unused))
	}
	return out, err
}

// savePrestart switches it on or off for the course. What was started stays.
func (s *Site) savePrestart(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	on := r.PostFormValue("prestart") == "on"
	err := s.Store.InTx(r.Context(), func(tx *store.Store) error {
		if err := tx.SwitchPrestart(r.Context(), v.course.ID, on); err != nil {
			return err
		}
		return tx.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, Verb: "changed the course's settings",
			Detail: "start workspaces ahead: " + pick(on, "on", "off")})
	})
	if err != nil {
		return err
	}
	s.flash(r, "good", pick(on, "Workspaces are made ready before students click.", "Workspaces start when students open them, not before."))
	return seeOther(w, r, settingsPath(v.course.Slug))
}
