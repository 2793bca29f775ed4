// Package moving takes whole courses out of Lectern and into it, in nbgrader's
// directory layout with its gradebook.db. It reads whatever others made as
// hostile, moves files only through exchange, and refuses to overwrite: what the
// course has already stays, and the difference is told. Doing it twice changes
// nothing the second time.
package moving

import (
	"context"
	"strings"
	"time"

	"lectern/course"
	"lectern/exchange"
	"lectern/store"
)

// Mover moves courses.
type Mover struct {
	Exchange *exchange.Exchange
	Store    *store.Store
	Now      func() time.Time

	// Prepare checks an assignment's source, and reports how many problems stop
	// a release. Release gives it to students. Both are grading's, which is no
	// room below this one.
	Prepare func(context.Context, course.Course, course.AssignmentID) (problems int, err error)
	Release func(context.Context, course.Course, course.AssignmentID, time.Time) error
}

// Names in the layout.
const (
	gradebookName = "gradebook.db"
	configName    = "nbgrader_config.py"
	extrasName    = "lectern.json"
	stampName     = "timestamp.txt"
)

// extras is lectern.json: what nbgrader has no place for, so that a course that
// comes back is what it was.
type extras struct {
	Title       string                 `json:"title"`
	Term        string                 `json:"term"`
	Zone        string                 `json:"zone"`
	Assignments map[string]extraAssign `json:"assignments"` // by name
	Sections    map[string]string      `json:"sections"`    // by login
	Preparing   course.Preparation     `json:"preparing"`
}

type extraAssign struct {
	Title   string          `json:"title"`
	OpensAt *time.Time      `json:"opens_at,omitempty"`
	Late    course.LateRule `json:"late"`
	Marks   []extraMark     `json:"marks,omitempty"` // for the whole, or excused
}

type extraMark struct {
	Login    string   `json:"login"`
	Notebook string   `json:"notebook,omitempty"`
	Question string   `json:"question,omitempty"`
	Points   *float64 `json:"points"`
	Extra    float64  `json:"extra,omitempty"`
	Excused  bool     `json:"excused,omitempty"`
	Flagged  bool     `json:"flagged,omitempty"`
	Comment  string   `json:"comment,omitempty"`
}

// needsExtra reports whether the gradebook cannot say this mark.
func needsExtra(m store.MovingMark) bool {
	return m.Marked && (m.Question == "" || m.Notebook == "" || m.Excused || m.Flagged)
}

// slugOf is the short name for what nbgrader calls name; "" if nothing is left.
func slugOf(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	s := b.String()
	s = strings.Trim(s[:min(len(s), 63)], "-")
	if !course.ValidSlug(s) {
		return ""
	}
	return s
}

// loginOf is the login for what nbgrader calls a student; "" if it cannot be one.
func loginOf(id string) string {
	if l := strings.ToLower(strings.TrimSpace(id)); course.ValidLogin(l) {
		return l
	}
	return ""
}

// splitName guesses the parts that nbgrader keeps apart.
func splitName(name string) (first, last string) {
	i := strings.LastIndexByte(name, ' ')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}
