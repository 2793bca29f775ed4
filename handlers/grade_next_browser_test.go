package handlers

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

// Whoever types points and presses "Save and next ungraded" leaves the field with the
// same press: its save is on its way when the button sends the form. The mark is not
// in conflict with itself, and the next paper comes.
func TestSaveAndNextIsNoConflictWithOneself(t *testing.T) {
	t.Parallel()
	g := newGradingDesk(t)
	ctx := g.tab("grader")
	g.must(chromedp.Do(ctx, chromedp.Navigate(g.SiteURL.String()+g.paper("student", "q2"))))
	g.until(ctx, "both at once", `(() => {
		const f = document.querySelector("form[data-grade]");
		f.elements.points.value = "1.5";
		f.elements.points.dispatchEvent(new Event("change", { bubbles: true }));
		f.querySelector('[name="then"]').click();
		return "pressed";
	})()`)
	g.until(ctx, "the next paper", fmt.Sprintf(`document.querySelector(".conflict-box") ? "" : location.pathname.endsWith("/%d") ? "yes" : ""`, g.number["student2"]))
	if got := g.points("student", "q2"); got != "marked 1.5" {
		t.Errorf("it saved %q", got)
	}
}
