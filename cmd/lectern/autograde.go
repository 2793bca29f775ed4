package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"lectern/course/notebook"
	"lectern/grading"
	"lectern/spawner/container"
)

type autogradeCmd struct {
	Source        string        `required:"" type:"existingdir" help:"One assignment's files, as the instructor wrote them."`
	Submitted     string        `required:"" type:"existingdir" help:"One submission's files, or a folder <login>/ for each student."`
	Out           string        `required:"" type:"path" help:"Where the graded notebooks go, laid out like --submitted."`
	JSON          bool          `name:"json" help:"Print every question's result as JSON."`
	NbgraderExact bool          `name:"nbgrader-exact" help:"Score to the letter as nbgrader 0.9.5 does."`
	Image         string        `default:"lectern/notebook:latest" help:"The image that notebooks run in."`
	Timeout       time.Duration `default:"30s" help:"For one cell."`
	Workers       int           `help:"Submissions at once; the number of cores if 0."`
}

// graded is one submission's line in the report.
type graded struct {
	Login     string                   `json:"login,omitempty"`
	Error     string                   `json:"error,omitempty"` // Lectern's own failure: there is no result
	Image     string                   `json:"image,omitempty"`
	Score     float64                  `json:"score"`
	Max       float64                  `json:"max"`
	Manual    int                      `json:"needs_manual"` // questions that wait for a person
	Notebooks []grading.GradedNotebook `json:"notebooks"`
	Others    []string                 `json:"other_notebooks,omitempty"`
	Failed    string                   `json:"failed,omitempty"`
}

// Run grades every submission. It fails only if one could not be processed,
// whatever the scores.
func (c autogradeCmd) Run(e *env) error {
	source, err := filesIn(c.Source)
	if err != nil {
		return err
	}
	a, err := c.assignment(e, source)
	if err != nil {
		return err
	}
	if len(a.Notebooks) == 0 {
		return fmt.Errorf("there is no notebook in %s", c.Source)
	}
	a.Rules = notebook.Rules{Exact: c.NbgraderExact}
	a.Limits.Cell = c.Timeout
	logins, err := c.logins(a)
	if err != nil {
		return err
	}
	workers := c.Workers
	if workers <= 0 {
		workers = runtime.NumCPU()
	}
	workers = min(workers, len(logins))
	runner, done, err := newCommandRunner(e, min(workers, max(0, len(logins)-workers)))
	if err != nil {
		return err
	}
	defer done()

	report := make([]graded, len(logins))
	next := make(chan int)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range next {
				report[i] = c.grade(e.ctx, runner, a, logins[i])
			}
		})
	}
	for i := range logins {
		next <- i
	}
	close(next)
	group.Wait()
	if err := c.print(e.stdout, report); err != nil {
		return err
	}
	failed := 0
	for _, r := range report {
		if r.Error != "" {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d submissions could not be processed", failed, len(report))
	}
	return nil
}

// assignment takes the source apart; a container is started only for autotests.
func (c autogradeCmd) assignment(e *env, source []grading.File) (*grading.Assignment, error) {
	templates, err := courseTemplates(c.Source)
	if err != nil {
		return nil, err
	}
	runner, done, err := newCommandRunner(e, 0)
	if err != nil {
		return nil, err
	}
	defer done()
	return runner.NewAssignment(e.ctx, folderName(c.Source), c.Image, source, templates)
}

// courseTemplates is the course's autotests.yml, two folders above source/NAME,
// or nothing.
func courseTemplates(dir string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, "..", "..", grading.AutotestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// newCommandRunner is a runner for one command; done removes what it started.
func newCommandRunner(e *env, ahead int) (runner *grading.Runner, done func(), err error) {
	docker, err := container.NewDocker(container.DockerOptions{Data: container.Paths{Inside: os.TempDir()},
		Secrets: filepath.Join(os.TempDir(), "lectern"), Log: e.logger()})
	if err != nil {
		return nil, nil, err
	}
	// A name of its own, so that two commands at once leave each other's containers alone.
	runner = grading.NewRunner(grading.RunnerOptions{Engine: docker, Site: fmt.Sprintf("command-%d", os.Getpid()), Log: e.logger(), Ahead: ahead})
	return runner, func() {
		if err := runner.Close(); err != nil {
			fmt.Fprintln(e.stderr, "lectern:", err)
		}
		docker.Close()
	}, nil
}

// logins are the students' folders; one empty name if --submitted is itself one
// student's work, which it is when a notebook of the assignment or no folder is
// in it.
func (c autogradeCmd) logins(a *grading.Assignment) ([]string, error) {
	for _, nb := range a.Notebooks {
		if _, err := os.Lstat(filepath.Join(c.Submitted, filepath.FromSlash(nb.Path))); err == nil {
			return []string{""}, nil
		}
	}
	entries, err := os.ReadDir(c.Submitted)
	if err != nil {
		return nil, err
	}
	var logins []string
	for _, entry := range entries {
		if entry.IsDir() {
			logins = append(logins, entry.Name())
		}
	}
	if len(logins) == 0 {
		return []string{""}, nil
	}
	return logins, nil
}

func (c autogradeCmd) grade(ctx context.Context, runner *grading.Runner, a *grading.Assignment, login string) graded {
	r := graded{Login: login, Notebooks: []grading.GradedNotebook{}}
	files, err := filesIn(filepath.Join(c.Submitted, login))
	if err == nil {
		var g *grading.Graded
		if g, err = runner.Autograde(ctx, a, files); err == nil {
			r.Image, r.Notebooks, r.Others, r.Failed = g.Image, g.Notebooks, g.Others, g.Failed
			err = g.Save(folder(filepath.Join(c.Out, login)), a, files)
		}
	}
	if err != nil {
		r.Error = err.Error()
	}
	for _, nb := range r.Notebooks {
		for _, m := range nb.Marks {
			r.Max += m.Max
			if m.Points != nil {
				r.Score += *m.Points
			}
			if m.NeedsPerson {
				r.Manual++
			}
		}
	}
	return r
}

func (c autogradeCmd) print(w io.Writer, report []graded) error {
	if c.JSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	for _, r := range report {
		login := r.Login
		if login == "" {
			login = "submission"
		}
		switch {
		case r.Error != "":
			fmt.Fprintf(w, "%-20s not processed: %s\n", login, r.Error)
		case r.Failed != "":
			fmt.Fprintf(w, "%-20s no marks: %s\n", login, r.Failed)
		default:
			fmt.Fprintf(w, "%-20s %g of %g points, %d to be marked by a person\n", login, r.Score, r.Max, r.Manual)
		}
	}
	return nil
}

// filesIn lists a folder's plain files. Links and whatever else is no file are
// passed over: the folder may be a student's.
func filesIn(dir string) ([]grading.File, error) {
	var list []grading.File
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".ipynb_checkpoints" || entry.Name() == ".git") {
			return filepath.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		list = append(list, grading.File{Path: filepath.ToSlash(rel), Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(name) }})
		return nil
	})
	slices.SortFunc(list, func(a, b grading.File) int { return strings.Compare(a.Path, b.Path) })
	return list, err
}

// folderName is a folder's own name, for the one that notebooks run in.
func folderName(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return filepath.Base(abs)
	}
	return "assignment"
}

// folder writes graded files below a directory.
type folder string

func (f folder) Write(rel string, data []byte) error {
	return f.WriteFrom(rel, strings.NewReader(string(data)))
}

// WriteFrom refuses whatever would lead out of the folder.
func (f folder) WriteFrom(rel string, r io.Reader) error {
	if err := os.MkdirAll(string(f), 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return err
	}
	defer root.Close()
	name := filepath.FromSlash(rel)
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	out, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, r)
	return errors.Join(err, out.Close())
}
