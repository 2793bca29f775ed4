package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// kind is what can become of an assignment in a student's hands, and what is to
// be made of it.
type kind struct {
	name   string
	count  int
	points [3]float64 // of test-smooth, test-peaks and test-growth
	do     func(*work)

	flags, repairs string // stands in one that staff must see; empty: there may be none

	noWhy, noFigure bool // nothing is there for a person to read: 0 by itself
	sameFigure      bool // what is left of the figure is alike in all of them, or as it was released
	untouched       bool // opened, and left as it was
	never           bool // not even opened
	late            bool // handed in after the due time
	extended        bool // so, too, but with more time
	twice           bool // handed in before, and worked on since
}

// kinds are the class, 220 in all.
func kinds() []kind {
	full := [3]float64{2, 3, 3}
	return []kind{
		{name: "correct", count: 61, points: full},
		{name: "wrong", count: 34, points: [3]float64{0, 1, 0}, do: wrong},
		{name: "right as far as one sees", count: 20, points: [3]float64{0, 2, 0}, do: func(w *work) {
			w.put(head(smoothRight)+"    return np.ones(len(y) - width + 1)",
				head(peaksRight)+"    for i in range(1, len(y) - 1):\n        if y[i - 1] < y[i] > y[i + 1]:\n            return [i]\n    return []",
				head(growthRight)+"    return (1 + rate) ** np.arange(steps + 1)")
			w.again()
		}},
		{name: "partly right", count: 14, points: [3]float64{2, 2, 3}, do: func(w *work) {
			w.put("", head(peaksRight)+"    if len(y) == 0:\n        return None\n"+body(peaksRight), "")
			w.again()
		}},
		{name: "does not parse", count: 8, points: [3]float64{0, 3, 3}, do: func(w *work) {
			w.put("def smooth(y, width)\n    return y", "", "")
			w.again()
		}},
		{name: "ends the kernel", count: 4, points: [3]float64{2, 0, 3}, flags: "Nothing ran after cell", do: after("peaks", "import os\nos._exit(1)")},
		{name: "endless loop", count: 2, points: [3]float64{2, 0, 3}, flags: "was stopped after", do: func(w *work) {
			w.put("", head(peaksRight)+"    while True:\n        pass", "")
			w.again()
		}},
		{name: "memory hog", count: 3, points: [3]float64{2, 3, 0}, flags: "memory limit", do: after("growth", "hoard = []\nwhile True:\n    hoard.append(bytearray(b'x' * (32 << 20)))")},
		{name: "endless output", count: 2, points: [3]float64{2, 0, 3}, flags: "showed more than", do: after("peaks", "for _ in range(200):\n    print('x' * (1 << 20))")},
		{name: "much output", count: 3, points: full, do: after("smooth", "for n in range(20_000):\n    print('line', n)")},
		{name: "tampered", count: 6, points: [3]float64{0, 1, 0}, repairs: "had been changed", do: func(w *work) {
			wrong(w)
			for id, text := range map[string]string{"test-smooth": "assert True", "test-peaks": "100"} {
				w.set(w.first, id, text)
				meta(w.find(w.first, id))["points"] = 100
			}
			w.set(w.other, "test-growth", "pass")
			w.again()
		}},
		{name: "deleted", count: 4, points: [3]float64{2, 0, 3}, repairs: "had been deleted", do: func(w *work) {
			for _, id := range []string{"test-smooth", "peaks"} {
				i := w.index(w.first, id)
				setCells(w.first, slices.Delete(cells(w.first), i, i+1))
			}
			w.again()
		}},
		{name: "duplicated", count: 4, points: full, repairs: "There were 2 cells with this ID", do: func(w *work) {
			i := w.index(w.first, "peaks")
			c := code("copy", peaksRight, cell{"grade_id": "peaks", "solution": true})
			w.set(w.first, "peaks", head(peaksRight)+"    return [0]")
			setCells(w.first, slices.Insert(cells(w.first), i+1, c))
			w.again()
		}},
		{name: "renamed", count: 4, points: full, repairs: "had lost its ID", do: func(w *work) {
			meta(w.find(w.first, "smooth"))["grade_id"] = "my-smooth"
			w.again()
		}},
		{name: "cut off", count: 3, points: full, sameFigure: true, repairs: "The file is damaged", do: func(w *work) {
			text := w.json(w.other)
			w.save(secondName, text[:bytes.LastIndex(text, []byte("plt.plot"))])
		}},
		{name: "no notebook at all", count: 2, points: [3]float64{0, 0, 3}, noWhy: true, repairs: "The file is damaged", do: func(w *work) {
			w.save(firstName, []byte("<<<<<<< HEAD\n{\"cells\": \n=======\n"))
		}},
		{name: "empty file", count: 2, points: [3]float64{0, 0, 3}, noWhy: true, repairs: "The file is damaged", do: func(w *work) { w.save(firstName, nil) }},
		{name: "no cells", count: 2, noWhy: true, sameFigure: true, repairs: "had been deleted", do: func(w *work) {
			setCells(w.first, nil)
			setCells(w.other, nil)
			w.again()
		}},
		{name: "another notebook", count: 4, points: full, flags: "Handed in besides, and not run: scratch.ipynb", do: func(w *work) {
			w.save("scratch.ipynb", w.json(notebookFile([]cell{code("x1", "while True: pass", nil)})))
		}},
		{name: "another name", count: 3, points: [3]float64{2, 3, 0}, noFigure: true, flags: "Handed in besides, and not run: 2-growth (final).ipynb", repairs: "was not handed in", do: func(w *work) {
			if err := os.Rename(filepath.Join(w.dir, secondName), filepath.Join(w.dir, "2-growth (final).ipynb")); err != nil {
				w.t.Error(err)
			}
		}},
		{name: "old metadata", count: 3, points: full, repairs: "metadata of version 1", do: func(w *work) {
			for _, c := range cells(w.first) {
				if m := meta(c); m != nil {
					m["schema_version"] = 1
					delete(m, "task")
				}
			}
			w.again()
		}},
		{name: "every script", count: 5, points: full, do: func(w *work) {
			w.put("größe = 'Ünïcødé 学生 العربية 🎓'\n"+smoothRight+"  # "+"größer", "", "")
			text, _ := w.find(w.first, "why")["source"].(string)
			w.set(w.first, "why", "Größe, 学生, العربية 🎓: "+text)
			w.again()
		}},
		{name: "late", count: 8, points: full, late: true},
		{name: "with more time", count: 2, points: full, extended: true},
		{name: "untouched", count: 7, noWhy: true, untouched: true, sameFigure: true},
		{name: "worked on after handing in", count: 4, points: full, twice: true},
		{name: "never opened", count: 6, never: true},
	}
}

// head is an answer's signature and docstring; body what follows.
func head(answer string) string { return answer[:strings.LastIndex(answer, `"""`)+4] }
func body(answer string) string { return answer[len(head(answer)):] }

func wrong(w *work) {
	w.put(head(smoothRight)+"    return y", head(peaksRight)+"    return []", head(growthRight)+"    return start")
	w.again()
}

// after writes more code below a right answer.
func after(id, more string) func(*work) {
	return func(w *work) {
		for _, nb := range []cell{w.first, w.other} {
			for _, c := range cells(nb) {
				if meta(c)["grade_id"] == id {
					c["source"] = c["source"].(string) + "\n\n" + more
				}
			}
		}
		w.again()
	}
}
