package handlers

import "net/url"

// Paths of the site. Whatever links, links through these.

func coursePath(course string) string { return "/courses/" + url.PathEscape(course) }

func assignmentPath(course, assignment string) string {
	return coursePath(course) + "/assignments/" + url.PathEscape(assignment)
}

func newAssignmentPath(course string) string { return coursePath(course) + "/assignments/new" }

// assignmentPart is one of the staff's pages of an assignment: "source", "dates"…
func assignmentPart(course, assignment, part string) string {
	return assignmentPath(course, assignment) + "/" + part
}

func signInPath(next string) string {
	if next == "" || next == "/" {
		return "/sign-in"
	}
	return "/sign-in?next=" + url.QueryEscape(next)
}

func rosterPath(course string) string { return coursePath(course) + "/roster" }

func memberPath(course, login string) string {
	return coursePath(course) + "/people/" + url.PathEscape(login)
}

func settingsPath(course string) string { return coursePath(course) + "/settings" }

func activityPath(course string) string { return coursePath(course) + "/activity" }

func invitePath(token string) string { return "/invite/" + url.PathEscape(token) }

const newCoursePath = "/courses/new"
