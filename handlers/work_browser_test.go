package handlers

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"lectern/store"
)

// attack is what a page in one workspace tries on another, where the same
// browser is signed in too. It tells what came back readable.
const attack = `(async () => {
	const target = "TARGET", got = [];
	const grab = async (name, f) => { try { const v = await f(); if (v) got.push(name + ": " + v) } catch (e) {} };
	for (const credentials of ["include", "same-origin"]) {
		await grab("fetch", async () => (await fetch(target + "/api/contents", {credentials})).text());
		await grab("no-cors", async () => (await fetch(target + "/api/contents", {credentials, mode: "no-cors"})).text());
		for (const method of ["POST", "PUT", "DELETE", "PATCH"])
			await grab(method, async () => (await fetch(target + "/api/kernels", {method, credentials, body: "{}"})).text());
	}
	await grab("beacon", () => { navigator.sendBeacon(target + "/api/kernels", "{}"); });
	await grab("socket", () => new Promise(done => {
		const s = new WebSocket(target.replace("http", "ws") + "/api/kernels/k/channels");
		s.onopen = () => done("open"); s.onerror = () => done(""); setTimeout(() => done(""), 2000);
	}));
	await grab("script", () => new Promise(done => {
		const s = document.createElement("script"); s.src = target + "/files/data.js";
		s.onload = () => done(window.stolen || "loaded"); s.onerror = () => done(""); document.head.append(s);
	}));
	await grab("image", () => new Promise(done => {
		const i = new Image(); i.onload = () => done("loaded"); i.onerror = () => done(""); i.src = target + "/files/i.png";
	}));
	await grab("frame", () => new Promise(done => {
		const f = document.createElement("iframe"); f.src = target + "/lab"; f.name = "f";
		f.onload = () => { try { done(f.contentDocument && f.contentDocument.body.innerHTML) } catch (e) { done("") } };
		document.body.append(f); setTimeout(() => done(""), 2000);
	}));
	await grab("form", () => new Promise(done => {
		const f = document.createElement("form"); f.method = "post"; f.action = target + "/api/kernels"; f.target = "f";
		document.body.append(f); f.submit(); setTimeout(() => done(""), 500);
	}));
	await grab("planted cookie", () => { document.cookie = "lectern-work=planted; domain=work.localhost; path=/"; });
	document.title = "done";
	return JSON.stringify(got);
})()`

// TestAWorkspaceCannotReachItsNeighbour: one student, signed in to two
// workspaces in a real browser, runs a hostile page in the first.
func TestAWorkspaceCannotReachItsNeighbour(t *testing.T) {
	t.Parallel()
	// Browsers say where a request comes from (Sec-Fetch-Site) over HTTPS and to localhost only.
	b := newBenchAt(t, "http://*.work.localhost")
	b.upstream(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>mine</title><body>a page that a student wrote")
	}))
	c, err := b.store.Course(t.Context(), "c")
	b.must(err)
	other, err := b.store.AddWorkspace(t.Context(), store.Workspace{ID: "bbbbbbbbbbbbbbbb", CourseID: c.ID, MemberID: b.member, Image: "another", State: "running", Generation: 1})
	b.must(err)
	var mu sync.Mutex
	var reached []string
	victim := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		reached = append(reached, r.Method+" "+r.URL.Path)
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(w, "window.stolen = 'secret'")
	}))
	t.Cleanup(victim.Close)
	b.dial(other.ID, strings.TrimPrefix(victim.URL, "http://"))

	opts := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), append(opts, chromedp.NoSandbox,
		chromedp.Flag("host-resolver-rules", "MAP *.work.localhost "+b.server.Listener.Addr().String()))...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancel)

	enter := func(id string) chromedp.Action[chromedp.Void] {
		return chromedp.Navigate(b.work.origins.Origin(id) + enterPath + "?" + b.ticket(id, b.student, b.session, "/lab"))
	}
	b.must(chromedp.Do(ctx, enter(other.ID)))
	mu.Lock()
	if !slices.Equal(reached, []string{"GET /lab"}) {
		t.Fatalf("the student's own way in reached %v, want GET /lab", reached)
	}
	mu.Unlock()
	b.must(chromedp.Do(ctx, enter(b.id)))
	mu.Lock()
	reached = nil // the first page's own icon came after it
	mu.Unlock()
	read, err := chromedp.Run(ctx, chromedp.Evaluate[string](strings.ReplaceAll(attack, "TARGET", b.work.origins.Origin(other.ID)), chromedp.EvalAwaitPromise))
	b.must(err)
	var got []string
	b.must(json.Unmarshal([]byte(read), &got))
	if len(got) > 0 {
		t.Errorf("the hostile page got %q", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(reached) > 0 {
		t.Errorf("the neighbour's program was asked %q", reached)
	}
}
