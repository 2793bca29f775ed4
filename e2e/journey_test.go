// Package e2e holds the tests that use the whole program as people do: the real
// binary, Postgres, container engine, JupyterLab and browser. They take minutes.
package e2e_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// solution is what the student types into the first answer.
const solution = `def squares(n):
    """The squares of the numbers from 1 to n."""
    if n < 1:
        raise ValueError("n must be at least 1")
    return [i * i for i in range(1, n + 1)]`

func TestAnAssignmentFromUploadToReturn(t *testing.T) {
	site := start(t)
	browser := chromium(t)

	teacher := visitor(t, browser, site, "instructor")
	teacher.signIn()
	uploadAndRelease(teacher)

	student := visitor(t, browser, site, "student1")
	student.signIn()
	workAndSubmit(student)

	collectAndReturn(t, teacher)

	tour(teacher)

	student.goTo("/courses/demo/assignments/problem-set-1")
	student.seeText("Returned")
	student.seeText("7.5 of 10 points")
	student.looks("10-student-feedback")
	student.calm()
	student.click(`//a[contains(., "1-squares.html")]`)
	student.seeText("Well argued")
	if got := student.where(); !strings.Contains(got, ".content.localhost") {
		t.Errorf("feedback is shown at %s, want a content host", got)
	}
}

func (p *person) signIn() {
	p.t.Helper()
	p.goTo("/")
	if p.name == "instructor" {
		p.looks("01-sign-in")
	}
	p.click(`button[value="` + p.name + `"]`)
	p.seeText("Demo course")
	p.calm()
}

// uploadAndRelease makes an assignment of two notebooks and a data file, reads
// the check report, looks at both versions, and releases it.
func uploadAndRelease(p *person) {
	p.t.Helper()
	p.goTo("/courses/demo/assignments/new")
	p.fill("#f-title", "Problem set 1")
	var files []string
	for _, name := range []string{"1-squares.ipynb", "2-cities.ipynb", "cities.csv"} {
		path, err := filepath.Abs(filepath.Join("..", "cmd", "lectern", "demo", name))
		if err != nil {
			p.t.Fatal(err)
		}
		files = append(files, path)
	}
	p.files("#f-files", files...)
	p.looks("02-new-assignment")
	p.click(`//button[contains(., "Create and check")]`)
	p.seeText("Nothing stands in the way of a release.")
	p.looks("03-check-report")
	p.calm()
	p.click(`//a[contains(., "Both versions")]`)
	p.seeText("solution replaced")
	p.looks("04-both-versions")
	p.calm()
	p.goTo("/courses/demo/assignments/problem-set-1/release")
	p.seeText("It is checked and ready.")
	p.click(`//button[contains(., "Release now")]`)
	p.seeText("Students have this assignment.")
	p.looks("05-released")
	p.calm()
	p.goTo("/courses/demo")
	p.seeText("Problem set 1")
	p.looks("06-course")
	p.calm()
}

// workAndSubmit opens the assignment, answers in JupyterLab, runs all cells,
// saves and submits.
func workAndSubmit(p *person) {
	p.t.Helper()
	p.goTo("/courses/demo")
	p.seeText("Problem set 1")
	p.looks("07-student-course")
	p.calm()
	p.goTo("/courses/demo/assignments/problem-set-1")
	p.seeText("Open assignment")
	p.looks("08-student-assignment")
	p.calm()
	p.click(`//button[contains(., "Open assignment")]`)
	p.see(".jp-Notebook .jp-CodeCell .cm-content")
	if got := p.where(); !strings.Contains(got, ".work.localhost") || !strings.Contains(got, "problem-set-1/1-squares.ipynb") {
		p.t.Errorf("the assignment opened at %s, want its first notebook on a workspace host", got)
	}
	p.shoot("09-jupyterlab")
	p.wait("the kernel", `document.body.innerText.includes("Python 3 (ipykernel) | Idle")`)
	p.mouse(".jp-CodeCell .cm-content")
	p.wait("the editor to have the focus", `document.activeElement.closest(".jp-CodeCell .cm-content") !== null`)
	p.do("clear the stub", chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)), chromedp.KeyEvent(kb.Delete))
	p.typeText(solution)
	p.mouse(`.lm-MenuBar-item[data-command="runmenu"], .lm-MenuBar-item:nth-child(4)`)
	p.mouse(`.lm-Menu-item[data-command="runmenu:run-all"]`)
	p.seeRun(3)
	p.do("save", chromedp.KeyEvent("s", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	p.waitSaved()
	p.shoot("09-jupyterlab-run")

	p.goTo("/courses/demo/assignments/problem-set-1")
	p.click(`//a[contains(., "Submit now")]`)
	p.click(`//dialog[@open]//button[contains(., "Submit now")]`)
	p.seeText("SHA-256")
	p.looks("09-receipt")
	p.calm()
}

// seeRun waits until n code cells have run, without an error.
func (p *person) seeRun(n int) {
	p.t.Helper()
	p.wait("cells to run", `[...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].filter((e) => /^\[\d+\]:?$/.test(e.textContent.trim())).length >= `+itoa(n))
	if got := p.eval(`String(document.querySelectorAll('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"], .jp-RenderedText[data-mime-type="application/vnd.jupyter.error"]').length)`); got != "0" {
		p.shoot("failed")
		p.t.Fatalf("%s: %s cells ended with an error", p.name, got)
	}
}

func (p *person) waitSaved() {
	p.t.Helper()
	p.wait("the notebook to be saved", `document.querySelectorAll(".jp-mod-dirty").length === 0`)
}

// collectAndReturn collects, reads the work, downloads it, uploads feedback with
// a mark, and returns it.
func collectAndReturn(t *testing.T, p *person) {
	t.Helper()
	p.goTo("/courses/demo/assignments/problem-set-1/submissions")
	p.seeText("Demo Student 1")
	p.click(`//a[contains(., "Collect now")]`)
	p.click(`//dialog[@open]//button[contains(., "Collect now")]`)
	p.seeText("Collected")
	p.looks("11-submissions")
	p.calm()
	p.click(`//a[text()="Demo Student 1"]`)
	p.see("iframe.work")
	p.looks("12-submission")
	p.calm()

	got := unzip(t, p.download("/courses/demo/assignments/problem-set-1/submissions.zip"))
	work, ok := got["submitted/student1/problem-set-1/1-squares.ipynb"]
	if !ok || !strings.Contains(work, "i * i for i in range") {
		t.Fatalf("the zip does not hold the student's answer; it holds %v", keys(got))
	}
	for _, name := range []string{"submitted/student1/problem-set-1/timestamp.txt", "submitted/student1/problem-set-1/cities.csv"} {
		if _, ok := got[name]; !ok {
			t.Errorf("the zip lacks %s; it holds %v", name, keys(got))
		}
	}

	p.goTo("/courses/demo/assignments/problem-set-1/marks/student1")
	p.fill(`input[name="points"]`, "7.5")
	p.click(`//form//button[contains(., "Save")]`)
	p.seeText("7.5")
	p.looks("13-marks")
	p.calm()

	p.goTo("/courses/demo/assignments/problem-set-1/feedback")
	p.files("#f-files", feedbackZip(t))
	p.click(`//button[contains(., "Upload")]`)
	p.seeText("is ready to be returned")
	p.goTo("/courses/demo/assignments/problem-set-1/feedback")
	p.looks("14-feedback")
	p.calm()
	p.click(`//a[contains(., "Return all")] | //button[contains(., "Return all")]`)
	if p.eval(`String(document.querySelector("dialog[open]") !== null)`) == "true" {
		p.click(`//dialog[@open]//button[@type="submit" and not(@formmethod)]`)
	}
	p.seeText("Feedback returned for 1 student.")
	p.calm()
}

// tour looks at the pages beside the way.
func tour(p *person) {
	p.t.Helper()
	for _, page := range []struct{ name, path, text string }{
		{"20-home", "/", "Demo course"},
		{"21-roster", "/courses/demo/roster", "Demo Student 2"},
		{"22-roster-import", "/courses/demo/roster/import", "paste rows"},
		{"23-servers", "/courses/demo/servers", "Demo Student 1"},
		{"24-activity", "/courses/demo/activity", "released"},
		{"25-course-settings", "/courses/demo/settings", "Archive the course"},
		{"26-dates", "/courses/demo/assignments/problem-set-1/dates", "More time for one student"},
		{"27-settings", "/courses/demo/assignments/problem-set-1/settings", "Notebook image"},
		{"28-marks", "/courses/demo/assignments/problem-set-1/marks", "Demo Student 1"},
		{"29-account", "/account", "Where you are signed in"},
		{"30-nothing-here", "/courses/none", "There is no such course."},
	} {
		p.goTo(page.path)
		p.seeText(page.text)
		p.looks(page.name)
		p.calm()
	}
}

// feedbackZip is what a grader uploads: a page for the student, in the fixed layout.
func feedbackZip(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "feedback.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	w, err := z.Create("feedback/student1/problem-set-1/1-squares.html")
	if err == nil {
		_, err = io.WriteString(w, "<!DOCTYPE html><title>Feedback</title><h1>Squares</h1><p>Well argued.</p>")
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// download fetches an address of the site with the person's own cookies.
func (p *person) download(path string) []byte {
	p.t.Helper()
	enc := p.eval(`fetch(` + quote(path) + `).then((r) => r.arrayBuffer()).then((b) => { let s = ""; new Uint8Array(b).forEach((c) => s += String.fromCharCode(c)); return btoa(s); })`)
	data, err := base64.StdEncoding.DecodeString(enc)
	if err != nil || len(data) == 0 {
		p.t.Fatalf("%s: download of %s: %d bytes, %v", p.name, path, len(data), err)
	}
	return data
}

func unzip(t *testing.T, data []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("not a zip: %v", err)
	}
	out := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(b)
	}
	return out
}
