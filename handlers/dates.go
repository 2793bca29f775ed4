package handlers

import (
	"fmt"
	"net/http"
	"strings"

	"lectern/course"
	"lectern/views"
)

// dates shows when an assignment opens and is due, and who has a time of their own.
func (s *Site) dates(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	loc := v.course.Location()
	return s.datesPage(w, r, http.StatusOK, nil, map[string]string{
		"opens_at": formatLocal(v.assignment.OpensAt, loc), "due_at": formatLocal(v.assignment.DueAt, loc)})
}

func (s *Site) datesPage(w http.ResponseWriter, r *http.Request, status int, errs []views.FieldError, in map[string]string) error {
	v := visitOf(r)
	now, loc := s.Now(), v.course.Location()
	extensions, err := s.Store.Extensions(r.Context(), v.assignment.ID)
	if err != nil {
		return err
	}
	members, err := s.Store.Members(r.Context(), v.course.ID)
	if err != nil {
		return err
	}
	rule, err := s.Store.LateRule(r.Context(), v.assignment.ID)
	if err != nil {
		return err
	}
	part := func(p string) string { return assignmentPart(v.course.Slug, v.assignment.Slug, p) }
	page := views.DatesView{Page: s.assignmentFrame(r, "Dates & access", "dates"), Errors: errs, Zone: v.course.Zone, Save: part("dates"), MayEdit: v.teaches(),
		Opens: in["opens_at"], OpensError: errorOf(errs, "opens_at"), Due: in["due_at"], DueError: errorOf(errs, "due_at"),
		Extend: part("extensions"), Unextend: part("extensions/remove"), LoginError: errorOf(errs, "login"),
		Until: in["until"], UntilError: errorOf(errs, "until"), Reason: in["reason"],
		OpensNow: whenIf(v.assignment.OpensAt, now, loc, "as soon as it is released"), DueNow: whenIf(v.assignment.DueAt, now, loc, "never")}
	page.LateWords, page.Late = rule.Words(), lateForm(rule, part("late"), errs, in)
	page.Students = []views.Option{{Text: "Choose a student"}}
	for _, m := range members {
		if m.Active() && m.Role == course.Student {
			page.Students = append(page.Students, views.Option{Value: m.Login, Text: m.Login + " · " + m.Name, Selected: m.Login == in["login"]})
		}
	}
	for _, x := range extensions {
		page.Extensions = append(page.Extensions, views.ExtensionRow{Login: x.Login, Name: x.Name, Due: when(x.DueAt, now, loc), Reason: x.Reason,
			By: x.GrantedBy, Passed: x.DueAt.Before(now)})
	}
	return s.showStatus(w, r, status, views.Dates(page))
}

// saveDates changes the dates that hold for everybody without their own.
func (s *Site) saveDates(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	a, loc := v.assignment, v.course.Location()
	var problems course.Problems
	var err error
	if a.OpensAt, err = parseLocal("opens_at", r.FormValue("opens_at"), loc); err != nil {
		p, _ := course.AsProblem(err)
		problems = append(problems, p)
	}
	if a.DueAt, err = parseLocal("due_at", r.FormValue("due_at"), loc); err != nil {
		p, _ := course.AsProblem(err)
		problems = append(problems, p)
	}
	if err = problems.OrNil(); err == nil {
		err = s.Store.SaveAssignment(r.Context(), a)
	}
	if errs, ok := formErrors(err); ok {
		return s.datesPage(w, r, http.StatusUnprocessableEntity, errs, map[string]string{"opens_at": r.FormValue("opens_at"), "due_at": r.FormValue("due_at")})
	}
	if err != nil {
		return err
	}
	detail := fmt.Sprintf("opens %s, due %s", dateOr(a.OpensAt, loc, "at release"), dateOr(a.DueAt, loc, "never"))
	if err := s.record(r, "changed dates", a, detail); err != nil {
		return err
	}
	s.flash(r, "good", "Saved: "+detail+".")
	return seeOther(w, r, assignmentPart(v.course.Slug, a.Slug, "dates"))
}

// extend gives one student, or everybody of a section, a due time of their own.
func (s *Site) extend(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	loc := v.course.Location()
	login, reason := strings.TrimSpace(r.FormValue("login")), clip(strings.TrimSpace(r.FormValue("reason")), 500)
	until, err := parseLocal("until", r.FormValue("until"), loc)
	if err == nil && until == nil {
		err = course.Fieldf("until", "Choose until when.")
	}
	var m course.Member
	if err == nil {
		m, err = s.Store.Member(r.Context(), v.course.ID, login)
		if err != nil && course.IsKind(err, course.NotFound) || err == nil && (!m.Active() || m.Role != course.Student) {
			err = course.Fieldf("login", "Choose a student of this course.")
		}
	}
	if err == nil {
		err = s.Store.Extend(r.Context(), v.assignment.ID, []course.MemberID{m.ID}, *until, reason, v.user.ID)
	}
	if errs, ok := formErrors(err); ok {
		return s.datesPage(w, r, http.StatusUnprocessableEntity, errs, map[string]string{"login": login, "until": r.FormValue("until"), "reason": reason,
			"opens_at": formatLocal(v.assignment.OpensAt, loc), "due_at": formatLocal(v.assignment.DueAt, loc)})
	}
	if err != nil {
		return err
	}
	if err := s.Store.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: v.assignment.ID, MemberID: m.ID,
		Verb: "extended", Detail: "until " + wallTime(*until, loc)}); err != nil {
		return err
	}
	s.flash(r, "good", fmt.Sprintf("%s has until %s.", m.Name, wallTime(*until, loc)))
	return seeOther(w, r, assignmentPart(v.course.Slug, v.assignment.Slug, "dates"))
}

// unextend lets the assignment's own due time hold again for a student.
func (s *Site) unextend(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	m, err := s.Store.Member(r.Context(), v.course.ID, r.FormValue("login"))
	if err != nil {
		return err
	}
	if err := s.Store.Unextend(r.Context(), v.assignment.ID, m.ID); err != nil {
		return err
	}
	if err := s.Store.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: v.assignment.ID, MemberID: m.ID,
		Verb: "took back extension"}); err != nil {
		return err
	}
	s.flash(r, "good", fmt.Sprintf("The due time of the class holds for %s again.", m.Name))
	return seeOther(w, r, assignmentPart(v.course.Slug, v.assignment.Slug, "dates"))
}
