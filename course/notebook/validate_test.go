package notebook

import (
	"slices"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	release, _ := released(t, open(t, "squares"), Options{})
	solved := solve(release)
	failing := solved.Clone()
	cellOf(failing, "correct_squares").Outputs = []Output{{Type: ErrorOutput, Ename: "AssertionError", Traceback: []string{"\x1b[0;31mAssertionError\x1b[0m", "line 2"}}}
	cellOf(failing, "correct_sum").Outputs = []Output{result("1.0")}
	untouched := solved.Clone()
	cellOf(untouched, "essay").Source = "YOUR ANSWER HERE"
	changed := failing.Clone()
	cellOf(changed, "correct_squares").Source = "pass"
	cellOf(changed, "intro").Source = "Hello"
	retyped := changed.Clone()
	cellOf(retyped, "correct_sum").Type = Markdown
	empty := failing.Clone()
	for i := range empty.Cells {
		if empty.Cells[i].Kind() == KindTests {
			empty.Cells[i].Outputs = []Output{raised("E")}
		}
	}
	for _, c := range []struct {
		name    string
		nb      *Notebook
		options ValidateOptions
		outcome Outcome
		text    string
		cells   []string // grade_id: text
	}{
		{"all right", solved, ValidateOptions{}, Succeeded, "Success! Your notebook passes all the tests.", nil},
		{"failing", failing, ValidateOptions{}, Failed, "VALIDATION FAILED ON 2 CELL(S)! If you submit your assignment as it is, you WILL NOT receive full credit.",
			[]string{"correct_squares: AssertionError\nline 2", "correct_sum: Partial credit; passed some but not all of the tests"}},
		{"no response", untouched, ValidateOptions{}, Failed, "VALIDATION FAILED ON 1 CELL(S)!", []string{"essay: You did not provide a response."}},
		{"no response, checksums ignored", untouched, ValidateOptions{IgnoreChecksums: true}, Succeeded, "Success! Your", nil},
		{"changed", changed, ValidateOptions{}, Changed, "THE CONTENTS OF 2 TEST CELL(S) HAVE CHANGED! This might mean that even though the tests are passing now, they won't pass when your assignment is graded.",
			[]string{"intro: ", "correct_squares: "}},
		{"changed, checksums ignored", changed, ValidateOptions{IgnoreChecksums: true}, Failed, "VALIDATION FAILED ON 2", []string{"correct_squares: AssertionError\nline 2", "correct_sum: Partial credit; passed some but not all of the tests"}},
		{"retyped", retyped, ValidateOptions{}, TypeChanged, "THE TYPES OF 1 CELL(S) HAVE CHANGED!", []string{"correct_sum: "}},
		{"inverted", failing, ValidateOptions{Invert: true}, Passed, "NOTEBOOK PASSED ON 2 CELL(S)!", []string{"squares_invalid: ", "all_hidden: "}},
		{"inverted, none", empty, ValidateOptions{Invert: true}, Succeeded, "Success! The notebook does not pass any tests.", nil},
	} {
		v := Validate(c.nb, nil, c.options)
		var cells []string
		for _, vc := range v.Cells {
			cells = append(cells, vc.GradeID+": "+vc.Text)
		}
		if v.Outcome != c.outcome || !strings.HasPrefix(v.Text, c.text) || !slices.Equal(cells, c.cells) {
			t.Errorf("%s: %s %q %q\nwant %s %q %q", c.name, v.Outcome, v.Text, cells, c.outcome, c.text, c.cells)
		}
	}
	if v := Validate(solved, make([]Run, len(solved.Cells)), ValidateOptions{}); v.Outcome != Failed || len(v.Cells) != 4 {
		t.Errorf("tests that were not run: %+v", v)
	}
	for l := range strings.SplitSeq(Validate(failing, nil, ValidateOptions{}).String(), "\n") {
		if len(l) > 90 && !strings.HasPrefix(l, "    ") {
			t.Errorf("%q is longer than 90 columns", l)
		}
	}
}
