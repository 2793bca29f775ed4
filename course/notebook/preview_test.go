package notebook

import (
	"strings"
	"testing"
)

func TestPairsShowWhatTheReleaseChanged(t *testing.T) {
	t.Parallel()
	source := open(t, "squares")
	for _, o := range []Options{{}, {Header: open(t, "header"), Footer: open(t, "footer")}} {
		release, _ := released(t, source, o)
		pairs := Pairs(source, release)
		if len(pairs) != len(release.Cells) {
			t.Fatalf("%d pairs for %d cells", len(pairs), len(release.Cells))
		}
		byID := map[string]Pair{}
		for _, p := range pairs {
			if p.GradeID != "names" && p.Release.ID != "footer01" && (p.Source == nil || p.Source.ID != p.Release.ID) {
				t.Errorf("%s is beside %+v", p.Release.ID, p.Source)
			}
			byID[p.GradeID] = p
		}
		type changes struct{ solution, hidden, scheme, outputs, locked bool }
		for id, want := range map[string]changes{
			"intro": {locked: true}, "squares": {solution: true}, "correct_squares": {hidden: true, locked: true},
			"correct_sum": {hidden: true, locked: true, outputs: true}, "plot": {solution: true, outputs: true},
			"own_data": {scheme: true, locked: true},
		} {
			p := byID[id]
			if got := (changes{p.SolutionReplaced, p.HiddenTestsRemoved, p.MarkSchemeRemoved, p.OutputsCleared, p.Locked}); got != want {
				t.Errorf("%s: %+v, want %+v", id, got, want)
			}
		}
		if got, want := marksOf(byID["squares"].SourceLines), ",,solution,solution,solution,solution,solution"; got != want {
			t.Errorf("source lines of squares: %s, want %s", got, want)
		}
		if got, want := marksOf(byID["squares"].ReleaseLines), ",,solution,solution"; got != want {
			t.Errorf("released lines of squares: %s, want %s", got, want)
		}
		if got, want := marksOf(byID["correct_squares"].SourceLines), ",,,hidden,hidden,hidden"; got != want {
			t.Errorf("source lines of correct_squares: %s, want %s", got, want)
		}
	}
}

func marksOf(lines []PairLine) string {
	var marks []string
	for _, l := range lines {
		marks = append(marks, string(l.Mark))
	}
	return strings.Join(marks, ",")
}
