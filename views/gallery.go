package views

import "time"

func galleryPage() PageView {
	return PageView{
		Title:  "Gallery",
		User:   &UserView{Name: "Demo Instructor", Login: "instructor", Initials: "DI", Admin: true},
		Crumbs: []Crumb{{Text: "Introduction to Statistics", URL: "#"}, {Text: "Homework 3", URL: ""}},
		Tabs: []NavItem{
			{Text: "Assignments", URL: "#", Current: true}, {Text: "Roster", URL: "#", Note: "226"}, {Text: "Servers", URL: "#", Note: "41"},
			{Text: "Activity", URL: "#"}, {Text: "Settings", URL: "#"},
		},
		RailTitle: "Homework 3",
		Rail: []NavItem{
			{Text: "Source", URL: "#", State: "done"}, {Text: "Dates & access", URL: "#", State: "done"},
			{Text: "Release", URL: "#", State: "done", Note: "212/220"}, {Text: "Submissions", URL: "#", State: "now", Note: "187", Current: true},
			{Text: "Grade", URL: "#", State: "warn", Note: "41"}, {Text: "Feedback", URL: "#", State: "todo"}, {Text: "Statistics", URL: "#"}, {Text: "Settings", URL: "#"},
		},
		Flash:  &Flash{Kind: "good", Text: "187 submissions were collected."},
		Banner: &Banner{Text: "You see this course as Demo Student does. Nothing can be changed.", Action: "Leave this view", URL: "#"},
	}
}

// galleryRows are login, name, state, its word, time, attempts and score.
func galleryRows() [][7]string {
	return [][7]string{
		{"Demo Student 1", "student1", "graded", "Graded", "Mon 21 Sep, 21:04", "2", "36.5 / 40"},
		{"Demo Student 2", "student2", "grading", "Needs grading", "Mon 21 Sep, 23:58", "1", "28 / 40"},
		{"Demo Student 3", "student3", "late", "1 h 4 min late", "Tue 22 Sep, 01:03", "3", "–"},
		{"Demo Student 4", "student4", "failed", "Autograde failed", "Mon 21 Sep, 18:30", "1", "–"},
		{"Demo Student 5", "student5", "missing", "Missing", "–", "0", "–"},
	}
}

func galleryDue() TimeView {
	at := time.Date(2026, time.September, 22, 4, 59, 0, 0, time.UTC)
	return TimeView{At: at, Text: "Mon 21 Sep, 23:59 Chicago time", Away: "in 3 h 20 min", Soon: true}
}

func galleryConfirm() ConfirmView {
	return ConfirmView{
		ID: "start-over", Title: "Start Homework 3 over?", Button: "Start over", Kind: "danger", Action: "#", Back: "#",
		Text:  "You get a fresh copy of what was released.",
		Keeps: "Everything you submitted, and your present copy under the name “Homework 3 (kept)”.",
		Loses: "Nothing, but what runs in JupyterLab is stopped.",
	}
}

func galleryLaunch() LaunchView {
	return LaunchView{
		Percent: 55, Elapsed: "2.1 s", Usual: "usually 3.9 s", Retry: "#",
		Steps: []StepView{
			{Step: "queue", Name: "Waiting for a place", State: "done", Took: "0.1 s"},
			{Step: "files", Name: "Laying out your files", State: "done", Took: "0.3 s"},
			{Step: "container", Name: "Starting your container", State: "done", Took: "0.4 s"},
			{Step: "jupyter", Name: "Starting JupyterLab", State: "now", Text: "The server is loading its extensions."},
			{Step: "ready", Name: "Ready", State: "todo"},
		},
	}
}

func galleryReceipts() []ReceiptView {
	files := []ReceiptFile{
		{Name: "linear-models.ipynb", Size: "41.2 kB", SHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
		{Name: "data/heights.csv", Size: "6.8 kB", SHA256: "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"},
	}
	return []ReceiptView{
		{
			Title: "Submission 2", At: TimeView{Text: "Mon 21 Sep 2026, 21:04:17 Chicago time"}, Counts: true, Files: files, Download: "#",
			Summary: "2 files, 48 kB", SHA256: "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
		},
		{
			Title: "Submission 1", At: TimeView{Text: "Mon 21 Sep 2026, 17:40:02 Chicago time"}, Files: files, Download: "#",
			Summary: "2 files, 48 kB", SHA256: "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9",
		},
	}
}
