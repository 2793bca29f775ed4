package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lectern/course/notebook"
)

func command(t *testing.T, run func(*env) error) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(&env{ctx: t.Context(), stdout: &out, stderr: t.Output(), getenv: func(string) string { return "" }})
	return out.String(), err
}

func put(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func get(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestNotebookCommands(t *testing.T) {
	t.Parallel()
	const source = "demo/1-squares.ipynb"
	dir := t.TempDir()
	if out, err := command(t, checkNotebookCmd{Files: []string{source, "demo/2-cities.ipynb"}}.Run); err != nil || out != "" {
		t.Errorf("check of good notebooks: %q, %v", out, err)
	}
	bad := put(t, dir+"/bad.ipynb", bytes.ReplaceAll(get(t, source), []byte("### END SOLUTION"), []byte("### STOP")))
	worse := put(t, dir+"/worse.ipynb", []byte("{"))
	out, err := command(t, checkNotebookCmd{Files: []string{bad, worse}}.Run)
	if lines := strings.Split(strings.TrimSpace(out), "\n"); err == nil || len(lines) < 3 || !strings.Contains(lines[0], bad) || !strings.Contains(lines[len(lines)-1], worse) {
		t.Errorf("check of bad notebooks: %v\n%s", err, out)
	}
	if _, err := command(t, releaseNotebookCmd{File: bad, Out: dir + "/x.ipynb"}.Run); err == nil {
		t.Error("a bad notebook was released")
	}
	released := dir + "/released.ipynb"
	if _, err := command(t, releaseNotebookCmd{File: source, Out: released}.Run); err != nil {
		t.Fatal(err)
	}
	nb, err := notebook.Parse(get(t, source))
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := notebook.Release(nb, notebook.Options{Name: source})
	if err != nil || !bytes.Equal(get(t, released), want.Bytes()) {
		t.Errorf("the release differs from what the site makes: %v", err)
	}
	auto := put(t, dir+"/source/auto/a.ipynb", bytes.Replace(get(t, source), []byte("assert squares(4) == [1, 4, 9, 16]"), []byte("### AUTOTEST squares(4)"), 1))
	if _, err := command(t, releaseNotebookCmd{File: auto, Out: dir + "/a.ipynb", Image: "lectern/notebook:latest"}.Run); err == nil {
		t.Error("autotests without templates were released")
	}
	put(t, dir+"/autotests.yml", get(t, "../../grading/testdata/autotest/autotests.yml"))
	if _, err := command(t, releaseNotebookCmd{File: auto, Out: dir + "/a.ipynb", Image: "lectern/notebook:latest"}.Run); err != nil {
		t.Error(err)
	} else if made := get(t, dir+"/a.ipynb"); !bytes.Contains(made, []byte(`assert str(squares(4)) == \"[1, 4, 9, 16]\"`)) {
		t.Errorf("the autotest became\n%s", made)
	}
	if out, err := command(t, validateNotebookCmd{File: source, Image: "lectern/notebook:latest"}.Run); err != nil || !strings.HasPrefix(out, "Success! Your notebook passes all the tests.") {
		t.Errorf("validate of the solution: %v\n%s", err, out)
	}
	if out, err := command(t, validateNotebookCmd{File: released, Image: "lectern/notebook:latest"}.Run); err != nil || !strings.Contains(out, "VALIDATION FAILED ON 3 CELL(S)") || !strings.Contains(out, "NotImplementedError") {
		t.Errorf("validate of the release: %v\n%s", err, out)
	}
	if _, err := command(t, renderNotebookCmd{File: released, Out: dir + "/page.html"}.Run); err != nil {
		t.Fatal(err)
	}
	page := string(get(t, dir+"/page.html"))
	for _, part := range []string{"<!doctype html>", `<article class="nb"`, "<math", "squares(n)", "Content-Security-Policy"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	if strings.Contains(page, "/static/") || strings.Contains(page, "<script") {
		t.Error("the page needs another file")
	}
}

// Folders in, graded folders and a report out; a bad submission is a result, and
// the exit says only that all were processed.
func TestAutogradeCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, f := range []string{"1-squares.ipynb", "2-cities.ipynb", "cities.csv"} {
		put(t, dir+"/source/"+f, get(t, "demo/"+f))
		put(t, dir+"/submitted/alpha/"+f, get(t, "demo/"+f))
	}
	put(t, dir+"/submitted/beta/1-squares.ipynb", []byte("not a notebook"))
	put(t, dir+"/submitted/beta/cities.csv", []byte("a,b\n"))
	put(t, dir+"/submitted/beta/copy of 1-squares.ipynb", []byte("{}"))
	if err := os.Symlink("/etc/passwd", dir+"/submitted/beta/link"); err != nil {
		t.Fatal(err)
	}
	c := autogradeCmd{Source: dir + "/source", Submitted: dir + "/submitted", Out: dir + "/out", JSON: true, Image: "lectern/notebook:latest", Timeout: 0}
	out, err := command(t, c.Run)
	if err != nil {
		t.Fatalf("autograde: %v\n%s", err, out)
	}
	var report []struct {
		Login      string
		Image      string
		Score, Max float64
		Manual     int      `json:"needs_manual"`
		Others     []string `json:"other_notebooks"`
		Notebooks  []struct {
			Path      string
			Missing   bool
			Questions []struct {
				GradeID string `json:"grade_id"`
				Auto    *float64
				Max     float64
				Comment string
				Reason  string
			}
			Repairs []struct{ Text string }
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(report) != 2 || report[0].Login != "alpha" || report[0].Score != 5 || report[0].Max != 10 || report[0].Manual != 2 || !strings.HasPrefix(report[0].Image, "sha256:") {
		t.Errorf("alpha: %+v", report)
	}
	beta := report[1]
	if beta.Score != 0 || len(beta.Others) != 1 || beta.Notebooks[0].Missing || !beta.Notebooks[1].Missing || len(beta.Notebooks[0].Repairs) == 0 {
		t.Errorf("beta: %+v", beta)
	}
	graded := get(t, dir+"/out/alpha/1-squares.ipynb")
	if nb, err := notebook.Parse(graded); err != nil || !bytes.Contains(graded, []byte("BEGIN HIDDEN TESTS")) || len(nb.Cells) == 0 {
		t.Errorf("the graded notebook: %v", err)
	}
	// The instructor's data file stands in for the student's, and nothing that is no file came along.
	if !bytes.Equal(get(t, dir+"/out/beta/cities.csv"), get(t, "demo/cities.csv")) {
		t.Error("the student's data file was graded with")
	}
	if _, err := os.Lstat(dir + "/out/beta/link"); err == nil {
		t.Error("a link was followed")
	}
	c.Submitted, c.Out, c.JSON, c.NbgraderExact = dir+"/submitted/alpha", dir+"/one", false, true
	if out, err := command(t, c.Run); err != nil || !strings.Contains(out, "5 of 10 points, 2 to be marked by a person") {
		t.Errorf("one submission: %v\n%s", err, out)
	}
	c.Image = "lectern/no-such-image:none"
	if out, err := command(t, c.Run); err == nil || !strings.Contains(out, "not processed") {
		t.Errorf("without an image: %v\n%s", err, out)
	}
}
