package grading

import (
	"slices"
	"testing"

	"lectern/course/notebook"
)

// Tests beside it score an answer, so there is no result of its own to keep what
// looked odd in it.
func TestFlagsOfAnAnswerReachTheGrader(t *testing.T) {
	t.Parallel()
	g := &Graded{Notebooks: []GradedNotebook{{Path: "p1.ipynb", Notebook: &notebook.Notebook{}, Marks: []notebook.Mark{
		{GradeID: "answer", Kind: notebook.KindAnswer, Flags: []string{"reaches for gc"}},
		{GradeID: "why", Kind: notebook.KindManual, Flags: []string{"reaches for ctypes"}},
	}}}}
	f := g.found()
	if want := []string{"answer: reaches for gc"}; !slices.Equal(f.Flags, want) {
		t.Errorf("the run's flags are %q, want %q", f.Flags, want)
	}
	if len(f.Results) != 1 || !slices.Equal(f.Results[0].Flags, []string{"reaches for ctypes"}) {
		t.Errorf("the results are %+v, want one, with its own flag", f.Results)
	}
}
