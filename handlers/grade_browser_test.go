package handlers

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tab is a real Chromium in which somebody grades.
func (g *gradingDesk) tab(login string) context.Context {
	g.t.Helper()
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)...)
	g.t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	g.t.Cleanup(cancel)
	g.must(chromedp.Do(ctx))
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	g.t.Cleanup(cancel)
	g.must(chromedp.Do(ctx, chromedp.Navigate(g.SiteURL.String()+"/sign-in")))
	g.eval(ctx, `(() => { const f = document.createElement("form"); f.method = "post"; f.action = "/sign-in/demo";
		const i = document.createElement("input"); i.name = "login"; i.value = "`+login+`"; f.append(i); document.body.append(f); f.submit(); return "" })()`)
	g.until(ctx, "the sign-in", `location.pathname === "/" ? "yes" : ""`)
	return ctx
}

func (g *gradingDesk) eval(ctx context.Context, script string) string {
	g.t.Helper()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[string](script))
	g.must(err)
	return out
}

// until waits for a script to say something.
func (g *gradingDesk) until(ctx context.Context, what, script string) string {
	g.t.Helper()
	for range 200 {
		if out, err := chromedp.Run(ctx, chromedp.Evaluate[string](script)); err == nil && out != "" {
			return out
		}
		g.must(chromedp.Do(ctx, chromedp.Sleep(50*time.Millisecond)))
	}
	g.t.Fatalf("%s does not come about; the status is %q", what, g.eval(ctx, `document.querySelector("[data-status]")?.textContent ?? document.title`))
	return ""
}

const saidSaved = `(() => { const s = document.querySelector("[data-status]"); return s.dataset.kind === "saved" ? s.textContent : "" })()`

func TestGradingByKeys(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	ctx := g.tab("grader")
	site := g.SiteURL.String()
	g.must(chromedp.Do(ctx, chromedp.Navigate(site+g.paper("student", "q2"))))

	// An item is made with its key, and chosen with its number.
	g.must(chromedp.Do(ctx, chromedp.KeyEvent("a"), chromedp.SendKeys(`[name="item"]`, "Names the bound"), chromedp.SendKeys(`[name="item_points"]`, "2"+kb.Enter)))
	g.until(ctx, "the item", `document.querySelector("[data-points]") ? "yes" : ""`)
	g.must(chromedp.Do(ctx, chromedp.Sleep(300*time.Millisecond), chromedp.KeyEvent("1")))
	if said := g.until(ctx, "saving by key", saidSaved); !strings.HasPrefix(said, "Saved") {
		t.Errorf("it says %q", said)
	}
	if got := g.points("student", "q2"); got != "marked 2" {
		t.Errorf("the key gave %q", got)
	}
	// Points of one's own are typed, and kept by Enter; then keys are keys again.
	g.must(chromedp.Do(ctx, strike("m1.5"+kb.Enter)))
	g.until(ctx, "the typed points", `document.querySelector("[data-mark]").textContent === "1.5" && document.querySelector("[data-status]").dataset.kind === "saved" && document.activeElement === document.body ? "yes" : ""`)
	if got := g.points("student", "q2"); got != "marked 1.5" {
		t.Errorf("typing gave %q", got)
	}
	// A comment is typed, and kept by leaving with "next".
	g.must(chromedp.Do(ctx, strike("cWell **done**"+kb.Escape)))
	g.until(ctx, "the comment as the student sees it", `document.querySelector("[data-comment] strong")?.textContent ?? ""`)
	g.must(chromedp.Do(ctx, chromedp.KeyEvent("u")))
	g.until(ctx, "the next paper", fmt.Sprintf(`location.pathname.endsWith("/%d") ? "yes" : ""`, g.number["student2"]))

	// Somebody else marks what is open here: the same key shows both marks.
	g.must(chromedp.Do(ctx, chromedp.Sleep(500*time.Millisecond)))
	teacher, path := g.as("instructor"), g.paper("student2", "q2")
	teacher.post(path, teacher.get(path).gradeForm("q2", "points", "1")).want(t, http.StatusSeeOther, "the other's mark")
	g.must(chromedp.Do(ctx, chromedp.KeyEvent("f")))
	both := g.until(ctx, "the conflict", `document.querySelector(".conflict-box")?.textContent ?? ""`)
	if !strings.Contains(both, "instructor marked this too") || !strings.Contains(both, "Theirs: 1 of 3") || !strings.Contains(both, "Yours: 3 of 3") {
		t.Errorf("the conflict says %q", both)
	}
	if got := g.points("student2", "q2"); got != "marked 1" {
		t.Errorf("the conflict left %q", got)
	}
}

// strike presses keys one after the other as a keyboard does: what a key types does
// not come when the page has made something else of it. [chromedp.KeyEvent] types it
// all the same.
func strike(keys string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for _, r := range keys {
			events := kb.Encode(r)
			if len(events) == 3 {
				events[0].Text, events[0].UnmodifiedText = events[1].Text, events[1].UnmodifiedText
				events = slices.Delete(events, 1, 2)
			}
			for _, e := range events {
				if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, *e); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
