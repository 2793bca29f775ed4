package handlers

import (
	"net/url"
	"strconv"

	"lectern/course"
)

// The paths of grading.

func gradePath(c, a string) string      { return assignmentPart(c, a, "grade") }
func gradeNextPath(c, a string) string  { return gradePath(c, a) + "/next" }
func gradeNamesPath(c, a string) string { return gradePath(c, a) + "/names" }
func gradeFindPath(c, a string) string  { return gradePath(c, a) + "/identical" }
func rubricPath(c, a string) string     { return gradePath(c, a) + "/rubric" }

// paperPath is a paper by its number; the parts below it are "hold" and "apart".
func paperPath(c, a string, number int) string {
	return gradePath(c, a) + "/" + strconv.Itoa(number)
}

// gradeAt is one question of a paper; by is "student" or empty.
func gradeAt(c, a string, number int, k course.QuestionKey, by string, more ...string) string {
	q := url.Values{"question": {k.String()}}
	if by != "" {
		q.Set("by", by)
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return paperPath(c, a, number) + "?" + q.Encode()
}

// rubricAt is a question's rubric, with the way back to a paper if number is not 0.
func rubricAt(c, a string, k course.QuestionKey, number int, by string) string {
	q := url.Values{"question": {k.String()}}
	if number > 0 {
		q.Set("paper", strconv.Itoa(number))
	}
	if by != "" {
		q.Set("by", by)
	}
	return rubricPath(c, a) + "?" + q.Encode()
}
