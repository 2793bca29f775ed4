package main

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lectern/course/notebook"
	"lectern/course/notebook/render"
	"lectern/grading"
	"lectern/static"
)

type notebookCmd struct {
	Check    checkNotebookCmd    `cmd:"" help:"Tell everything that is wrong with instructors' notebooks."`
	Release  releaseNotebookCmd  `cmd:"" help:"Make the students' version of a notebook."`
	Validate validateNotebookCmd `cmd:"" help:"Run a student's notebook and tell which of its tests fail."`
	Render   renderNotebookCmd   `cmd:"" help:"Make a notebook a web page in one file."`
}

type checkNotebookCmd struct {
	Files []string `arg:"" type:"existingfile" name:"file"`
}

// Run prints every problem, one a line.
func (c checkNotebookCmd) Run(e *env) error {
	bad := 0
	for _, file := range c.Files {
		nb, err := openNotebook(file)
		var unreadable *notebook.FormatError
		if errors.As(err, &unreadable) {
			fmt.Fprintf(e.stdout, "%s: error: %s\n", file, unreadable.Text)
			bad++
			continue
		}
		if err != nil {
			return err
		}
		for _, p := range notebook.CheckWith(nb, notebook.Options{Name: file, Instantiate: promised}) {
			fmt.Fprintln(e.stdout, strings.Join(strings.Fields(p.String()), " ")) // a line each, whatever it quotes
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d problems", bad)
	}
	return nil
}

// promised stands for the making of autotests where they are not needed yet.
func promised(*notebook.Notebook) error { return nil }

type releaseNotebookCmd struct {
	File   string `arg:"" type:"existingfile"`
	Out    string `short:"o" required:"" type:"path" help:"The file to write."`
	Header string `type:"existingfile" help:"A notebook whose cells come first."`
	Footer string `type:"existingfile" help:"A notebook whose cells come last."`
	Image  string `default:"lectern/notebook:latest" help:"The image that autotests are made in."`
}

func (c releaseNotebookCmd) Run(e *env) error {
	nb, err := openNotebook(c.File)
	if err != nil {
		return err
	}
	o := notebook.Options{Name: c.File}
	for from, to := range map[string]**notebook.Notebook{c.Header: &o.Header, c.Footer: &o.Footer} {
		if from == "" {
			continue
		}
		if *to, err = openNotebook(from); err != nil {
			return err
		}
	}
	if nb.HasAutotests() {
		done, err := c.autotests(e, &o)
		if err != nil {
			return err
		}
		defer done()
	}
	released, manifest, err := notebook.Release(nb, o)
	if err != nil {
		return err
	}
	for _, w := range manifest.Warnings {
		fmt.Fprintln(e.stderr, w)
	}
	return os.WriteFile(c.Out, released.Bytes(), 0o644)
}

// autotests lets the release run the notebook, with the templates beside it or at
// the course's root.
func (c releaseNotebookCmd) autotests(e *env, o *notebook.Options) (done func(), err error) {
	dir := filepath.Dir(c.File)
	templates, err := os.ReadFile(filepath.Join(dir, grading.AutotestFile))
	if errors.Is(err, fs.ErrNotExist) {
		templates, err = courseTemplates(dir)
	}
	if err != nil {
		return nil, err
	}
	if templates == nil {
		return nil, fmt.Errorf("%s has autotests, but there is no %s", c.File, grading.AutotestFile)
	}
	files, err := filesIn(dir)
	if err != nil {
		return nil, err
	}
	runner, done, err := newCommandRunner(e, 0)
	if err != nil {
		return nil, err
	}
	o.Instantiate = runner.Instantiate(e.ctx, c.Image, folderName(dir), files, templates)
	return done, nil
}

type validateNotebookCmd struct {
	File   string `arg:"" type:"existingfile"`
	Invert bool   `help:"Tell the tests that pass instead."`
	Image  string `default:"lectern/notebook:latest" help:"The image that the notebook runs in."`
}

// Run executes the notebook beside the files of its folder, as the Validate
// button of nbgrader does, but in a sealed container. Whether tests fail is in
// the report and does not make the command fail.
func (c validateNotebookCmd) Run(e *env) error {
	nb, err := openNotebook(c.File)
	if err != nil {
		return err
	}
	dir := filepath.Dir(c.File)
	files, err := filesIn(dir)
	if err != nil {
		return err
	}
	runner, done, err := newCommandRunner(e, 0)
	if err != nil {
		return err
	}
	defer done()
	job := grading.Job{Image: c.Image, Folder: folderName(dir), Notebooks: []grading.Rebuilt{{Path: filepath.Base(c.File), Notebook: nb}},
		Env: map[string]string{"NBGRADER_EXECUTION": "validate", "NBGRADER_VALIDATING": "1"}}
	for _, f := range files {
		if f.Path != filepath.Base(c.File) {
			job.Files = append(job.Files, f)
		}
	}
	result, err := runner.Run(e.ctx, job)
	if err != nil {
		return err
	}
	ran := result.Notebooks[0]
	runs := make([]notebook.Run, len(ran.Cells))
	for i, cell := range ran.Cells {
		runs[i] = cell.Run
	}
	_, err = fmt.Fprint(e.stdout, notebook.Validate(ran.Notebook, runs, notebook.ValidateOptions{Invert: c.Invert}))
	return err
}

type renderNotebookCmd struct {
	File string `arg:"" type:"existingfile"`
	Out  string `short:"o" required:"" type:"path" help:"The file to write."`
}

// Run writes one file that needs no other: style sheet and pictures are in it.
func (c renderNotebookCmd) Run(*env) error {
	nb, err := openNotebook(c.File)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(c.File))
	if err != nil {
		return err
	}
	defer root.Close()
	page, err := notebookPage(nb, filepath.Base(c.File), func(name string) []byte {
		if info, err := root.Lstat(name); err != nil || !info.Mode().IsRegular() || info.Size() > 10<<20 {
			return nil
		}
		data, err := root.ReadFile(name)
		if err != nil {
			return nil
		}
		return data
	})
	if err != nil {
		return err
	}
	return os.WriteFile(c.Out, page, 0o644)
}

func notebookPage(nb *notebook.Notebook, title string, file func(string) []byte) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"+
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'\">"+
		"<title>%s</title><style>%s</style></head><body>\n", html.EscapeString(title), static.Inline())
	if err := render.New().Notebook(&b, nb, render.Options{File: file}); err != nil {
		return nil, err
	}
	b.WriteString("</body></html>\n")
	return b.Bytes(), nil
}

func openNotebook(name string) (*notebook.Notebook, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	nb, err := notebook.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return nb, nil
}
