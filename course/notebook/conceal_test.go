package notebook

import (
	"strings"
	"testing"
)

func TestConcealShowsNothingOfHiddenTests(t *testing.T) {
	t.Parallel()
	const secret = "assert squares(11) == [i * i for i in range(1, 12)]"
	release, man := released(t, open(t, "squares"), Options{})
	built, _ := Rebuild(man.Source, release, solve(release))
	coloured := "\x1b[0;32massert\x1b[0m squares\x1b[0;34m(\x1b[0m11\x1b[0;34m)\x1b[0m == [i * i for i in range(1, 12)]"
	outputs := map[string]Output{
		"correct_squares": {Type: ErrorOutput, Ename: "AssertionError", Evalue: "revealing", Traceback: []string{"revealing"}},
		"squares":         printed("stdout", "cell: "+secret),
		"plot":            {Type: DisplayData, Data: Bundle{"application/json": map[string]any{"a": []any{map[string]any{secret: "x"}}}}},
		"squares_invalid": {Type: ErrorOutput, Ename: "E", Traceback: []string{coloured}},
		"sum_of_squares":  printed("stdout", "fine"),
	}
	for id, o := range outputs {
		cellOf(built, id).Outputs = []Output{o}
	}
	before := string(built.Bytes())
	shown := Conceal(built)
	diffText(t, string(built.Bytes()), before)
	text := squeezed(ansiCodes.ReplaceAllString(string(shown.Bytes()), ""))
	for _, s := range []string{secret, "HIDDEN TESTS", "revealing", "source is named", "MARK SCHEME", "x1b"} {
		if strings.Contains(text, squeezed(s)) {
			t.Errorf("%q shows", s)
		}
	}
	if got := cellOf(shown, "correct_squares").Outputs[0]; got.Ename != "AssertionError" || len(got.Traceback) != 1 {
		t.Errorf("the failed test shows %+v", got)
	}
	if got := cellOf(shown, "sum_of_squares").Outputs[0].Text; got != "fine" {
		t.Errorf("a harmless output became %q", got)
	}
	for id, answer := range solved {
		if got := cellOf(shown, id).Source; got != answer {
			t.Errorf("answer %s became %q", id, got)
		}
	}
}

func BenchmarkRebuildOfAHugeSubmission(b *testing.B) {
	release, man := released(b, open(b, "squares"), Options{})
	student := &Notebook{Nbformat: 4, Minor: 5}
	for i := range 5000 {
		c := release.Cells[i%len(release.Cells)].Clone()
		c.Metadata, c.ID = map[string]any{}, ""
		c.Source += strings.Repeat("\nx = 1\ny", 50)
		student.Cells = append(student.Cells, c)
	}
	b.ResetTimer()
	for b.Loop() {
		Rebuild(man.Source, release, student)
	}
}
