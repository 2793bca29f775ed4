package handlers

import (
	"strconv"

	"lectern/course"
)

// The paths of looking at work while it runs.

// runningPath lists the copies that the visitor has open in a course.
func runningPath(c string) string { return coursePath(c) + "/running" }

func discardPath(c, id string) string { return workspacePath(c, id) + "/discard" }

// openRunningPath opens one attempt of a student.
func openRunningPath(c, a, login string, id course.SubmissionID) string {
	return workOfPath(c, a, login) + "/" + strconv.FormatInt(int64(id), 10) + "/running"
}

// paperRunningPath opens what a paper holds, without telling whose it is.
func paperRunningPath(c, a string, number int) string { return paperPath(c, a, number) + "/running" }

// tryPath is where the staff open an assignment as a student would.
func tryPath(c, a string) string { return assignmentPart(c, a, "try") }
