package notebook

import (
	"fmt"
	"regexp"
	"strings"
)

// Outcome is what validating a student's notebook came to.
type Outcome string

const (
	TypeChanged Outcome = "type_changed" // cells changed their type; nothing else is looked at
	Changed     Outcome = "changed"      // locked cells changed; failing tests are not told
	Failed      Outcome = "failed"
	Succeeded   Outcome = "success"
	Passed      Outcome = "passed" // Invert only: some cell passes
)

// ValidateOptions are those of nbgrader's validator.
type ValidateOptions struct {
	Invert          bool // tell the cells that pass instead
	IgnoreChecksums bool // neither changed cells nor untouched written answers are told
	Rules           Rules
}

// Validation is the report behind a student's Validate button.
type Validation struct {
	Outcome Outcome
	Text    string // the headline
	Cells   []ValidatedCell
}

// ValidatedCell is one cell that the headline counts.
type ValidatedCell struct {
	Cell    int // index from 0
	GradeID string
	Source  string
	Text    string // traceback without colours, or what is missing; empty unless Outcome is Failed
}

// Validate judges an executed notebook as the student has it. runs has one entry per cell; nil means that every cell
// was executed.
func Validate(nb *Notebook, runs []Run, o ValidateOptions) Validation {
	if cells := selectCells(nb, func(c *Cell, m Meta) bool {
		return m.CellType != "" && m.CellType != c.Type
	}); len(cells) > 0 {
		return Validation{TypeChanged, fmt.Sprintf("THE TYPES OF %d CELL(S) HAVE CHANGED! This might mean that even though "+
			"the tests are passing now, they won't pass when your assignment is graded.", len(cells)), cells}
	}
	failed, passed := judge(nb, runs, o)
	if o.Invert {
		if len(passed) > 0 {
			return Validation{Passed, fmt.Sprintf("NOTEBOOK PASSED ON %d CELL(S)!", len(passed)), passed}
		}
		return Validation{Outcome: Succeeded, Text: "Success! The notebook does not pass any tests."}
	}
	if !o.IgnoreChecksums {
		if cells := selectCells(nb, func(c *Cell, m Meta) bool {
			return m.IsLocked() && m.Checksum != "" && m.Checksum != Checksum(c)
		}); len(cells) > 0 {
			return Validation{Changed, fmt.Sprintf("THE CONTENTS OF %d TEST CELL(S) HAVE CHANGED! This might mean that even "+
				"though the tests are passing now, they won't pass when your assignment is graded.", len(cells)), cells}
		}
	}
	if len(failed) > 0 {
		return Validation{Failed, fmt.Sprintf("VALIDATION FAILED ON %d CELL(S)! If you submit your assignment as it is, "+
			"you WILL NOT receive full credit.", len(failed)), failed}
	}
	return Validation{Outcome: Succeeded, Text: "Success! Your notebook passes all the tests."}
}

func selectCells(nb *Notebook, is func(*Cell, Meta) bool) []ValidatedCell {
	var list []ValidatedCell
	for i := range nb.Cells {
		c := &nb.Cells[i]
		if m, ok := c.Meta(); ok && is(c, m) {
			list = append(list, ValidatedCell{Cell: i, GradeID: m.GradeID, Source: c.Source})
		}
	}
	return list
}

// judge scores every cell that carries points and can be scored without a person.
func judge(nb *Notebook, runs []Run, o ValidateOptions) (failed, passed []ValidatedCell) {
	for i := range nb.Cells {
		c := &nb.Cells[i]
		m, ok := c.Meta()
		if !ok || !m.Grade {
			continue
		}
		run := Run{Executed: true}
		if runs != nil {
			run = Run{}
			if i < len(runs) {
				run = runs[i]
			}
		}
		// The release is not at hand here; the checksum says whether an answer still is what it was.
		released := c.Source
		if o.IgnoreChecksums && m.Solution {
			continue
		} else if m.Checksum != Checksum(c) {
			released = ""
		}
		mark := Score(c, released, run, o.Rules)
		cell := ValidatedCell{Cell: i, GradeID: m.GradeID, Source: c.Source}
		switch {
		case mark.Points == nil && mark.Abort == "":
		case mark.Abort != "":
			cell.Text = mark.Abort
			failed = append(failed, cell)
		case *mark.Points < mark.Max || mark.Max == 0 && errorAfter(c.Outputs):
			cell.Text = failure(c, mark)
			failed = append(failed, cell)
		default:
			passed = append(passed, cell)
		}
	}
	return failed, passed
}

// failure is what a student is shown under a cell that does not give full points.
func failure(c *Cell, mark Mark) string {
	if mark.NoResponse {
		return "You did not provide a response."
	}
	var b strings.Builder
	for i := range c.Outputs {
		switch o := &c.Outputs[i]; {
		case o.Type == ErrorOutput:
			b.WriteString(strings.Join(o.Traceback, "\n"))
		case o.Type == Stream && o.Name == "stderr":
			b.WriteString(o.Text)
		}
	}
	switch {
	case b.Len() > 0:
		return ansiCodes.ReplaceAllString(b.String(), "")
	case *mark.Points > 0 || mark.Reason == "":
		return "Partial credit; passed some but not all of the tests"
	}
	return mark.Reason
}

var ansiCodes = regexp.MustCompile(`\x1b\[[0-9;:?]*[ -/]*[@-~]`)

// String is the report as lines of at most 90 columns, sources and tracebacks as they are.
func (v Validation) String() string {
	var b strings.Builder
	b.WriteString(wrap(v.Text, 90))
	for _, c := range v.Cells {
		fmt.Fprintf(&b, "\n\nCell %d", c.Cell+1)
		if c.GradeID != "" {
			fmt.Fprintf(&b, " (%s)", c.GradeID)
		}
		b.WriteString(":\n")
		b.WriteString(indent(c.Source))
		if c.Text != "" {
			b.WriteString("\n\n")
			b.WriteString(indent(c.Text))
		}
	}
	b.WriteByte('\n')
	return b.String()
}

func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		if column > 0 && column+1+len(word) > width {
			b.WriteByte('\n')
			column = 0
		} else if column > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(text, "\n", "\n    ")
}
