package grading

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"lectern/course/notebook"
)

// Assignment is what submissions are graded against. Make one with
// NewAssignment; it may be used by many at once.
type Assignment struct {
	Name      string // of the folder that notebooks run in
	Image     string
	Notebooks []SourceNotebook
	// Files lie beside every submission's notebooks, in place of files of the
	// same name that a student handed in.
	Files  []File
	Rules  notebook.Rules
	Limits Limits
}

// SourceNotebook is one of the instructor's notebooks.
type SourceNotebook struct {
	Path     string
	Release  *notebook.Notebook // what students were given
	Manifest *notebook.Manifest
}

// NewAssignment takes the instructor's files apart. What is wrong with a notebook
// is notebook.Problems, with all of them. Autotests are refused: they need a
// Runner, which has an Assignment of its own for that.
func NewAssignment(name, image string, files []File) (*Assignment, error) {
	return newAssignment(name, image, files, plainly(nil))
}

// NewAssignment is the same with autotests made into tests. course is the text
// of the course's autotests.yml, for an assignment that has none.
func (r *Runner) NewAssignment(ctx context.Context, name, image string, files []File, course []byte) (*Assignment, error) {
	templates, err := templatesIn(files)
	if err != nil {
		return nil, fmt.Errorf("grading: %w", err)
	}
	if templates == nil {
		templates = course
	}
	if templates == nil {
		return newAssignment(name, image, files, plainly(nil))
	}
	return newAssignment(name, image, files, plainly(r.Instantiate(ctx, image, name, files, templates)))
}

// plainly releases every notebook nbgrader's own way.
func plainly(instantiate func(*notebook.Notebook) error) func(string) notebook.Options {
	return func(name string) notebook.Options { return notebook.Options{Name: name, Instantiate: instantiate} }
}

// newAssignment releases each notebook with the options for its name without .ipynb.
func newAssignment(name, image string, files []File, options func(string) notebook.Options) (*Assignment, error) {
	a := &Assignment{Name: name, Image: image}
	var problems notebook.Problems
	for _, f := range files {
		if !isNotebook(f.Path) {
			if !notReleased(f.Path) {
				a.Files = append(a.Files, f)
			}
			continue
		}
		nb, err := readNotebook(f)
		var bad *notebook.FormatError
		if errors.As(err, &bad) {
			problems = append(problems, notebook.Problem{Notebook: f.Path, Cell: -1, Severity: notebook.Error, Text: bad.Text})
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("grading: read %s: %w", f.Path, err)
		}
		released, manifest, err := notebook.Release(nb, options(strings.TrimSuffix(f.Path, ".ipynb")))
		var wrong notebook.Problems
		if errors.As(err, &wrong) {
			problems = append(problems, wrong...)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("grading: release %s: %w", f.Path, err)
		}
		a.Notebooks = append(a.Notebooks, SourceNotebook{f.Path, released, manifest})
	}
	if problems.Refused() {
		return nil, problems
	}
	return a, nil
}

func readNotebook(f File) (*notebook.Notebook, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return notebook.Read(r)
}

func readAll(f File) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, 1<<20))
}

// Graded is everything autograding found out about a submission.
type Graded struct {
	Image     string // id of the image it ran in
	CPU       time.Duration
	Notebooks []GradedNotebook
	Others    []string // notebooks of the student that are not the assignment's; not run
	// Failed is why nbgrader would give no marks at all; only under exact rules.
	Failed string
}

// GradedNotebook is one notebook of the assignment, graded.
type GradedNotebook struct {
	Path     string
	Notebook *notebook.Notebook // rebuilt and executed; ForStudent is what its student may see
	Missing  bool               // the student handed in none of this name
	Marks    []notebook.Mark    // of every nbgrader cell that is an answer, scored or a task
	Repairs  []notebook.Repair  // what differed from the release and was put right
	Flags    []string           // what a grader should look at
}

// Comment is nbgrader's automatic comment on a cell: "No response." or nothing.
func Comment(m notebook.Mark) string {
	if m.NoResponse && m.Kind.Answer() {
		return "No response."
	}
	return ""
}

// maxNotebook bounds what is read of one submitted notebook.
const maxNotebook = notebook.MaxSize

// Autograde rebuilds, runs and scores one submission. It only fails where it is
// Lectern's own fault, and then there is no mark: try again, or ask a person.
func (r *Runner) Autograde(ctx context.Context, a *Assignment, submitted []File) (*Graded, error) {
	g := &Graded{}
	job := Job{Image: a.Image, Folder: a.Name, Limits: a.Limits, Warm: a.warm()}
	ours := map[string]bool{}
	for _, f := range a.Files {
		ours[f.Path] = true
	}
	handed := map[string]File{}
	for _, f := range submitted {
		switch {
		case isNotebook(f.Path):
			handed[f.Path] = f
		case !ours[f.Path] && laidOut(f.Path, ours):
			job.Files = append(job.Files, f)
		}
	}
	job.Files = append(job.Files, a.Files...)
	for _, src := range a.Notebooks {
		nb, repairs, missing, err := rebuilt(src, handed)
		if err != nil {
			return nil, fmt.Errorf("grading: autograde: %w", err)
		}
		g.Notebooks = append(g.Notebooks, GradedNotebook{Path: src.Path, Notebook: nb, Repairs: repairs, Missing: missing})
		if !missing {
			job.Notebooks = append(job.Notebooks, Rebuilt{src.Path, nb})
		}
		delete(handed, src.Path)
	}
	for name := range handed {
		g.Others = append(g.Others, name)
	}
	slices.Sort(g.Others)
	result, err := r.Run(ctx, job)
	if err != nil {
		return nil, err
	}
	g.Image, g.CPU = result.Image, result.CPU
	runs := map[string]Executed{}
	for _, e := range result.Notebooks {
		runs[e.Path] = e
	}
	for i := range g.Notebooks {
		g.mark(&g.Notebooks[i], a.Notebooks[i], runs, a.Rules)
	}
	return g, nil
}

// laidOut refuses a file that stands where the assignment has a folder, or below
// where it has a file.
func laidOut(name string, ours map[string]bool) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if ours[dir] {
			return false
		}
	}
	for f := range ours {
		if strings.HasPrefix(f, name+"/") {
			return false
		}
	}
	return true
}

func rebuilt(src SourceNotebook, handed map[string]File) (nb *notebook.Notebook, repairs []notebook.Repair, missing bool, err error) {
	f, ok := handed[src.Path]
	if !ok {
		nb, repairs = notebook.RebuildMissing(src.Manifest.Source)
		return nb, repairs, true, nil
	}
	r, err := f.Open()
	if err != nil {
		return nil, nil, false, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxNotebook+1))
	if err != nil {
		return nil, nil, false, err
	}
	if len(data) > maxNotebook {
		nb, repairs = notebook.RebuildMissing(src.Manifest.Source)
		repairs = append([]notebook.Repair{{Cell: -1, Text: "The notebook is larger than " + size(maxNotebook) + " and was not read."}}, repairs...)
		return nb, repairs, false, nil
	}
	nb, repairs = notebook.RebuildFile(src.Manifest.Source, src.Release, data)
	return nb, repairs, false, nil
}

// mark scores one notebook.
func (g *Graded) mark(nb *GradedNotebook, src SourceNotebook, runs map[string]Executed, rules notebook.Rules) {
	ran, ok := runs[nb.Path]
	if ok {
		nb.Notebook, nb.Flags = ran.Notebook, ran.Flags
	}
	released := map[string]string{}
	for _, c := range src.Manifest.Cells {
		released[c.GradeID] = c.Released
	}
	for i := range nb.Notebook.Cells {
		c := &nb.Notebook.Cells[i]
		kind := c.Kind()
		if !kind.Answer() && !kind.Scored() {
			continue
		}
		run := CellRun{Run: notebook.Run{Reason: "the notebook was not handed in"}}
		if ok {
			run = ran.Cells[i]
		}
		meta, _ := c.Meta()
		m := notebook.Score(c, released[meta.GradeID], run.Run, rules)
		m.Flags = append(m.Flags, run.Flags...)
		if kind.Answer() && c.Type == notebook.Code && !m.NoResponse {
			m.Flags = append(m.Flags, suspicions(c.Source)...)
		}
		if nb.Missing {
			// nbgrader gives 0 at once, for a person has nothing to read here.
			m = absent(m)
		}
		if m.Abort != "" && g.Failed == "" {
			g.Failed = fmt.Sprintf("%s, cell %s: %s", nb.Path, m.GradeID, m.Abort)
		}
		nb.Marks = append(nb.Marks, m)
	}
}

func absent(m notebook.Mark) notebook.Mark {
	m.NoResponse, m.Flags = false, nil
	if m.Kind.Scored() {
		m.Points, m.NeedsPerson, m.Reason = new(0.0), false, "The notebook was not handed in."
	}
	return m
}
