package course

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

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

// MaxComment is how long the comment of a mark may be, in characters.
const MaxComment = 5_000

// ParsePoints reads a number of points as people write it, with a comma or a
// dot. Empty, or a dash, is no mark: nil. why is a sentence if it is neither.
func ParsePoints(s string) (points *float64, why string) {
	s = strings.TrimSpace(s)
	if s == "" || s == "-" || s == "–" {
		return nil, ""
	}
	if rest := strings.TrimPrefix(strings.Replace(s, "−", "-", 1), "-"); rest != s && pointsForm.MatchString(rest) {
		return nil, "Points cannot be negative."
	}
	if !pointsForm.MatchString(s) {
		return nil, fmt.Sprintf("“%s” is not a number of points.", clip(s))
	}
	p, err := strconv.ParseFloat(strings.Replace(s, ",", ".", 1), 64)
	if err != nil {
		return nil, fmt.Sprintf("“%s” is not a number of points.", clip(s))
	}
	return &p, ""
}

// pointsForm has bounds: a number that fits nowhere is a slip of the finger.
var pointsForm = regexp.MustCompile(`^\+?([0-9]{1,6}([.,][0-9]{0,8})?|[.,][0-9]{1,8})$`)

// FormatPoints writes points so that ParsePoints reads the same; "" for nil.
func FormatPoints(p *float64) string {
	if p == nil {
		return ""
	}
	return strconv.FormatFloat(*p, 'f', -1, 64)
}

// Score is what a mark says.
type Score struct {
	Points  *float64 // nil is no mark
	Comment string
}

// Equal reports whether two scores say the same.
func (s Score) Equal(o Score) bool {
	return (s.Points == nil) == (o.Points == nil) && (s.Points == nil || *s.Points == *o.Points) && s.Comment == o.Comment
}

// Above reports whether a mark exceeds what an assignment gives. It is allowed,
// for points beyond the full ones, but often a slip; max 0 is not known.
func (s Score) Above(max float64) bool { return max > 0 && s.Points != nil && *s.Points > max }
