// Package course is the ground every other room stands on: who the people of a
// course are and what they may do, assignments and their phase, submissions,
// receipts, marks and deadlines, where files lie, and the errors a visitor may
// see. It computes; it never reads a file, a row or the clock.
package course

import (
	"regexp"
	"time"
)

// ID keys a row of the course table.
type ID int64

// Course is one class in one term.
type Course struct {
	ID         ID
	Slug       string // names the course in links and on disk; never changes
	Title      string
	Term       string // free text such as "Fall 2026"; may be empty
	Zone       string // IANA name; every wall time of the course is read in it
	Image      string // notebook image an assignment uses unless it names its own
	Prestart   bool   // workspaces may be started before their student clicks
	CreatedAt  time.Time
	ArchivedAt *time.Time
}

// Location is the course's zone, or UTC if the name is unknown here.
func (c Course) Location() *time.Location {
	loc, err := time.LoadLocation(c.Zone)
	if err != nil {
		return time.UTC
	}
	return loc
}

var (
	slugForm  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	loginForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)
)

// ValidSlug reports whether s may name a course or an assignment, in links and
// as a directory. Mount points in a student's home, and the word that opens a
// form in links, are not free to take.
func ValidSlug(s string) bool {
	return slugForm.MatchString(s) && s != "release" && s != "feedback" && s != "new"
}

// ValidLogin reports whether s may name a person, in links and as a directory.
func ValidLogin(s string) bool { return loginForm.MatchString(s) }
