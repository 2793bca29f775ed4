package views_test

import (
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/a-h/templ"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"lectern/static"
	"lectern/views"
)

// site is a small real server for the scripts to talk to.
type site struct {
	*httptest.Server
	mux   *http.ServeMux
	posts atomic.Int32
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{mux: http.NewServeMux()}
	s.mux.Handle("/static/", static.Handler())
	s.Server = httptest.NewServer(s.mux)
	t.Cleanup(s.Close)
	return s
}

func (s *site) page(path string, scripts []string, c templ.Component) {
	s.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { render(w, r, http.StatusOK, scripts, c) })
}

func render(w http.ResponseWriter, r *http.Request, status int, scripts []string, c templ.Component) {
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	v := views.PageView{Title: "Test", Scripts: scripts}
	_ = views.Page(v).Render(templ.WithChildren(r.Context(), c), w)
}

func text(html string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, html)
		return err
	})
}

// until waits in the page for a condition and fails with it.
func until(t *testing.T, ctx context.Context, condition string) {
	t.Helper()
	script := fmt.Sprintf(`new Promise((done, fail) => {
		const began = performance.now();
		const ask = () => (%s) ? done(true) : performance.now() - began > 10000 ? done(false) : setTimeout(ask, 20);
		ask();
	})`, condition)
	if !evaluate[bool](t, ctx, script) {
		t.Fatalf("never came true: %s\nthe page: %s", condition, evaluate[string](t, ctx, "document.getElementById('main').innerText"))
	}
}

func TestAFormIsSentOnceHoweverOftenItIsPressed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	release := make(chan struct{})
	s.page("/{$}", nil, text(`<form method="post" action="/save"><button class="button" data-busy="Saving…"><span>Save</span></button></form>`))
	s.mux.HandleFunc("POST /save", func(w http.ResponseWriter, r *http.Request) {
		s.posts.Add(1)
		select {
		case <-release:
		case <-r.Context().Done():
			return
		}
		http.Redirect(w, r, "/saved", http.StatusSeeOther)
	})
	s.page("/saved", nil, text("<p>Saved.</p>"))
	ctx := look(t, s.URL+"/", 1024, "light")

	said := evaluate[string](t, ctx, `{
		const button = document.querySelector("form button");
		for (let i = 0; i < 5; i++) button.click();
		button.innerText + " " + button.getAttribute("aria-busy");
	}`)
	if want := "Saving… true"; said != want {
		t.Errorf("a form on its way says %q, want %q", said, want)
	}
	close(release)
	if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS("main p"))); err != nil {
		t.Fatal(err)
	}
	if got := s.posts.Load(); got != 1 {
		t.Errorf("the form was sent %d times, want once", got)
	}
}

func TestADialogAsksBeforeSomethingIsLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := views.ConfirmView{ID: "drop", Title: "Drop 3 students?", Keeps: "Their work.", Loses: "Their access.", Button: "Drop", Kind: "danger", Action: "/drop"}
	s.page("/{$}", nil, templ.Join(views.LinkButton(views.LinkView{Text: "Drop", URL: "/confirm", Confirm: "drop"}), views.Dialog(v)))
	s.mux.HandleFunc("POST /drop", func(w http.ResponseWriter, r *http.Request) {
		s.posts.Add(1)
		render(w, r, http.StatusOK, nil, text(`<p id="dropped">Dropped.</p>`))
	})
	ctx := look(t, s.URL+"/", 1024, "light")

	open := `document.querySelector("main a.button").click()`
	evaluate[chromedp.Void](t, ctx, open)
	until(t, ctx, `document.getElementById("drop").open`)
	shoot(t, ctx, "dialog")
	evaluate[chromedp.Void](t, ctx, `document.querySelector("#drop button[formmethod=dialog]").click()`)
	until(t, ctx, `!document.getElementById("drop").open`)
	if got := s.posts.Load(); got != 0 {
		t.Fatalf("Cancel sent the form %d times", got)
	}
	evaluate[chromedp.Void](t, ctx, open)
	evaluate[chromedp.Void](t, ctx, `document.querySelector("#drop button.danger").click()`)
	if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS("#dropped"))); err != nil {
		t.Fatal(err)
	}
}

// dropped gives the first zone of the page two files as if they had been dropped, one of them picked twice.
const dropped = `{
	const input = document.querySelector("[data-drop] input");
	const drop = (...files) => {
		const data = new DataTransfer();
		for (const f of files) data.items.add(f);
		input.files = data.files;
		input.dispatchEvent(new Event("change", { bubbles: true }));
	};
	drop(new File(["{}"], "hw1.ipynb"), new File(["old"], "data.csv"));
	drop(new File(["a,b,c"], "data.csv"));
}`

func TestAnUploadSendsWhatIsListedAndShowsTheAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	form := text(`<form method="post" action="/up" enctype="multipart/form-data" data-upload>`)
	zone := views.DropZone(views.FieldView{Name: "files", Label: "Files", Multiple: true})
	s.page("/{$}", nil, templ.Join(form, zone, views.UploadProgress(), text(`<button class="button">Upload</button></form>`)))
	var mu sync.Mutex
	var got []string
	s.mux.HandleFunc("POST /up", func(w http.ResponseWriter, r *http.Request) {
		parts, err := r.MultipartReader()
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		mu.Lock()
		got = nil
		for p, err := parts.NextPart(); err == nil; p, err = parts.NextPart() {
			b, _ := io.ReadAll(p)
			got = append(got, path(p)+"="+string(b))
		}
		mu.Unlock()
		if s.posts.Add(1) == 1 {
			render(w, r, http.StatusUnprocessableEntity, nil, templ.Join(
				views.FormErrors([]views.FieldError{{Text: "data.csv is too large."}}), form, zone, text(`<button class="button">Upload</button></form>`)))
			return
		}
		http.Redirect(w, r, "/report", http.StatusSeeOther)
	})
	s.page("/report", nil, text(`<p id="report">Checked.</p>`))
	ctx := look(t, s.URL+"/", 1024, "light")

	evaluate[chromedp.Void](t, ctx, dropped)
	shoot(t, ctx, "upload")
	if names := evaluate[string](t, ctx, `document.querySelector(".filelist").innerText`); !strings.Contains(names, "hw1.ipynb") || strings.Count(names, "data.csv") != 1 || !strings.Contains(names, "5 bytes") {
		t.Errorf("the list says %q, want each file once with its size", names)
	}
	evaluate[chromedp.Void](t, ctx, `document.querySelector("main form button.button").click()`)
	until(t, ctx, `document.querySelector(".notice.tone-bad") === document.activeElement`)
	shoot(t, ctx, "upload-refused")
	want := []string{"hw1.ipynb={}", "data.csv=a,b,c"}
	mu.Lock()
	if !slices.Equal(got, want) {
		t.Errorf("the server got %q, want %q", got, want)
	}
	mu.Unlock()

	evaluate[chromedp.Void](t, ctx, dropped+`; document.querySelector("main form button.button").click()`)
	until(t, ctx, `document.getElementById("report") && location.pathname === "/report"`)
	if got := evaluate[[]string](t, ctx, "complaints"); len(got) > 0 {
		t.Errorf("the browser complained: %q", got)
	}
}

// path is a part's whole filename: Part.FileName cuts a path off.
func path(p *multipart.Part) string {
	_, params, _ := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	return params["filename"]
}

func stream(w http.ResponseWriter, events ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, e := range events {
		fmt.Fprint(w, e+"\n\n")
		_ = http.NewResponseController(w).Flush()
	}
}

func TestTheLaunchPageFollowsABrokenStreamToJupyterLab(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.page("/{$}", []string{"launch.js"}, views.Launch(views.LaunchView{Events: "/events", Retry: "/retry", Steps: []views.StepView{
		{Step: "queue", Name: "Waiting", State: "now"}, {Step: "container", Name: "Container", State: "todo"}, {Step: "jupyter", Name: "Jupyter", State: "todo"},
	}}))
	goOn := make(chan struct{})
	var asked atomic.Int32
	s.mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		step := "retry: 50\nevent: step\n" + `data: {"step":"container","state":"now","text":"Making it","elapsed_ms":400,"usual_ms":3900,"percent":30}`
		stream(w, step)
		if asked.Add(1) == 1 {
			return // the stream breaks; the page must come back
		}
		select {
		case <-goOn:
			stream(w, "event: ready\ndata: {\"url\":\"/lab\"}")
			<-r.Context().Done()
		case <-r.Context().Done():
		}
	})
	s.page("/lab", nil, text(`<p id="lab">JupyterLab</p>`))
	ctx := look(t, s.URL+"/", 390, "dark")

	until(t, ctx, `document.querySelector('[data-step="container"]').dataset.state === "now" && document.querySelector('[data-step="queue"]').dataset.state === "done"`)
	until(t, ctx, `document.querySelector(".launch progress").value >= 30 && document.querySelector("[data-launch-usual]").innerText.includes("3.9 s")`)
	close(goOn)
	if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS("#lab"))); err != nil {
		t.Fatalf("the page did not go to JupyterLab: %v", err)
	}
	if asked.Load() < 2 {
		t.Errorf("the stream was asked for %d times, want again after it broke", asked.Load())
	}
}

func TestAFailedLaunchSaysWhyAndOffersToTryAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.page("/{$}", []string{"launch.js"}, views.Launch(views.LaunchView{Events: "/events", Retry: "/retry", Download: "/files", Steps: []views.StepView{{Step: "container", Name: "Container", State: "now"}}}))
	s.mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		stream(w, "event: failed\ndata: {\"text\":\"The image is gone <b>.\",\"retry\":\"/again\"}")
		<-r.Context().Done()
	})
	ctx := look(t, s.URL+"/", 1024, "light")

	until(t, ctx, `!document.querySelector("[data-launch-failure]").hidden && document.querySelector("[data-launch-reason]").textContent === "The image is gone <b>."`)
	until(t, ctx, `new URL(document.querySelector("[data-launch-retry]").action).pathname === "/again" && document.querySelector("[data-step]").dataset.state === "failed"`)
	shoot(t, ctx, "launch-failed")
}

func TestEventsMoveBarsAndSwapFragments(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.page("/{$}", nil, templ.Join(text(`<div data-events="/events"></div><p id="state">Running</p>`),
		views.Progress(views.ProgressView{ID: "collect", Label: "Collecting"})))
	s.mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		stream(w,
			`event: progress`+"\n"+`data: {"id":"collect","value":3,"max":7,"text":"3 of 7"}`,
			"event: fragment\ndata: <p id=\"state\">\ndata: Done</p>", "event: done\ndata: {}")
		<-r.Context().Done()
	})
	ctx := look(t, s.URL+"/", 1024, "light")

	until(t, ctx, `document.getElementById("state").innerText === "Done"`)
	until(t, ctx, `document.querySelector("#collect progress").value === 3 && document.querySelector("#collect .text").innerText === "3 of 7"`)
}

func TestKeysPressWhatTheyNameUnlessOneTypes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.page("/{$}", nil, text(`<button id="next" data-key="n" data-key-text="Next paper">Next</button><label>Search <input id="q" data-key="/"></label>`))
	ctx := look(t, s.URL+"/", 1024, "light")

	evaluate[chromedp.Void](t, ctx, `window.pressed = 0; document.getElementById("next").addEventListener("click", () => { window.pressed++; })`)
	// A real key is one event with its text, which preventDefault takes back; chromedp.KeyEvent sends two.
	key := func(k string) {
		t.Helper()
		for _, e := range []input.DispatchKeyEventParams{{Type: input.DispatchKeyEventTypeKeyDown, Key: k, Text: k}, {Type: input.DispatchKeyEventTypeKeyUp, Key: k}} {
			if _, err := chromedp.Call(ctx, input.DispatchKeyEvent, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	key("n")
	until(t, ctx, `pressed === 1`)
	key("/")
	until(t, ctx, `document.activeElement.id === "q"`)
	key("n")
	until(t, ctx, `document.getElementById("q").value === "n" && pressed === 1`)
	evaluate[chromedp.Void](t, ctx, `document.activeElement.blur()`)
	key("?")
	until(t, ctx, `document.getElementById("keys").open && document.getElementById("keys").innerText.includes("Next paper")`)
	shoot(t, ctx, "keys")
}
