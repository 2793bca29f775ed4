package views_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"lectern/static"
	"lectern/views"
)

// policy is stricter than any page of the site needs: what passes here passes there.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; font-src 'self'"

// complaints collects what the browser refused and what scripts threw, from before the first script of the page.
const complaints = `window.complaints = [];
document.addEventListener("securitypolicyviolation", (e) => complaints.push("policy: " + e.violatedDirective + " " + e.blockedURI + " " + e.sourceFile + ":" + e.lineNumber));
window.addEventListener("error", (e) => complaints.push("error: " + (e.message || (e.target && (e.target.src || e.target.href)))), true);
window.addEventListener("unhandledrejection", (e) => complaints.push("rejection: " + e.reason));`

const serious = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) => r.violations
	.filter((v) => v.impact === "serious" || v.impact === "critical")
	.map((v) => v.id + ": " + v.help + "\n\t" + v.nodes.map((n) => n.html + " " + n.any.map((a) => a.message).join("; ")).join("\n\t")))`

func serve(t *testing.T, pages map[string]templ.Component) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/static/", static.Handler())
	for path, c := range pages {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", policy)
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if err := c.Render(r.Context(), w); err != nil {
				t.Errorf("render %s: %v", path, err)
			}
		})
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

// browser is the one Chromium of this package's tests; each test opens a tab of its own.
var browser context.Context

func TestMain(m *testing.M) {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)
	ctx, cancelAll := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(ctx)
	if err := chromedp.Do(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "start Chromium:", err)
		os.Exit(1)
	}
	browser = ctx
	code := m.Run()
	cancel()
	cancelAll()
	os.Exit(code)
}

// look opens a page at a width in a colour scheme and returns a context with a deadline that stands on it.
func look(t *testing.T, url string, width int64, scheme string) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	ctx, stop := context.WithTimeout(ctx, 60*time.Second)
	t.Cleanup(stop)
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"},
		},
	}); err != nil {
		t.Fatalf("set the colour scheme: %v", err)
	}
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: complaints}); err != nil {
		t.Fatalf("listen for complaints: %v", err)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(url)); err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
	return ctx
}

func evaluate[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("evaluate %.80s: %v", script, err)
	}
	return got
}

// shoot keeps a picture of the whole page when PICTURES names a folder.
func shoot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("PICTURES")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatalf("screenshot: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPagesHoldUnderTheStrictPolicyAndForEverybody(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile("testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	title, text, kept := views.ErrorText(http.StatusConflict)
	srv := serve(t, map[string]templ.Component{
		"/gallery": views.Gallery(),
		"/error": views.Error(views.ErrorView{
			Page: views.PageView{Title: title}, Status: http.StatusConflict, Title: title, Text: text, Kept: kept,
			BackURL: "/", BackText: "Home", RequestID: "01JD-4F2K-7Q",
		}),
		"/confirm": page1(views.ConfirmPage(views.ConfirmView{Title: "Drop 3 students?", Keeps: "Their work and their marks.", Loses: "Their access to the course.", Button: "Drop", Kind: "danger", Action: "#", Back: "/"})),
	})
	for _, path := range []string{"/gallery", "/error", "/confirm"} {
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{1440, 1024, 390} {
				t.Run(fmt.Sprintf("%s %s %d", path[1:], scheme, width), func(t *testing.T) {
					ctx := look(t, srv.URL+path, width, scheme)
					evaluate[chromedp.Void](t, ctx, "scrollTo(0, 0)")
					shoot(t, ctx, fmt.Sprintf("%s-%s-%d", path[1:], scheme, width))
					if got := evaluate[[]string](t, ctx, "complaints"); len(got) > 0 {
						t.Errorf("the browser complained:\n%s", strings.Join(got, "\n"))
					}
					if over := evaluate[int](t, ctx, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
						t.Errorf("the page is %d px wider than the window", over)
					}
					evaluate[chromedp.Void](t, ctx, string(axe))
					if got := evaluate[[]string](t, ctx, serious); len(got) > 0 {
						t.Errorf("axe found:\n%s", strings.Join(got, "\n"))
					}
				})
			}
		}
	}
}

// page1 is a page of one component.
func page1(c templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		return views.Page(views.PageView{Title: "Confirm", Width: "narrow"}).Render(templ.WithChildren(ctx, c), w)
	})
}
