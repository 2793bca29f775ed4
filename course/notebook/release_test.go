package notebook

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func open(t testing.TB, name string) *Notebook {
	t.Helper()
	nb, err := Parse(readFile(t, "testdata/course/"+name+".ipynb"))
	if err != nil {
		t.Fatal(err)
	}
	return nb
}

func released(t testing.TB, nb *Notebook, o Options) (*Notebook, *Manifest) {
	t.Helper()
	r, man, err := Release(nb, o)
	if err != nil {
		t.Fatal(err)
	}
	return r, man
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = "testdata/release/" + name
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	diffText(t, string(got), string(readFile(t, name)))
}

func TestReleaseOfWholeNotebooks(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"squares": {Header: open(t, "header"), Footer: open(t, "footer")},
		"loops":   {Header: open(t, "header"), LockAllCells: true},
		"means":   {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nb := open(t, name)
			before := string(nb.Bytes())
			release, man := released(t, nb, o)
			diffText(t, string(nb.Bytes()), before)
			golden(t, name+".release.ipynb", release.Bytes())
			golden(t, name+".source.ipynb", man.Source.Bytes())
			for _, c := range man.Cells {
				if got := man.Source.Cells[c.Position].Source; got != c.Source {
					t.Errorf("%s: cell %d holds %q, want %q", c.GradeID, c.Position, got, c.Source)
				}
				if got := release.Cells[c.Position].Source; got != c.Released {
					t.Errorf("%s: released cell %d holds %q, want %q", c.GradeID, c.Position, got, c.Released)
				}
			}
			again, _ := released(t, nb, o)
			diffText(t, string(again.Bytes()), string(release.Bytes()))
		})
	}
}

func TestManifestTellsTheQuestions(t *testing.T) {
	t.Parallel()
	_, man := released(t, open(t, "squares"), Options{})
	if man.MaxPoints != 15 {
		t.Errorf("max points are %v, want 15", man.MaxPoints)
	}
	var got []string
	for _, c := range man.Cells {
		got = append(got, c.GradeID+" = "+string(c.Kind)+" "+pyRepr(c.Points))
	}
	want := []string{
		"intro = read-only 0.0", "squares = autograded answer 0.0", "correct_squares = autograder tests 1.0",
		"squares_invalid = autograder tests 1.0", "sum_of_squares = autograded answer 0.0", "correct_sum = autograder tests 1.5",
		"all_hidden = autograder tests 0.5", "essay = manually graded answer 4.0", "plot = manually graded answer 2.0",
		"own_data = manually graded task 5.0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if man.Kernelspec["name"] != "python3" || man.Language != "python" {
		t.Errorf("kernel is %v, language %q", man.Kernelspec, man.Language)
	}
}

// nbcell makes one nbgrader cell; pairs override its metadata.
func nbcell(cellType string, kind Kind, id, source string, pairs ...any) Cell {
	flags := map[Kind][4]bool{
		KindAnswer: {false, true}, KindTests: {true, false, true}, KindManual: {true, true},
		KindTask: {false, false, true, true}, KindReadOnly: {false, false, true},
	}[kind]
	m := map[string]any{"schema_version": 3, "grade_id": id,
		"grade": flags[0], "solution": flags[1], "locked": flags[2], "task": flags[3]}
	if kind.Scored() {
		m["points"] = json.Number("2")
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(m, pairs[i].(string))
		} else {
			m[pairs[i].(string)] = pairs[i+1]
		}
	}
	if kind == KindPlain {
		return Cell{Type: cellType, Source: source, Metadata: map[string]any{}}
	}
	return Cell{Type: cellType, Source: source, Metadata: map[string]any{"nbgrader": m}}
}

func book(language string, cells ...Cell) *Notebook {
	nb := &Notebook{Nbformat: 4, Minor: 4, Cells: cells, Metadata: map[string]any{}}
	if language != "" {
		nb.Metadata["kernelspec"] = map[string]any{"name": strings.ToLower(language), "language": language}
	}
	return nb
}

func TestClearSolutions(t *testing.T) {
	t.Parallel()
	const stub = "# YOUR CODE HERE\nraise NotImplementedError()"
	for _, c := range []struct {
		name, language, source, want string
	}{
		{"no region: the whole cell", "python", "x = 1\ny = 2", stub},
		{"an empty cell", "python", "", stub},
		{"a region, indented", "python", "def f(x):\n    \"\"\"doc\"\"\"\n    ### BEGIN SOLUTION\n    return x + 1\n    ### END SOLUTION",
			"def f(x):\n    \"\"\"doc\"\"\"\n    # YOUR CODE HERE\n    raise NotImplementedError()"},
		{"an indent of tabs", "python", "def f():\n\t### BEGIN SOLUTION\n\t1\n\t### END SOLUTION", "def f():\n\t# YOUR CODE HERE\n\traise NotImplementedError()"},
		{"several regions", "python", "a\n# BEGIN SOLUTION\nb\n# END SOLUTION\nc\n# BEGIN SOLUTION\nd\n# END SOLUTION\ne",
			"a\n" + stub + "\nc\n" + stub + "\ne"},
		{"the marker anywhere in its line", "python", "// BEGIN SOLUTION here\nb\nx END SOLUTION x", stub},
		{"a line with both markers begins", "python", "# BEGIN SOLUTION END SOLUTION\nb\n# END SOLUTION", stub},
		{"an end alone: the whole cell", "python", "a\n# END SOLUTION\nb", stub},
		{"R", "R", "x", "# YOUR CODE HERE\nfail()"},
		{"matlab", "matlab", "x", "% YOUR CODE HERE\nerror('No Answer Given!')"},
		{"octave", "octave", "x", "% YOUR CODE HERE\nerror('No Answer Given!')"},
		{"sas", "sas", "x", "/* YOUR CODE HERE */\n %notImplemented;"},
		{"java", "java", "x", "// YOUR CODE HERE"},
		{"no kernel named", "", "x", stub},
	} {
		nb := book(c.language, nbcell(Code, KindAnswer, "a", c.source))
		release, man := released(t, nb, Options{})
		if got := release.Cells[0].Source; got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if got := man.Cells[0].Source; got != c.want {
			t.Errorf("%s: recorded %q, want %q", c.name, got, c.want)
		}
	}
	release, _ := released(t, book("javascript", nbcell(Markdown, KindManual, "m", "why")), Options{})
	if got := release.Cells[0].Source; got != "YOUR ANSWER HERE" {
		t.Errorf("a written answer becomes %q", got)
	}
	release, _ = released(t, book("julia", nbcell(Code, KindAnswer, "a", "x")), Options{CodeStubs: map[string]string{"julia": "# here"}})
	if got := release.Cells[0].Source; got != "# here" {
		t.Errorf("a stub of the course's own becomes %q", got)
	}
}

func TestHiddenTestsAndMarkSchemesStayInTheSourceOnly(t *testing.T) {
	t.Parallel()
	hidden := "assert f(1) == 2\n### BEGIN HIDDEN TESTS\nassert f(2) == 3\n### END HIDDEN TESTS"
	scheme := "Describe.\n### BEGIN MARK SCHEME\n1 point\n### END MARK SCHEME\nThanks."
	all := "### BEGIN HIDDEN TESTS\nassert f(2) == 3\n### END HIDDEN TESTS"
	release, man := released(t, book("python", nbcell(Code, KindTests, "t", hidden), nbcell(Markdown, KindTask, "k", scheme),
		nbcell(Code, KindTests, "h", all), nbcell(Markdown, KindManual, "m", scheme)), Options{})
	for i, want := range []string{"assert f(1) == 2", "Describe.\nThanks.", "", TextStub} {
		if got := release.Cells[i].Source; got != want {
			t.Errorf("released cell %d is %q, want %q", i, got, want)
		}
	}
	for i, want := range []string{hidden, scheme, all, TextStub} {
		if got := man.Cells[i]; got.Source != want || got.Checksum != Checksum(&man.Source.Cells[i]) {
			t.Errorf("source cell %d is %q with checksum %s", i, got.Source, got.Checksum)
		}
		m, _ := release.Cells[i].Meta()
		if m.Checksum != Checksum(&release.Cells[i]) || m.CellType != release.Cells[i].Type {
			t.Errorf("released cell %d has checksum %s of type %s", i, m.Checksum, m.CellType)
		}
	}
}

func TestLockSetsJupytersHints(t *testing.T) {
	t.Parallel()
	nb := book("python", nbcell(Code, KindAnswer, "a", "x"), nbcell(Code, KindManual, "m", "x"), nbcell(Code, KindTests, "t", "x"),
		nbcell(Code, KindTests, "old", "x", "locked", false), nbcell(Markdown, KindTask, "k", "x"), nbcell(Markdown, KindReadOnly, "r", "x"),
		nbcell(Code, KindPlain, "", "x"))
	for _, lockAll := range []bool{false, true} {
		release, _ := released(t, nb, Options{LockAllCells: lockAll})
		for i, want := range [][2]any{{false, nil}, {false, nil}, {false, false}, {false, false}, {false, false}, {false, false}, {nil, nil}} {
			if lockAll && i == 6 {
				want = [2]any{false, false}
			}
			c := release.Cells[i]
			if got := [2]any{c.Metadata["deletable"], c.Metadata["editable"]}; got != want {
				t.Errorf("cell %d, lock all %v: deletable, editable are %v, want %v", i, lockAll, got, want)
			}
		}
	}
}

func TestAutotestsNeedAHook(t *testing.T) {
	t.Parallel()
	nb := book("python", nbcell(Code, KindTests, "t", "x\n  ### HASHED AUTOTEST a"), nbcell(Code, KindPlain, "", "print('AUTOTEST')"))
	if _, _, err := Release(nb, Options{}); err == nil || !strings.Contains(err.Error(), "autotest") {
		t.Errorf("without a hook: %v", err)
	}
	hook := func(nb *Notebook) error {
		nb.Cells[0].Source = "assert a == 5"
		return nil
	}
	if release, _ := released(t, nb, Options{Instantiate: hook}); release.Cells[0].Source != "assert a == 5" {
		t.Errorf("with a hook: %q", release.Cells[0].Source)
	}
	if _, _, err := Release(nb, Options{Instantiate: func(*Notebook) error { return errors.New("NameError") }}); err == nil ||
		!strings.Contains(err.Error(), "NameError") {
		t.Errorf("with a failing hook: %v", err)
	}
}

func TestHeaderAndFooterGetIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	header, footer := open(t, "header"), open(t, "footer")
	footer.Cells[0].ID = header.Cells[0].ID
	release, _ := released(t, open(t, "squares"), Options{Header: header, Footer: footer})
	seen := map[string]bool{}
	for i, c := range release.Cells {
		if c.ID == "" || seen[c.ID] {
			t.Errorf("cell %d has id %q", i, c.ID)
		}
		seen[c.ID] = true
	}
}

func BenchmarkReleaseOfTwoNotebooks(b *testing.B) {
	one, two := readFile(b, "testdata/course/squares.ipynb"), readFile(b, "testdata/course/loops.ipynb")
	for b.Loop() {
		for _, data := range [][]byte{one, two} {
			nb, err := Parse(data)
			if err != nil {
				b.Fatal(err)
			}
			release, _, err := Release(nb, Options{})
			if err != nil {
				b.Fatal(err)
			}
			release.Bytes()
		}
	}
}
