package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// homesOf lists the throw-away homes of the demo course.
func (p *program) homesOf() []string {
	dirs, _ := filepath.Glob(filepath.Join(p.data, "homes", "demo", ".copies", "*"))
	return dirs
}

// seeLab waits for JupyterLab with a notebook and its kernel; on a busy machine
// container, scripts and kernel each take a while.
func (p *person) seeLab() {
	p.t.Helper()
	const lab = `String(document.querySelector(".jp-Notebook .jp-CodeCell .cm-content") !== null && document.body.innerText.includes("Python 3 (ipykernel) | Idle"))`
	for deadline := time.Now().Add(3 * time.Minute); p.eval(lab) != "true"; {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: no notebook at %s", p.name, p.where())
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// TestAGraderOpensASubmissionRunning: what a student handed in, in JupyterLab, in
// the grader's browser; then it is discarded, and the student's files are as they
// were. And the instructor opens the assignment as a student would.
func TestAGraderOpensASubmissionRunning(t *testing.T) {
	program := launch(t)
	site := program.url()
	browser := chromium(t)
	teacher := visitor(t, browser, site, "instructor")
	teacher.signIn()
	uploadAndRelease(teacher)

	student := visitor(t, browser, site, "student1")
	student.signIn()
	student.goTo("/courses/demo/assignments/problem-set-1")
	student.click(`//button[contains(., "Open assignment")]`)
	student.wait("the way in", `document.title.includes("Starting") || location.host.includes(".work.")`)
	mine := filepath.Join(program.data, "homes", "demo", "student1", "problem-set-1", "mine.txt")
	if err := os.WriteFile(mine, []byte("the student's own"), 0o644); err != nil {
		t.Fatal(err)
	}
	student.goTo("/courses/demo/assignments/problem-set-1")
	student.click(`//a[contains(., "Submit now")]`)
	student.click(`//dialog[@open]//button[contains(., "Submit now")]`)
	student.seeText("SHA-256")

	grader := visitor(t, browser, site, "grader")
	grader.signIn()
	grader.goTo("/courses/demo/assignments/problem-set-1/submissions/student1")
	grader.seeText("Open running")
	grader.looks("14-submission-running")
	grader.goTo("/courses/demo/assignments/problem-set-1/submissions")
	grader.seeText("Open running")
	grader.looks("14-submissions-running")
	// It opens in a new tab; here the same window goes there, so that one driver sees it all.
	if n := grader.eval(`let n = 0; for (const f of document.querySelectorAll("form[target=_blank]")) { f.removeAttribute("target"); n++ }; String(n)`); n != "1" {
		t.Errorf("%s ways to open something running, want the one who handed in", n)
	}
	grader.click(`//button[contains(., "Open running")]`)
	grader.seeText("This is a copy; nothing you change here is kept.")
	grader.seeLab()
	if got := grader.where(); !strings.Contains(got, ".work.localhost") || !strings.Contains(got, "problem-set-1/1-squares.ipynb") {
		t.Errorf("the copy opened at %s, want its first notebook on a workspace host", got)
	}
	grader.shoot("15-copy-jupyterlab")
	grader.cell(`print(open("mine.txt").read(), "seen")`, "the student's own seen")
	grader.cell(`open("mine.txt", "w").write("overwritten"); print([n for n in __import__("os").listdir("/home/student") if n[0] != "."])`, "['problem-set-1']")
	grader.do("save", chromedp.KeyEvent("s", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	grader.waitSaved()

	grader.goTo("/courses/demo/running")
	grader.seeText("nothing you change in them is kept")
	grader.looks("16-running-copies")
	grader.calm()
	if n := len(program.homesOf()); n != 1 {
		t.Errorf("%d throw-away homes, want one", n)
	}
	teacher.goTo("/courses/demo/servers")
	teacher.seeText("copy of student1 for grader")
	teacher.looks("17-servers")
	teacher.calm()
	grader.click(`//a[contains(., "Discard")]`)
	grader.seeText("What was changed in the copy")
	grader.looks("17-discard")
	grader.click(`//dialog[@open]//button[@type="submit" and not(@formmethod)]`)
	grader.seeText("The copy is discarded.")
	for deadline := time.Now().Add(40 * time.Second); len(program.homesOf()) > 0; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("40 s after it was discarded there is %v", program.homesOf())
		}
	}
	grader.goTo("/courses/demo/running")
	grader.seeText("No copy is open")
	grader.looks("16-running-none")
	if text, err := os.ReadFile(mine); err != nil || string(text) != "the student's own" {
		t.Errorf("the student's file holds %q, %v", text, err)
	}

	teacher.goTo("/courses/demo/assignments/problem-set-1/try")
	teacher.looks("18-try")
	teacher.calm()
	teacher.click(`//button[contains(., "Open as a student would")]`)
	teacher.seeLab()
	teacher.goTo("/courses/demo/assignments/problem-set-1/try")
	teacher.seeText("Start over")
	teacher.looks("18-try-again")
	teacher.goTo("/courses/demo/assignments/problem-set-1/submissions")
	if text := teacher.text("main"); strings.Contains(text, "Demo Instructor") {
		t.Errorf("the instructor stands among the students: %s", text)
	}
}
