package grading_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lectern/course/notebook"
	"lectern/grading"
)

// verdict is what grading a notebook of the red team must come to.
type verdict struct {
	Marks   map[string]float64 `json:"marks"`
	Flags   []string           `json:"flags"`
	Reasons map[string]string  `json:"reasons"`
	Repairs []string           `json:"repairs"`
	Shows   []string           `json:"shows"`
}

// redLimits are short, so that what never ends does so soon.
var redLimits = grading.Limits{Cell: 4 * time.Second, Notebook: 25 * time.Second, Memory: 384 << 20, PIDs: 64, Disk: 32 << 20, Output: 16 << 20}

func redTeam(t *testing.T) *grading.Assignment {
	return assignment(t, "testdata/redteam/source", redLimits)
}

// Every attack is tried in a real sealed container, several at a time, so that
// one could disturb another.
func TestRedTeam(t *testing.T) {
	t.Parallel()
	runner, a := newRunner(t), redTeam(t)
	names, err := filepath.Glob("testdata/redteam/*.ipynb")
	if err != nil || len(names) < 30 {
		t.Fatalf("%d notebooks, %v; want them all", len(names), err)
	}
	for _, name := range names {
		base := strings.TrimSuffix(name, ".ipynb")
		t.Run(filepath.Base(base), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(name)
			ok(t, err)
			var want verdict
			text, err := os.ReadFile(base + ".json")
			ok(t, err)
			ok(t, json.Unmarshal(text, &want))
			files := []grading.File{memory("p1.ipynb", data)}
			if _, err := os.Stat(base); err == nil {
				files = append(files, filesIn(t, base)...)
			}
			judgeRed(t, runner, a, files, want)
		})
	}
}

// What is too large to keep in the repository.
func TestRedTeamLargeNotebooks(t *testing.T) {
	t.Parallel()
	runner, a := newRunner(t), redTeam(t)
	right, err := os.ReadFile("testdata/redteam/01-correct.ipynb")
	ok(t, err)
	nb, err := notebook.Parse(right)
	ok(t, err)

	many := nb.Clone()
	for i := range 5000 {
		many.Cells = append(many.Cells, notebook.Cell{Type: notebook.Code, ID: fmt.Sprintf("x%d", i), Source: "1", Metadata: map[string]any{}})
	}
	full := map[string]float64{"t1": 2, "t2": 4, "t3": 1}
	judgeRed(t, runner, a, []grading.File{memory("p1.ipynb", many.Bytes())}, verdict{Marks: full})

	none := map[string]float64{"t1": 0, "t2": 0, "t3": 0}
	huge := append(bytes.TrimSuffix(bytes.TrimSpace(right), []byte("}")), []byte(`, "x": "`)...)
	huge = append(huge, bytes.Repeat([]byte("x"), 300<<20)...)
	judgeRed(t, runner, a, []grading.File{memory("p1.ipynb", append(huge, `"}`...))}, verdict{Marks: none, Repairs: []string{"larger than"}})

	deep := append(bytes.TrimSuffix(bytes.TrimSpace(right), []byte("}")), []byte(`, "x": `)...)
	deep = append(deep, bytes.Repeat([]byte("["), 1<<20)...)
	began := time.Now()
	g, err := runner.Autograde(t.Context(), a, []grading.File{memory("p1.ipynb", deep)})
	if err != nil || time.Since(began) > 20*time.Second {
		t.Errorf("deep JSON: %v after %v; want a result soon", err, time.Since(began))
	} else if len(g.Notebooks[0].Repairs) == 0 {
		t.Error("deep JSON: want a repair that tells of it")
	}
}

// A submission that is graded again, even while others do their worst, comes to
// the same.
func TestRedTeamRegradeIsEqual(t *testing.T) {
	t.Parallel()
	runner, a := newRunner(t), redTeam(t)
	data, err := os.ReadFile("testdata/redteam/30-randomness.ipynb")
	ok(t, err)
	var was string
	for i := range 3 {
		g, err := runner.Autograde(t.Context(), a, []grading.File{memory("p1.ipynb", data)})
		ok(t, err)
		text, err := json.Marshal(g.Notebooks[0].Marks)
		ok(t, err)
		if i > 0 && string(text) != was {
			t.Errorf("graded again: %s, before: %s", text, was)
		}
		was = string(text)
	}
}

func judgeRed(t *testing.T, runner *grading.Runner, a *grading.Assignment, files []grading.File, want verdict) {
	t.Helper()
	began := time.Now()
	g, err := runner.Autograde(t.Context(), a, files)
	if err != nil {
		t.Fatalf("Autograde: %v; whatever a submission does is no error", err)
	}
	if took := time.Since(began); took > redLimits.Notebook+10*time.Second {
		t.Errorf("took %v", took)
	}
	nb := g.Notebooks[0]
	var flags []string
	flags = append(flags, nb.Flags...)
	for _, m := range nb.Marks {
		flags = append(flags, m.Flags...)
		points, asked := want.Marks[m.GradeID]
		if asked && (m.Points == nil || *m.Points != points) {
			t.Errorf("%s = %v, want %v (%s)\nflags: %q\n%s", m.GradeID, show(m.Points), points, m.Reason, m.Flags, outputsOf(nb.Notebook))
		}
		if r := want.Reasons[m.GradeID]; !strings.Contains(m.Reason, r) {
			t.Errorf("%s: reason %q, want %q in it", m.GradeID, m.Reason, r)
		}
		if m.GradeID == "essay" && !m.NoResponse {
			t.Error("the essay was not answered")
		}
	}
	if len(nb.Marks) != 6 {
		t.Errorf("%d marks, want one of each answer and question: %+v", len(nb.Marks), nb.Marks)
	}
	for _, f := range want.Flags {
		if !strings.Contains(strings.Join(flags, "\n"), f) {
			t.Errorf("no flag has %q:\n%s", f, strings.Join(flags, "\n"))
		}
	}
	var repairs strings.Builder
	for _, r := range nb.Repairs {
		fmt.Fprintln(&repairs, r.GradeID, r.Text)
	}
	for _, r := range want.Repairs {
		if !strings.Contains(repairs.String(), r) {
			t.Errorf("no repair has %q:\n%s", r, repairs.String())
		}
	}
	outputs := outputsOf(nb.Notebook)
	for _, s := range want.Shows {
		if !strings.Contains(outputs, s) {
			t.Errorf("no output has %q:\n%s", s, outputs)
		}
	}
	for _, never := range []string{"REACHED", "CAN READ"} {
		if strings.Contains(outputs, never) {
			t.Errorf("an output has %q:\n%s", never, outputs)
		}
	}
	// The staff's copy has the hidden tests, the student's nothing of them.
	if whole := string(nb.Notebook.Bytes()); !strings.Contains(whole, "canary-7f3a91") || !strings.Contains(whole, "canary-c05d2e") {
		t.Error("the graded notebook lacks the hidden tests")
	}
	seen := string(grading.ForStudent(nb.Notebook).Bytes())
	for _, secret := range []string{"canary-7f3a91", "canary-c05d2e", "square(12)", "mean([10, 20])", "HIDDEN TESTS\\n"} {
		if strings.Contains(seen, secret) {
			t.Errorf("the student is shown %q:\n%s", secret, around(seen, secret))
		}
	}
}

func show(p *float64) string {
	if p == nil {
		return "a person's"
	}
	return fmt.Sprint(*p)
}

func around(text, what string) string {
	i := strings.Index(text, what)
	return text[max(0, i-300):min(len(text), i+300)]
}

func outputsOf(nb *notebook.Notebook) string {
	var b strings.Builder
	for i, c := range nb.Cells {
		for _, o := range c.Outputs {
			text, _ := o.Data.Text("text/plain")
			out := o.Text + text + o.Ename + " " + o.Evalue
			fmt.Fprintf(&b, "[%d %s] %s\n", i, o.Type, out[:min(len(out), 2000)])
		}
	}
	return b.String()
}
