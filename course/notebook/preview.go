package notebook

import "strings"

// Pair is one row of the view that shows the instructor's and the student's version side by side.
type Pair struct {
	Source  *Cell // nil for a cell of the header or footer
	Release *Cell // nil only if the notebooks do not belong together
	Kind    Kind
	GradeID string
	Points  float64

	SolutionReplaced   bool
	HiddenTestsRemoved bool
	MarkSchemeRemoved  bool
	OutputsCleared     bool
	Locked             bool // students cannot edit it in JupyterLab
	Undeletable        bool

	SourceLines  []PairLine
	ReleaseLines []PairLine
}

// PairLine is one line of a cell's text.
type PairLine struct {
	Text string
	Mark LineMark
}

// LineMark says what became of a line.
type LineMark string

const (
	LineKept     LineMark = ""
	LineSolution LineMark = "solution" // replaced; in the release: the placeholder
	LineHidden   LineMark = "hidden"   // hidden tests, with their markers
	LineScheme   LineMark = "scheme"   // mark scheme, with its markers
)

// Pairs aligns an instructor's notebook with its release, cell by cell, and tells what was changed in each.
func Pairs(source, release *Notebook) []Pair {
	offset := alignment(source, release)
	pairs := make([]Pair, 0, max(len(source.Cells), len(release.Cells)))
	for k := range max(len(release.Cells), offset+len(source.Cells)) {
		var p Pair
		if k < len(release.Cells) {
			p.Release = &release.Cells[k]
		}
		if i := k - offset; i >= 0 && i < len(source.Cells) {
			p.Source = &source.Cells[i]
		}
		p.compare()
		pairs = append(pairs, p)
	}
	return pairs
}

// alignment is the number of header cells before the notebook's own: the shift at which most cells agree.
func alignment(source, release *Notebook) int {
	best, most := 0, -1
	for offset := 0; offset+len(source.Cells) <= len(release.Cells); offset++ {
		same := 0
		for i := range source.Cells {
			a, b := &source.Cells[i], &release.Cells[offset+i]
			m, _ := a.Meta()
			n, _ := b.Meta()
			if a.Type == b.Type && m.GradeID == n.GradeID && (m.GradeID != "" || a.Source == b.Source) {
				same++
			}
		}
		if same > most {
			best, most = offset, same
		}
	}
	return best
}

func (p *Pair) compare() {
	c := p.Release
	if c == nil {
		c = p.Source
	}
	m, _ := c.Meta()
	p.Kind, p.GradeID, p.Points = m.Kind(), m.GradeID, m.Points
	p.Locked = c.Metadata["editable"] == false
	p.Undeletable = c.Metadata["deletable"] == false
	switch {
	case p.Source == nil:
		p.ReleaseLines = pairLines(p.Release.Source)
		return
	case p.Release == nil:
		p.SourceLines = pairLines(p.Source.Source)
		return
	}
	p.OutputsCleared = len(p.Source.Outputs) > 0 && len(p.Release.Outputs) == 0
	lines := splitSource(p.Source.Source)
	marks := make([]LineMark, len(lines)+1)
	after := lines
	if solution := solutionRegion.cut(lines, nil); solution.found {
		after = solution.kept
		mark(marks, lines, after, LineSolution)
	} else if m.Solution {
		after = nil
		mark(marks, lines, after, LineSolution)
	}
	hidden := hiddenRegion.cut(after, nil)
	mark(marks, after, hidden.kept, LineHidden)
	scheme := markRegion.cut(hidden.kept, nil)
	mark(marks, hidden.kept, scheme.kept, LineScheme)
	p.SolutionReplaced = p.Source.Source != p.Release.Source && m.Solution
	p.HiddenTestsRemoved, p.MarkSchemeRemoved = hidden.found, scheme.found
	for _, l := range lines {
		p.SourceLines = append(p.SourceLines, PairLine{l.text, marks[l.no]})
	}
	p.ReleaseLines = pairLines(p.Release.Source)
	markStubs(p.ReleaseLines, scheme.kept)
}

func pairLines(source string) []PairLine {
	var list []PairLine
	for text := range strings.SplitSeq(source, "\n") {
		list = append(list, PairLine{Text: text})
	}
	return list
}

// mark marks the lines that are in before and no longer in after; both are in order.
func mark(marks []LineMark, before, after []line, as LineMark) {
	for _, l := range before {
		if len(after) > 0 && after[0].no == l.no {
			after = after[1:]
		} else {
			marks[l.no] = as
		}
	}
}

// markStubs marks the lines of a release that are not lines of the source that stayed.
func markStubs(release []PairLine, kept []line) {
	for i := range release {
		if len(kept) > 0 && kept[0].text == release[i].Text {
			kept = kept[1:]
		} else {
			release[i].Mark = LineSolution
		}
	}
}
