package exchange_test

import (
	"bytes"
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"lectern/course"
	"lectern/exchange"
)

// wanted knows student1 and student2, of whom only student1 submitted ps1.
func wanted(login, assignment string) error {
	switch {
	case login != "student1" && login != "student2":
		return course.Problemf(course.NotFound, "%s is not on the roster.", login)
	case assignment != "ps1":
		return course.Problemf(course.NotFound, "There is no assignment %s.", assignment)
	case login == "student2":
		return course.Problemf(course.NotFound, "%s has not submitted %s.", login, assignment)
	}
	return nil
}

func uploadFeedback(t *testing.T, x *exchange.Exchange, pairs ...string) (exchange.FeedbackReport, error) {
	t.Helper()
	return x.UploadFeedback(context.Background(), "c1", "feedback.zip", bytes.NewReader(zipOf(t, pairs...)), wanted)
}

func TestFeedbackIsStagedReturnedAndWithdrawn(t *testing.T) {
	t.Parallel()
	ctx, x := context.Background(), open(t, t.TempDir())
	m, err := x.Home("c1", "student1")
	if err != nil {
		t.Fatal(err)
	}
	mount, err := os.Stat(m.Feedback)
	if err != nil || mount.Mode().Perm() != 0o755 {
		t.Fatalf("feedback mount: %v, %v", mount, err)
	}
	if err := x.Return(ctx, theWork); !course.IsKind(err, course.NotFound) {
		t.Errorf("Return of nothing = %v", err)
	}
	if err := x.Withdraw(ctx, theWork); err != nil {
		t.Errorf("Withdraw of nothing = %v", err)
	}
	report, err := uploadFeedback(t, x,
		"all/feedback/student1/ps1/ps1.html", "<p>good", "all/feedback/student1/ps1/timestamp.txt", "1999",
		"all/autograded/student1/ps1/sub/ps1.ipynb", notebook,
		"all/feedback/student2/ps1/ps1.html", "", "all/feedback/nobody/ps1/ps1.html", "", "all/feedback/student1/ps9/a", "",
		"all/feedback/..x/ps1/a", "", "all/readme.txt", "", "submitted/student1/ps1/a", "")
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Staged) != 1 || !slices.Equal(report.Staged[0].Files, []string{"ps1.html", "sub/ps1.ipynb"}) {
		t.Errorf("staged = %+v", report.Staged)
	}
	var why []string
	for _, r := range report.Refused {
		why = append(why, r.Login+": "+r.Why)
	}
	want := []string{"..x: ..x is not on the roster.", "nobody: nobody is not on the roster.", "student1: There is no assignment ps9.", "student2: student2 has not submitted ps1."}
	if !slices.Equal(why, want) || !slices.Equal(report.Stray, []string{"all/readme.txt", "submitted/student1/ps1/a"}) {
		t.Errorf("refused = %q, stray = %q", why, report.Stray)
	}
	shown, staged := must(x.Layout.Feedback("c1", "student1", "ps1")), must(x.Layout.StagedFeedback("c1", "student1", "ps1"))
	files := map[string]string{"ps1.html": "<p>good", "sub/ps1.ipynb": notebook}
	if got := contents(t, shown); len(got) > 0 {
		t.Errorf("a student could see %v before it was returned", got)
	}
	for range 2 {
		if err := x.Return(ctx, theWork); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, shown); !maps.Equal(got, files) {
			t.Errorf("returned = %v, want %v", got, files)
		}
	}
	if _, err := uploadFeedback(t, x, "feedback/student1/ps1/ps1.html", "better"); err != nil {
		t.Fatal(err)
	}
	if err := x.Return(ctx, theWork); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, shown); !maps.Equal(got, map[string]string{"ps1.html": "better"}) {
		t.Errorf("returned again = %v", got)
	}
	for range 2 {
		if err := x.Withdraw(ctx, theWork); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := contents(t, shown), contents(t, staged); len(a) > 0 || b["ps1.html"] != "better" {
		t.Errorf("after withdrawal shown = %v, staged = %v", a, b)
	}
	if now, err := os.Stat(m.Feedback); err != nil || !os.SameFile(now, mount) {
		t.Errorf("the mounted directory was replaced: a running container would not see new feedback")
	}
	noStages(t, x)
}

func TestNewerFeedbackSurvivesAWithdrawal(t *testing.T) {
	t.Parallel()
	ctx, x := context.Background(), open(t, t.TempDir())
	put(t, must(x.Layout.Feedback("c1", "student1", "ps1")), older)
	put(t, must(x.Layout.StagedFeedback("c1", "student1", "ps1")), newer)
	if err := x.Withdraw(ctx, theWork); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, must(x.Layout.StagedFeedback("c1", "student1", "ps1"))); !maps.Equal(got, newer) {
		t.Errorf("staged = %v, want the newer", got)
	}
	if got := contents(t, must(x.Layout.Feedback("c1", "student1", "ps1"))); len(got) > 0 {
		t.Errorf("shown = %v", got)
	}
	noStages(t, x)
}

func TestAHostileFeedbackZipStagesNothing(t *testing.T) {
	t.Parallel()
	x := open(t, t.TempDir())
	for name, pairs := range map[string][]string{
		"leads out":  {"feedback/student1/ps1/a", "", "feedback/student1/ps1/../../../../x", ""},
		"duplicates": {"feedback/student1/ps1/a", "", "feedback/student1/ps1/A", ""},
		"bomb":       {"feedback/student1/ps1/a", "", "feedback/student1/ps1/b", strings.Repeat("\x00", 20<<20)},
	} {
		report, err := uploadFeedback(t, x, pairs...)
		if _, problem := course.AsProblem(err); !problem || len(report.Staged) > 0 {
			t.Errorf("%s: %+v, %v; want a problem", name, report, err)
		}
		if got := contents(t, must(x.Layout.StagedFeedback("c1", "student1", "ps1"))); len(got) > 0 {
			t.Errorf("%s: staged = %v", name, got)
		}
	}
	if _, err := x.UploadFeedback(context.Background(), "c1", "z.zip", strings.NewReader("no zip"), wanted); !course.IsKind(err, course.Invalid) {
		t.Errorf("no zip: %v", err)
	}
	noStages(t, x)
}
