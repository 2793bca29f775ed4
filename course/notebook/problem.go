package notebook

import (
	"fmt"
	"strings"
)

// Severity says whether a problem stops a release.
type Severity string

const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Problem is one thing to mend in an instructor's notebook, in words for that person.
type Problem struct {
	Notebook string // as the caller named it; "header" or "footer" for cells that come from there
	Cell     int    // index from 0; -1 for the notebook as a whole
	GradeID  string // empty if the cell has none
	Severity Severity
	Text     string
	Mend     string
}

// String counts cells from 1, as people do.
func (p Problem) String() string {
	where := p.Notebook
	if p.Cell >= 0 {
		where += fmt.Sprintf(" cell %d", p.Cell+1)
		if p.GradeID != "" {
			where += fmt.Sprintf(" (%s)", p.GradeID)
		}
	}
	return strings.TrimSpace(fmt.Sprintf("%s: %s: %s %s", strings.TrimSpace(where), p.Severity, p.Text, p.Mend))
}

// Problems is the error of a release that was refused: everything that is wrong, warnings included.
type Problems []Problem

func (list Problems) Error() string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = p.String()
	}
	return strings.Join(texts, "\n")
}

// Refused reports whether any of the problems stops a release.
func (list Problems) Refused() bool {
	for _, p := range list {
		if p.Severity == Error {
			return true
		}
	}
	return false
}
