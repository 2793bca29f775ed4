package e2e_test

import (
	"strings"
	"testing"
	"time"
)

// TestJupyterLabShowsWhatLecternSays: an announcement and the warning before a
// stop appear inside JupyterLab, as its own notifications, and "I'm still here"
// keeps the workspace; the page of servers shows what it uses.
func TestJupyterLabShowsWhatLecternSays(t *testing.T) {
	t.Parallel()
	program := launch(t, "LECTERN_IDLE_AFTER=5m20s") // and five minutes before that the warning
	site := program.url()
	browser := chromium(t)
	teacher := visitor(t, browser, site, "instructor")
	teacher.signIn()
	uploadAndRelease(teacher)
	student := visitor(t, browser, site, "student1")
	student.signIn()
	student.goTo("/courses/demo/assignments/problem-set-1")
	student.click(`//button[contains(., "Open assignment")]`)
	student.seeLab()
	opened := time.Now()

	teacher.goTo("/courses/demo/servers")
	teacher.fill(`//input[@name="text"]`, "The lab ends at six")
	teacher.click(`//button[contains(., "Announce")]`)
	teacher.seeText("Announced.")
	within := func(limit time.Duration, p *person, what, expression string) {
		t.Helper()
		for deadline := time.Now().Add(limit); p.eval(`String(`+expression+`)`) != "true"; time.Sleep(500 * time.Millisecond) {
			if time.Now().After(deadline) {
				p.shoot("failed-notes")
				t.Fatalf("%s: no %s within %v at %s, which shows:\n%s", p.name, what, limit, p.where(), p.text("body"))
			}
		}
	}
	within(time.Minute, student, "announcement", `document.body.innerText.includes("The lab ends at six")`)
	student.shoot("24-jupyterlab-announcement")

	within(time.Minute, teacher, "reading", `document.querySelector("#servers .memory progress")?.value > 0 && /\d %/.test(document.querySelector("#servers").innerText)`)
	within(time.Minute, teacher, "tab", `document.querySelector('#servers td[data-label="Tabs"]')?.innerText === "1"`)
	teacher.looks("24-servers")
	teacher.calm()
	teacher.click(`//button[contains(., "Withdraw")]`)
	within(time.Minute, student, "withdrawal", `!document.body.innerText.includes("The lab ends at six")`)

	// Nobody types: soon after the last sign of life the stop is announced.
	within(4*time.Minute, student, "warning", `document.body.innerText.includes("It will be stopped at")`)
	student.shoot("25-jupyterlab-warning")
	other := visitor(t, browser, site, "student1")
	other.signIn()
	other.goTo("/courses/demo")
	other.seeText("It will be stopped at")
	other.looks("25-warning")
	student.eval(`[...document.querySelectorAll("button")].find((b) => b.innerText.includes("still here")).click(); ""`)
	within(time.Minute, student, "end of the warning", `!document.body.innerText.includes("It will be stopped at")`)
	other.goTo("/courses/demo")
	if strings.Contains(other.text("body"), "It will be stopped at") {
		t.Errorf("still warned %v after the workspace was opened, and the answer", time.Since(opened))
	}
}
