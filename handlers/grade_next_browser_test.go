package handlers

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// Whoever types points, then a comment, and presses "Save and next ungraded" presses
// it while a save is on its way. The mark is not in conflict with itself, and the
// next paper comes.
func TestSaveAndNextIsNoConflictWithOneself(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	ctx := g.tab("grader")
	g.must(chromedp.Do(ctx, chromedp.Navigate(g.SiteURL.String()+g.paper("student", "q2"))))
	g.until(ctx, "both at once", `(() => {
		const f = document.querySelector("form[data-grade]"), ask = window.fetch;
		window.fetch = async (...what) => { // the button is pressed when the mark is saved and the page does not know it yet
			const answer = await ask(...what);
			f.elements.comment.value = "Well done";
			f.querySelector('[name="then"]').click();
			await new Promise((on) => setTimeout(on, 300));
			return answer;
		};
		f.elements.points.value = "1.5";
		f.elements.points.dispatchEvent(new Event("change", { bubbles: true }));
		return "pressed";
	})()`)
	g.until(ctx, "the next paper", fmt.Sprintf(`document.querySelector(".conflict-box") ? "" : location.pathname.endsWith("/%d") ? "yes" : ""`, g.number["student2"]))
	if got := g.points("student", "q2"); got != "marked 1.5" {
		t.Errorf("it saved %q", got)
	}
}
