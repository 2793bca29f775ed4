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
	Now      func() time.Time // nil is the clock
}

// Report is what a check of an assignment's files found, for people to read
// before anything is released.
type Report struct {
	Version   int                `json:"version"` // of the source that was checked
	Notebooks []NotebookReport   `json:"notebooks"`
	Files     []FileReport       `json:"files"` // everything that is not a notebook, given to students as it is
	Points    float64            `json:"points"`
	Problems  []notebook.Problem `json:"problems"` // all of them, in the order of notebooks and cells
	// Waiting: the tests of AUTOTEST lines have yet to be made by running the
	// solution, so nothing has been staged.
	Waiting bool     `json:"waiting,omitempty"`
	Added   []string `json:"added,omitempty"` // header and footer, in words
	Stubs   []Stub   `json:"stubs,omitempty"` // what stands in place of solutions
}

// Stub is the text that stands in place of solutions of a kind.
type Stub struct {
	Of   string `json:"of"` // a language; empty is written answers
	Text string `json:"text"`
	Own  bool   `json:"own"` // the course's, not nbgrader's
}

// NotebookReport is one notebook of the assignment.
type NotebookReport struct {
	Path      string  `json:"path"`
	Cells     int     `json:"cells"`
	Points    float64 `json:"points"`
	Questions int     `json:"questions"` // cells that carry points
	ByHand    int     `json:"by_hand"`   // of them, those that a person marks
	Language  string  `json:"language"`
	Autotests bool    `json:"autotests,omitempty"` // has tests that are made by running it
}

// FileReport is one other file.
type FileReport struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

// OK reports whether nothing stops a release.
func (r Report) OK() bool {
	return r.passed() && !r.Waiting
}

// passed: nothing in the files themselves stops a release.
func (r Report) passed() bool {
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
// nothing is wrong with it, and records the report. It publishes nothing, and runs
// nothing: what is found out by running is asked for, see Checks. Two at once wait
// for each other, so the staged files always match the report.
func (p *Preparer) Prepare(ctx context.Context, c course.Course, id course.AssignmentID) (Report, error) {
	return p.prepare(ctx, c.Slug, id, func(r Report, tx *store.Store) error {
		if !r.passed() {
			return nil
		}
		return tx.AskCheck(ctx, id, p.now())
	}, nil)
}

func (p *Preparer) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}

// testsOf are tests that were made of one version's AUTOTEST lines.
type testsOf struct {
	version int
	tests   map[string]madeTests
}

// prepare does the same; then is part of what is recorded. Tests for another
// version than there is now are errChanged.
func (p *Preparer) prepare(ctx context.Context, slug string, id course.AssignmentID, then func(Report, *store.Store) error, made *testsOf) (Report, error) {
	var report Report
	err := p.Store.InTx(ctx, func(tx *store.Store) error {
		a, err := tx.LockAssignment(ctx, id)
		if err != nil {
			return err
		}
		w, err := wayOf(ctx, tx, p.Exchange, id, a.SourceVersion)
		if err != nil {
			return err
		}
		if made != nil {
			if made.version != a.SourceVersion {
				return errChanged
			}
			w.tests = made.tests
		}
		draft, err := p.Exchange.NewDraft(slug)
		if err != nil {
			return err
		}
		defer draft.Discard()
		var questions []store.Question
		report, questions, err = p.fill(ctx, slug, a, w, draft)
		if err != nil {
			return fmt.Errorf("grading: prepare %s: %w", a.Slug, err)
		}
		if report.OK() {
			if err := p.Exchange.StageRelease(draft, a.Slug); err != nil {
				return err
			}
		}
		if err := tx.SaveCheck(ctx, a.ID, a.SourceVersion, report.OK(), report.Points, report, questions); err != nil {
			return err
		}
		if made != nil && report.OK() {
			if err := tx.SaveTests(ctx, a.ID, a.SourceVersion, made.tests); err != nil {
				return err
			}
		}
		return then(report, tx)
	})
	return report, err
}

// fill writes the students' version into the draft and reports on it.
func (p *Preparer) fill(ctx context.Context, slug string, a course.Assignment, w *way, draft *exchange.Draft) (Report, []store.Question, error) {
	r := Report{Version: a.SourceVersion, Added: w.says(), Problems: w.problems}
	dir, err := p.Exchange.Layout.Source(slug, a.Slug)
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
			qs, err := p.release(dir, e.Path, w, draft, &r)
			if err != nil {
				return r, nil, err
			}
			questions = append(questions, qs...)
		case !notReleased(e.Path):
			r.Files = append(r.Files, FileReport{e.Path, e.Size})
		}
	}
	r.Waiting, r.Stubs = w.unmade, w.stubs(r.Notebooks)
	err = draft.CopyTree(ctx, dir, func(e tree.Entry) bool { return e.Dir || !isNotebook(e.Path) && !notReleased(e.Path) })
	return r, questions, err
}

// Options are those that a release of a notebook of the assignment, named without
// .ipynb, is made with now. Tests that have not been made yet stay AUTOTEST lines.
func (p *Preparer) Options(ctx context.Context, a course.Assignment, name string) (notebook.Options, error) {
	w, err := wayOf(ctx, p.Store, p.Exchange, a.ID, a.SourceVersion)
	if err != nil {
		return notebook.Options{}, err
	}
	return w.options(name), nil
}

// release adds one notebook to the draft and the report. What is wrong with it
// is a problem in the report, not an error.
func (p *Preparer) release(dir, rel string, w *way, draft *exchange.Draft, r *Report) ([]store.Question, error) {
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
	nr := NotebookReport{Path: rel, Cells: len(nb.Cells), Language: nb.Language(), Autotests: nb.HasAutotests()}
	released, manifest, err := notebook.Release(nb, w.options(name))
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
