package course

import (
	"encoding/csv"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Sheet is a course's gradebook, to be written for other programs.
type Sheet struct {
	Assignments []SheetAssignment
	Students    []SheetStudent
}

// SheetAssignment is a column.
type SheetAssignment struct {
	Slug, Title string
	Most        float64
	DueAt       *time.Time
}

// SheetStudent is a row, with one cell an assignment.
type SheetStudent struct {
	Login, Name, Email, Section string
	Cells                       []SheetCell
	Total                       BookTotal
}

// SheetCell is what one student has in one assignment.
type SheetCell struct {
	Points  *float64   // as it counts, after lateness; nil is none
	Raw     *float64   // before lateness
	Penalty float64    // that lateness took
	TakenAt *time.Time // when the work that counts was handed in; nil is never
	Excused bool
	Missing bool
	Comment string
}

// SplitName takes a name apart as other programs want it: what comes last is the
// last name, unless there is a comma.
func SplitName(name string) (first, last string) {
	name = strings.Join(strings.Fields(name), " ")
	if l, f, ok := strings.Cut(name, ", "); ok {
		return f, l
	}
	i := strings.LastIndexByte(name, ' ')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}

// Inert is a text that no spreadsheet takes for a formula.
func Inert(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n|", rune(s[0])) {
		return "'" + s
	}
	return s
}

// NbgraderHeader is that of nbgrader's CSV exporter.
var NbgraderHeader = []string{"assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email",
	"raw_score", "late_submission_penalty", "score", "max_score"}

// WriteNbgrader writes what nbgrader's exporter does, every assignment by every
// student, but quotes what has to be quoted.
func (s Sheet) WriteNbgrader(w io.Writer) error {
	c := csv.NewWriter(w)
	if err := c.Write(NbgraderHeader); err != nil {
		return err
	}
	for i, a := range s.Assignments {
		for _, st := range s.Students {
			cell := st.Cells[i]
			first, last := SplitName(st.Name)
			raw, penalty, score := "0.0", "0.0", "0.0"
			if cell.TakenAt != nil || cell.Points != nil {
				raw, penalty, score = pythonFloat(orZero(cell.Raw)), pythonFloat(cell.Penalty), pythonFloat(orZero(cell.Points))
			}
			if err := c.Write([]string{a.Slug, pythonTime(a.DueAt), pythonTime(cell.TakenAt), st.Login, Inert(last), Inert(first), Inert(st.Email),
				raw, penalty, score, pythonFloat(a.Most)}); err != nil {
				return err
			}
		}
	}
	c.Flush()
	return c.Error()
}

func orZero(p *float64) float64 {
	if p == nil {
		return 0
	}
	return *p
}

// pythonFloat writes a number as Python's str() does.
func pythonFloat(f float64) string {
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// pythonTime writes an instant as str() of a naive datetime in UTC does.
func pythonTime(t *time.Time) string {
	if t == nil {
		return ""
	}
	u := t.UTC()
	if u.Nanosecond()/1000 == 0 {
		return u.Format("2006-01-02 15:04:05")
	}
	return u.Format("2006-01-02 15:04:05.000000")
}

// WriteMoodle writes a table for Moodle's grade import. A comment stands beside
// its grade. Excused work, and what has no mark, has no grade.
func (s Sheet) WriteMoodle(w io.Writer) error {
	c := csv.NewWriter(w)
	head := []string{"Username", "ID number", "Email address", "First name", "Last name"}
	for _, a := range s.Assignments {
		head = append(head, Inert(a.Title), Inert(a.Title+" (Feedback)"))
	}
	if err := c.Write(head); err != nil {
		return err
	}
	for _, st := range s.Students {
		first, last := SplitName(st.Name)
		row := []string{st.Login, "", Inert(st.Email), Inert(first), Inert(last)}
		for _, cell := range st.Cells {
			row = append(row, cell.plain(""), Inert(cell.Comment))
		}
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// plain is the points to the hundredth, which is all that others compare; missing
// work is 0.
func (c SheetCell) plain(excused string) string {
	switch {
	case c.Excused:
		return excused
	case c.Points != nil:
		return strconv.FormatFloat(*c.Points, 'f', 2, 64)
	case c.Missing:
		return "0.00"
	}
	return ""
}
