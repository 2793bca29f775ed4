package handlers

import (
	"net/url"
	"strconv"

	"lectern/course"
)

// The paths of opening, handing in and what follows from them.

func openPath(c, a string) string      { return assignmentPart(c, a, "open") }
func prestartPath(c, a string) string  { return assignmentPart(c, a, "prestart") }
func submitPath(c, a string) string    { return assignmentPart(c, a, "submit") }
func startOverPath(c, a string) string { return assignmentPart(c, a, "start-over") }
func myFilesPath(c, a string) string   { return assignmentPart(c, a, "my-files") }

func myFeedbackPath(c, a string) string { return assignmentPart(c, a, "my-feedback") }

func myFeedbackFilePath(c, a, file string) string {
	return myFeedbackPath(c, a) + "/view?" + url.Values{"file": {file}}.Encode()
}

func receiptPath(c, a string, id course.SubmissionID) string {
	return assignmentPart(c, a, "receipts/") + strconv.FormatInt(int64(id), 10)
}

func receiptZipPath(c, a string, id course.SubmissionID) string {
	return receiptPath(c, a, id) + "/files.zip"
}

func restorePath(c, a string, id course.SubmissionID) string {
	return receiptPath(c, a, id) + "/restore"
}

// workspacePath is the launch page of a workspace.
func workspacePath(c, id string) string { return coursePath(c) + "/workspaces/" + url.PathEscape(id) }

// launchPath is the launch page that goes on to a path inside JupyterLab.
func launchPath(c, id, next string) string {
	return workspacePath(c, id) + "?" + url.Values{"next": {next}}.Encode()
}

func prestartSettingsPath(c string) string { return settingsPath(c) + "/prestart" }

func serversPath(c string) string { return coursePath(c) + "/servers" }

const (
	adminServersPath = "/admin/servers"
	notesPath        = "/notes"
	herePath         = "/notes/here"
)

func limitsPath(c string) string { return settingsPath(c) + "/limits" }

func courseTimesPath(c string) string { return settingsPath(c) + "/times" }
