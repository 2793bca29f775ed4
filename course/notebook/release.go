package notebook

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
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
