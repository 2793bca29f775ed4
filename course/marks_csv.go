package course

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// MaxMarksBytes is the largest table of marks that is read.
	MaxMarksBytes = 4 << 20
	maxMarkLines  = 10_000
)

// MarkNow is a student with the mark they have.
type MarkNow struct {
	Login   string
	Name    string
	Email   string
	Section string
	Score
	EventID int64 // what the mark was given by; 0 without one
}

// WriteMarks writes a table of marks that a spreadsheet can open safely and
// ReadMarks reads as no change. max is the assignment's points.
func WriteMarks(w io.Writer, marks []MarkNow, max float64) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write([]string{"login", "name", "section", "points", "max", "comment"}); err != nil {
		return err
	}
	for _, m := range marks {
		row := []string{m.Login, foreignCell(m.Name), foreignCell(m.Section), FormatPoints(m.Points), FormatPoints(&max), SafeCell(strings.TrimSpace(lines.Replace(m.Comment)))}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// lines ends every line as the writer of a table expects it.
var lines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// foreignCell is a cell that is never read back. Where a semicolon separates
// cells, Excel splits a line at each one outside quotes that begin a cell, and
// what follows could be a formula: such text loses its semicolons.
func foreignCell(s string) string {
	return SafeCell(strings.ReplaceAll(OneLine(s), ";", ","))
}

// MarkLine is one line of a table of marks. What was not in the table stays as it is.
type MarkLine struct {
	Line      int
	Login     string
	Email     string
	HasPoints bool     // there is a column of points
	Points    *float64 // nil takes the mark back
	Comment   *string  // nil: there is no column of comments
}

// MarksFile is a table of marks as somebody uploaded or pasted it.
type MarksFile struct {
	Lines    []MarkLine
	Problems []LineProblem // all of them; nothing is applied while there is one
}

var (
	pointColumns   = []string{"points", "score", "grade", "mark", "marks", "totalscore", "totalpoints", "punkte"}
	commentColumns = []string{"comment", "comments", "feedback", "feedbackcomments", "remark", "remarks", "kommentar"}
)

// ReadMarks reads a table of marks. Its first line names the columns, in any
// order: a login or an e-mail address, and points or a comment or both.
func ReadMarks(text string) (MarksFile, error) {
	table, err := ReadTable(text, maxMarkLines)
	if err != nil {
		return MarksFile{}, err
	}
	if len(table) == 0 {
		return MarksFile{}, Problemf(Invalid, "There is nothing in this table.")
	}
	who, _ := readHeader(table[0].Cells)
	points, comment := findColumn(table[0].Cells, pointColumns), findColumn(table[0].Cells, commentColumns)
	if who.login < 0 && who.email < 0 {
		return MarksFile{}, Problemf(Invalid, "No column has a login or an e-mail address. Name one of them “login” or “email” in the first line.")
	}
	if points < 0 && comment < 0 {
		return MarksFile{}, Problemf(Invalid, "No column has points or comments. Name one of them “points” or “comment” in the first line.")
	}
	var f MarksFile
	for _, t := range table[1:] {
		l := MarkLine{Line: t.Line, Login: strings.ToLower(cell(t, who.login)), Email: cell(t, who.email)}
		if strings.Contains(l.Login, "@") {
			l.Login, l.Email = "", l.Login
		}
		var problem string
		if points >= 0 {
			l.HasPoints = true
			l.Points, problem = ParsePoints(strings.TrimPrefix(cell(t, points), "'"))
		}
		if comment >= 0 {
			c := cell(t, comment)
			l.Comment = &c
			if utf8.RuneCountInString(c) > MaxComment && problem == "" {
				problem = fmt.Sprintf("The comment is longer than %d characters.", MaxComment)
			}
		}
		if l.Login == "" && l.Email == "" {
			problem = "There is neither a login nor an e-mail address."
		}
		if problem != "" {
			f.Problems = append(f.Problems, LineProblem{t.Line, problem})
			continue
		}
		f.Lines = append(f.Lines, l)
	}
	return f, nil
}

// findColumn is where one of these names heads a column; what stands in brackets
// ("Grade (of 10)") does not count. -1 is nowhere.
func findColumn(header, names []string) int {
	for _, name := range names {
		for i, c := range header {
			c, _, _ = strings.Cut(c, "(")
			if headerKey(c) == name {
				return i
			}
		}
	}
	return -1
}

// MarkChange is one difference between the marks and a table.
type MarkChange struct {
	Line int // of the table
	From MarkNow
	To   Score
}

// Diff is what applying the table would change about the marks of these students.
// Who is not in the table keeps theirs.
func (f MarksFile) Diff(now []MarkNow) ([]MarkChange, []LineProblem) {
	byLogin, byEmail := map[string]MarkNow{}, map[string][]MarkNow{}
	for _, m := range now {
		byLogin[m.Login] = m
		if m.Email != "" {
			byEmail[strings.ToLower(m.Email)] = append(byEmail[strings.ToLower(m.Email)], m)
		}
	}
	var changes []MarkChange
	problems := slices.Clone(f.Problems)
	met := map[string]int{}
	for _, l := range f.Lines {
		m, problem := l.student(byLogin, byEmail)
		if line, twice := met[m.Login]; twice && problem == "" {
			problem = fmt.Sprintf("%s is already on line %d.", m.Login, line)
		}
		if problem != "" {
			problems = append(problems, LineProblem{l.Line, problem})
			continue
		}
		met[m.Login] = l.Line
		if to := l.score(m.Score); !to.Equal(m.Score) {
			changes = append(changes, MarkChange{l.Line, m, to})
		}
	}
	slices.SortStableFunc(problems, func(a, b LineProblem) int { return a.Line - b.Line })
	return changes, problems
}

func (l MarkLine) student(byLogin map[string]MarkNow, byEmail map[string][]MarkNow) (MarkNow, string) {
	if l.Login != "" {
		m, known := byLogin[l.Login]
		if !known {
			return m, fmt.Sprintf("No student of this course has the login “%s”.", clip(l.Login))
		}
		return m, ""
	}
	switch found := byEmail[strings.ToLower(l.Email)]; len(found) {
	case 0:
		return MarkNow{}, fmt.Sprintf("No student of this course has the address “%s”.", clip(l.Email))
	case 1:
		return found[0], ""
	default:
		return MarkNow{}, fmt.Sprintf("%d students have the address “%s”; add a login column.", len(found), clip(l.Email))
	}
}

// score is what a line makes of a student's mark. A comment that went out as a
// cell and came back is the same, whatever the cell made of its lines and signs.
func (l MarkLine) score(was Score) Score {
	to := was
	if l.HasPoints {
		to.Points = l.Points
	}
	if l.Comment != nil && *l.Comment != OneLine(was.Comment) && *l.Comment != OneLine(SafeCell(was.Comment)) {
		to.Comment = unguarded(*l.Comment)
	}
	return to
}

// unguarded takes off the sign that SafeCell put before a formula.
func unguarded(s string) string {
	if rest, ok := strings.CutPrefix(s, "'"); ok && SafeCell(rest) == s {
		return rest
	}
	return s
}

// MarksDigest names a set of changes and the marks they were made from, so that
// what is applied is what was seen.
func MarksDigest(changes []MarkChange) string {
	h := sha256.New()
	for _, c := range changes {
		fmt.Fprintf(h, "%q %d %q %q\n", c.From.Login, c.From.EventID, FormatPoints(c.To.Points), c.To.Comment)
	}
	return hex.EncodeToString(h.Sum(nil))
}
