package notebook

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Options are what a course may set for its releases. The zero value is nbgrader's default.
type Options struct {
	Name           string // of the notebook, repeated in problems
	Header, Footer *Notebook
	LockAllCells   bool // also cells that are not nbgrader's

	CodeStubs map[string]string // kernelspec.language → stub; nil is CodeStubs
	TextStub  string            // "" is TextStub

	// Instantiate turns AUTOTEST lines into tests, in place, by running the notebook. Without it they are an error.
	Instantiate func(*Notebook) error
}

// CodeStubs is what stands in place of a solution, by kernelspec.language, as nbgrader has it.
var CodeStubs = map[string]string{
	"python": "# YOUR CODE HERE\nraise NotImplementedError()",
	"R":      "# YOUR CODE HERE\nfail()",
	"matlab": "% YOUR CODE HERE\nerror('No Answer Given!')",
	"octave": "% YOUR CODE HERE\nerror('No Answer Given!')",
	"sas":    "/* YOUR CODE HERE */\n %notImplemented;",
	"java":   "// YOUR CODE HERE",
}

// TextStub is what stands in place of a written solution.
const TextStub = "YOUR ANSWER HERE"

// Manifest is what has to be remembered of a release for rebuilding, scoring and showing questions.
type Manifest struct {
	Source     *Notebook // the release with hidden tests and mark schemes; Rebuild starts from it
	Cells      []SourceCell
	Kernelspec map[string]any // nil if the notebook names none
	Language   string
	MaxPoints  float64
	Warnings   []Problem
}

// SourceCell is one nbgrader cell as SaveCells records it, in notebook order.
type SourceCell struct {
	GradeID  string
	Kind     Kind
	CellType string
	Points   float64 // 0 unless Kind.Scored
	Locked   bool
	Source   string // solutions replaced, hidden tests and mark schemes kept
	Released string // what students were given
	Checksum string // over Source
	Position int    // index among all cells of the release
	Metadata map[string]any
}

// Release makes the student's version of a notebook in nbgrader's order of steps. If anything stops it the error is
// Problems, with all of them. nb is not changed.
func Release(nb *Notebook, o Options) (*Notebook, *Manifest, error) {
	p := prepare(nb, o)
	if p.problems.Refused() {
		return nil, nil, p.problems
	}
	return p.release, p.manifest(), nil
}

// preparation is one notebook on its way through the steps. Problems do not stop it: Check wants them all.
type preparation struct {
	options  Options
	source   *Notebook // until hidden tests go; afterwards release goes on
	release  *Notebook
	header   int // cells before the notebook's own
	own      int // the notebook's own cells
	problems Problems
	faulty   map[int]bool // cells of the combined notebook that have an error
}

func prepare(nb *Notebook, o Options) *preparation {
	p := &preparation{options: o, source: nb.Clone(), faulty: map[int]bool{}}
	p.include()
	for i := range p.source.Cells {
		if c := &p.source.Cells[i]; c.Metadata == nil {
			c.Metadata = map[string]any{}
		}
	}
	p.all(Upgrade(p.source))
	p.instantiate()
	p.all(CheckMetadata(p.source))
	p.lock()
	p.clearSolutions()
	clearOutputs(p.source)
	delete(p.source.Metadata, "celltoolbar")
	stampChecksums(p.source)
	p.release = p.source.Clone()
	p.clearHidden()
	stampChecksums(p.release)
	if !p.problems.Refused() {
		p.all(slices.DeleteFunc(CheckMetadata(p.release), func(q Problem) bool { return q.Severity == Warning }))
	}
	slices.SortStableFunc(p.problems, func(a, b Problem) int { return a.Cell - b.Cell })
	return p
}

// at records problems of the cell at index i of the combined notebook under the notebook that the cell came from.
func (p *preparation) at(i int, list ...Problem) {
	m := Meta{}
	if i >= 0 {
		m, _ = p.source.Cells[i].Meta()
	}
	for _, q := range list {
		q.Notebook, q.Cell, q.GradeID = p.options.Name, i-p.header, m.GradeID
		switch {
		case i < 0:
			q.Cell = -1
		case i < p.header:
			q.Notebook, q.Cell = "header", i
		case i >= p.header+p.own:
			q.Notebook, q.Cell = "footer", i-p.header-p.own
		}
		p.problems = append(p.problems, q)
		p.faulty[i] = p.faulty[i] || q.Severity == Error
	}
}

func (p *preparation) all(list []Problem) {
	for _, q := range list {
		p.at(q.Cell, q)
	}
}

// include puts the cells of header and footer around the notebook's own and sees to it that every cell has an id of
// its own where the format asks for ids.
func (p *preparation) include() {
	nb := p.source
	p.own = len(nb.Cells)
	if h := p.options.Header; h != nil {
		nb.Cells = append(p.foreign(h), nb.Cells...)
		p.header = len(h.Cells)
	}
	if f := p.options.Footer; f != nil {
		nb.Cells = append(nb.Cells, p.foreign(f)...)
	}
	if nb.Minor >= 5 {
		giveIDs(nb)
	}
}

func (p *preparation) foreign(nb *Notebook) []Cell {
	cells := nb.Clone().Cells
	for i := range cells {
		if p.source.Minor < 5 {
			cells[i].ID = ""
		}
	}
	return cells
}

// giveIDs replaces missing and repeated cell ids. The new ones depend on the notebook alone, so that releasing twice
// gives the same file.
func giveIDs(nb *Notebook) {
	taken := map[string]bool{}
	for i := range nb.Cells {
		c := &nb.Cells[i]
		for n := 0; c.ID == "" || taken[c.ID]; n++ {
			sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", i, n, c.Source))
			c.ID = hex.EncodeToString(sum[:4])
		}
		taken[c.ID] = true
	}
}

func (p *preparation) instantiate() {
	if !p.source.HasAutotests() {
		return
	}
	if p.options.Instantiate != nil {
		if err := p.options.Instantiate(p.source); err != nil {
			p.at(-1, Problem{Severity: Error, Text: fmt.Sprintf("The autotests could not be made: %v.", err),
				Mend: "Run the notebook from top to bottom and mend the cell that fails."})
		}
		return
	}
	for i := range p.source.Cells {
		c := &p.source.Cells[i]
		for _, l := range splitSource(c.Source) {
			if c.Type == Code && isAutotest(l.text) {
				p.at(i, Problem{Severity: Error,
					Text: fmt.Sprintf("Line %d is an autotest, and autotests are not available here.", l.no),
					Mend: "Write the test out as an assert."})
				break
			}
		}
	}
}

// lock sets the hints by which Jupyter's pages keep people from deleting or editing a cell.
func (p *preparation) lock() {
	for i := range p.source.Cells {
		c := &p.source.Cells[i]
		m, _ := c.Meta()
		if m.Solution {
			c.Metadata["deletable"] = false
		} else if m.IsLocked() || p.options.LockAllCells {
			c.Metadata["deletable"] = false
			c.Metadata["editable"] = false
		}
	}
}

func (p *preparation) clearSolutions() {
	stubs := p.options.CodeStubs
	if stubs == nil {
		stubs = CodeStubs
	}
	language := p.source.Language()
	code, known := stubs[language]
	for i := range p.source.Cells {
		c := &p.source.Cells[i]
		m, _ := c.Meta()
		list := splitSource(c.Source)
		p.at(i, almostMarkers(list)...)
		if strings.ContainsRune(c.Source, 0) {
			p.at(i, Problem{Severity: Error, Text: "The text of this cell contains a NUL character.", Mend: "Type the cell anew."})
		}
		stub := p.options.TextStub
		if stub == "" {
			stub = TextStub
		}
		if c.Type == Code {
			stub = code
		}
		done := solutionRegion.cut(list, strings.Split(stub, "\n"))
		p.at(i, solutionRegion.faults(done)...)
		if done.found && !m.Solution {
			p.at(i, Problem{Severity: Error, Text: "This cell contains a solution region, but is not marked as an answer.",
				Mend: openPanel + "choose autograded answer or manually graded answer, or remove the markers."})
		}
		if !done.found && !m.Solution {
			c.Source = joinSource(done.kept)
			continue
		}
		if c.Type == Code && !known {
			p.at(i, Problem{Severity: Error,
				Text: fmt.Sprintf("There is no placeholder for solutions in the language %q.", language),
				Mend: fmt.Sprintf("Choose a kernel for one of %s, or add a placeholder for %s to the course's settings.",
					strings.Join(slices.Sorted(maps.Keys(stubs)), ", "), language)})
		}
		c.Source = stub
		if done.found {
			c.Source = joinSource(done.kept)
		}
		c.dropAttachments()
	}
}

// dropAttachments removes the pictures that only the text that was taken out showed; nbgrader leaves them for students
// to find.
func (c *Cell) dropAttachments() {
	for name := range c.Attachments {
		if !strings.Contains(c.Source, "attachment:"+name) {
			delete(c.Attachments, name)
		}
	}
	if len(c.Attachments) == 0 {
		c.Attachments = nil
	}
}

func clearOutputs(nb *Notebook) {
	for i := range nb.Cells {
		c := &nb.Cells[i]
		if c.Type != Code {
			delete(c.Extra, "outputs") // left behind by programs that change a cell's type carelessly
			continue
		}
		c.Outputs, c.ExecutionCount = nil, nil
		delete(c.Metadata, "collapsed")
		delete(c.Metadata, "scrolled")
	}
}

// clearHidden removes hidden tests and mark schemes from the release.
func (p *preparation) clearHidden() {
	for i := range p.release.Cells {
		c := &p.release.Cells[i]
		m, _ := c.Meta()
		hidden := hiddenRegion.cut(splitSource(c.Source), nil)
		p.at(i, hiddenRegion.faults(hidden)...)
		if hidden.found && !m.Grade {
			p.at(i, Problem{Severity: Error, Text: "This cell contains hidden tests, but is not a test cell.",
				Mend: openPanel + "choose autograder tests, or remove the markers."})
		}
		scheme := markRegion.cut(hidden.kept, nil)
		p.at(i, markRegion.faults(scheme)...)
		if scheme.found && !m.Task {
			p.at(i, Problem{Severity: Error, Text: "This cell contains a mark scheme, but is not a manually graded task.",
				Mend: openPanel + "choose manually graded task, or remove the markers."})
		}
		for _, l := range scheme.cut {
			if attachedImage.MatchString(l.text) {
				p.at(i, Problem{Severity: Error,
					Text: fmt.Sprintf("Line %d of the mark scheme shows an attached picture, which students could find in the cell.", l.no),
					Mend: "Put the picture into a file of the course that is not released, or describe it in words."})
			}
		}
		c.Source = joinSource(scheme.kept)
	}
}

func (p *preparation) manifest() *Manifest {
	nb := p.source
	man := &Manifest{Source: nb, Kernelspec: nb.Kernelspec(), Language: nb.Language(), MaxPoints: nb.MaxPoints(), Warnings: p.problems}
	for i := range nb.Cells {
		c := &nb.Cells[i]
		m, _ := c.Meta()
		if m.Kind() == KindPlain {
			continue
		}
		man.Cells = append(man.Cells, SourceCell{
			GradeID: m.GradeID, Kind: m.Kind(), CellType: c.Type, Points: m.Points, Locked: m.IsLocked(),
			Source: c.Source, Released: p.release.Cells[i].Source, Checksum: m.Checksum, Position: i,
			Metadata: cloneMap(c.Metadata),
		})
	}
	return man
}
