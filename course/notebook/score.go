package notebook

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Rules are what a course decides about scoring. The zero value is ours; Exact is nbgrader's to the letter.
type Rules struct {
	Exact       bool // as nbgrader 0.9.5: stderr fails, np.float64(0.5) is no number, above the maximum aborts
	StderrFails bool // anything a test prints on stderr fails it
}

// Run is what the driver saw of one cell.
type Run struct {
	Executed bool   // the kernel answered for this very cell, ok or error
	Failed   bool   // it answered error, whether or not an error output was shown
	Reason   string // why it was not executed, for people: "the kernel had died"
}

// Mark is the outcome of one nbgrader cell.
type Mark struct {
	GradeID     string
	Kind        Kind
	Points      *float64 // nil: a person has to mark it, or the cell carries no points
	Max         float64
	NeedsPerson bool
	NoResponse  bool     // the answer is still what was released
	Reason      string   // why there are fewer than Max points; shows nothing of the test's text
	Flags       []string // for the grader: what is odd about this mark
	Abort       string   // Exact only: nbgrader would fail the whole submission, with this reason
}

// Score marks one executed cell of a rebuilt notebook as nbgrader's determine_grade does. released is the text students
// were given (SourceCell.Released). A test that was not executed has failed, under any rules.
func Score(c *Cell, released string, run Run, rules Rules) Mark {
	m, _ := c.Meta()
	s := &scoring{Mark: Mark{GradeID: m.GradeID, Kind: m.Kind()}, rules: rules}
	switch s.Kind {
	case KindAnswer:
		s.NoResponse = unchanged(c, m, released, rules)
	case KindTask:
		s.Max, s.NeedsPerson = m.Points, true
	case KindManual:
		s.Max = m.Points
		if s.NoResponse = unchanged(c, m, released, rules); s.NoResponse {
			s.points(0, "No response.")
		} else {
			s.NeedsPerson = true
		}
	case KindTests:
		s.Max = m.Points
		if c.Type == Code {
			s.tests(c, run)
		} else {
			s.NeedsPerson = true
		}
	}
	return s.Mark
}

// unchanged reports whether an answer is the released text. White space does not make an answer, except for nbgrader,
// which compares checksums.
func unchanged(c *Cell, m Meta, released string, rules Rules) bool {
	if rules.Exact {
		return m.Checksum != "" && m.Checksum == Checksum(c)
	}
	text := squeezed(c.Source)
	return text == "" || text == squeezed(released)
}

type scoring struct {
	Mark
	rules Rules
}

func (s *scoring) points(p float64, reason string) {
	s.Points, s.Reason = &p, reason
}

func (s *scoring) flag(format string, args ...any) {
	s.Flags = append(s.Flags, fmt.Sprintf(format, args...))
}

// tests walks the outputs in order, as nbgrader does: an error, or stderr where that counts, is a fail; the first
// result is the mark; nothing at all is full marks.
func (s *scoring) tests(c *Cell, run Run) {
	if !run.Executed {
		reason := "The test was not run"
		if run.Reason != "" {
			reason += ": " + run.Reason
		}
		s.points(0, strings.TrimSuffix(reason, ".")+".")
		s.flag("The test was not run.")
		return
	}
	for i := range c.Outputs {
		switch o := &c.Outputs[i]; {
		case o.Type == ErrorOutput:
			s.points(0, fmt.Sprintf("The test failed with %s.", orError(o.Ename)))
			return
		case o.Type == Stream && o.Name == "stderr" && (s.rules.Exact || s.rules.StderrFails):
			s.points(0, "The test wrote to the error stream.")
			return
		case o.Type == ExecuteResult && !run.Failed:
			s.partial(o)
			// Nothing comes after a result in a run that went well; what comes all the same is not believed.
			if !s.rules.Exact && errorAfter(c.Outputs[i+1:]) {
				s.points(0, "The test failed after it had given a result.")
			}
			return
		}
	}
	if run.Failed {
		s.points(0, "The test failed, but its error message was suppressed.")
		s.flag("The test failed without an error message. The submission may have changed how errors are shown.")
		return
	}
	s.points(s.Max, "")
}

func errorAfter(outputs []Output) bool {
	for i := range outputs {
		if outputs[i].Type == ErrorOutput {
			return true
		}
	}
	return false
}

func orError(name string) string {
	if name == "" {
		return "an error"
	}
	return clip(name, 80)
}

// partial takes the value of a test cell's last expression for its points.
func (s *scoring) partial(o *Output) {
	text, ok := o.Data.Text("text/plain")
	if s.rules.Exact && (!ok || text == "") {
		s.Abort = "The result of the test has no text."
		return
	}
	value, ok := pyParse(text)
	if !ok && !s.rules.Exact {
		value, ok = wrappedNumber(text)
	}
	switch {
	case !ok:
		s.points(s.Max, "")
		s.flag("Full points, because the test's last value is not a number: %s", clip(firstLine(text), 60))
	case math.IsNaN(value) || value < 0:
		s.points(s.Max, "")
		s.flag("Full points, because the test's last value is no possible number of points: %s", clip(firstLine(text), 60))
	case value > s.Max && s.rules.Exact:
		s.Abort = fmt.Sprintf("The test gave %s points, more than its maximum of %s.", pyRepr(value), pyRepr(s.Max))
	case value > s.Max:
		s.points(s.Max, "")
		s.flag("The test gave %s points, more than its maximum of %s; the maximum counts.", pyRepr(value), pyRepr(s.Max))
	case value < s.Max:
		s.points(value, "Partial credit: some of the tests failed.")
	default:
		s.points(value, "")
	}
}

var pyNumberText = regexp.MustCompile(`^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)([eE][+-]?\d+(_\d+)*)?$`)

// pyParse is Python's float(text).
func pyParse(text string) (float64, bool) {
	text = strings.TrimFunc(text, pySpace)
	switch strings.ToLower(strings.TrimLeft(text, "+-")) {
	case "inf", "infinity", "nan":
		if len(text)-len(strings.TrimLeft(text, "+-")) > 1 {
			return 0, false
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			f = math.NaN() // Go takes no sign before nan
		}
		return f, true
	}
	if !pyNumberText.MatchString(text) {
		return 0, false
	}
	// Out of range gives ±Inf, as in Python.
	f, _ := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	return f, true
}

// wrapped are the ways in which NumPy 2, Python and R show a number that nbgrader does not recognise.
var wrapped = regexp.MustCompile(`^(?:(?:np|numpy)\.(?:float|int|uint)(?:\d+|_|c|p|longlong|longdouble)?\((.+)\)|Decimal\('(.+)'\)|\[1\]\s+(\S+))$`)

func wrappedNumber(text string) (float64, bool) {
	m := wrapped.FindStringSubmatch(strings.TrimFunc(text, pySpace))
	if m == nil {
		return 0, false
	}
	return pyParse(m[1] + m[2] + m[3])
}
