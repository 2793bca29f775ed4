package handlers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lectern/course"
	"lectern/grading"
	"lectern/spawner/container"
)

// files posts an upload as a browser does.
func (b *browser) files(path string, fields url.Values, files map[string]string) answer {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for k, list := range fields {
		for _, v := range list {
			_ = form.WriteField(k, v)
		}
	}
	for name, text := range files {
		field, file, named := strings.Cut(name, "=")
		if !named {
			field, file = "files", name
		}
		w, err := form.CreateFormFile(field, file)
		if err != nil {
			b.t.Fatal(err)
		}
		_, _ = w.Write([]byte(text))
	}
	_ = form.Close()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.base+path, &body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Origin", b.base)
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	_, _ = text.ReadFrom(resp.Body)
	return answer{resp.StatusCode, text.String(), resp.Header}
}

// instructorsNotebook has one answer and a test of 2 points for each text.
func instructorsNotebook(solution string, tests ...string) string {
	cell := func(id, source string, grade bool) map[string]any {
		meta := map[string]any{"grade": grade, "grade_id": id, "locked": grade, "schema_version": 3, "solution": !grade, "task": false}
		if grade {
			meta["points"] = 2
		}
		return map[string]any{"cell_type": "code", "execution_count": nil, "id": id, "metadata": map[string]any{"nbgrader": meta}, "outputs": []any{}, "source": source}
	}
	cells := []any{cell("answer", "### BEGIN SOLUTION\n"+solution+"\n### END SOLUTION", false)}
	for i, t := range tests {
		cells = append(cells, cell(fmt.Sprintf("test%d", i+1), t, true))
	}
	text, _ := json.Marshal(map[string]any{"cells": cells, "nbformat": 4, "nbformat_minor": 5,
		"metadata": map[string]any{"kernelspec": map[string]any{"name": "python3", "display_name": "Python 3", "language": "python"}}})
	return string(text)
}

// preparing gives the desk what prepares releases, and checks that run in
// containers of this machine.
func (d *desk) preparing() *grading.Checks {
	d.t.Helper()
	d.Preparer = &grading.Preparer{Exchange: d.Exchange, Store: d.Store, Now: d.Site.Now}
	data := d.t.TempDir()
	engine, err := container.NewDocker(container.DockerOptions{Data: container.Paths{Inside: data}, Secrets: filepath.Join(data, "secrets")})
	d.must(err)
	d.t.Cleanup(func() { engine.Close() })
	runner := grading.NewRunner(grading.RunnerOptions{Engine: engine, Site: fmt.Sprintf("handlers-%d-%d", os.Getpid(), time.Now().UnixNano())})
	d.t.Cleanup(func() { d.must(runner.Close()) })
	return &grading.Checks{Store: d.Store, Exchange: d.Exchange, Preparer: d.Preparer, Runner: runner, Log: slog.New(slog.DiscardHandler), Now: d.Site.Now}
}

const hw2Path = "/courses/physics/assignments/hw2"

// draft is an assignment without any files yet.
func (d *desk) draft() course.Assignment {
	d.t.Helper()
	a := course.Assignment{CourseID: d.physics.ID, Slug: "hw2", Title: "Homework 2"}
	d.must(d.Store.AddAssignment(d.t.Context(), &a))
	return a
}

func TestTheCheckReportSaysHowTheSolutionRan(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	checks, a := d.preparing(), d.draft()
	teacher := d.as("instructor")
	teacher.files(hw2Path+"/source", nil, map[string]string{"p1.ipynb": instructorsNotebook("a = 5", "assert True", "assert a == 6, '<b>not six</b>'")}).want(t, http.StatusSeeOther, "upload")
	teacher.get(hw2Path+"/source").has(t, "before it has run", "Nothing stands in the way of a release", "Waiting for its turn", hw2Path+"/check/events", "Go on to release",
		"Solutions in python become nbgrader&#39;s text")
	teacher.get(hw2Path+"/release").has(t, "the release page", "is not yet known", "Release now")

	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, teacher.base+hw2Path+"/check/events", nil)
	d.must(err)
	resp, err := teacher.client.Do(req)
	d.must(err)
	defer resp.Body.Close()
	seen, lines := make(chan bool), bufio.NewScanner(resp.Body)
	go func() {
		for lines.Scan() && lines.Text() != "event: fragment" {
		}
		seen <- true
		d.must(checks.Next(t.Context(), a.ID))
	}()
	<-seen
	var all strings.Builder
	for lines.Scan() {
		all.WriteString(lines.Text() + "\n")
	}
	for _, want := range []string{"The solution earns only 2 of 4 points. It falls short in 1 question.", "Work that was not touched earns 2 points, in 1 question.",
		"AssertionError: &lt;b&gt;not six&lt;/b&gt;", "event: done"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the stream lacks %q", want)
		}
	}
	teacher.get(hw2Path+"/source").has(t, "the report", "The solution earns only 2 of 4 points", "test2", "Run again")
	teacher.get(hw2Path+"/release").has(t, "the release page", "Look at this before you release it", "Release now")

	// A newer version makes the result an old one until it has run too.
	teacher.files(hw2Path+"/source", nil, map[string]string{"p1.ipynb": instructorsNotebook("a = 6", "assert a", "assert a == 6")}).want(t, http.StatusSeeOther, "upload again")
	teacher.get(hw2Path+"/source").has(t, "after the upload", "This is of an earlier version of the files.", "Waiting for its turn")
	teacher.get(hw2Path+"/release").has(t, "the release page", "is not yet known")
	d.must(checks.Next(t.Context(), a.ID))
	teacher.get(hw2Path+"/source").has(t, "the new report", "The solution earns full marks: 4 of 4 points that tests give.", "Work that was not touched earns nothing.")
	teacher.get(hw2Path+"/release").has(t, "the release page", "The solution earns full marks")

	d.as("grader").post(hw2Path+"/check", nil).want(t, http.StatusForbidden, "a grader asks again")
	teacher.post(hw2Path+"/check", nil).want(t, http.StatusSeeOther, "run again")
	teacher.get(hw2Path+"/source").has(t, "asked again", "Waiting for its turn", "The solution earns full marks")
}

func TestAnUploadWithAutotestsIsReleasedWhenTheyAreMade(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	checks, a := d.preparing(), d.draft()
	teacher := d.as("instructor")
	templates, err := os.ReadFile("../grading/testdata/autotest/autotests.yml")
	d.must(err)
	teacher.files(hw2Path+"/source", nil, map[string]string{"p1.ipynb": instructorsNotebook("a = 5", "### HASHED AUTOTEST a"), "autotests.yml": string(templates)}).want(t, http.StatusSeeOther, "upload")
	page := teacher.get(hw2Path + "/source")
	page.has(t, "while they are made", "Their autotests are made by running the solution", "autotests")
	if strings.Contains(page.body, "Go on to release") {
		t.Error("the page leads on to a release that there is not")
	}
	teacher.post(hw2Path+"/release", nil).want(t, http.StatusConflict, "releasing too early")
	d.must(checks.Next(t.Context(), a.ID))
	teacher.get(hw2Path+"/source").has(t, "when they are made", "Go on to release", "The solution earns full marks: 2 of 2 points")
	teacher.post(hw2Path+"/release", url.Values{"when": {"now"}}).want(t, http.StatusSeeOther, "release")
	dir, err := d.layout.Release("physics", "hw2")
	d.must(err)
	text, err := os.ReadFile(filepath.Join(dir, "p1.ipynb"))
	d.must(err)
	if s := string(text); !strings.Contains(s, "sha1(str(a)") || strings.Contains(s, "AUTOTEST") || strings.Contains(s, "a = 5") {
		t.Errorf("students got\n%s", s)
	}
	if _, err := os.Stat(filepath.Join(dir, "autotests.yml")); !os.IsNotExist(err) {
		t.Errorf("students got the templates: %v", err)
	}
	teacher.get(hw2Path+"/preview?notebook=p1.ipynb").want(t, http.StatusOK, "both versions").has(t, "both versions", "sha1(str(a)")
}

func TestACheckThatCannotRunIsTold(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.preparing()
	a, teacher := d.draft(), d.as("instructor")
	teacher.post(hw2Path+"/check", nil).want(t, http.StatusConflict, "nothing to check")
	teacher.files(hw2Path+"/source", nil, map[string]string{"p1.ipynb": instructorsNotebook("a = 5", "assert a")}).want(t, http.StatusSeeOther, "upload")
	w, err := d.Store.TakeCheck(t.Context(), a.ID, d.now)
	d.must(err)
	d.must(d.Store.FailCheck(t.Context(), w, "The engine was away.", "dial unix: <refused>", d.now.Add(time.Minute)))
	teacher.get(hw2Path+"/source").has(t, "tried again", "just now, through no fault of the files", "The engine was away.", "dial unix: &lt;refused&gt;", "Tried again soon")
	d.now = d.now.Add(2 * time.Minute)
	w, err = d.Store.TakeCheck(t.Context(), a.ID, d.now)
	d.must(err)
	d.must(d.Store.FailCheck(t.Context(), w, "The engine was away.", "", time.Time{}))
	teacher.get(hw2Path+"/source").has(t, "given up", "could not be run. That is no fault of the files.", "Run again", "Go on to release")
	teacher.get(hw2Path+"/release").has(t, "the release page", "is not known: it could not be run")
}
