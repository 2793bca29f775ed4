package notebook

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// region is a pair of markers in a cell's text. A line counts if it contains the marker anywhere.
type region struct {
	name  string
	begin string
	end   string
}

var (
	solutionRegion = region{"solution", "BEGIN SOLUTION", "END SOLUTION"}
	hiddenRegion   = region{"hidden tests", "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"}
	markRegion     = region{"mark scheme", "BEGIN MARK SCHEME", "END MARK SCHEME"}
)

// line is one line of a cell as the instructor wrote it: no counts from 1, stub lines have that of the line they
// stand for.
type line struct {
	text string
	no   int
	stub bool
}

func splitSource(source string) []line {
	texts := strings.Split(source, "\n")
	list := make([]line, len(texts))
	for i, t := range texts {
		list[i] = line{text: t, no: i + 1}
	}
	return list
}

func joinSource(list []line) string {
	var b strings.Builder
	for i, l := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(l.text)
	}
	return b.String()
}

// cutting is what cut found in one cell.
type cutting struct {
	kept   []line
	cut    []line // what students must not see, without the marker lines
	found  bool   // at least one begin marker
	nested []int  // line numbers of begin markers inside a region
	open   int    // line number of a begin marker without end, else 0
	stray  []int  // line numbers of end markers outside a region
}

// cut removes the region from a text, as nbgrader does: a line with both markers begins, an end marker is dropped even
// where nothing began. Each region becomes the stub, indented like its begin marker.
func (g region) cut(list []line, stub []string) cutting {
	c := cutting{kept: make([]line, 0, len(list))}
	for _, l := range list {
		switch {
		case strings.Contains(l.text, g.begin):
			if c.open > 0 {
				c.nested = append(c.nested, l.no)
				continue
			}
			c.open, c.found = l.no, true
			indent := l.text[:len(l.text)-len(strings.TrimLeftFunc(l.text, pySpace))]
			for _, s := range stub {
				c.kept = append(c.kept, line{text: indent + s, no: l.no, stub: true})
			}
		case strings.Contains(l.text, g.end):
			if c.open == 0 {
				c.stray = append(c.stray, l.no)
			}
			c.open = 0
		case c.open > 0:
			c.cut = append(c.cut, l)
		default:
			c.kept = append(c.kept, l)
		}
	}
	return c
}

// pySpace is what \s means to Python, which includes the four separators that Go leaves out.
func pySpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// faults puts the mistakes in a cell's markers into words.
func (g region) faults(c cutting) []Problem {
	var list []Problem
	for _, no := range c.nested {
		list = append(list, Problem{Severity: Error,
			Text: fmt.Sprintf("Line %d begins a %s region inside another one.", no, g.name),
			Mend: fmt.Sprintf("End the first region with a line ### %s before line %d, or remove that line.", g.end, no)})
	}
	if c.open > 0 {
		list = append(list, Problem{Severity: Error,
			Text: fmt.Sprintf("The %s region that begins on line %d has no end.", g.name, c.open),
			Mend: fmt.Sprintf("Add a line ### %s where it ends.", g.end)})
	}
	for _, no := range c.stray {
		// A missing begin marker would show hidden text to everyone, so that is refused; a solution cell
		// without any begin marker is replaced as a whole, so there it does no harm.
		p := Problem{Severity: Error,
			Text: fmt.Sprintf("Line %d ends a %s region that never began.", no, g.name),
			Mend: fmt.Sprintf("Add a line ### %s where it begins, or remove line %d.", g.begin, no)}
		if g == solutionRegion {
			p.Severity = Warning
		}
		list = append(list, p)
	}
	return list
}

// almostMarker finds lines that a person meant as a marker but that no program would take for one.
var almostMarker = regexp.MustCompile(`(?i)^\s*(#|//|%|--|/\*|<!--)+\s*(begin|end)[\s_-]*(solutions?|hidden[\s_-]*tests?|mark[\s_-]*scheme)\b`)

var markers = []string{
	solutionRegion.begin, solutionRegion.end, hiddenRegion.begin, hiddenRegion.end, markRegion.begin, markRegion.end,
}

func almostMarkers(list []line) []Problem {
	var found []Problem
next:
	for _, l := range list {
		if !almostMarker.MatchString(l.text) {
			continue
		}
		for _, m := range markers {
			if strings.Contains(l.text, m) {
				continue next
			}
		}
		found = append(found, Problem{Severity: Warning,
			Text: fmt.Sprintf("Line %d looks like a marker, but is not one: %s", l.no, clip(strings.TrimSpace(l.text), 60)),
			Mend: "Write the marker in capitals with single spaces, for example ### BEGIN HIDDEN TESTS. As it stands, students see these lines."})
	}
	return found
}

// clip shortens a text for a message, at a rune.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
