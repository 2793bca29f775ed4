package handlers

// The paths of autograding, feedback in the making, and the gradebook.

func checkPath(c, a string) string       { return assignmentPart(c, a, "check") }
func checkEventsPath(c, a string) string { return checkPath(c, a) + "/events" }
func runsPath(c, a string) string        { return assignmentPart(c, a, "runs") }
func runEventsPath(c, a string) string   { return runsPath(c, a) + "/events" }
func cancelRunsPath(c, a string) string  { return runsPath(c, a) + "/cancel" }
func comparePath(c, a string) string     { return runsPath(c, a) + "/compare" }
func applyTrialPath(c, a string) string  { return runsPath(c, a) + "/apply" }
func dropTrialPath(c, a string) string   { return runsPath(c, a) + "/discard" }
func makePath(c, a string) string        { return feedbackPath(c, a) + "/make" }
func statisticsPath(c, a string) string  { return assignmentPart(c, a, "statistics") }
func gradebookPath(c string) string      { return coursePath(c) + "/gradebook" }
func bookSettingsPath(c string) string   { return gradebookPath(c) + "/settings" }
func bookCanvasPath(c string) string     { return gradebookPath(c) + "/canvas" }
func bookFilePath(c, form string) string { return gradebookPath(c) + "/" + form }

func releaseSettingsPath(c string) string { return settingsPath(c) + "/releases" }

func returningPath(c, a string) string { return returnPath(c, a) + "/events" }
