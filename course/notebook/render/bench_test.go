package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"lectern/course/notebook"
)

// classNotebook is what a homework looks like: 40 cells, half text with formulas, half code with outputs. Everything
// but the answers is the same for all students.
func classNotebook(student int) *notebook.Notebook {
	nb := &notebook.Notebook{Nbformat: 4, Minor: 5}
	for i := range 20 {
		nb.Cells = append(nb.Cells, notebook.Cell{Type: notebook.Markdown, Source: fmt.Sprintf(
			"## Question %d\n\nShow that $\\sum_{k=0}^{%d} \\binom{%d}{k} = 2^{%d}$ and that\n\n$$\\int_0^{%d} x^{%d}\\,\\mathrm{d}x "+
				"= \\frac{%d}{%d}.$$\n\nUse **no** loops; see [the notes](https://example.edu/%d).\n\n- first\n- second\n", i, i, i, i, i, i, i, i+1, i)})
		source := strings.Repeat(fmt.Sprintf("def question_%d(xs, *, scale=1.5):\n    \"\"\"Return the scaled sum.\"\"\"\n    "+
			"# keep the order\n    total = sum(x * scale for x in xs if x is not None)\n    return f\"{total:.2f} of {len(xs)}\"\n\n", i), 3)
		if i%4 == 0 {
			source += fmt.Sprintf("answer = question_%d([%d, 2, 3])  # by student %d\n", i, student, student)
		}
		n := i
		nb.Cells = append(nb.Cells, notebook.Cell{Type: notebook.Code, Source: source, ExecutionCount: &n,
			Metadata: map[string]any{"nbgrader": map[string]any{"grade_id": fmt.Sprint("q", i), "solution": true, "schema_version": 3}},
			Outputs:  []notebook.Output{{Type: notebook.Stream, Name: "stdout", Text: fmt.Sprintf("%d rows\n\x1b[32mok\x1b[0m\n", student)}}})
	}
	return nb
}

func BenchmarkNotebookOf40CellsCold(b *testing.B) {
	nb := classNotebook(1)
	r := New()
	// The machine that runs Temml exists once a program; what is measured is a notebook nobody has seen before.
	r.Markdown("$x$")
	for b.Loop() {
		r.cells, r.formulas = newMemo(cellMemory), newMemo(formulaMemory)
		if err := r.Notebook(io.Discard, nb, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNotebookOf40CellsWarm(b *testing.B) {
	nb := classNotebook(1)
	r := New()
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Notebook(io.Discard, nb, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSubmissions renders the two notebooks of one student after another: released cells are remembered, answers
// are new. The figure counts reading the files too.
func BenchmarkSubmissions(b *testing.B) {
	r := New()
	var files [][]byte
	for s := range 200 {
		files = append(files, classNotebook(s).Bytes())
	}
	render := func(file []byte) {
		nb, err := notebook.Parse(file)
		if err != nil {
			b.Fatal(err)
		}
		if err := r.Notebook(io.Discard, nb, Options{}); err != nil {
			b.Fatal(err)
		}
	}
	render(files[0])
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if i == len(files) {
			// Answers of a class that was seen already would come from memory.
			b.StopTimer()
			r.cells = newMemo(cellMemory)
			render(files[0])
			b.StartTimer()
			i = 0
		}
		render(files[i])
		render(files[i+1])
		i += 2
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submissions/s")
}

func BenchmarkPython(b *testing.B) {
	src := strings.Repeat(classNotebook(1).Cells[1].Source, 20)
	var out []byte
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		out = appendPython(out[:0], src)
	}
}

func BenchmarkChroma(b *testing.B) {
	src := classNotebook(1).Cells[1].Source
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		appendChroma(nil, "r", src)
	}
}

func BenchmarkMarkdownCold(b *testing.B) {
	r := New()
	src := strings.ReplaceAll(classNotebook(1).Cells[0].Source, "$", "")
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		r.cells = newMemo(cellMemory)
		r.Markdown(src)
	}
}

func BenchmarkFormulaCold(b *testing.B) {
	ts := newTypesetter()
	ts.mathML("x", false)
	for b.Loop() {
		ts.mathML(`\int_0^{1} x^{n}\,\mathrm{d}x = \frac{1}{n+1} + \sum_{k=0}^{\infty} \binom{n}{k}`, true)
	}
}

func BenchmarkTerminal(b *testing.B) {
	src := strings.Repeat("\x1b[0;31mZeroDivisionError\x1b[0m: division by zero\n", 900)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		appendTerminal(nil, "nb-error", src)
	}
}

func BenchmarkPictureOf100KB(b *testing.B) {
	nb := &notebook.Notebook{Cells: []notebook.Cell{{Type: notebook.Code, Outputs: []notebook.Output{
		{Type: notebook.DisplayData, Data: notebook.Bundle{"image/png": bigPNG()}}}}}}
	r := New()
	var out bytes.Buffer
	b.SetBytes(100 << 10)
	for b.Loop() {
		out.Reset()
		if err := r.Notebook(&out, nb, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
