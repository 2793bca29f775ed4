package course

import "time"

// Activity is one line of what happened. Zero ids mean that none is concerned.
type Activity struct {
	Actor        UserID
	CourseID     ID
	AssignmentID AssignmentID
	MemberID     MemberID
	Verb         string // past tense: "signed in", "released", "submitted"
	Detail       string // for people; no secrets, no file contents
	At           time.Time
}
