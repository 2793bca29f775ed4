package handlers

import (
	"net/http"

	"lectern/course"
	"lectern/views"
)

// startOverPage asks before starting over, for those without scripts.
func (s *Site) startOverPage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if err := mustBeMember(v); err != nil {
		return err
	}
	page := s.coursePage(r, v.assignment.Title, "")
	page.Width = "narrow"
	return s.show(w, r, views.Confirm(views.ConfirmPageView{Page: page, Confirm: startOverConfirm(v)}))
}

// startOver lays out a fresh working copy and keeps the old one beside it.
func (s *Site) startOver(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if err := mustBeMember(v); err != nil {
		return err
	}
	if v.staff() {
		return s.tryAgain(w, r)
	}
	kept, err := s.Exchange.StartOver(r.Context(), workOf(v), s.Now())
	if err != nil {
		return err
	}
	if err := s.Store.RecordFetched(r.Context(), v.assignment, v.member.ID, v.user.ID); err != nil {
		return err
	}
	if err := s.Store.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: v.assignment.ID,
		MemberID: v.member.ID, Verb: "started over", Detail: kept}); err != nil {
		return err
	}
	s.flash(r, "good", startedOver(kept))
	return seeOther(w, r, assignmentPath(v.course.Slug, v.assignment.Slug))
}

// startedOver says what became of the earlier folder; "" if there was none.
func startedOver(kept string) string {
	text := "You have the assignment's files as they were given out."
	if kept != "" {
		text += " Your earlier folder is now called " + kept + "."
	}
	return text
}
