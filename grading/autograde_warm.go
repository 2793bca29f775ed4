package grading

import (
	"regexp"
	"slices"
	"strings"

	"lectern/course/notebook"
)

var importLine = regexp.MustCompile(`(?m)^\s*(?:import|from)\s+((?:numpy|scipy|pandas|matplotlib|sympy|sklearn|seaborn|statsmodels|networkx|unittest)\b[\w.]*)`)

// warm are the libraries that the notebooks import, as far as students were
// shown: what a hidden test imports is a secret too.
func (a *Assignment) warm() []string {
	var list []string
	for _, src := range a.Notebooks {
		if lang := src.Manifest.Language; !strings.EqualFold(lang, "python") {
			continue
		}
		for i := range src.Release.Cells {
			if c := &src.Release.Cells[i]; c.Type == notebook.Code {
				for _, m := range importLine.FindAllStringSubmatch(c.Source, -1) {
					list = append(list, m[1])
				}
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
