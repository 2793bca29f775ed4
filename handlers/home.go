package handlers

import (
	"net/http"

	"lectern/course"
	"lectern/views"
)

// home lists a person's courses, and for the site's administrator all of them.
func (s *Site) home(w http.ResponseWriter, r *http.Request) error {
	v, now := visitOf(r), s.Now()
	cards, err := s.Store.CoursesOf(r.Context(), v.user.ID, now)
	if err != nil {
		return err
	}
	regrades, err := s.Store.RegradesWaiting(r.Context(), v.user.ID)
	if err != nil {
		return err
	}
	page := views.HomeView{Page: s.page(r, "Courses")}
	mine, teaches := map[course.ID]bool{}, false
	for _, c := range cards {
		mine[c.ID] = true
		teaches = teaches || c.Role == course.Instructor
		card := views.CourseCardView{URL: coursePath(c.Slug), Title: c.Title, Term: c.Term, Role: roleText(c.Role)}
		if c.NextDue != nil {
			card.DueName, card.Due = c.NextName, when(*c.NextDue, now, c.Location())
		}
		if c.Role.Staff() {
			card.Facts = plural(c.Students, "student")
		}
		if c.ToGrade > 0 {
			card.Waits = plural(c.ToGrade, "submission") + " to grade"
		}
		card.Regrades, card.RegradesURL = regradesWait(regrades[c.ID]), regradesPath(c.Slug)
		if c.ArchivedAt != nil {
			page.Archived = append(page.Archived, card)
		} else {
			page.Courses = append(page.Courses, card)
		}
	}
	if v.user.SiteAdmin {
		all, err := s.Store.AllCourses(r.Context())
		if err != nil {
			return err
		}
		for _, c := range all {
			if !mine[c.ID] {
				page.All = append(page.All, views.CourseCardView{URL: coursePath(c.Slug), Title: c.Title, Term: c.Term})
			}
		}
	}
	if v.user.SiteAdmin || teaches {
		page.NewCourse = newCoursePath
	}
	return s.show(w, r, views.Home(page))
}
