package course

import (
	"strings"
	"time"
)

// UserID keys a person of the site.
type UserID int64

// MemberID keys a person's place in one course.
type MemberID int64

// User is a person of the site. How they sign in is kept apart: local passwords
// and identities of providers, keyed by (issuer, subject), never by e-mail.
type User struct {
	ID         UserID
	Login      string // unique on the site; names their directories
	Name       string
	Email      string // for display and mail only; proves nothing
	SiteAdmin  bool
	CreatedAt  time.Time
	LastSeenAt *time.Time
	DisabledAt *time.Time
}

// Role is what a member is in one course.
type Role string

const (
	Student    Role = "student"
	Grader     Role = "grader"
	Instructor Role = "instructor"
)

// Roles lists them from least to most rights.
var Roles = []Role{Student, Grader, Instructor}

// ParseRole reads a role as people and learning platforms write it; empty means
// student. Moodle's "teacher" without the right to edit is told apart by its
// "non-editing".
func ParseRole(s string) (Role, bool) {
	key := strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '_' {
			return -1
		}
		return r
	}, strings.ToLower(s))
	switch strings.TrimSuffix(key, "enrollment") {
	case "", "student", "learner", "s":
		return Student, true
	case "grader", "ta", "assistant", "teachingassistant", "noneditingteacher", "tutor":
		return Grader, true
	case "instructor", "teacher", "editingteacher", "lecturer", "professor":
		return Instructor, true
	}
	return "", false
}

// Rank orders roles by rights: student 1, grader 2, instructor 3, none 0.
func (r Role) Rank() int {
	switch r {
	case Student:
		return 1
	case Grader:
		return 2
	case Instructor:
		return 3
	}
	return 0
}

// Staff reports whether the role sees other people's work.
func (r Role) Staff() bool { return r.Rank() >= Grader.Rank() }

// MayGrant reports whether a member with role r may give someone role to.
// Nobody grants more than they have, and only instructors grant at all.
func (r Role) MayGrant(to Role) bool {
	return r == Instructor && to.Rank() > 0
}

// Member is a person in a course.
type Member struct {
	ID         MemberID
	CourseID   ID
	UserID     UserID
	Login      string
	Name       string
	Email      string
	Role       Role
	Section    string
	CreatedAt  time.Time
	DroppedAt  *time.Time // their work is kept; they no longer see the course
	LastSeenAt *time.Time
}

// Active reports whether the member still takes part.
func (m Member) Active() bool { return m.DroppedAt == nil }
