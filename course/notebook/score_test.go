package notebook

import (
	"fmt"
	"strings"
	"testing"
)

func result(text string) Output {
	return Output{Type: ExecuteResult, Data: Bundle{"text/plain": text}}
}

func printed(name, text string) Output { return Output{Type: Stream, Name: name, Text: text} }

func raised(name string) Output { return Output{Type: ErrorOutput, Ename: name} }

func shown(points *float64) string {
	if points == nil {
		return "none"
	}
	return pyRepr(*points)
}

// Points are out of 2. Where upstream fails the whole submission, exact is "abort".
func TestScoreOfTestCells(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		outputs []Output
		ours    string
		exact   string
		flagged bool
	}{
		{"assert True: no output", nil, "2.0", "2.0", false},
		{"print(0.5)", []Output{printed("stdout", "0.5\n")}, "2.0", "2.0", false},
		{"display(0.5)", []Output{{Type: DisplayData, Data: Bundle{"text/plain": "0.5"}}}, "2.0", "2.0", false},
		{"assert False", []Output{raised("AssertionError")}, "0.0", "0.0", false},
		{"sys.exit(0)", []Output{raised("SystemExit")}, "0.0", "0.0", false},
		{"prints, then fails", []Output{printed("stdout", "x"), raised("E")}, "0.0", "0.0", false},
		{"0.5", []Output{result("0.5")}, "0.5", "0.5", false},
		{"1", []Output{result("1")}, "1.0", "1.0", false},
		{"0", []Output{result("0")}, "0.0", "0.0", false},
		{"2", []Output{result("2")}, "2.0", "2.0", false},
		{"1_0/10", []Output{result("1.0")}, "1.0", "1.0", false},
		{"an underscore", []Output{result("0.2_5")}, "0.25", "0.25", false},
		{"1e-1", []Output{result("1e-1")}, "0.1", "0.1", false},
		{"white space", []Output{result(" 1.5\n")}, "1.5", "1.5", false},
		{"-1", []Output{result("-1")}, "2.0", "2.0", true},
		{"nan", []Output{result("nan")}, "2.0", "2.0", true},
		{"-nan", []Output{result("-nan")}, "2.0", "2.0", true},
		{"-inf", []Output{result("-inf")}, "2.0", "2.0", true},
		{"2.5", []Output{result("2.5")}, "2.0", "abort", true},
		{"inf", []Output{result("inf")}, "2.0", "abort", true},
		{"1e999", []Output{result("1e999")}, "2.0", "abort", true},
		{"'0.5'", []Output{result("'0.5'")}, "2.0", "2.0", true},
		{"True", []Output{result("True")}, "2.0", "2.0", true},
		{"[0.5]", []Output{result("[0.5]")}, "2.0", "2.0", true},
		{"two lines", []Output{result("0.5\n0.6")}, "2.0", "2.0", true},
		{"0x1", []Output{result("0x1")}, "2.0", "2.0", true},
		{"1__0", []Output{result("1__0")}, "2.0", "2.0", true},
		{"+-inf", []Output{result("+-inf")}, "2.0", "2.0", true},
		{"np.float64(0.5)", []Output{result("np.float64(0.5)")}, "0.5", "2.0", false},
		{"np.int64(1)", []Output{result("np.int64(1)")}, "1.0", "2.0", false},
		{"np.float32(2.5)", []Output{result("np.float32(2.5)")}, "2.0", "2.0", true},
		{"np.float64(nan)", []Output{result("np.float64(nan)")}, "2.0", "2.0", true},
		{"Decimal", []Output{result("Decimal('0.5')")}, "0.5", "2.0", false},
		{"R's number", []Output{result("[1] 0.5")}, "0.5", "2.0", false},
		{"an object with HTML", []Output{{Type: ExecuteResult, Data: Bundle{"text/html": "<b>", "text/plain": "<obj>"}}}, "2.0", "2.0", true},
		{"a result without text", []Output{{Type: ExecuteResult, Data: Bundle{"text/html": "<b>"}}}, "2.0", "abort", true},
		{"the first result counts", []Output{result("0.5"), result("1")}, "0.5", "0.5", false},
		{"stderr", []Output{printed("stderr", "DeprecationWarning")}, "2.0", "0.0", false},
		{"stderr, then 0.5", []Output{printed("stderr", "x"), result("0.5")}, "0.5", "0.0", false},
		{"0.5, then stderr", []Output{result("0.5"), printed("stderr", "x")}, "0.5", "0.5", false},
		{"2, then an error", []Output{result("2"), raised("E")}, "0.0", "2.0", false},
	} {
		cell := nbcell(Code, KindTests, "t", "test")
		cell.Outputs = c.outputs
		got := Score(&cell, "test", Run{Executed: true}, Rules{})
		if shown(got.Points) != c.ours || got.Max != 2 || got.NeedsPerson || len(got.Flags) > 0 != c.flagged {
			t.Errorf("%s: %s points, %+v; want %s, flagged %v", c.name, shown(got.Points), got, c.ours, c.flagged)
		}
		if (*got.Points < 2) != (got.Reason != "") {
			t.Errorf("%s: %s points with reason %q", c.name, shown(got.Points), got.Reason)
		}
		exact := Score(&cell, "test", Run{Executed: true}, Rules{Exact: true})
		points := shown(exact.Points)
		if exact.Abort != "" {
			points = "abort"
		}
		if points != c.exact {
			t.Errorf("%s, exactly as nbgrader: %s, want %s", c.name, points, c.exact)
		}
	}
}

func TestScoreOfTestsThatDidNotRunWell(t *testing.T) {
	t.Parallel()
	full := nbcell(Code, KindTests, "t", "test")
	full.Outputs = []Output{result("2")}
	silent := nbcell(Code, KindTests, "t", "test")
	loud := nbcell(Code, KindTests, "t", "test")
	loud.Outputs = []Output{printed("stderr", "x")}
	for _, c := range []struct {
		name   string
		cell   Cell
		run    Run
		rules  Rules
		points string
		reason string
	}{
		{"not executed", full, Run{}, Rules{}, "0.0", "The test was not run."},
		{"not executed, under nbgrader's rules", silent, Run{}, Rules{Exact: true}, "0.0", "The test was not run."},
		{"dead kernel", silent, Run{Reason: "the kernel had died"}, Rules{}, "0.0", "The test was not run: the kernel had died."},
		{"a swallowed error", silent, Run{Executed: true, Failed: true}, Rules{}, "0.0", "suppressed"},
		{"a swallowed error after a result", full, Run{Executed: true, Failed: true}, Rules{}, "0.0", "suppressed"},
		{"stderr where it fails", loud, Run{Executed: true}, Rules{StderrFails: true}, "0.0", "error stream"},
	} {
		got := Score(&c.cell, "test", c.run, c.rules)
		if shown(got.Points) != c.points || !strings.Contains(got.Reason, c.reason) || got.NeedsPerson {
			t.Errorf("%s: %s points because %q, want %s because %q", c.name, shown(got.Points), got.Reason, c.points, c.reason)
		}
	}
}

func TestScoreOfAnswersAndTasks(t *testing.T) {
	t.Parallel()
	const stub = "YOUR ANSWER HERE"
	for _, c := range []struct {
		kind       Kind
		text       string
		ours       string // points, person, no response
		exact      string
		releasedAs string
	}{
		{KindManual, stub, "0.0 false true", "0.0 false true", stub},
		{KindManual, stub + " \n", "0.0 false true", "none true false", stub},
		{KindManual, "YOUR\nANSWER HERE", "0.0 false true", "none true false", stub},
		{KindManual, "", "0.0 false true", "none true false", stub},
		{KindManual, " \n\t", "0.0 false true", "none true false", stub},
		{KindManual, "Because.", "none true false", "none true false", stub},
		{KindAnswer, stub, "none false true", "none false true", stub},
		{KindAnswer, "x = 1", "none false false", "none false false", stub},
		{KindTask, "Do it.", "none true false", "none true false", "Do it."},
		{KindReadOnly, "Read.", "none false false", "none false false", "Read."},
	} {
		kindType := Markdown
		if c.kind == KindAnswer {
			kindType = Code
		}
		cell := nbcell(kindType, c.kind, "m", c.releasedAs)
		cell.set(map[string]any{"checksum": Checksum(&cell)})
		cell.Source = c.text
		for _, exact := range []bool{false, true} {
			want := c.ours
			if exact {
				want = c.exact
			}
			m := Score(&cell, c.releasedAs, Run{Executed: true}, Rules{Exact: exact})
			if got := fmt.Sprint(shown(m.Points), " ", m.NeedsPerson, " ", m.NoResponse); got != want {
				t.Errorf("%s %q, exact %v: %s, want %s", c.kind, c.text, exact, got, want)
			}
		}
	}
}
