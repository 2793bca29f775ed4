package handlers

import "net/url"

// The paths of marks and feedback.

func marksPath(c, a string) string    { return assignmentPart(c, a, "marks") }
func marksCSVPath(c, a string) string { return assignmentPart(c, a, "marks.csv") }

func importMarksPath(c, a string) string { return assignmentPart(c, a, "import-marks") }

// markPath is one student's marks in an assignment.
func markPath(c, a, login string) string { return marksPath(c, a) + "/" + url.PathEscape(login) }

func feedbackPath(c, a string) string { return assignmentPart(c, a, "feedback") }
func returnPath(c, a string) string   { return feedbackPath(c, a) + "/return" }
func withdrawPath(c, a string) string { return feedbackPath(c, a) + "/withdraw" }

// workOfPath is what one student handed in.
func workOfPath(c, a, login string) string {
	return assignmentPart(c, a, "submissions/"+url.PathEscape(login))
}
