package handlers

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// picture keeps what a tab shows, light and dark, wide and on a phone, in the
// folder that LECTERN_PICTURES names. No page may be wider than a phone.
func (g *gradingDesk) picture(ctx context.Context, name string) {
	g.t.Helper()
	axe, err := os.ReadFile("../views/testdata/axe.min.js")
	g.must(err)
	g.must(chromedp.Do(ctx, chromedp.Sleep(100*time.Millisecond)))
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](string(axe))); err != nil {
		g.t.Fatal(err)
	}
	dir := os.Getenv("LECTERN_PICTURES")
	for _, at := range []struct {
		name   string
		width  int64
		scheme string
	}{{"", 1440, "light"}, {"-dark", 1440, "dark"}, {"-390", 390, "light"}, {"-390-dark", 390, "dark"}} {
		g.must(chromedp.Do(ctx, chromedp.EmulateViewport(at.width, 900)))
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: at.scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
		g.must(err)
		if at.width == 390 {
			if wide := g.eval(ctx, `String(document.documentElement.scrollWidth > 391 ? document.documentElement.scrollWidth : "")`); wide != "" {
				g.t.Errorf("%s is %s pixels wide on a phone", name, wide)
			}
		}
		found, err := chromedp.Run(ctx, chromedp.Evaluate[string](`axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}).then((r) =>
			r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html).join("; ")).join("\n"))`, chromedp.EvalAwaitPromise))
		g.must(err)
		if found != "" {
			g.t.Errorf("%s%s, axe found:\n%s", name, at.name, found)
		}
		if dir == "" {
			continue
		}
		png, err := chromedp.Run(ctx, chromedp.FullScreenshot(90))
		g.must(err)
		g.must(os.WriteFile(filepath.Join(dir, "regrade-"+name+at.name+".png"), png, 0o644))
	}
	g.must(chromedp.Do(ctx, chromedp.EmulateViewport(1440, 900)))
}

func (g *gradingDesk) goTo(ctx context.Context, path string) {
	g.t.Helper()
	g.must(chromedp.Do(ctx, chromedp.Navigate(g.SiteURL.String()+path)))
}

// shows waits until the page says something.
func (g *gradingDesk) shows(ctx context.Context, what string, texts ...string) {
	g.t.Helper()
	for _, text := range texts {
		g.until(ctx, what+": "+text, `document.body.innerText.includes("`+text+`") ? "yes" : ""`)
	}
}

func TestARegradeInTheBrowser(t *testing.T) {
	t.Parallel()
	g := returned(t)
	student, grader := g.tab("student"), g.tab("grader")

	// The student asks, on a phone.
	g.goTo(student, ps1Path)
	g.shows(student, "the assignment", "Points by question", "1 of 3")
	g.picture(student, "assignment")
	g.must(chromedp.Do(student, chromedp.EmulateViewport(390, 844), chromedp.Click(`a[href*="regrade?question=nb%2Fq2"]`, chromedp.NodeVisible)))
	g.shows(student, "the form", "What should be looked at again?")
	g.picture(student, "form")
	g.must(chromedp.Do(student, chromedp.EmulateViewport(390, 844), chromedp.SendKeys("#f-reason", "Line 2 names the bound.\n<b>Look</b> at it."), chromedp.Click(`form.form button[type="submit"]`, chromedp.NodeVisible)))
	g.shows(student, "the request", "Your request was sent.", "<b>Look</b> at it.")
	g.picture(student, "asked")
	mine := g.eval(student, `location.pathname`)

	// The grader is told, and is at the question after one click.
	g.goTo(grader, "/")
	g.shows(grader, "home", "1 regrade request waits for you")
	g.picture(grader, "home")
	g.must(chromedp.Do(grader, chromedp.Click(`a[href="`+regradesURL+`"]`, chromedp.NodeVisible)))
	g.shows(grader, "the list", "Line 2 names the bound.")
	g.picture(grader, "list")
	g.must(chromedp.Do(grader, chromedp.Click(`tbody a.button`, chromedp.NodeVisible)))
	g.shows(grader, "the marking screen", "Regrade request", "<b>Look</b> at it.", "The student was shown")
	g.picture(grader, "marking")

	// A mark that saves itself beside the answer is the one that the answer is about.
	g.must(chromedp.Do(grader, chromedp.Sleep(300*time.Millisecond), chromedp.KeyEvent("f")))
	g.until(grader, "saving by key", saidSaved)
	if now := g.eval(grader, `document.querySelector("[data-now]").textContent`); now != "3" {
		t.Errorf("beside the answer the mark is %q, want 3", now)
	}
	g.must(chromedp.Do(grader, chromedp.SendKeys("#f-answer", "It does: full points."), chromedp.Click(`.regrade-panel button.primary`, chromedp.NodeVisible)))
	g.shows(grader, "the answer", "Answered. The student sees it now.", "It does: full points.", "1 → 3")
	g.picture(grader, "answered")

	g.goTo(student, mine)
	g.shows(student, "the request", "It does: full points.", "1 → 3 of 3")
	g.picture(student, "seen")
	g.goTo(student, ps1Path)
	g.shows(student, "the assignment", "3 of 5 points", "1 → 3")
	g.picture(student, "assignment-after")
	if text := g.eval(student, `document.body.innerText`); strings.Contains(text, "The grader") {
		t.Error("the student reads the grader's name")
	}
}
