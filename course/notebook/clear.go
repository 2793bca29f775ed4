package notebook

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

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
				Mend: fmt.Sprintf("Choose a kernel for one of %s.", strings.Join(slices.Sorted(maps.Keys(stubs)), ", "))})
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
