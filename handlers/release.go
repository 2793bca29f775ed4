package handlers

import (
	"fmt"
	"net/http"
	"time"

	"lectern/course"
	"lectern/grading"
	"lectern/views"
)

// releasePage shows what students have and what a release would give them.
func (s *Site) releasePage(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	a, now, loc := v.assignment, s.Now(), v.course.Location()
	var report grading.Report
	_, checked, err := s.Store.Check(r.Context(), a.ID, &report)
	if err != nil {
		return err
	}
	opened, err := s.Store.OpenedCount(r.Context(), a.ID)
	if err != nil {
		return err
	}
	part := func(p string) string { return assignmentPart(v.course.Slug, a.Slug, p) }
	page := views.ReleaseView{Page: s.assignmentFrame(r, "Release", "release"), Action: part("release"), Unschedule: part("unschedule"), SourceURL: part("source"),
		DatesURL: part("dates"), MayEdit: v.teaches(), Ready: a.CheckedVersion > 0 && a.CheckedVersion == a.SourceVersion, Released: a.ReleasedAt != nil,
		Newer: a.ReleasedAt != nil && a.CheckedVersion > a.ReleaseVersion, Opened: opened,
		Opens: whenIf(a.OpensAt, now, loc, "as soon as it is released"), Due: whenIf(a.DueAt, now, loc, "No deadline"),
		Scheduled: a.ScheduledAt != nil, Future: a.OpensAt != nil && a.OpensAt.After(now), Past: a.DueAt != nil && !a.DueAt.After(now)}
	if a.ReleasedAt != nil {
		page.At = when(*a.ReleasedAt, now, loc)
	}
	if checked {
		page.Report = reportView(report, a)
		for _, f := range report.Files {
			page.Files = append(page.Files, f.Path)
		}
	}
	if err := s.checkOnRelease(r, &page); err != nil {
		return err
	}
	if err := s.imageOnRelease(r, &page); err != nil {
		return err
	}
	return s.show(w, r, views.Release(page))
}

// release gives the checked version to students, at once or when it opens.
func (s *Site) release(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	a, now := v.assignment, s.Now()
	if a.CheckedVersion == 0 || a.CheckedVersion != a.SourceVersion {
		return course.Problemf(course.Conflict, "The files of %s have not passed their check. Read the check report first.", a.Title)
	}
	to := assignmentPart(v.course.Slug, a.Slug, "release")
	if a.ReleasedAt == nil && a.OpensAt != nil && a.OpensAt.After(now) && r.FormValue("when") != "now" {
		if err := s.Store.Schedule(r.Context(), a.ID, &now); err != nil {
			return err
		}
		if err := s.fetchAhead(r); err != nil {
			return err
		}
		s.flash(r, "good", fmt.Sprintf("%s will be released by itself on %s.", a.Title, wallTime(*a.OpensAt, v.course.Location())))
		if err := s.record(r, "scheduled release", a, ""); err != nil {
			return err
		}
		return seeOther(w, r, to)
	}
	if a.OpensAt != nil && a.OpensAt.After(now) { // now means now
		a.OpensAt = &now
		if err := s.Store.SaveAssignment(r.Context(), a); err != nil {
			return err
		}
	}
	ready, err := s.settleImage(r, r.PostFormValue("image") == "later")
	if err != nil {
		return err
	}
	if !ready {
		return s.awaitImage(w, r)
	}
	if err := s.Preparer.Release(r.Context(), v.course, a.ID, now); err != nil {
		return err
	}
	if err := s.record(r, pick(a.ReleasedAt == nil, "released", "released again"), a, ""); err != nil {
		return err
	}
	s.flash(r, "good", fmt.Sprintf("%s is released.", a.Title))
	return seeOther(w, r, to)
}

// unschedule takes back a release that has not happened yet.
func (s *Site) unschedule(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if err := s.Store.Schedule(r.Context(), v.assignment.ID, nil); err != nil {
		return err
	}
	if err := s.record(r, "took back scheduled release", v.assignment, ""); err != nil {
		return err
	}
	s.flash(r, "good", "It will not be released by itself.")
	return seeOther(w, r, assignmentPart(v.course.Slug, v.assignment.Slug, "release"))
}

func dateOr(t *time.Time, loc *time.Location, none string) string {
	if t == nil {
		return none
	}
	return wallTime(*t, loc)
}
