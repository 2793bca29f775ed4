package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// complaints collects what the browser refused and what scripts threw.
const complaints = `window.complaints = [];
document.addEventListener("securitypolicyviolation", (e) => complaints.push("policy: " + e.violatedDirective + " " + e.blockedURI));
window.addEventListener("error", (e) => complaints.push("error: " + e.message));`

// chromium starts a browser that ends with the test.
func chromium(t *testing.T) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return ctx
}

// person is one visitor with cookies of their own.
type person struct {
	t    testing.TB
	ctx  context.Context
	site string
	name string
}

// visitor opens a fresh profile in the browser.
func visitor(t *testing.T, browser context.Context, site, name string) *person {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("%s: open a window: %v", name, err)
	}
	ctx, cancel = context.WithTimeout(ctx, 20*time.Minute)
	t.Cleanup(cancel)
	p := &person{t: t, ctx: ctx, site: site, name: name}
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: complaints}); err != nil {
		t.Fatal(err)
	}
	p.size(1440, 1000)
	return p
}

func (p *person) size(w, h int64) {
	p.t.Helper()
	p.do("set the window", chromedp.EmulateViewport(w, h))
}

func (p *person) dark(on bool) {
	p.t.Helper()
	scheme := "light"
	if on {
		scheme = "dark"
	}
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}); err != nil {
		p.t.Fatal(err)
	}
}

// do runs steps, each of which has 60 s.
func (p *person) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	for _, step := range steps {
		ctx, cancel := context.WithTimeout(p.ctx, 60*time.Second)
		err := chromedp.Do(ctx, step)
		cancel()
		if err != nil {
			p.shoot("failed")
			p.t.Fatalf("%s: %s: %v\nat %s\n%s", p.name, what, err, p.where(), p.text("body"))
		}
	}
}

// goTo opens a page. A page that renews itself at that moment, as one does when the
// work it shows is done, aborts the visit: a person would press again, and so does this.
func (p *person) goTo(path string) {
	p.t.Helper()
	for range 3 {
		ctx, cancel := context.WithTimeout(p.ctx, 60*time.Second)
		err := chromedp.Do(ctx, chromedp.Navigate(p.site+path))
		cancel()
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "net::ERR_ABORTED") {
			break
		}
	}
	p.do("open "+path, chromedp.Navigate(p.site+path))
}

// click waits for an element that a CSS selector or an XPath finds, and clicks it.
func (p *person) click(sel string) {
	p.t.Helper()
	p.do("click "+sel, chromedp.Click(sel, chromedp.NodeVisible))
}

// mouse moves to the middle of an element and clicks there, as a hand does: menus
// follow the pointer.
func (p *person) mouse(sel string) {
	p.t.Helper()
	p.see(sel)
	at := p.eval(fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect(); return (r.x + r.width / 2) + " " + (r.y + r.height / 2); })()`, sel))
	var x, y float64
	if _, err := fmt.Sscan(at, &x, &y); err != nil {
		p.t.Fatalf("%s: where is %s? %q: %v", p.name, sel, at, err)
	}
	p.do("click "+sel, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x, y), chromedp.MouseClickXY(x, y))
}

func (p *person) see(sel string) {
	p.t.Helper()
	p.do("wait for "+sel, chromedp.WaitVisible(sel))
}

// seeText waits until the page shows a text.
func (p *person) seeText(want string) {
	p.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !strings.Contains(p.text("body"), want) {
		if time.Now().After(deadline) {
			p.shoot("failed")
			p.t.Fatalf("%s: the page at %s never shows %q; it shows:\n%s", p.name, p.where(), want, p.text("body"))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (p *person) fill(sel, value string) {
	p.t.Helper()
	p.do("fill "+sel, chromedp.SetValue(sel, value))
}

func (p *person) files(sel string, paths ...string) {
	p.t.Helper()
	p.do("choose files", chromedp.SetUploadFiles(sel, paths, chromedp.NodeReady))
}

func (p *person) typeText(text string) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		p.t.Fatalf("%s: type: %v", p.name, err)
	}
}

// eval is the value of an expression in the page; "" while the page changes.
func (p *person) eval(script string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	if err != nil {
		return ""
	}
	return v
}

func (p *person) text(sel string) string {
	return p.eval(fmt.Sprintf(`String(document.querySelector(%q)?.innerText ?? "")`, sel))
}

func (p *person) where() string { return p.eval(`location.href`) }

// calm fails the test if the page broke the content policy or a script threw.
func (p *person) calm() {
	p.t.Helper()
	if got := p.eval(`JSON.stringify(window.complaints || [])`); got != "[]" {
		p.t.Errorf("%s: %s complains: %s", p.name, p.where(), got)
	}
}

// pictured is what the README shows.
var pictured = []string{"03-check-report", "04-both-versions", "08-student-assignment-390", "09-jupyterlab-run", "11-submissions", "12-submission", "10-student-feedback"}

// shoot keeps a picture of the window in the folder that LECTERN_PICTURES names;
// only what the README shows if LECTERN_PICTURES_ONLY is set.
func (p *person) shoot(name string) {
	p.t.Helper()
	dir := os.Getenv("LECTERN_PICTURES")
	if dir == "" || os.Getenv("LECTERN_PICTURES_ONLY") != "" && !slices.Contains(pictured, name) {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		p.t.Logf("picture %s: %v", name, err)
	}
}

// looks takes a page's pictures: wide, tablet and phone, and dark.
func (p *person) looks(name string) {
	p.t.Helper()
	p.shoot(name)
	if os.Getenv("LECTERN_PICTURES") == "" {
		return
	}
	p.dark(true)
	p.shoot(name + "-dark")
	p.dark(false)
	for _, w := range []int64{1024, 390} {
		p.size(w, 844)
		p.shoot(fmt.Sprintf("%s-%d", name, w))
	}
	p.size(1440, 1000)
}
