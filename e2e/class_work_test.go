package e2e_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pupil is one of the class: what they will do, and what it has to come to. The
// marks follow from what is written here, never from what Lectern answers.
type pupil struct {
	login, name, section string
	kind                 kind
	why, figure          int // which of the class's answers they give
}

// auto is what the tests must give; hand what a person gives, without a question
// that Lectern has to mark with 0 by itself.
func (p pupil) auto() map[question]float64 {
	return map[question]float64{smoothQ: p.kind.points[0], peaksQ: p.kind.points[1], growthQ: p.kind.points[2]}
}

func (p pupil) hand() map[question]float64 {
	out := map[question]float64{}
	if p.kind.never {
		return out
	}
	if !p.kind.noWhy {
		out[whyQ] = whyPoints(p.why)
	}
	if !p.kind.noFigure {
		out[figureQ] = figurePoints(p.figure)
	}
	return out
}

// earned is the sum before lateness; lost what that takes off.
func (p pupil) earned() (sum float64) {
	if p.kind.never {
		return 0
	}
	for _, marks := range []map[question]float64{p.auto(), p.hand()} {
		for _, v := range marks {
			sum += v
		}
	}
	return sum
}

func (p pupil) lost() float64 {
	if !p.kind.late {
		return 0
	}
	return math.RoundToEven(p.earned()*10) / 100 // a tenth, to the hundredth
}

// The rubric of the question in words, and which of its items each answer earns:
// the bits of its number.
var whyRubric = []struct {
	text   string
	points float64
}{{"Names the mean over the window", 2}, {"Says what becomes of the peak", 1}, {"Gives an example", 1}}

const whyAnswers, figureAnswers = 20, 21

func whyPoints(n int) (sum float64) {
	for i, item := range whyRubric {
		if n>>i&1 == 1 {
			sum += item.points
		}
	}
	return sum
}

func figurePoints(n int) float64 { return float64(n%7) / 2 }

// remarked reports whether the figure's mark comes with a comment.
func remarked(n int) bool { return n%3 == 1 }

const remark = "Label the **axes**."

func whyText(n int) string {
	parts := []string{fmt.Sprintf("Answer of the %d. kind.", n)}
	for i, text := range []string{"The window takes the mean.", "So a narrow peak is spread over it, $h \\to h/w$.", "For example `[0, 9, 0]` becomes `[3]`."} {
		if n>>i&1 == 1 {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, " ")
}

func figureText(n int) string {
	return fmt.Sprintf("for rate in (0.1, 0.2, 0.3):\n    plt.plot(growth(1, rate, %d), label=str(rate))\nplt.legend();", 10+n)
}

// classOf is the class, or one in so many of each kind and at least one: how many
// there are is fixed, who is of which kind follows from the seed. Somebody of each
// kind has a remark at the figure, if there can be one.
func classOf(seed uint64, part int) (all []pupil) {
	r := rand.New(rand.NewPCG(seed, 220))
	for _, k := range kinds() {
		for n := range (k.count + part - 1) / part {
			p := pupil{kind: k, why: r.IntN(whyAnswers), figure: r.IntN(figureAnswers)}
			switch {
			case k.sameFigure:
				p.figure = 0
			case n == 0:
				p.figure = 1
			}
			all = append(all, p)
		}
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i := range all {
		p := &all[i]
		p.login, p.name, p.section = fmt.Sprintf("student%d", i+1), fmt.Sprintf("Demo Student %d", i+1), string(rune('A'+i%4))
		if i%20 == 19 {
			p.name = fmt.Sprintf("Démo-Ştudent 学生 %d", i+1)
		}
	}
	return all
}

// roster is the class as a spreadsheet writes it.
func roster(all []pupil) string {
	text := "\ufefflogin;name;email;section;role\r\n"
	for _, p := range all {
		text += fmt.Sprintf("%s;%s;%s@demo.example;%s;student\r\n", p.login, p.name, p.login, p.section)
	}
	return text
}

// work is a working copy while its student changes it.
type work struct {
	t     testing.TB
	dir   string
	pupil pupil
	first cell // the notebooks as they were given out
	other cell
}

// openWork reads the working copy that was laid out for somebody.
func openWork(t testing.TB, dir string, p pupil) *work {
	w := &work{t: t, dir: dir, pupil: p}
	for name, nb := range map[string]*cell{firstName: &w.first, secondName: &w.other} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = json.Unmarshal(text, nb)
		}
		if err != nil {
			t.Error(err)
		}
	}
	return w
}

// do is everything the student does, up to the last save.
func (w *work) do() {
	if w.pupil.kind.untouched {
		return
	}
	w.put(smoothRight, peaksRight, growthRight)
	w.set(w.first, "why", whyText(w.pupil.why))
	plain := cells(w.other)[len(cells(w.other))-1]
	plain["source"] = figureText(w.pupil.figure)
	plain["outputs"], plain["execution_count"] = []any{cell{"output_type": "stream", "name": "stdout", "text": "saved by Jupyter\n"}}, 7
	w.save(firstName, w.json(w.first))
	w.save(secondName, w.json(w.other))
	if w.pupil.kind.do != nil {
		w.pupil.kind.do(w)
	}
}

// put answers the three questions with code; "" leaves one as it is.
func (w *work) put(smooth, peaks, growth string) {
	for id, text := range map[string]string{"smooth": smooth, "peaks": peaks} {
		w.set(w.first, id, text)
	}
	w.set(w.other, "growth", growth)
}

// again saves both notebooks after a change to them.
func (w *work) again() {
	w.save(firstName, w.json(w.first))
	w.save(secondName, w.json(w.other))
}

func (w *work) set(nb cell, id, text string) {
	if text != "" {
		w.find(nb, id)["source"] = text
	}
}

func cells(nb cell) (out []cell) {
	list, _ := nb["cells"].([]any)
	for _, c := range list {
		out = append(out, c.(cell))
	}
	return out
}

func setCells(nb cell, list []cell) {
	out := make([]any, len(list))
	for i, c := range list {
		out[i] = c
	}
	nb["cells"] = out
}

// meta is nbgrader's part of a cell, nil without one.
func meta(c cell) cell {
	m, _ := c["metadata"].(cell)
	role, _ := m["nbgrader"].(cell)
	return role
}

func (w *work) find(nb cell, id string) cell {
	i := w.index(nb, id)
	return cells(nb)[i]
}

func (w *work) index(nb cell, id string) int {
	i := slices.IndexFunc(cells(nb), func(c cell) bool { return meta(c)["grade_id"] == id })
	if i < 0 {
		w.t.Errorf("%s was given out without the cell %s", w.pupil.login, id)
		return 0
	}
	return i
}

func (w *work) json(nb cell) []byte {
	text, err := json.MarshalIndent(nb, "", " ")
	if err != nil {
		w.t.Error(err)
	}
	return append(text, '\n')
}

// save writes a file as the workspace's container does, as user 1000.
func (w *work) save(name string, text []byte) {
	path := filepath.Join(w.dir, name)
	err := os.WriteFile(path, text, 0o644)
	if err == nil {
		err = os.Chown(path, 1000, 100)
	}
	if err != nil {
		w.t.Error(err)
	}
}
