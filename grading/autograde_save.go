package grading

import (
	"encoding/json"
	"io"
	"slices"

	"lectern/course/notebook"
)

// Draft is where the graded files go; exchange.Draft is one.
type Draft interface {
	Write(rel string, data []byte) error
	WriteFrom(rel string, r io.Reader) error
}

// Save writes the graded notebooks and the files beside them, as nbgrader's
// autograded/ holds them: for staff, since hidden tests are in it.
func (g *Graded) Save(d Draft, a *Assignment, submitted []File) error {
	taken := map[string]bool{}
	for _, nb := range g.Notebooks {
		taken[nb.Path] = true
		if err := d.Write(nb.Path, nb.Notebook.Bytes()); err != nil {
			return err
		}
	}
	for _, f := range slices.Concat(a.Files, submitted) {
		if taken[f.Path] || isNotebook(f.Path) || !laidOut(f.Path, taken) {
			continue
		}
		taken[f.Path] = true
		if err := save(d, f); err != nil {
			return err
		}
	}
	return nil
}

func save(d Draft, f File) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return d.WriteFrom(f.Path, r)
}

// MarshalJSON gives the report of `lectern autograde --json`.
func (n GradedNotebook) MarshalJSON() ([]byte, error) {
	type question struct {
		GradeID     string        `json:"grade_id"`
		Kind        notebook.Kind `json:"kind"`
		Auto        *float64      `json:"auto"` // null: a person marks it, or it carries no points
		Max         float64       `json:"max"`
		NeedsManual bool          `json:"needs_manual"`
		Comment     string        `json:"comment,omitempty"`
		Reason      string        `json:"reason,omitempty"`
		Flags       []string      `json:"flags,omitempty"`
	}
	type repair struct {
		Cell    int    `json:"cell"` // from 0 in the graded notebook; -1 is the notebook
		GradeID string `json:"grade_id,omitempty"`
		Text    string `json:"text"`
	}
	v := struct {
		Path      string     `json:"path"`
		Missing   bool       `json:"missing,omitempty"`
		Questions []question `json:"questions"`
		Repairs   []repair   `json:"repairs"`
		Flags     []string   `json:"flags,omitempty"`
	}{n.Path, n.Missing, []question{}, []repair{}, n.Flags}
	for _, m := range n.Marks {
		v.Questions = append(v.Questions, question{m.GradeID, m.Kind, m.Points, m.Max, m.NeedsPerson, Comment(m), m.Reason, m.Flags})
	}
	for _, r := range n.Repairs {
		v.Repairs = append(v.Repairs, repair{r.Cell, r.GradeID, r.Text})
	}
	return json.Marshal(v)
}
