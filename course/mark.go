package course

import "time"

// Mark is the current result of one member in one assignment: what the latest
// event of each question adds up to. A mark with no question concerns the whole.
type Mark struct {
	AssignmentID AssignmentID
	MemberID     MemberID
	Notebook     string // without .ipynb; empty for the whole assignment
	Question     string // grade_id; empty for the whole assignment
	Points       *float64
	Max          float64
	Comment      string
	Source       string // "hand", "csv", "auto"
	By           string // login of who gave it; empty for the autograder
	At           time.Time
}
