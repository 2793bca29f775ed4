package handlers

import "net/http"

// courseHome is a course as whoever asks meets it.
func (s *Site) courseHome(w http.ResponseWriter, r *http.Request) error {
	if visitOf(r).staff() {
		return s.staffCourse(w, r)
	}
	return s.studentCourse(w, r)
}

// assignmentHome is an assignment as whoever asks meets it.
func (s *Site) assignmentHome(w http.ResponseWriter, r *http.Request) error {
	if v := visitOf(r); v.staff() {
		return seeOther(w, r, assignmentPart(v.course.Slug, v.assignment.Slug, "source"))
	}
	return s.studentAssignment(w, r)
}
