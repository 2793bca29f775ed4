package course

import "time"

// SubmissionID keys a submission.
type SubmissionID int64

// How a submission came about.
const (
	BySubmit  = "submit"  // the student pressed Submit
	ByCollect = "collect" // the deadline, or a person, collected the live work
)

// Submission is one immutable snapshot of a member's work, with its receipt.
type Submission struct {
	ID           SubmissionID
	AssignmentID AssignmentID
	MemberID     MemberID
	Kind         string        // BySubmit or ByCollect
	TakenAt      time.Time     // the hub's clock when the request was authenticated
	LateBy       time.Duration // after the member's own due time as it was then; 0 is in time
	Counts       bool          // the one that is graded: the last in time, else the last
	Snapshot     string        // its directory below history/<login>/<assignment>/
	Digest       string        // SHA-256 of the manifest, hex: what the receipt shows
	Files        []File        // in path order
	Notes        []string      // what was left out or repaired while taking it
}

// File is one file of a snapshot.
type File struct {
	Path   string `json:"path"` // slash-separated, relative
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hex
}

// Bytes is the size of all files together.
func (s Submission) Bytes() int64 {
	var n int64
	for _, f := range s.Files {
		n += f.Bytes
	}
	return n
}
