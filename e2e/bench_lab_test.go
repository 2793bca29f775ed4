package e2e_test

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// BenchmarkLab is the time from the click on Open, in a real browser and with the
// workspace running, until the first cell's editor is there: with an empty cache
// and again with what the first visit left. Beside it the same with JupyterLab's
// own files sent by the workspace, as they are to a browser that does not take
// gzip. They take turns.
func BenchmarkLab(b *testing.B) {
	p := launch(b)
	p.as("student1").status(b)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU)...)
	defer cancel()
	browser, cancel := chromedp.NewContext(ctx)
	defer cancel()
	must(b, chromedp.Do(browser))
	visit := func(own bool) (first, again time.Duration) {
		ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
		defer cancel()
		ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
		defer stop()
		do := func(steps ...chromedp.Action[chromedp.Void]) {
			for _, step := range steps {
				must(b, chromedp.Do(ctx, step))
			}
		}
		do(chromedp.EmulateViewport(1440, 1000))
		if own {
			_, err := chromedp.Call(ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{
				Headers: network.Headers{"Accept-Encoding": "br"}})
			must(b, err)
		}
		do(chromedp.Navigate(p.url()), chromedp.Click(`button[value="student1"]`), chromedp.WaitVisible(`a[href="/courses/demo"]`))
		open := func() time.Duration {
			button := `form[action="` + firstSteps + `/open"] button`
			do(chromedp.Navigate(p.url()+firstSteps), chromedp.WaitVisible(button))
			began := time.Now()
			do(chromedp.Click(button), chromedp.WaitVisible(".jp-Notebook .jp-CodeCell .cm-content"))
			return time.Since(began)
		}
		return open(), open()
	}
	for b.Loop() {
		visit(false) // the browser's and Jupyter's own caches fill
		var first, again, ownFirst, ownAgain []time.Duration
		for range 5 {
			f, a := visit(false)
			first, again = append(first, f), append(again, a)
			f, a = visit(true)
			ownFirst, ownAgain = append(ownFirst, f), append(ownAgain, a)
		}
		b.Logf("medians of %d, click to editor: files from Lectern %v, again %v; from the workspace %v, again %v",
			len(first), median(first), median(again), median(ownFirst), median(ownAgain))
		b.ReportMetric(ms(median(first)), "first-ms")
		b.ReportMetric(ms(median(again)), "again-ms")
		b.ReportMetric(ms(median(ownFirst)), "own-first-ms")
		b.ReportMetric(ms(median(ownAgain)), "own-again-ms")
	}
}
