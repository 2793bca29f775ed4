package handlers

import (
	"context"
	"net/http"

	"lectern/course"
	"lectern/spawner"
	"lectern/views"
)

// trial says what somebody of the staff opens when trying an assignment out: what
// students have, or, before they have anything, what a release would give them.
type trial struct {
	prepared bool // not released: what would be
	none     bool // nothing was ever prepared
}

func trialOf(a course.Assignment) trial {
	return trial{prepared: a.ReleasedAt == nil, none: a.ReleasedAt == nil && a.CheckedVersion == 0}
}

// tryPage explains what trying an assignment out does and leads there.
func (s *Site) tryPage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if err := mustBeMember(v); err != nil {
		return err
	}
	there, err := s.Exchange.Fetched(workOf(v))
	if err != nil {
		return err
	}
	c, a, t := v.course.Slug, v.assignment.Slug, trialOf(v.assignment)
	page := views.TryView{Page: s.assignmentFrame(r, "Try it", "try"), Open: openPath(c, a), Folder: a, There: there, None: t.none, Prepared: t.prepared,
		Source:    assignmentPart(c, a, "source"),
		StartOver: views.LinkView{Text: "Start over", URL: startOverPath(c, a), Icon: "rotate-ccw", Confirm: "start-over"}, Confirm: startOverConfirm(v)}
	return s.show(w, r, views.Try(page))
}

// tryOut opens the assignment in the visitor's own workspace, as a student's
// opens. Nothing is noted of it: what the staff try is no work to be collected,
// counted or graded.
func (s *Site) tryOut(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	t := trialOf(v.assignment)
	if t.none {
		return course.Problemf(course.Conflict, "No release is prepared yet, so there is nothing to open. Upload the source first.")
	}
	fetch, from := s.Exchange.Fetch, s.Exchange.Layout.Release
	if t.prepared {
		fetch, from = s.Exchange.FetchPrepared, s.Exchange.Layout.StagedRelease
	}
	if _, err := fetch(r.Context(), workOf(v)); err != nil {
		return err
	}
	row, err := s.Workspaces.Open(r.Context(), spawner.Request{CourseID: v.course.ID, MemberID: v.member.ID, Image: imageOf(v)})
	if err != nil {
		return err
	}
	return s.goTo(w, r, row, labPath(v.assignment.Slug, s.firstNotebook(v, from)))
}

// tryAgain lays the files out afresh, as they are given out by now.
func (s *Site) tryAgain(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	again := s.Exchange.StartOver
	if trialOf(v.assignment).prepared {
		again = s.Exchange.StartOverPrepared
	}
	kept, err := again(context.WithoutCancel(r.Context()), workOf(v), s.Now())
	if err != nil {
		return err
	}
	s.flash(r, "good", startedOver(kept))
	return seeOther(w, r, tryPath(v.course.Slug, v.assignment.Slug))
}

// mayHandIn refuses whoever only tries an assignment out: their work would stand
// among the students'.
func mayHandIn(v *visit) error {
	if err := mustBeMember(v); err != nil {
		return err
	}
	if v.staff() {
		return course.Problemf(course.Forbidden, "You teach this course, so you can try the assignment but hand nothing in.")
	}
	return nil
}
