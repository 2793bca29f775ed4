// Package grading turns what instructors write into what students get, and what
// students hand in into marks and feedback: Prepare, Autograde, Feedback. It
// moves files only through exchange, runs code only through the container door,
// and leaves it to its callers who may ask.
package grading

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/exchange"
	"lectern/exchange/tree"
	"lectern/store"
)

// Preparer makes the students' version of assignments.
type Preparer struct {
	Exchange *exchange.Exchange
	Store    *store.Store
}

// Report is what a check of an assignment's files found, for people to read
// before anything is released.
type Report struct {
	Version   int                `json:"version"` // of the source that was checked
	Notebooks []NotebookReport   `json:"notebooks"`
	Files     []FileReport       `json:"files"` // everything that is not a notebook, given to students as it is
	Points    float64            `json:"points"`
	Problems  []notebook.Problem `json:"problems"` // all of them, in the order of notebooks and cells
}

// NotebookReport is one notebook of the assignment.
type NotebookReport struct {
	Path      string  `json:"path"`
	Cells     int     `json:"cells"`
	Points    float64 `json:"points"`
	Questions int     `json:"questions"` // cells that carry points
	ByHand    int     `json:"by_hand"`   // of them, those that a person marks
	Language  string  `json:"language"`
}

// FileReport is one other file.
type FileReport struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

// OK reports whether nothing stops a release.
func (r Report) OK() bool {
	return len(r.Notebooks) > 0 && !notebook.Problems(r.Problems).Refused()
}

// Errors counts the problems that stop a release.
func (r Report) Errors() int {
	n := 0
	for _, p := range r.Problems {
		if p.Severity == notebook.Error {
			n++
		}
	}
	return n
}

// Prepare checks the assignment's source, stages the version for students if
// nothing is wrong with it, and records the report. It publishes nothing. Two
// at once wait for each other, so the staged files always match the report.
func (p *Preparer) Prepare(ctx context.Context, c course.Course, id course.AssignmentID) (Report, error) {
	var report Report
	err := p.Store.InTx(ctx, func(tx *store.Store) error {
		a, err := tx.LockAssignment(ctx, id)
		if err != nil {
			return err
		}
		draft, err := p.Exchange.NewDraft(c.Slug)
		if err != nil {
			return err
		}
		defer draft.Discard()
		var questions []store.Question
		report, questions, err = p.fill(ctx, c, a, draft)
		if err != nil {
			return fmt.Errorf("grading: prepare %s: %w", a.Slug, err)
		}
		if report.OK() {
			if err := p.Exchange.StageRelease(draft, a.Slug); err != nil {
				return err
			}
		}
		return tx.SaveCheck(ctx, a.ID, a.SourceVersion, report.OK(), report.Points, report, questions)
	})
	return report, err
}

// fill writes the students' version into the draft and reports on it.
func (p *Preparer) fill(ctx context.Context, c course.Course, a course.Assignment, draft *exchange.Draft) (Report, []store.Question, error) {
	r := Report{Version: a.SourceVersion}
	dir, err := p.Exchange.Layout.Source(c.Slug, a.Slug)
	if err != nil {
		return r, nil, err
	}
	entries, err := p.Exchange.List(dir)
	if err != nil {
		return r, nil, err
	}
	var questions []store.Question
	for _, e := range entries {
		switch {
		case e.Dir:
		case isNotebook(e.Path):
			qs, err := p.release(dir, e.Path, draft, &r)
			if err != nil {
				return r, nil, err
			}
			questions = append(questions, qs...)
		case !notReleased(e.Path):
			r.Files = append(r.Files, FileReport{e.Path, e.Size})
		}
	}
	err = draft.CopyTree(ctx, dir, func(e tree.Entry) bool { return e.Dir || !isNotebook(e.Path) && !notReleased(e.Path) })
	return r, questions, err
}

// release adds one notebook to the draft and the report. What is wrong with it
// is a problem in the report, not an error.
func (p *Preparer) release(dir, rel string, draft *exchange.Draft, r *Report) ([]store.Question, error) {
	f, err := p.Exchange.Open(dir, rel)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	name := strings.TrimSuffix(rel, ".ipynb")
	nb, err := notebook.Read(f)
	var bad *notebook.FormatError
	if errors.As(err, &bad) {
		r.Notebooks = append(r.Notebooks, NotebookReport{Path: rel})
		r.Problems = append(r.Problems, notebook.Problem{Notebook: name, Cell: -1, Severity: notebook.Error,
			Text: bad.Text, Mend: "Open the notebook in Jupyter, save it there, and upload it again."})
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	nr := NotebookReport{Path: rel, Cells: len(nb.Cells), Language: nb.Language()}
	released, manifest, err := notebook.Release(nb, notebook.Options{Name: name})
	var problems notebook.Problems
	if errors.As(err, &problems) {
		r.Notebooks = append(r.Notebooks, nr)
		r.Problems = append(r.Problems, problems...)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r.Problems = append(r.Problems, manifest.Warnings...)
	var questions []store.Question
	for i := range manifest.Cells {
		cell := &manifest.Cells[i]
		if cell.Kind.Scored() {
			nr.Questions++
			if cell.Kind != notebook.KindTests {
				nr.ByHand++
			}
		}
		questions = append(questions, store.Question{Notebook: name, GradeID: cell.GradeID, Position: cell.Position,
			Kind: kindNames[cell.Kind], CellType: cell.CellType, Points: cell.Points, Source: cell.Source, Checksum: cell.Checksum})
	}
	nr.Points = manifest.MaxPoints
	r.Points += manifest.MaxPoints
	r.Notebooks = append(r.Notebooks, nr)
	return questions, draft.Write(rel, released.Bytes())
}

// kindNames are the kinds as the database names them.
var kindNames = map[notebook.Kind]string{
	notebook.KindAnswer: "answer", notebook.KindTests: "tests", notebook.KindManual: "manual",
	notebook.KindTask: "task", notebook.KindReadOnly: "readonly",
}

func isNotebook(rel string) bool { return strings.HasSuffix(rel, ".ipynb") }

// notReleased names the files beside the notebooks that are for grading only.
func notReleased(rel string) bool { return path.Base(rel) == "autotests.yml" }

// Release gives the staged version to students: publish, then record. Doing it
// twice, after a crash or not, does no harm.
func (p *Preparer) Release(ctx context.Context, c course.Course, id course.AssignmentID, at time.Time) error {
	return p.Store.InTx(ctx, func(tx *store.Store) error {
		a, err := tx.LockAssignment(ctx, id)
		if err != nil {
			return err
		}
		if err := p.Exchange.Publish(ctx, c.Slug, a.Slug); err != nil {
			return err
		}
		return tx.MarkReleased(ctx, a.ID, a.CheckedVersion, at)
	})
}

// ReleaseScheduled releases what was to be released by now. One that fails does
// not hold up the others and is tried again at the next call.
func (p *Preparer) ReleaseScheduled(ctx context.Context, now time.Time) error {
	list, err := p.Store.ScheduledBefore(ctx, now)
	if err != nil {
		return err
	}
	var failed []error
	for _, a := range list {
		if err := p.Release(ctx, a.Course, a.ID, now); err != nil {
			failed = append(failed, fmt.Errorf("release %s: %w", a.Slug, err))
			continue
		}
		failed = append(failed, p.Store.Record(ctx, course.Activity{CourseID: a.CourseID, AssignmentID: a.ID, Verb: "released", Detail: "as scheduled"}))
	}
	return errors.Join(failed...)
}
