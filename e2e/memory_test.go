package e2e_test

import (
	"strings"
	"testing"
	"time"
)

// A machine with room for one workspace, and a home that is nearly full: the
// second student waits and is told for what, the first is told to tidy up.
func TestWaitingForMemoryAndAFullHome(t *testing.T) {
	t.Parallel()
	p := launch(t, "LECTERN_MEMORY_RESERVE=1TiB", "LECTERN_HOME_QUOTA=200KiB", "LECTERN_PRESTART=0")
	c := p.class(3)
	c.fetch("student1")
	c.write("student1", "measurements.csv", strings.Repeat("1,2,3\n", 40_000))
	browser := chromium(t)
	first := visitor(t, browser, p.url(), "student1")
	first.signIn()
	first.goTo(firstSteps)
	first.click(`//button[contains(., "Open assignment") or contains(., "Continue")]`)
	first.seeLab()

	second := visitor(t, browser, p.url(), "student2")
	second.signIn()
	second.goTo(firstSteps)
	second.click(`//button[contains(., "Open assignment")]`)
	second.wait("what it waits for", `document.body.innerText.includes("Waiting for memory: all of it is in use at the moment. Your workspace starts by itself when some is free. You are next.")`)
	second.looks("26-waiting-for-memory")

	first.wait("the notification", `document.body.innerText.includes("Your files take 100 % of the space you have here")`)
	first.shoot("27-jupyterlab-full-home")
	here := visitor(t, browser, p.url(), "student1")
	here.signIn()
	here.goTo("/courses/demo")
	here.seeText("Your files take 100 % of the space you have here, 204.8 kB.")
	here.seeText("My files in this course take")
	here.looks("27-full-home")
	here.goTo(firstSteps)
	here.seeText("My files in this course take")
	here.looks("27-full-home-assignment")
	teacher := visitor(t, browser, p.url(), "instructor")
	teacher.signIn()
	teacher.goTo("/courses/demo/servers")
	teacher.wait("what files take", `document.querySelector('#servers td[data-label="Files"] progress')?.value === 100`)
	teacher.looks("28-servers-files")

	// Nothing is lost: what was not bounded could be saved, and is handed in.
	if got := p.as("student1").mustGet("/courses/demo"); !strings.Contains(got.body, "Stop it") {
		t.Fatalf("the first's course page offers no stop: %.500s", got.body)
	}
	here.goTo("/courses/demo")
	here.click(`//button[contains(., "Stop it")]`)
	began := time.Now()
	second.seeLab()
	t.Logf("the second was in JupyterLab %v after the first had stopped", time.Since(began).Round(100*time.Millisecond))
}
