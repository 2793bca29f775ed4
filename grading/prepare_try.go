package grading

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"lectern/course/notebook"
	"lectern/store"
)

// Trial is how the solution and the untouched release of one version of an
// assignment fared when they were graded like a student's work.
type Trial struct {
	Version   int             `json:"version"` // of the source
	Image     string          `json:"image"`   // the id of the image it ran in
	At        time.Time       `json:"at"`
	Solution  bool            `json:"solution"`  // the solution has run
	Untouched bool            `json:"untouched"` // the release has run
	Questions []TrialQuestion `json:"questions"`
	Notes     []string        `json:"notes"` // about running the solution as a whole: a dead kernel, a time limit
}

// TrialQuestion is one question in both.
type TrialQuestion struct {
	Notebook  string   `json:"notebook"`
	Question  string   `json:"question"`
	Max       float64  `json:"max"`
	ByHand    bool     `json:"by_hand"`  // a person marks it
	Solution  *float64 `json:"solution"` // points; nil: not run yet, or a person marks it
	Why       string   `json:"why"`      // fewer than all points
	Output    string   `json:"output"`   // what the tests showed then
	Untouched *float64 `json:"untouched"`
}

// Short are the questions whose tests the solution does not pass in full.
func (t Trial) Short() (n int) {
	for _, q := range t.Questions {
		if q.Solution != nil && *q.Solution < q.Max {
			n++
		}
	}
	return n
}

// Free are the questions that give points for nothing.
func (t Trial) Free() (n int) {
	for _, q := range t.Questions {
		if q.Untouched != nil && *q.Untouched > 0 {
			n++
		}
	}
	return n
}

// try grades the solution, then what students get, as if each were handed in.
func (c *Checks) try(ctx context.Context, w store.CheckWork, a *Assignment) error {
	t := Trial{Version: w.SourceVersion, At: c.Now().UTC(), Questions: []TrialQuestion{}, Notes: []string{}}
	for _, nb := range a.Notebooks {
		for _, cell := range nb.Manifest.Cells {
			if cell.Kind.Scored() {
				t.Questions = append(t.Questions, TrialQuestion{Notebook: strings.TrimSuffix(nb.Path, ".ipynb"), Question: cell.GradeID, Max: cell.Points, ByHand: cell.Kind != notebook.KindTests})
			}
		}
	}
	if err := c.step(ctx, w, "Running the solution"); err != nil {
		return err
	}
	solved, err := c.solved(ctx, w)
	if err != nil {
		return err
	}
	g, err := c.Runner.Autograde(ctx, a, solved)
	if err != nil {
		return err
	}
	t.Solution, t.Image = true, g.Image
	t.take(g, func(q *TrialQuestion, m notebook.Mark, output string) {
		if q.ByHand {
			return
		}
		q.Solution = m.Points
		if m.Points == nil || *m.Points < m.Max {
			q.Why, q.Output = clean(m.Reason), output
		}
	})
	for _, nb := range g.Notebooks {
		for _, text := range nb.Flags {
			t.Notes = append(t.Notes, clean(nb.Path+": "+text))
		}
	}
	if err := c.Store.SaveCheckResult(ctx, w, t, false); err != nil {
		return err
	}
	if err := c.step(ctx, w, "Running the untouched release"); err != nil {
		return err
	}
	var untouched []File
	for _, nb := range a.Notebooks {
		untouched = append(untouched, textFile(nb.Path, nb.Release.Bytes()))
	}
	if g, err = c.Runner.Autograde(ctx, a, untouched); err != nil {
		return err
	}
	t.Untouched = true
	t.take(g, func(q *TrialQuestion, m notebook.Mark, _ string) { q.Untouched = m.Points })
	return c.Store.SaveCheckResult(ctx, w, t, true)
}

// take goes through the marks of a graded work.
func (t *Trial) take(g *Graded, each func(*TrialQuestion, notebook.Mark, string)) {
	for _, nb := range g.Notebooks {
		name := strings.TrimSuffix(nb.Path, ".ipynb")
		outputs := map[string]string{}
		for i := range nb.Notebook.Cells {
			if m, ok := nb.Notebook.Cells[i].Meta(); ok {
				outputs[m.GradeID] = shownBy(&nb.Notebook.Cells[i])
			}
		}
		for _, m := range nb.Marks {
			if i := slices.IndexFunc(t.Questions, func(q TrialQuestion) bool { return q.Notebook == name && q.Question == m.GradeID }); i >= 0 {
				each(&t.Questions[i], m, outputs[m.GradeID])
			}
		}
	}
}

// solved are the instructor's notebooks as a student would hand them in.
func (c *Checks) solved(ctx context.Context, w store.CheckWork) ([]File, error) {
	how, err := wayOf(ctx, c.Store, c.Exchange, w.AssignmentID, w.SourceVersion)
	if err != nil {
		return nil, err
	}
	files, err := sourceFiles(c.Exchange, w.CourseSlug, w.Slug)
	if err != nil {
		return nil, err
	}
	for i, f := range files {
		if !isNotebook(f.Path) || how.header == nil && how.footer == nil {
			continue
		}
		nb, err := readNotebook(f)
		if err != nil {
			return nil, fmt.Errorf("grading: read %s: %w", f.Path, err)
		}
		if how.header != nil {
			nb.Cells = append(how.header.Clone().Cells, nb.Cells...)
		}
		if how.footer != nil {
			nb.Cells = append(nb.Cells, how.footer.Clone().Cells...)
		}
		files[i] = textFile(f.Path, nb.Bytes())
	}
	return files, nil
}

func textFile(name string, data []byte) File {
	return File{Path: name, Size: int64(len(data)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

var colours = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

// shownBy is what a cell showed, as text: what was printed, then errors.
func shownBy(c *notebook.Cell) string {
	var b strings.Builder
	for _, o := range c.Outputs {
		switch o.Type {
		case notebook.Stream:
			b.WriteString(o.Text)
		case notebook.ErrorOutput:
			b.WriteString(strings.Join(o.Traceback, "\n") + "\n")
		}
	}
	return tail(colours.ReplaceAllString(b.String(), ""))
}
