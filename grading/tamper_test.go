package grading_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lectern/course/notebook"
	"lectern/grading"
)

// The notebook of the tamper table: t1 (1 point), t2 (2, with a hidden test),
// an essay (4), written code (3) and a task (5).
func tamperSource() *notebook.Notebook {
	nb := &notebook.Notebook{Nbformat: 4, Minor: 5, Metadata: map[string]any{
		"kernelspec": map[string]any{"name": "python3", "language": "python", "display_name": "Python 3"}}}
	add := func(kind, id, source string, meta map[string]any) {
		meta["grade_id"], meta["schema_version"] = id, json.Number("3")
		for _, flag := range []string{"grade", "solution", "locked", "task"} {
			if _, set := meta[flag]; !set {
				meta[flag] = false
			}
		}
		nb.Cells = append(nb.Cells, notebook.Cell{Type: kind, ID: "cell-" + id, Source: source, Metadata: map[string]any{"nbgrader": meta}})
	}
	add(notebook.Code, "sol", "### BEGIN SOLUTION\ndef f(x):\n    return x + 1\n### END SOLUTION", map[string]any{"solution": true})
	add(notebook.Code, "t1", "assert f(1) == 2", map[string]any{"grade": true, "locked": true, "points": json.Number("1")})
	add(notebook.Code, "t2", "assert f(2) == 3\n### BEGIN HIDDEN TESTS\nassert f(10) == 11\n### END HIDDEN TESTS", map[string]any{"grade": true, "locked": true, "points": json.Number("2")})
	add(notebook.Markdown, "essay", "### BEGIN SOLUTION\nBecause.\n### END SOLUTION", map[string]any{"grade": true, "solution": true, "points": json.Number("4")})
	add(notebook.Code, "mcode", "### BEGIN SOLUTION\ng = 1\n### END SOLUTION", map[string]any{"grade": true, "solution": true, "points": json.Number("3")})
	add(notebook.Markdown, "task1", "Draw something below.", map[string]any{"task": true, "locked": true, "points": json.Number("5")})
	return nb
}

const solved = "def f(x):\n    return x + 1"

func tamperAssignment(t *testing.T, source *notebook.Notebook) (*grading.Assignment, *notebook.Notebook) {
	a, err := grading.NewAssignment("ps1", testImage, []grading.File{memory("p1.ipynb", source.Bytes())})
	ok(t, err)
	a.Limits = redLimits
	return a, a.Notebooks[0].Release
}

// Each row of the tamper table in the format's description, with the better
// outcome where its design note asks for one: whatever a student edits, answers
// are found and tests are the instructor's.
func TestTamperTable(t *testing.T) {
	t.Parallel()
	source := tamperSource()
	a, release := tamperAssignment(t, source)
	runner := newRunner(t)
	at := func(nb *notebook.Notebook, id string) int {
		return slices.IndexFunc(nb.Cells, func(c notebook.Cell) bool { m, _ := c.Meta(); return m.GradeID == id })
	}
	meta := func(nb *notebook.Notebook, id string) map[string]any {
		return nb.Cells[at(nb, id)].Metadata["nbgrader"].(map[string]any)
	}
	solve := func(nb *notebook.Notebook) { nb.Cells[at(nb, "sol")].Source = solved }
	for _, row := range []struct {
		name   string
		edit   func(nb *notebook.Notebook)
		marks  string // t1 t2 essay mcode; M waits for a person
		repair string
	}{
		{"untouched release", func(*notebook.Notebook) {}, "0 0 0 0", ""},
		{"solved", solve, "1 2 0 0", ""},
		{"deletes t2", func(nb *notebook.Notebook) { solve(nb); i := at(nb, "t2"); nb.Cells = slices.Delete(nb.Cells, i, i+1) }, "1 2 0 0", "t2"},
		{"deletes nbgrader metadata of t1", func(nb *notebook.Notebook) { solve(nb); delete(nb.Cells[at(nb, "t1")].Metadata, "nbgrader") }, "1 2 0 0", "t1"},
		{"deletes solution cell", func(nb *notebook.Notebook) { i := at(nb, "sol"); nb.Cells = slices.Delete(nb.Cells, i, i+1) }, "0 0 0 0", "sol"},
		{"deletes essay cell", func(nb *notebook.Notebook) {
			solve(nb)
			i := at(nb, "essay")
			nb.Cells = slices.Delete(nb.Cells, i, i+1)
		}, "1 2 0 0", "essay"},
		{"points to 100", func(nb *notebook.Notebook) { solve(nb); meta(nb, "t1")["points"] = json.Number("100") }, "1 2 0 0", "t1"},
		{"edits in test cell", func(nb *notebook.Notebook) { nb.Cells[at(nb, "t1")].Source = "assert True\r\n" }, "0 0 0 0", "t1"},
		{"essay plus one space", func(nb *notebook.Notebook) { nb.Cells[at(nb, "essay")].Source += " " }, "0 0 0 0", ""},
		{"essay answered", func(nb *notebook.Notebook) { nb.Cells[at(nb, "essay")].Source = "My answer." }, "0 0 M 0", ""},
		{"kernelspec changed to R", func(nb *notebook.Notebook) {
			solve(nb)
			nb.Metadata["kernelspec"] = map[string]any{"name": "ir", "language": "R"}
		}, "1 2 0 0", "kernel"},
		{"test cell to markdown", func(nb *notebook.Notebook) { solve(nb); nb.Cells[at(nb, "t1")].Type = notebook.Markdown }, "1 2 0 0", "t1"},
		{"solution cell to raw", func(nb *notebook.Notebook) { solve(nb); nb.Cells[at(nb, "sol")].Type = notebook.Raw }, "1 2 0 0", "sol"},
		{"duplicate nbgrader cell", func(nb *notebook.Notebook) { solve(nb); nb.Cells = append(nb.Cells, nb.Cells[at(nb, "t1")].Clone()) }, "1 2 0 0", "t1"},
		{"unknown extra nbgrader cell", func(nb *notebook.Notebook) {
			solve(nb)
			c := nb.Cells[at(nb, "t1")].Clone()
			c.Metadata["nbgrader"].(map[string]any)["grade_id"] = "mine"
			nb.Cells = append(nb.Cells, c)
		}, "1 2 0 0", ""},
		{"renamed grade_id", func(nb *notebook.Notebook) { solve(nb); meta(nb, "sol")["grade_id"] = "other" }, "1 2 0 0", "sol"},
		{"grade:false on a test", func(nb *notebook.Notebook) { solve(nb); meta(nb, "t1")["grade"] = false }, "1 2 0 0", "t1"},
		{"solution:true on a test", func(nb *notebook.Notebook) { meta(nb, "t1")["solution"] = true; nb.Cells[at(nb, "t1")].Source = "" }, "0 0 0 0", "t1"},
		{"old schema", func(nb *notebook.Notebook) {
			solve(nb)
			for i := range nb.Cells {
				nb.Cells[i].Metadata["nbgrader"].(map[string]any)["schema_version"] = json.Number("2")
			}
		}, "1 2 0 0", ""},
		{"os._exit(0) in the answer", func(nb *notebook.Notebook) { nb.Cells[at(nb, "sol")].Source = "import os\nos._exit(0)" }, "0 0 0 0", ""},
		{"tag skip-execution on the tests", func(nb *notebook.Notebook) {
			for _, id := range []string{"t1", "t2"} {
				nb.Cells[at(nb, id)].Metadata["tags"] = []any{"skip-execution"}
			}
		}, "0 0 0 0", ""},
		{"tag raises-exception", func(nb *notebook.Notebook) {
			nb.Cells[at(nb, "sol")].Metadata["tags"] = []any{"raises-exception", "remove-output"}
		}, "0 0 0 0", ""},
		{"execution timeout in metadata", func(nb *notebook.Notebook) {
			solve(nb)
			nb.Cells[at(nb, "t1")].Metadata["execution"] = map[string]any{"timeout": json.Number("1")}
		}, "1 2 0 0", ""},
		{"reads the source, writes the gradebook", func(nb *notebook.Notebook) {
			nb.Cells[at(nb, "sol")].Source = "import os\nassert not os.path.exists('../../../source')\ntry:\n    open('../../../gradebook.db', 'w')\nexcept OSError:\n    " +
				"def f(x):\n        return x + 1"
		}, "1 2 0 0", ""},
		{"asks for input", func(nb *notebook.Notebook) { nb.Cells[at(nb, "sol")].Source = "input()\n" + solved }, "0 0 0 0", ""},
		{"prints 3000 lines", func(nb *notebook.Notebook) {
			nb.Cells[at(nb, "sol")].Source = solved + "\nfor i in range(3000):\n    print(i)"
		}, "1 2 0 0", ""},
		{"warns on stderr", func(nb *notebook.Notebook) {
			nb.Cells[at(nb, "sol")].Source = "import sys\ndef f(x):\n    print('careful', file=sys.stderr)\n    return x + 1"
		}, "1 2 0 0", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			nb := release.Clone()
			row.edit(nb)
			g, err := runner.Autograde(t.Context(), a, []grading.File{memory("p1.ipynb", nb.Bytes())})
			ok(t, err)
			if got := marksOf(g, "t1", "t2", "essay", "mcode"); got != row.marks {
				t.Errorf("marks %s, want %s\n%+v\n%s", got, row.marks, g.Notebooks[0].Marks, outputsOf(g.Notebooks[0].Notebook))
			}
			if got := marksOf(g, "task1"); got != "M" {
				t.Errorf("the task: %s, want it to wait for a person", got)
			}
			text := fmt.Sprint(g.Notebooks[0].Repairs)
			if !strings.Contains(text, row.repair) {
				t.Errorf("repairs %s, want %q told", text, row.repair)
			}
			if row.name == "prints 3000 lines" && !strings.HasSuffix(g.Notebooks[0].Notebook.Cells[0].Outputs[0].Text, "\n998\n... Output truncated ...") {
				t.Error("the output was not cut after 1000 lines")
			}
		})
	}
}

func marksOf(g *grading.Graded, ids ...string) string {
	var list []string
	for _, id := range ids {
		text := "-"
		for _, m := range g.Notebooks[0].Marks {
			if m.GradeID == id {
				if text = "M"; !m.NeedsPerson {
					text = fmt.Sprint(*m.Points)
				}
			}
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

// Last values of a test and what they are worth of 2 points: ours, then exactly
// nbgrader's; X is no marks at all.
func TestScoringTable(t *testing.T) {
	t.Parallel()
	rows := []struct{ code, ours, exact string }{
		{"assert True", "2", "2"}, {"print(0.5)", "2", "2"}, {"display(0.5)", "2", "2"}, {"0.5;", "2", "2"},
		{"assert False", "0", "0"}, {"import sys\nsys.exit(0)", "0", "0"},
		{"0.5", "0.5", "0.5"}, {"1", "1", "1"}, {"0", "0", "0"}, {"2", "2", "2"}, {"1_0/10", "1", "1"}, {"1e-1", "0.1", "0.1"},
		{"-1", "2", "2"}, {"float('nan')", "2", "2"}, {"'0.5'", "2", "2"}, {"True", "2", "2"}, {"None", "2", "2"}, {"[0.5]", "2", "2"},
		{"import numpy as np\nnp.float64(0.5)", "0.5", "2"}, {"import sys\nprint('x', file=sys.stderr)", "2", "0"},
		{"import warnings\nwarnings.warn('old')", "2", "0"}, {"import logging\nlogging.warning('x')", "2", "0"},
		{"2.5", "2", "X"}, {"float('inf')", "2", "X"},
	}
	runner := newRunner(t)
	source := &notebook.Notebook{Nbformat: 4, Minor: 5, Metadata: map[string]any{"kernelspec": map[string]any{"name": "python3", "language": "python"}}}
	var above []grading.File
	for i, r := range rows {
		id := fmt.Sprintf("t%d", i)
		c := notebook.Cell{Type: notebook.Code, ID: id, Source: r.code, Metadata: map[string]any{"nbgrader": map[string]any{"schema_version": json.Number("3"),
			"grade_id": id, "grade": true, "solution": false, "locked": true, "task": false, "points": json.Number("2")}}}
		if r.exact == "X" { // spoils the whole notebook, so it has one of its own
			one := source.Clone()
			one.Cells = []notebook.Cell{c}
			above = append(above, memory(id+".ipynb", one.Bytes()))
			continue
		}
		source.Cells = append(source.Cells, c)
	}
	source.Cells = slices.Clone(source.Cells)
	files := append([]grading.File{memory("p1.ipynb", source.Bytes())}, above...)
	for _, exact := range []bool{false, true} {
		a, err := grading.NewAssignment("ps1", testImage, files)
		ok(t, err)
		a.Rules.Exact = exact
		g, err := runner.Autograde(t.Context(), a, files)
		ok(t, err)
		got := map[string]string{}
		for _, nb := range g.Notebooks {
			for _, m := range nb.Marks {
				if got[m.GradeID] = "X"; m.Points != nil {
					got[m.GradeID] = fmt.Sprint(*m.Points)
				}
			}
		}
		for i, r := range rows {
			want := r.ours
			if exact {
				want = r.exact
			}
			if id := fmt.Sprintf("t%d", i); got[id] != want {
				t.Errorf("exact %v: %q gives %s, want %s", exact, r.code, got[id], want)
			}
		}
		if (g.Failed != "") != exact {
			t.Errorf("exact %v: failed %q", exact, g.Failed)
		}
	}
}
