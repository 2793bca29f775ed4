package notebook

import (
	"fmt"
	"regexp"
	"strings"
)

// Check tells everything that is wrong with an instructor's notebook at once, each with how to mend it. It goes through
// the whole release, so that what it passes Release accepts. name is only repeated in the problems.
func Check(nb *Notebook, name string) []Problem {
	return CheckWith(nb, Options{Name: name})
}

// CheckWith is Check for a notebook that is released with options. Autotests count as instantiated if there is a hook.
func CheckWith(nb *Notebook, o Options) []Problem {
	p := prepare(nb, o)
	p.advise()
	return p.problems
}

// advise adds what is worth a look although a release would work.
func (p *preparation) advise() {
	nb := p.source
	whole := func(text, mend string) {
		p.problems = append(p.problems, Problem{Notebook: p.options.Name, Cell: -1, Severity: Warning, Text: text, Mend: mend})
	}
	if nb.Kernelspec() == nil {
		whole("The notebook does not say which kernel it needs; it is taken for Python.",
			"Open it in JupyterLab, choose the kernel and save.")
	}
	if nb.Metadata["widgets"] != nil {
		whole("The notebook stores the state of widgets, which may show results of your solution.",
			"In JupyterLab restart the kernel, clear all outputs and save.")
	}
	kinds := map[Kind]int{}
	for i := range nb.Cells {
		c := &nb.Cells[i]
		m, _ := c.Meta()
		kind := m.Kind()
		kinds[kind]++
		if kind.Scored() && m.Points == 0 && !p.faulty[i] {
			p.at(i, Problem{Severity: Warning, Text: fmt.Sprintf("This %s cell is worth 0 points.", kind),
				Mend: "Nothing to do if that is meant; otherwise set its points."})
		}
		if kind == KindTests && strings.TrimSpace(c.Source) == "" {
			p.at(i, Problem{Severity: Warning, Text: "This test cell is empty, so everyone gets its points.",
				Mend: "Write a test, for example an assert."})
		}
	}
	switch {
	case kinds[KindTests]+kinds[KindManual]+kinds[KindTask] == 0:
		whole("No cell of this notebook carries points.", "Nothing to do if that is meant; otherwise choose kinds in the Create Assignment panel.")
	case kinds[KindAnswer] > 0 && kinds[KindTests] == 0:
		whole("The notebook has autograded answers, but no autograder tests that would score them.", "Add a test cell after each answer.")
	}
}

// isAutotest tells a line that asks nbgrader to write a test from the instructor's solution.
func isAutotest(text string) bool {
	return strings.Contains(text, "AUTOTEST") && strings.HasPrefix(strings.TrimSpace(text), "#")
}

// HasAutotests reports whether Release needs Options.Instantiate for this notebook.
func (n *Notebook) HasAutotests() bool {
	for i := range n.Cells {
		if c := &n.Cells[i]; c.Type == Code && strings.Contains(c.Source, "AUTOTEST") {
			for _, text := range strings.Split(c.Source, "\n") {
				if isAutotest(text) {
					return true
				}
			}
		}
	}
	return false
}

// attachedImage is what nbgrader refuses in a mark scheme: the picture would stay in the cell for students to find.
var attachedImage = regexp.MustCompile(`!\[.*\]\(attachment:.+?\)`)
