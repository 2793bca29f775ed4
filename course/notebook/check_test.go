package notebook

import (
	"strings"
	"testing"
)

func TestCheckTellsWhatIsWrongWithACell(t *testing.T) {
	t.Parallel()
	attachment := nbcell(Markdown, KindTask, "k", "x\n### BEGIN MARK SCHEME\n![a](attachment:a.png)\n### END MARK SCHEME")
	attachment.Attachments = map[string]any{"a.png": map[string]any{"image/png": "aGk="}}
	for _, c := range []struct {
		name string
		nb   *Notebook
		want string // part of the only error
	}{
		{"nested solutions", book("python", nbcell(Code, KindAnswer, "a", "# BEGIN SOLUTION\n# BEGIN SOLUTION\n# END SOLUTION")), "Line 2 begins a solution region inside"},
		{"no end of a solution", book("python", nbcell(Code, KindAnswer, "a", "x\n# BEGIN SOLUTION")), "solution region that begins on line 2 has no end"},
		{"a solution in a test", book("python", nbcell(Code, KindTests, "t", "# BEGIN SOLUTION\n# END SOLUTION")), "not marked as an answer"},
		{"a solution in an ordinary cell", book("python", nbcell(Code, KindPlain, "", "# BEGIN SOLUTION\n# END SOLUTION")), "not marked as an answer"},
		{"nested hidden tests", book("python", nbcell(Code, KindTests, "t", "# BEGIN HIDDEN TESTS\n# BEGIN HIDDEN TESTS\n# END HIDDEN TESTS")), "Line 2 begins a hidden tests region inside"},
		{"no end of hidden tests", book("python", nbcell(Code, KindTests, "t", "# BEGIN HIDDEN TESTS")), "has no end"},
		{"no begin of hidden tests", book("python", nbcell(Code, KindTests, "t", "secret\n# END HIDDEN TESTS")), "never began"},
		{"hidden tests in an ordinary cell", book("python", nbcell(Code, KindPlain, "", "# BEGIN HIDDEN TESTS\n# END HIDDEN TESTS")), "not a test cell"},
		{"hidden tests beside a solution region", book("python", nbcell(Code, KindAnswer, "a", "# BEGIN SOLUTION\n# END SOLUTION\n# BEGIN HIDDEN TESTS\n# END HIDDEN TESTS")), "not a test cell"},
		{"nested mark schemes", book("python", nbcell(Markdown, KindTask, "k", "# BEGIN MARK SCHEME\n# BEGIN MARK SCHEME\n# END MARK SCHEME")), "Line 2 begins a mark scheme region inside"},
		{"no end of a mark scheme", book("python", nbcell(Markdown, KindTask, "k", "# BEGIN MARK SCHEME")), "has no end"},
		{"a mark scheme in a read-only cell", book("python", nbcell(Markdown, KindReadOnly, "r", "# BEGIN MARK SCHEME\n# END MARK SCHEME")), "not a manually graded task"},
		{"a picture in a mark scheme", book("python", attachment), "attached picture"},
		{"an unknown language", book("javascript", nbcell(Code, KindAnswer, "a", "x")), `no placeholder for solutions in the language "javascript"`},
		{"an ID with a space", book("python", nbcell(Code, KindAnswer, "a b", "x")), `"a b" contains characters`},
		{"an empty ID", book("python", nbcell(Code, KindAnswer, "", "x")), "has no ID"},
		{"no ID", book("python", nbcell(Code, KindTests, "", "x", "grade_id", nil)), "has no ID"},
		{"no points", book("python", nbcell(Code, KindTests, "t", "x", "points", nil)), "has no points"},
		{"points below 0", book("python", nbcell(Code, KindTests, "t", "x", "points", -1)), "are -1; they cannot be below 0"},
		{"points that are text", book("python", nbcell(Code, KindTests, "t", "x", "points", "1")), "not a number"},
		{"an unknown key", book("python", nbcell(Code, KindTests, "t", "x", "colour", "red")), "does not know: colour"},
		{"a missing flag", book("python", nbcell(Code, KindTests, "t", "x", "locked", nil)), `"locked" is missing`},
		{"a flag that is a number", book("python", nbcell(Code, KindTests, "t", "x", "solution", 1)), `"solution" in this cell's nbgrader metadata is not true or false`},
		{"a short checksum", book("python", nbcell(Code, KindTests, "t", "x", "checksum", "abc")), "32 characters"},
		{"an impossible cell_type", book("python", nbcell(Code, KindTests, "t", "x", "cell_type", "heading")), "not code, markdown or raw"},
		{"a newer schema", book("python", nbcell(Code, KindTests, "t", "x", "schema_version", 99)), "version 99, which is newer"},
		{"a schema version that is text", book("python", nbcell(Code, KindTests, "t", "x", "schema_version", "3")), "not a whole number"},
		{"Markdown tests", book("python", nbcell(Markdown, KindTests, "t", "x")), "must stand in a code cell"},
		{"an autograded Markdown answer", book("python", nbcell(Markdown, KindAnswer, "a", "x")), "must be a code cell"},
		{"a task that is code", book("python", nbcell(Code, KindTask, "k", "x")), "must be a Markdown cell"},
		{"a task that is an answer", book("python", nbcell(Markdown, KindManual, "k", "x", "task", true)), "at once"},
		{"one ID twice", book("python", nbcell(Code, KindAnswer, "a", "x"), nbcell(Code, KindTests, "a", "x")), `The ID "a" is also used by cell 1.`},
		{"an autotest", book("python", nbcell(Code, KindTests, "t", "# AUTOTEST x")), "autotest"},
		{"a NUL", book("python", nbcell(Code, KindTests, "t", "x\x00")), "NUL"},
		{"metadata that is no object", book("python", Cell{Type: Code, Metadata: map[string]any{"nbgrader": "x"}}), "not an object"},
	} {
		errors := Problems{}
		for _, p := range Check(c.nb, "ps1.ipynb") {
			if p.Text == "" || p.Mend == "" || p.Notebook != "ps1.ipynb" {
				t.Errorf("%s: incomplete problem %+v", c.name, p)
			}
			if p.Severity == Error {
				errors = append(errors, p)
			}
		}
		if len(errors) != 1 || !strings.Contains(errors[0].Text, c.want) {
			t.Errorf("%s: got %v, want only %q", c.name, errors, c.want)
		}
		if r, _, err := Release(c.nb, Options{}); err == nil || r != nil {
			t.Errorf("%s: was released", c.name)
		}
	}
}

func TestCheckWarnsWithoutRefusing(t *testing.T) {
	t.Parallel()
	widgets := book("python", nbcell(Code, KindTests, "t", "x"))
	widgets.Metadata["widgets"] = map[string]any{}
	for _, c := range []struct {
		name string
		nb   *Notebook
		want string
	}{
		{"no kernel", book("", nbcell(Code, KindTests, "t", "x")), "taken for Python"},
		{"another type than at the last release", book("python", nbcell(Code, KindTests, "t", "x", "cell_type", "markdown")), "was a markdown cell"},
		{"an old schema", book("python", nbcell(Code, KindTests, "t", "x", "schema_version", 1, "task", nil)), "old version 1"},
		{"an old schema with an unknown key", book("python", nbcell(Code, KindTests, "t", "x", "schema_version", 2, "colour", "red")), "left out: colour"},
		{"a marker in small letters", book("python", nbcell(Code, KindTests, "t", "x\n# begin hidden tests")), "Line 2 looks like a marker"},
		{"a marker misspelt", book("python", nbcell(Code, KindTests, "t", "x\n### BEGIN HIDDEN TEST")), "Line 2 looks like a marker"},
		{"a solution that never began", book("python", nbcell(Code, KindAnswer, "a", "# END SOLUTION"), nbcell(Code, KindTests, "t", "x")), "never began"},
		{"no points anywhere", book("python"), "carries points"},
		{"no tests", book("python", nbcell(Code, KindAnswer, "a", "x"), nbcell(Markdown, KindManual, "m", "x")), "no autograder tests"},
		{"0 points", book("python", nbcell(Code, KindTests, "t", "x", "points", 0)), "worth 0 points"},
		{"an empty test", book("python", nbcell(Code, KindTests, "t", " \n")), "empty"},
		{"widgets", widgets, "widgets"},
		{"a mark scheme in a manual answer, which is replaced", book("python", nbcell(Markdown, KindManual, "m", "# BEGIN MARK SCHEME"), nbcell(Code, KindTests, "t", "# begin solution")), "looks like"},
	} {
		problems := Problems(Check(c.nb, "ps1"))
		if problems.Refused() || len(problems) != 1 || !strings.Contains(problems[0].Text, c.want) {
			t.Errorf("%s: got %q, want only %q", c.name, problems, c.want)
		}
	}
	for _, name := range []string{"squares", "means"} {
		if problems := Check(open(t, name), name); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

func TestCheckTellsEverythingAtOnceAndWhere(t *testing.T) {
	t.Parallel()
	nb := book("python",
		nbcell(Code, KindAnswer, "a b", "# BEGIN SOLUTION\nx"),
		nbcell(Code, KindTests, "t", "# BEGIN HIDDEN TESTS", "points", -1, "colour", 1),
		nbcell(Code, KindPlain, "", "# BEGIN SOLUTION\n# BEGIN SOLUTION\n# END SOLUTION"))
	header := book("python", nbcell(Code, KindTests, "h", "x", "points", nil))
	var got []string
	for _, p := range CheckWith(nb, Options{Name: "ps1", Header: header}) {
		where, _, _ := strings.Cut(p.String(), ": ")
		got = append(got, where)
	}
	for where, want := range map[string]int{"header cell 1 (h)": 1, "ps1 cell 1 (a b)": 2, "ps1 cell 2 (t)": 3, "ps1 cell 3": 2} {
		n := 0
		for _, g := range got {
			if g == where {
				n++
			}
		}
		if n != want {
			t.Errorf("%s has %d problems, want %d; all: %q", where, n, want, got)
		}
	}
}

func TestUpgradeOfOldMetadata(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("0", 32)
	for _, c := range []struct {
		name   string
		before map[string]any
		want   string // as Jupyter writes it, on one line
	}{
		{"version 0", map[string]any{"grade": true, "solution": false, "grade_id": "t", "points": "1", "checksum": sum},
			`{"cell_type": "code","checksum": "` + sum + `","grade": true,"grade_id": "t","locked": false,"points": 1.0,"schema_version": 3,"solution": false}`},
		{"no flag is true", map[string]any{"grade": false, "grade_id": "t"}, ``},
		{"no metadata to speak of", map[string]any{}, ``},
		{"not graded: no points", map[string]any{"solution": true, "grade_id": "t", "points": 5},
			`{"grade": false,"grade_id": "t","locked": false,"schema_version": 3,"solution": true}`},
		{"empty points", map[string]any{"grade": true, "grade_id": "t", "points": ""},
			`{"grade": true,"grade_id": "t","locked": false,"points": 0.0,"schema_version": 3,"solution": false}`},
		{"missing points", map[string]any{"grade": true, "grade_id": "t"},
			`{"grade": true,"grade_id": "t","locked": false,"points": 0.0,"schema_version": 3,"solution": false}`},
		{"negative points", map[string]any{"grade": true, "grade_id": "t", "points": -2.5},
			`{"grade": true,"grade_id": "t","locked": false,"points": 0.0,"schema_version": 3,"solution": false}`},
		{"version 2", map[string]any{"grade": true, "grade_id": "t", "points": 2, "schema_version": 2, "locked": true, "solution": false, "x": 1},
			`{"grade": true,"grade_id": "t","locked": true,"points": 2,"schema_version": 3,"solution": false}`},
		{"a newer version is left alone", map[string]any{"schema_version": 4, "new": true}, `{"new": true,"schema_version": 4}`},
	} {
		nb := book("python", Cell{Type: Code, Metadata: map[string]any{"nbgrader": c.before}})
		Upgrade(nb)
		got := ""
		if raw, ok := nb.Cells[0].Metadata["nbgrader"]; ok {
			e := encoder{}
			e.value(raw, 0)
			got = strings.NewReplacer("\n ", "", "\n", "").Replace(string(e.out))
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}
