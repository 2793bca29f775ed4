package course

import "time"

// AssignmentID keys an assignment.
type AssignmentID int64

// Assignment is one piece of work set to a class.
type Assignment struct {
	ID       AssignmentID
	CourseID ID
	Slug     string // names it in links and on disk; never changes
	Title    string
	Image    string  // notebook image; empty means the course's
	Points   float64 // sum over its questions, as last checked

	OpensAt *time.Time // planned: from when students may see a released assignment; nil is at release
	DueAt   *time.Time // planned default; members may have their own. nil is no deadline

	SourceVersion  int        // counts changes of the source files; 0 is none yet
	CheckedVersion int        // the source version last checked and staged; 0 is never
	ReleaseVersion int        // the source version students get; 0 is none
	ReleasedAt     *time.Time // first published
	ScheduledAt    *time.Time // somebody asked for release at OpensAt
	CreatedAt      time.Time
	ArchivedAt     *time.Time
}

// Phase is how far an assignment has come, for the staff table.
type Phase string

const (
	Draft     Phase = "draft"     // no checked source
	Checked   Phase = "checked"   // may be released
	Scheduled Phase = "scheduled" // released at OpensAt by itself
	Released  Phase = "released"  // students work
	Collected Phase = "collected" // past due, work is in
	Returned  Phase = "returned"  // feedback is with the students
)

// Phase is the assignment's phase at now, given whether anything has been returned.
func (a Assignment) Phase(now time.Time, returned bool) Phase {
	switch {
	case returned:
		return Returned
	case a.ReleasedAt != nil && a.DueAt != nil && !now.Before(*a.DueAt):
		return Collected
	case a.ReleasedAt != nil:
		return Released
	case a.ScheduledAt != nil:
		return Scheduled
	case a.CheckedVersion > 0 && a.CheckedVersion == a.SourceVersion:
		return Checked
	}
	return Draft
}

// Open reports whether students may see and open the assignment at now.
func (a Assignment) Open(now time.Time) bool {
	return a.ReleasedAt != nil && (a.OpensAt == nil || !now.Before(*a.OpensAt))
}

// Late is how long after due the work was taken; 0 if in time or nothing is due.
func Late(takenAt time.Time, due *time.Time) time.Duration {
	if due == nil || !takenAt.After(*due) {
		return 0
	}
	return takenAt.Sub(*due)
}

// EffectiveDue is the deadline that holds for a member: their own if they have
// one, else the assignment's. An extension may also shorten.
func EffectiveDue(assignment, own *time.Time) *time.Time {
	if own != nil {
		return own
	}
	return assignment
}
