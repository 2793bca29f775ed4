package handlers

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"lectern/course"
)

// access is who may use a route. The matrix test walks every route with every
// kind of visitor.
type access string

const (
	anyone     access = "anyone"     // no sign-in
	signedIn   access = "signed in"  // any account
	siteAdmin  access = "site admin" // the whole site
	member     access = "member"     // of {course}, in any role
	staff      access = "staff"      // grader or instructor of {course}
	instructor access = "instructor" // of {course}
)

// authorise loads what the route's pattern names and refuses who may not be
// here: 404 for a course one is not in and for what a student may not yet see,
// 403 for a room of one's own course that is not for one's role.
func (s *Site) authorise(who access, next handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		v := visitOf(r)
		if who == anyone {
			return next(w, r)
		}
		if !v.signedIn() {
			return errSignIn
		}
		if who == siteAdmin && !v.user.SiteAdmin {
			return course.Problemf(course.NotFound, "There is no such page.")
		}
		if slug := chi.URLParam(r, "course"); slug != "" {
			if err := s.load(r, v, slug); err != nil {
				return err
			}
		}
		switch {
		case who == staff && !v.staff(), who == instructor && !v.teaches():
			return course.Problemf(course.Forbidden, "This page is for the people who teach the course.")
		}
		return next(w, r)
	}
}

// load fills in course, assignment and subject, in at most three statements.
func (s *Site) load(r *http.Request, v *visit, slug string) error {
	ctx := r.Context()
	var err error
	if v.course, v.member, err = s.Store.CourseFor(ctx, slug, v.user); err != nil {
		return err
	}
	if slug := chi.URLParam(r, "assignment"); slug != "" {
		if v.assignment, err = s.Store.Assignment(ctx, v.course.ID, slug); err != nil {
			return err
		}
		if !v.staff() && !v.assignment.Open(s.Now()) {
			return course.Problemf(course.NotFound, "There is no such assignment.")
		}
	}
	if login := chi.URLParam(r, "login"); login != "" {
		if !v.staff() && login != v.user.Login {
			return course.Problemf(course.NotFound, "There is no such page.")
		}
		if v.subject, err = s.Store.Member(ctx, v.course.ID, login); err != nil {
			return err
		}
	}
	return nil
}
