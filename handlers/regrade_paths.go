package handlers

import (
	"net/url"
	"strconv"

	"lectern/course"
	"lectern/store"
)

// The paths of regrade requests: the student's own below the assignment, the
// staff's below the course.

// askRegradePath is the form that asks about one question.
func askRegradePath(c, a string, k course.QuestionKey) string {
	return assignmentPart(c, a, "regrade") + "?" + url.Values{"question": {k.String()}}.Encode()
}

func myRegradePath(c, a string, id course.RegradeID) string {
	return assignmentPart(c, a, "regrade") + "/" + strconv.FormatInt(int64(id), 10)
}

func regradesPath(c string) string { return coursePath(c) + "/regrades" }

func regradePath(c string, id course.RegradeID) string {
	return regradesPath(c) + "/" + strconv.FormatInt(int64(id), 10)
}

// regradeAt is where a request is dealt with: its question on the marking screen,
// or without a paper the request's own page.
func regradeAt(c string, g store.Regrade) string {
	if g.Number == nil {
		return regradePath(c, g.ID)
	}
	return gradeAt(c, g.Assignment, *g.Number, g.QuestionKey, "")
}
