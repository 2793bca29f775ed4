package grading

import (
	"regexp"
	"strings"

	"lectern/course/notebook"
)

// ForStudent is a graded notebook as its student may see it. Beyond
// notebook.Conceal, whatever was shown while a hidden test ran is left out but
// for the kind of its error, and no other output may hold a text of a hidden line.
func ForStudent(graded *notebook.Notebook) *notebook.Notebook {
	shown := notebook.Conceal(graded)
	var secrets []string
	for i := range graded.Cells {
		secrets = append(secrets, quoted(hiddenOnly(graded.Cells[i].Source, shown.Cells[i].Source))...)
	}
	for i := range shown.Cells {
		c := &shown.Cells[i]
		hides := c.Type == notebook.Code && c.Source != graded.Cells[i].Source
		var kept []notebook.Output
		for _, o := range c.Outputs {
			switch {
			case hides && o.Type == notebook.Stream, hides && o.Type == notebook.DisplayData, tells(o, secrets):
				if len(kept) == 0 || kept[len(kept)-1].Text != notShown {
					kept = append(kept, notebook.Output{Type: notebook.Stream, Name: "stdout", Text: notShown})
				}
			default:
				kept = append(kept, o)
			}
		}
		c.Outputs = kept
	}
	return shown
}

const notShown = "This output is not shown, because hidden tests may show in it.\n"

// hiddenOnly are the lines of a text that its concealed version lacks.
func hiddenOnly(whole, shown string) string {
	if whole == shown {
		return ""
	}
	seen := map[string]bool{}
	for l := range strings.SplitSeq(shown, "\n") {
		seen[l] = true
	}
	var b strings.Builder
	for l := range strings.SplitSeq(whole, "\n") {
		if !seen[l] {
			b.WriteString(l + "\n")
		}
	}
	return b.String()
}

var literal = regexp.MustCompile(`'([^'\\\n]{6,})'|"([^"\\\n]{6,})"`)

func quoted(text string) (list []string) {
	for _, m := range literal.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1]+m[2])
	}
	return list
}

// tells reports whether a text stands in anything people see of an output.
func tells(o notebook.Output, secrets []string) bool {
	if len(secrets) == 0 {
		return false
	}
	nb := notebook.Notebook{Nbformat: 4, Minor: 4, Cells: []notebook.Cell{{Type: notebook.Code, Outputs: []notebook.Output{o}}}}
	text := string(nb.Bytes())
	for _, s := range secrets {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}
