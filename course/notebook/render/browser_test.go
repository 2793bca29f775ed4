package render

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// browser starts Chromium. A machine without it fails the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	opts := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), append(opts, chromedp.NoSandbox)...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("Chromium does not start: %v", err)
	}
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// host serves one page with its style sheet and frames, and keeps what it was asked for and what the browser blocked.
type host struct {
	*httptest.Server
	page, frame []byte
	csp         string

	mu      sync.Mutex
	frames  int
	asked   []string
	blocked []string
}

func newHost(t *testing.T) *host {
	t.Helper()
	css, err := os.ReadFile("../../../static/notebook.css")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if h.csp != "" {
				w.Header().Set("Content-Security-Policy", h.csp)
			}
			fmt.Fprintf(w, `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>page</title>`+
				`<link rel="stylesheet" href="/page.css"><link rel="stylesheet" href="/notebook.css"></head><body><main>%s</main></body></html>`, h.page)
		case "/page.css":
			w.Header().Set("Content-Type", "text/css")
			io.WriteString(w, `:root{color-scheme:light dark} body{background:light-dark(#fff,#1c1f23);font:15px/1.5 system-ui,sans-serif;margin:1.5rem}`)
		case "/notebook.css":
			w.Header().Set("Content-Type", "text/css")
			w.Write(css)
		case "/latin-modern-math-subset.woff2":
			http.ServeFile(w, r, "../../../static/latin-modern-math-subset.woff2")
		case "/frame":
			h.mu.Lock()
			h.frames++
			h.mu.Unlock()
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", FrameCSP)
			w.Write(h.frame)
		case "/csp":
			report, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16))
			h.mu.Lock()
			h.blocked = append(h.blocked, string(report))
			h.mu.Unlock()
		default:
			h.mu.Lock()
			h.asked = append(h.asked, r.URL.String())
			h.mu.Unlock()
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

const strictCSP = "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'none'; report-uri /csp"

func dark(on bool) chromedp.Action[chromedp.Void] {
	value := "light"
	if on {
		value = "dark"
	}
	return func(ctx context.Context, tab *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
		})
		return chromedp.Void{}, err
	}
}

// problems checks in the page that formulas were laid out, pictures decoded, and nothing is wider than the page.
const problems = `(async () => {
	const found = [];
	await document.fonts.ready;
	if (![...document.fonts].some(f => f.family.includes('Lectern Math') && f.status === 'loaded')) found.push('the font for formulas is not loaded');
	const frame = document.querySelector('iframe');
	frame.scrollIntoView();
	for (let i = 0; i < 100 && performance.getEntriesByType('resource').every(e => !e.name.endsWith('/frame')); i++) await new Promise(r => setTimeout(r, 20));
	scrollTo(0, 0);
	const [base, sub] = ['mi', 'mn'].map(t => document.querySelector('msub > ' + t).getBoundingClientRect());
	if (sub.bottom <= base.bottom) found.push('a subscript is not below its letter');
	const maths = [...document.querySelectorAll('math')];
	if (maths.length < 12) found.push('only ' + maths.length + ' formulas');
	for (const m of maths) if (m.getBoundingClientRect().width < 4) found.push('a formula without width: ' + m.outerHTML.slice(0, 200));
	for (const i of document.images) if (!i.complete || i.naturalWidth === 0) found.push('a picture not decoded: ' + i.src.slice(0, 60));
	if (document.images.length < 3) found.push('only ' + document.images.length + ' pictures');
	if (document.documentElement.scrollWidth > innerWidth) found.push('the page scrolls sideways: ' + document.documentElement.scrollWidth);
	const colour = getComputedStyle(document.querySelector('.nb-src .k')).color;
	if (colour === getComputedStyle(document.querySelector('.nb-src')).color) found.push('code has no colours');
	if (document.title !== 'page') found.push('title is ' + document.title);
	return found.join('; ');
})()`

func TestChromiumShowsANotebookUnderAStrictPolicy(t *testing.T) {
	t.Parallel()
	nb := rich(t)
	h := newHost(t)
	h.csp = strictCSP
	opt := Options{Frame: func(cell, output int, _ string) string {
		doc, ok := Raw(&nb.Cells[cell].Outputs[output])
		if !ok {
			t.Errorf("cell %d has no document for its frame", cell)
		}
		h.frame = doc
		return h.URL + "/frame"
	}}
	var out bytes.Buffer
	if err := New().Notebook(&out, nb, opt); err != nil {
		t.Fatal(err)
	}
	h.page = out.Bytes()
	ctx := browser(t)
	for _, width := range []int64{1024, 390} {
		for _, night := range []bool{false, true} {
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), dark(night), chromedp.Navigate(h.URL+"/")); err != nil {
				t.Fatal(err)
			}
			got, err := chromedp.Run(ctx, chromedp.Evaluate[string](problems, chromedp.EvalAwaitPromise))
			if err != nil || got != "" {
				t.Errorf("at %d pixels, dark %v: %s %v", width, night, got, err)
			}
			if h.frames == 0 {
				t.Error("the frame of an HTML output is never loaded")
			}
			shoot(t, ctx, fmt.Sprintf("notebook-%d-dark-%v.png", width, night))
		}
	}
	h.check(t)
}

func TestChromiumRunsNothingHostile(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	r := New()
	var out bytes.Buffer
	for _, s := range hostile {
		s = strings.NewReplacer("alert(1)", "(window.hit=1)", "//evil.example", h.URL[len("http:"):]+"/hit").Replace(s)
		if err := r.Notebook(&out, everywhere(s), Options{}); err != nil {
			t.Fatal(err)
		}
	}
	h.page = out.Bytes()
	ctx := browser(t)
	// First without a policy: the HTML alone must hold. Then with it: it must have nothing to do.
	for _, csp := range []string{"", strictCSP} {
		h.csp = csp
		if err := chromedp.Do(ctx, chromedp.Navigate(h.URL+"/")); err != nil {
			t.Fatal(err)
		}
		got, err := chromedp.Run(ctx, chromedp.Evaluate[string](`[window.hit, document.title, location.pathname, document.forms.length,
			document.querySelectorAll('script,style:not(head style),link:not(head link),object,embed,form,input,svg,base').length,
			document.querySelectorAll('section').length].join(' ')`))
		want := fmt.Sprintf(" page / 0 0 %d", 7*len(hostile))
		if err != nil || got != want {
			t.Errorf("with policy %q: window.hit, title, path, forms, odd elements, cells = %q, want %q; %v", csp, got, want, err)
		}
	}
	h.check(t)
}

// check fails if the browser asked for anything of a student's, or had to block anything.
func (h *host) check(t *testing.T) {
	t.Helper()
	time.Sleep(200 * time.Millisecond) // reports are sent after the page is done, and there is no event to wait for
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.asked {
		if a != "/favicon.ico" {
			t.Errorf("the page asked for %s", a)
		}
	}
	for _, b := range h.blocked {
		t.Errorf("the policy had to block: %s", b)
	}
}

// shoot keeps a picture for a person to look at, if RENDER_SHOTS names a directory.
func shoot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("RENDER_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), png, 0o644); err != nil {
		t.Fatal(err)
	}
}
