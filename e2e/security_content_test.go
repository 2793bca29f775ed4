package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"lectern/course"
)

// canary hears whatever a page asks for behind its reader's back.
type canary struct {
	*httptest.Server
	mu    sync.Mutex
	heard []string
}

func newCanary(t *testing.T) *canary {
	c := &canary{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.heard = append(c.heard, r.URL.Path)
	}))
	t.Cleanup(c.Close)
	return c
}

// drain gives the different paths that were asked for since the last time.
func (c *canary) drain() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.heard
	c.heard = nil
	slices.Sort(out)
	return slices.Compact(out)
}

// hostileMarkup is HTML that runs, fetches, sends or leads away; each tells CANARY
// under a name of its own.
var hostileMarkup = []string{
	`<script>new Image().src = "CANARY/script"; document.title = "pwned"; try { top.pwned = 1; parent.document.title = "pwned" } catch (e) {}</script>`,
	`<script src="CANARY/script-src"></script>`, `<script type="module">import("CANARY/import")</script>`,
	`<img src="CANARY/img">`, `<img src="x" onerror="new Image().src = 'CANARY/onerror'">`, `<img srcset="CANARY/srcset 1x">`,
	`<svg onload="new Image().src = 'CANARY/svg-onload'"><image href="CANARY/svg-image" width="9" height="9"/></svg>`,
	`<link rel="stylesheet" href="CANARY/link">`, `<style>@import "CANARY/css-import"; body { background: url(CANARY/css-url) }</style>`,
	`<link rel="prefetch" href="CANARY/prefetch"><link rel="icon" href="CANARY/icon">`, `<body background="CANARY/background">`,
	`<iframe src="CANARY/iframe"></iframe>`, `<iframe srcdoc="<script>new Image().src = 'CANARY/srcdoc'</script>"></iframe>`,
	`<object data="CANARY/object"></object>`, `<embed src="CANARY/embed">`,
	`<video src="CANARY/video" poster="CANARY/poster" autoplay></video><audio src="CANARY/audio" autoplay></audio>`,
	`<details open ontoggle="new Image().src = 'CANARY/ontoggle'">x</details>`, `<input autofocus onfocus="new Image().src = 'CANARY/onfocus'">`,
	`<form id="f" action="CANARY/form" method="post" target="_blank"><input name="a"></form><script>f.submit()</script>`,
	`<a id="a" href="CANARY/ping-to" ping="CANARY/ping" target="_top">x</a><script>a.click()</script>`,
	`<script>navigator.sendBeacon("CANARY/beacon"); fetch("CANARY/fetch", {mode: "no-cors"}); new WebSocket("CANARY/socket".replace("http", "ws"))</script>`,
	`<script>open("CANARY/popup")</script>`, `<script>top.location = "CANARY/top"</script>`,
	`<meta http-equiv="refresh" content="1;url=CANARY/refresh">`, `<base href="CANARY/base/"><img src="relative">`,
}

// hostileFiles is a submission in which each file is an attack on who looks at it.
func hostileFiles(t *testing.T, canary string) map[string]string {
	all := strings.ReplaceAll(strings.Join(hostileMarkup, "\n"), "CANARY", canary)
	svg := `<svg xmlns="http://www.w3.org/2000/svg" onload="new Image().src='` + canary + `/svg'"><script>new Image().src = "` + canary + `/svg-script"</script>` +
		`<image href="` + canary + `/svg-file" width="9" height="9"/><foreignObject width="99" height="99"><body xmlns="http://www.w3.org/1999/xhtml"><img src="` + canary + `/foreign"/></body></foreignObject></svg>`
	output := func(kind, text string) map[string]any {
		return map[string]any{"output_type": "display_data", "metadata": map[string]any{}, "data": map[string]any{kind: text, "text/plain": "plain"}}
	}
	cell := func(kind, source string, outputs ...any) map[string]any {
		c := map[string]any{"cell_type": kind, "id": uuid.NewString()[:8], "metadata": map[string]any{}, "source": source}
		if kind == "code" {
			c["outputs"], c["execution_count"] = append([]any{}, outputs...), 1
		}
		if kind == "markdown" {
			c["attachments"] = map[string]any{"a.svg": map[string]any{"image/svg+xml": svg}}
		}
		return c
	}
	cells := []any{cell("raw", all), cell("code", all, output("text/html", all), output("image/svg+xml", svg), output("text/markdown", all),
		output("application/javascript", `new Image().src = "`+canary+`/js"`), output("text/latex", `$\href{javascript:1}{x}$`+all),
		output("image/png", `x" onerror="new Image().src='`+canary+`/png'`),
		map[string]any{"output_type": "error", "ename": "<img src=" + canary + "/ename>", "evalue": all, "traceback": []string{all, "\x1b[31m" + all}},
		map[string]any{"output_type": "stream", "name": "stdout", "text": all})}
	for _, m := range hostileMarkup {
		cells = append(cells, cell("markdown", strings.ReplaceAll(m, "CANARY", canary)+"\n\n![x]("+canary+"/md-img) ![x](attachment:a.svg) [x](javascript:alert(1)) <"+canary+"/auto>"))
	}
	return map[string]string{
		"page.html": "<!doctype html>" + all, "page.xhtml": all, "picture.svg": svg, "notes.md": all + "\n\n![x](" + canary + "/md)", "text.txt": all,
		"page.xml":                             `<?xml version="1.0"?><?xml-stylesheet href="` + canary + `/xsl" type="text/xsl"?><!DOCTYPE a [<!ENTITY x SYSTEM "` + canary + `/entity">]><a>&x;</a>`,
		"paper.pdf":                            "%PDF-1.4\n1 0 obj<</Type/Catalog/OpenAction<</S/URI/URI(" + canary + "/pdf)>>>>endobj\ntrailer<</Root 1 0 R>>",
		"<img src=x onerror=top.pwned=1>.html": all, "attack.csv": "=HYPERLINK(\"" + canary + "/csv\")," + all,
		"attack.ipynb": `{"nbformat":4,"nbformat_minor":5,"metadata":{"kernelspec":{"name":"x","display_name":"<script>top.pwned=1</script>","language":"python"}},"cells":` + toJSON(t, cells) + `}`,
	}
}

// A grader looks at a submission made of attacks, file by file, in the site's
// frame and each in a window of its own. No script runs, no request leaves,
// nothing leads the window away.
func TestAHostileSubmissionOnlyShows(t *testing.T) {
	t.Parallel()
	birds := newCanary(t)
	p := launch(t)
	class := p.class(3)
	class.fetch("student1")
	files := hostileFiles(t, birds.URL)
	for name, text := range files {
		class.write("student1", name, text)
	}
	student := p.as("student1")
	if got := student.mustPost(firstSteps+"/submit", url.Values{"key": {uuid.NewString()}}); !strings.Contains(got.location, "/receipts/") {
		t.Fatalf("submit: %d to %s", got.status, got.location)
	}
	for name := range files {
		if !slices.ContainsFunc(class.of("student1")[0].Files, func(f course.File) bool { return f.Path == name }) {
			t.Errorf("%s was not taken", name)
		}
	}
	browser := chromium(t)
	attacksAreReal(t, visitor(t, browser, p.url(), "nobody"), birds, files["page.html"])

	grader := visitor(t, browser, p.url(), "grader")
	grader.signIn()
	grader.goTo("/account") // with what the site itself loads
	birds.drain()
	var shown []string
	for name := range files {
		at := firstSteps + "/submissions/student1?file=" + url.QueryEscape(name)
		grader.goTo(at)
		grader.see("iframe.work")
		frame := grader.eval(`document.querySelector("iframe.work").src`)
		if u, err := url.Parse(frame); err != nil || !strings.Contains(u.Host, ".content.") {
			t.Errorf("%s is framed from %q", name, frame)
		}
		time.Sleep(1500 * time.Millisecond) // the slowest attack waits a second
		if where := grader.where(); where != p.url()+at {
			t.Errorf("%s led the grader to %s", name, where)
		}
		if got := grader.eval(`String(window.pwned) + " " + document.title.includes("pwned") + " " + window.length`); got != "undefined false 1" {
			t.Errorf("%s reached the site's window: %s", name, got)
		}
		grader.calm()
		shown = append(shown, frame)
		if heard := birds.drain(); len(heard) > 0 {
			t.Errorf("%s, framed, told %q", name, heard)
		}
	}
	for _, frame := range shown {
		grader.do("open the frame's own address", chromedp.Navigate(frame))
		time.Sleep(1500 * time.Millisecond)
		if where := grader.where(); where != frame {
			t.Errorf("%.80s led to %s", frame, where)
		}
		if title := grader.eval(`document.title`); title == "pwned" {
			t.Errorf("a script ran at %.80s", frame)
		}
		if heard := birds.drain(); len(heard) > 0 {
			t.Errorf("%.80s told %q", frame, heard)
		}
		got := student.mustGet(frame + "download")
		if got.header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment") {
			t.Errorf("a download is %v", got.header)
		}
	}
}

// attacksAreReal shows the same page where nothing protects its reader: each of
// its attacks that a browser carries out by itself is heard.
func attacksAreReal(t *testing.T, p *person, birds *canary, page string) {
	t.Helper()
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, page)
	}))
	t.Cleanup(open.Close)
	p.do("open the page without protection", chromedp.Navigate(open.URL))
	var heard []string
	await(t, "the canary to be told", func() bool { heard = append(heard, birds.drain()...); return len(heard) > 10 })
	for _, want := range []string{"/script", "/img", "/link", "/css-import", "/iframe", "/onerror"} {
		if !slices.Contains(heard, want) {
			t.Errorf("without protection the attack %s is not carried out: it shows nothing; heard %q", want, heard)
		}
	}
}

// Signing out ends what a browser has open in a workspace, within five seconds.
func TestSigningOutClosesTheWorkspacesSockets(t *testing.T) {
	t.Parallel()
	p := launch(t)
	student := p.as("student1")
	work, err := student.open()
	must(t, err)
	kernel, err := student.newKernel(work)
	must(t, err)
	conn, err := student.socket(t.Context(), work, kernel)
	must(t, err)
	defer conn.CloseNow()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, _, err := conn.Read(t.Context()); err != nil {
				return
			}
		}
	}()
	select {
	case <-ended:
		t.Fatal("the socket ended before the sign-out")
	case <-time.After(2 * time.Second):
	}
	student.mustPost("/sign-out", nil)
	began := time.Now()
	select {
	case <-ended:
		t.Logf("closed after %v", time.Since(began))
	case <-time.After(5 * time.Second):
		t.Error("the socket is open five seconds after the sign-out")
	}
	if got := student.mustGet(work + "/api/kernels"); got.status != http.StatusForbidden {
		t.Errorf("after the sign-out the workspace answers %d, want 403", got.status)
	}
}

// Wherever sign-in is told to go on to, the browser stays on the site; and the
// site frames nothing but content.
func TestSignInLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	p := launch(t)
	there := visitor(t, chromium(t), p.url(), "student1")
	there.goTo("/sign-in")
	for _, next := range []string{"//evil.test", "///evil.test", `/\evil.test`, `\/evil.test`, `\\evil.test`, "https:evil.test", "https://evil.test", "http:///evil.test",
		"/%5cevil.test", "/%2f/evil.test", "/%2Fevil.test", "/.//evil.test", "/..//evil.test", "/x/..//evil.test", "/\t/evil.test", "/\n/evil.test", "\t//evil.test", " //evil.test",
		"javascript:alert(1)", "data:text/html,x", "//evil.test\\@localhost", "/@evil.test", ":80//evil.test", "?//evil.test", "#//evil.test", "/\u2044evil.test", "/;//evil.test",
		"http://localhost@evil.test", "//localhost:80@evil.test", "/%09/evil.test", "/%00//evil.test", "%2f%2fevil.test", "/\r\nLocation: //evil.test"} {
		for _, got := range []reply{p.as("student1").mustPost("/sign-in/demo", url.Values{"login": {"student1"}, "next": {next}}), p.as("student1").mustGet("/sign-in?next=" + url.QueryEscape(next))} {
			if got.status != http.StatusSeeOther {
				t.Errorf("next=%q: %d", next, got.status)
				continue
			}
			if origin := there.eval(`new URL(` + quote(got.location) + `, location.href).origin`); origin != p.url() {
				t.Errorf("next=%q leads to %q, which a browser takes for %s", next, got.location, origin)
			}
		}
	}
	policy := p.as("grader").mustGet("/courses/demo").header.Get("Content-Security-Policy")
	if want := fmt.Sprintf("frame-src http://*.content.localhost:%d;", p.port); !strings.Contains(policy, want) || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("the policy is %q, want %s and no ancestors", policy, want)
	}
}
