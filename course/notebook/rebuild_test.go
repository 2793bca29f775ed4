package notebook

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// tampering is one edit a student makes to a released notebook, and what has to come out of it.
type tampering struct {
	name    string
	edit    func(nb *Notebook)
	answers map[string]string // grade_id → text, where it is not what solve wrote
	own     int               // cells of the student's own in the rebuilt notebook
	repairs []string          // a part of each repair, in any order; | between alternatives
}

// cellOf finds a released cell by its grade_id.
func cellOf(nb *Notebook, id string) *Cell {
	for i := range nb.Cells {
		if m, _ := nb.Cells[i].Meta(); m.GradeID == id {
			return &nb.Cells[i]
		}
	}
	panic("no cell " + id)
}

func remove(nb *Notebook, id string) {
	nb.Cells = slices.DeleteFunc(nb.Cells, func(c Cell) bool { m, _ := c.Meta(); return m.GradeID == id })
}

func insertAfter(nb *Notebook, id string, cells ...Cell) {
	for i := range nb.Cells {
		if m, _ := nb.Cells[i].Meta(); m.GradeID == id {
			nb.Cells = slices.Insert(nb.Cells, i+1, cells...)
			return
		}
	}
}

// copyOf is a cell as JupyterLab pastes it: metadata and all, with a new id.
func copyOf(nb *Notebook, id, source string) Cell {
	c := cellOf(nb, id).Clone()
	if c.ID != "" {
		c.ID = "pasted-" + id
	}
	c.Source = source
	return c
}

var solved = map[string]string{
	"squares":        "def squares(n):\n    \"\"\"Return the squares of 1 to n.\"\"\"\n    return [i * i for i in range(1, n + 1)]",
	"sum_of_squares": "def sum_of_squares(n):\n    return sum(squares(n))",
	"essay":          "Every odd number is one.",
	"plot":           "# Plot the squares.\nplot(squares(5))",
}

func solve(nb *Notebook) *Notebook {
	nb = nb.Clone()
	for id, text := range solved {
		cellOf(nb, id).Source = text
	}
	return nb
}

func strip(id string) func(nb *Notebook) {
	return func(nb *Notebook) { delete(cellOf(nb, id).Metadata, "nbgrader") }
}

func set(id string, pairs ...any) func(nb *Notebook) {
	return func(nb *Notebook) {
		values := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			values[pairs[i].(string)] = pairs[i+1]
		}
		cellOf(nb, id).set(values)
	}
}

func retype(id, to string) func(nb *Notebook) {
	return func(nb *Notebook) { c := cellOf(nb, id); c.Type, c.Outputs, c.ExecutionCount = to, nil, nil }
}

var tamperings = []tampering{
	{name: "nothing", edit: func(nb *Notebook) {}},
	{name: "deletes a test", edit: func(nb *Notebook) { remove(nb, "correct_sum") }, repairs: []string{"tests cell had been deleted; it was put back"}},
	{name: "deletes a test's metadata", edit: strip("correct_squares"), repairs: []string{"lost its ID; it was found"}},
	{name: "deletes a read-only cell", edit: func(nb *Notebook) { remove(nb, "intro") }, repairs: []string{"read-only cell had been deleted"}},
	{name: "deletes a task", edit: func(nb *Notebook) { remove(nb, "own_data") }, repairs: []string{"task cell had been deleted"}},
	{name: "deletes an answer", edit: func(nb *Notebook) { remove(nb, "squares") },
		answers: map[string]string{"squares": ""}, repairs: []string{"answer cell had been deleted, and nothing was found"}},
	{name: "deletes an essay", edit: func(nb *Notebook) { remove(nb, "essay") },
		answers: map[string]string{"essay": ""}, repairs: []string{"answer cell had been deleted, and nothing was found"}},
	{name: "sets points to 100", edit: set("correct_sum", "points", 100), repairs: []string{"points had been changed from 1.5 to 100.0"}},
	{name: "writes into a test", edit: func(nb *Notebook) { cellOf(nb, "correct_sum").Source = "1.5" }, repairs: []string{"text of this autograder tests cell"}},
	{name: "writes into a task", edit: func(nb *Notebook) { cellOf(nb, "own_data").Source += "!" }, repairs: []string{"text of this manually graded task"}},
	{name: "saves with CRLF", edit: func(nb *Notebook) {
		for i := range nb.Cells {
			if c := &nb.Cells[i]; !c.Kind().Answer() {
				c.Source = strings.ReplaceAll(c.Source, "\n", "\r\n")
			}
		}
	}},
	{name: "changes the kernel", edit: func(nb *Notebook) { nb.Metadata["kernelspec"] = map[string]any{"name": "ir", "language": "R"} },
		repairs: []string{"kernel had been changed to ir; it is graded with python3"}},
	{name: "deletes all notebook metadata", edit: func(nb *Notebook) { nb.Metadata = map[string]any{} }, repairs: []string{"kernel had been changed to none"}},
	{name: "turns a test into Markdown", edit: retype("correct_sum", Markdown), repairs: []string{"turned into a markdown cell; it is graded as code"}},
	{name: "turns an answer into a raw cell", edit: retype("squares", Raw), repairs: []string{"turned into a raw cell; it is graded as code"}},
	{name: "turns an essay into code", edit: retype("essay", Code), repairs: []string{"turned into a code cell; it is graded as markdown"}},
	{name: "pastes a test", edit: func(nb *Notebook) {
		insertAfter(nb, "plot", copyOf(nb, "correct_sum", cellOf(nb, "correct_sum").Source))
	}, repairs: []string{"There were 2 cells with this ID; the assignment's"}},
	{name: "pastes a test and works in the copy", edit: func(nb *Notebook) {
		insertAfter(nb, "plot", copyOf(nb, "correct_sum", "helper = 1"))
	}, own: 1, repairs: []string{"There were 2 cells with this ID; the assignment's"}},
	{name: "pastes an answer and works in the copy", edit: func(nb *Notebook) {
		insertAfter(nb, "squares", copyOf(nb, "squares", "def squares(n): return 2"))
	}, answers: map[string]string{"squares": "def squares(n): return 2"}, own: 1, repairs: []string{"There were 2 cells with this ID; the last one"}},
	{name: "pastes an untouched answer below the own one", edit: func(nb *Notebook) {
		insertAfter(nb, "essay", copyOf(nb, "essay", "YOUR ANSWER HERE"))
	}, repairs: []string{"There were 2 cells with this ID; the last one"}},
	{name: "renames a test", edit: set("correct_sum", "grade_id", "mine"), repairs: []string{"lost its ID; it was found"}},
	{name: "renames an answer", edit: set("squares", "grade_id", "mine"), repairs: []string{"lost its ID; it was found"}},
	{name: "renames two answers crosswise", edit: func(nb *Notebook) {
		a, b := cellOf(nb, "squares"), cellOf(nb, "sum_of_squares")
		a.set(map[string]any{"grade_id": "sum_of_squares"})
		b.set(map[string]any{"grade_id": "squares"})
	}, answers: map[string]string{"squares": solved["sum_of_squares"], "sum_of_squares": solved["squares"]}, repairs: []string{"another order"}},
	{name: "adds an nbgrader cell", edit: func(nb *Notebook) {
		insertAfter(nb, "squares", nbcell(Code, KindTests, "bonus", "assert True", "points", 50))
	}, own: 1, repairs: []string{`claims the ID "bonus"`}},
	{name: "marks a test as not graded", edit: set("correct_sum", "grade", false), repairs: []string{"marked as read-only cell"}},
	{name: "marks a test as a solution", edit: set("correct_sum", "solution", true, "locked", false), repairs: []string{"marked as manually graded answer cell"}},
	{name: "has an old schema", edit: func(nb *Notebook) {
		for i := range nb.Cells {
			if nb.Cells[i].Kind() != KindPlain {
				nb.Cells[i].set(map[string]any{"schema_version": 2})
			}
		}
	}, repairs: []string{"metadata of version 2"}},
	{name: "has empty nbgrader metadata", edit: func(nb *Notebook) {
		cellOf(nb, "correct_sum").Metadata["nbgrader"] = map[string]any{}
	}, repairs: []string{"metadata of version 0", "lost its ID"}},
	{name: "tags a test skip-execution", edit: func(nb *Notebook) {
		cellOf(nb, "correct_sum").Metadata["tags"] = []any{"skip-execution"}
		cellOf(nb, "correct_sum").Metadata["execution"] = map[string]any{"timeout": json.Number("1")}
	}, repairs: []string{"tags of this autograder tests cell"}},
	{name: "reverses all cells", edit: func(nb *Notebook) { slices.Reverse(nb.Cells) }, repairs: []string{"another order"}},
	{name: "adds cells of their own", edit: func(nb *Notebook) {
		insertAfter(nb, "intro", Cell{Type: Code, Source: "helper = 1", Metadata: map[string]any{"tags": []any{"skip-execution"}}})
		insertAfter(nb, "own_data", Cell{Type: Markdown, Source: "My data."}, Cell{Type: Code, Source: " \n"})
	}, own: 2},
	{name: "deletes and writes an answer anew", edit: func(nb *Notebook) {
		insertAfter(nb, "squares", Cell{Type: Code, Source: "square = lambda n: n"})
		remove(nb, "squares")
	}, answers: map[string]string{"squares": "square = lambda n: n"}, repairs: []string{"lost its ID; it was found by its place"}},
	{name: "loses all nbgrader metadata", edit: func(nb *Notebook) {
		for i := range nb.Cells {
			nb.Cells[i].Metadata = map[string]any{}
		}
	}, repairs: append(slices.Repeat([]string{"lost its ID; it was found"}, 9),
		"lost its ID; it was found by Jupyter's cell id|tests cell had been deleted")}, // the released text of all_hidden is empty
	{name: "adds a line to an ordinary cell", edit: func(nb *Notebook) { nb.Cells[1].Source += "\nimport os" }},
	{name: "moves an answer to the end and loses its ID", edit: func(nb *Notebook) {
		c := copyOf(nb, "squares", solved["squares"])
		c.ID, c.Metadata = "", map[string]any{}
		remove(nb, "squares")
		nb.Cells = append(nb.Cells, c)
	}, repairs: []string{"lost its ID; it was found by a similar text", "another order"}},
	{name: "edits a test and loses its ID", edit: func(nb *Notebook) {
		c := cellOf(nb, "squares_invalid")
		c.ID, c.Metadata, c.Source = "", map[string]any{}, c.Source+"\npass"
	}, repairs: []string{"lost its ID; it was found by a similar text", "text of this autograder tests cell"}},
	{name: "puts a NUL into an answer", edit: func(nb *Notebook) { cellOf(nb, "essay").Source = "a\x00b" },
		answers: map[string]string{"essay": "ab"}, repairs: []string{"NUL"}},
	{name: "has no cells", edit: func(nb *Notebook) { nb.Cells = nil },
		answers: map[string]string{"squares": "", "sum_of_squares": "", "essay": "", "plot": ""},
		repairs: append(slices.Repeat([]string{"cell had been deleted"}, 10), slices.Repeat([]string{"A cell of the assignment"}, 5)...)},
}

// Whatever a student does, everything but answers and own cells is the instructor's; with and without cell ids.
func TestRebuildOfTamperedNotebooks(t *testing.T) {
	t.Parallel()
	for _, minor := range []int{5, 4} {
		instructors := open(t, "squares")
		instructors.Minor = minor
		for i := range instructors.Cells {
			if minor < 5 {
				instructors.Cells[i].ID = ""
			}
		}
		release, man := released(t, instructors, Options{})
		for _, c := range tamperings {
			t.Run(fmt.Sprintf("4.%d %s", minor, c.name), func(t *testing.T) {
				t.Parallel()
				student := solve(release)
				c.edit(student)
				handedIn, err := Parse(student.Bytes())
				if err != nil {
					t.Fatal(err)
				}
				built, repairs := Rebuild(man.Source, release, handedIn)
				checkRebuilt(t, man, release, built, c)
				checkRepairs(t, repairs, c.repairs)
				again, _ := Rebuild(man.Source, release, handedIn)
				diffText(t, string(again.Bytes()), string(built.Bytes()))
			})
		}
	}
}

func checkRebuilt(t *testing.T, man *Manifest, release, built *Notebook, c tampering) {
	t.Helper()
	next, own := 0, 0
	for i := range built.Cells {
		cell := &built.Cells[i]
		if next < len(man.Source.Cells) && sameOrigin(cell, &man.Source.Cells[next]) {
			want := man.Source.Cells[next].Clone()
			if m, _ := want.Meta(); m.Kind().Answer() {
				want.Source = solved[m.GradeID]
				if text, told := c.answers[m.GradeID]; told && text != "" {
					want.Source = text
				} else if told {
					want.Source = release.Cells[next].Source
				}
			} else if m.Kind() == KindPlain {
				want.Source = cell.Source
			}
			one, two := &Notebook{Cells: []Cell{*cell}}, &Notebook{Cells: []Cell{want}}
			diffText(t, string(one.Bytes()), string(two.Bytes()))
			next++
			continue
		}
		own++
		if len(cell.Metadata) > 0 {
			t.Errorf("own cell %d keeps metadata %v", i, cell.Metadata)
		}
	}
	if next != len(man.Source.Cells) {
		t.Errorf("%d of the instructor's %d cells are there", next, len(man.Source.Cells))
	}
	if own != c.own {
		t.Errorf("%d cells of the student's own, want %d", own, c.own)
	}
	if built.Kernelspec()["name"] != "python3" {
		t.Errorf("the kernel is %v", built.Kernelspec())
	}
}

// sameOrigin tells the instructor's cells in order: by ID, plain ones by their text.
func sameOrigin(a, b *Cell) bool {
	m, _ := a.Meta()
	n, _ := b.Meta()
	if n.GradeID != "" {
		return m.GradeID == n.GradeID
	}
	return m.Kind() == KindPlain && strings.HasPrefix(squeezed(a.Source), squeezed(b.Source))
}

func checkRepairs(t *testing.T, got []Repair, want []string) {
	t.Helper()
	left := slices.Clone(want)
	for _, r := range got {
		i := slices.IndexFunc(left, func(w string) bool {
			return slices.ContainsFunc(strings.Split(w, "|"), func(w string) bool { return strings.Contains(r.Text, w) })
		})
		if i < 0 {
			t.Errorf("unexpected repair of cell %d %s: %s", r.Cell, r.GradeID, r.Text)
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(left) > 0 {
		t.Errorf("no repair says %q; got %+v", left, got)
	}
}

func TestRebuildFromDamagedFiles(t *testing.T) {
	t.Parallel()
	release, man := released(t, open(t, "squares"), Options{})
	whole := solve(release).Bytes()
	cut := strings.Index(string(whole), "Part B")
	for _, c := range []struct {
		name   string
		data   string
		repair string
		solved bool // the first answer was found
	}{
		{"empty", "", "empty", false},
		{"not JSON", "hello", "not valid JSON", false},
		{"a list", "[]", "No cell could be read", false},
		{"no cells", `{"nbformat": 4}`, "no list of cells", false},
		{"NUL bytes", "{\x00}", "NUL", false},
		{"not UTF-8", "{\"\xff\"}", "not UTF-8", false},
		{"an old format", `{"nbformat": 3, "worksheets": []}`, "old format 3", false},
		{"deep", strings.Repeat("[", 1<<20), "nested more than", false},
		{"cut short", string(whole[:cut]), "not valid JSON", true},
		{"cells that are none", strings.Replace(string(whole), `"cells": [`, `"cells": [5, null, "x", {"cell_type": 7},`, 1), "is not a cell", true},
		{"a byte order mark", "\xef\xbb\xbf" + string(whole), "", true},
	} {
		built, repairs := RebuildFile(man.Source, release, []byte(c.data))
		if got := cellOf(built, "squares").Source == solved["squares"]; got != c.solved {
			t.Errorf("%s: answer found is %v, want %v; %v", c.name, got, c.solved, repairs)
		}
		if got := fmt.Sprint(repairs); !strings.Contains(got, c.repair) || c.repair != "" && len(repairs) == 0 {
			t.Errorf("%s: repairs %q, want %q", c.name, got, c.repair)
		}
	}
	built, repairs := RebuildMissing(man.Source)
	if len(built.Cells) != len(man.Source.Cells) || len(repairs) != 1 || !strings.Contains(repairs[0].Text, "not handed in") {
		t.Errorf("a missing notebook: %d cells, %v", len(built.Cells), repairs)
	}
}

func TestRebuildKeepsOwnCellsWhereTheyStood(t *testing.T) {
	t.Parallel()
	release, man := released(t, open(t, "squares"), Options{})
	student := solve(release)
	student.Cells = slices.Insert(student.Cells, 0, Cell{Type: Code, ID: student.Cells[2].ID, Source: "import os"})
	insertAfter(student, "own_data", Cell{Type: Markdown, Source: "My data.", Attachments: map[string]any{"a.png": map[string]any{"image/png": "aGk="}}})
	built, _ := Rebuild(man.Source, release, student)
	if built.Cells[0].Source != "import os" || built.Cells[1].Source != release.Cells[0].Source {
		t.Errorf("the first cells are %q, %q", built.Cells[0].Source, built.Cells[1].Source)
	}
	i := slices.IndexFunc(built.Cells, func(c Cell) bool { return c.Source == "My data." })
	if m, _ := built.Cells[i-1].Meta(); m.GradeID != "own_data" || built.Cells[i].Attachments == nil {
		t.Errorf("the task's answer stands after %q with %v", m.GradeID, built.Cells[i].Attachments)
	}
	seen := map[string]bool{}
	for i, c := range built.Cells {
		if c.ID == "" || seen[c.ID] {
			t.Errorf("cell %d has id %q", i, c.ID)
		}
		seen[c.ID] = true
	}
	for i, c := range man.Source.Cells {
		if !slices.ContainsFunc(built.Cells, func(b Cell) bool { return b.ID == c.ID && b.Type == c.Type }) {
			t.Errorf("cell %d lost its id %q", i, c.ID)
		}
	}
}
