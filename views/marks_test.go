package views_test

import (
	"net/http"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"lectern/views"
)

func TestATableOfMarksIsTypedLikeASpreadsheet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := views.MarksView{Page: views.PageView{Title: "Marks", Scripts: []string{"marks.js"}}, Save: "/marks", Students: 3, Max: "10",
		Heads: make([]views.SortView, 4)}
	for _, login := range []string{"one", "two", "three"} {
		v.Rows = append(v.Rows, views.MarkRow{Login: login, Name: login, Points: "1", Event: "7"})
	}
	s.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = views.Marks(v).Render(r.Context(), w)
	})
	got := make(chan string, 1)
	s.mux.HandleFunc("POST /marks", func(w http.ResponseWriter, r *http.Request) {
		got <- r.FormValue("points.one") + " " + r.FormValue("points.two") + " " + r.FormValue("comment.two") + " " + r.FormValue("event.three")
		render(w, r, http.StatusOK, nil, text("<p id=saved>Saved.</p>"))
	})
	ctx := look(t, s.URL+"/", 1440, "light")
	press := func(key, code string, number int64, modifiers int64) {
		t.Helper()
		for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
			if _, err := chromedp.Call(ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: kind, Key: key, Code: code,
				WindowsVirtualKeyCode: number, Modifiers: modifiers}); err != nil {
				t.Fatal(err)
			}
		}
	}
	typed := func(text string) {
		t.Helper()
		if _, err := chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	evaluate[chromedp.Void](t, ctx, `document.querySelector("[name='points.one']").select()`)
	typed("9")
	press("Enter", "Enter", 13, 0)
	until(t, ctx, `document.activeElement.name === "points.two"`)
	typed("7,5")
	press("ArrowDown", "ArrowDown", 40, 0)
	until(t, ctx, `document.activeElement.name === "points.three"`)
	press("ArrowUp", "ArrowUp", 38, 0)
	until(t, ctx, `document.activeElement.name === "points.two"`)
	until(t, ctx, `document.querySelector("[data-unsaved]").textContent === "2 students not saved yet"`)
	evaluate[chromedp.Void](t, ctx, `document.querySelector("[name='comment.two']").focus()`)
	typed("good")
	press("Enter", "Enter", 13, 2) // with Ctrl
	if sent, want := <-got, "9 7,5 good 7"; sent != want {
		t.Errorf("sent %q, want %q", sent, want)
	}
}
