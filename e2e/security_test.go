package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"lectern/store"
)

// The tests in security_*.go are what a hostile student tries: with a page on a
// workspace's host, with the files of a submission, and from inside a container.

// oneSite moves a program to hosts that a browser takes for parts of one site, as
// lectern.example.edu and work.example.edu are: then it sends the site's cookies
// along with what a workspace's page asks for.
func oneSite(t *testing.T) (p *program, site string) {
	p = launch(t)
	p.stop()
	at := func(host string) string { return fmt.Sprintf("http://%s.class.localhost:%d", host, p.port) }
	site = at("lectern")
	p.env = append(p.env, "LECTERN_SITE_URL="+site, "LECTERN_WORK_URL="+at("*.work"), "LECTERN_CONTENT_URL="+at("*.content"))
	p.run()
	return p, site
}

// enterLab opens the demo's assignment in JupyterLab and gives the workspace's origin.
func (p *person) enterLab() string {
	p.t.Helper()
	p.goTo(firstSteps)
	// Staff have no button for it; the form is the same.
	p.eval(`(() => { const f = document.createElement("form"); f.method = "post"; f.action = ` + quote(firstSteps+"/open") + `; document.body.append(f); f.submit(); return "" })()`)
	p.wait("the workspace's host", `location.host.includes(".work.")`)
	p.see("#main, #jp-main-dock-panel")
	return p.eval(`location.origin`)
}

// gesture runs a script as if the person had just clicked, so that no attack
// fails only because a browser wants a click before it opens a window.
func (p *person) gesture(script string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 60*time.Second)
	defer cancel()
	click := func(e *runtime.EvaluateParams) { yes := true; e.UserGesture = &yes }
	v, err := chromedp.Run(ctx, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise, click))
	must(p.t, err)
	return v
}

// siteAttack tries to read from the site and to act on it, with the cookies of
// whoever looks at the page. It tells what it could read.
const siteAttack = `(async () => {
	const site = SITE, course = site + "/courses/demo", got = [];
	const acts = ACTS, reads = READS, post = "application/x-www-form-urlencoded";
	const soon = (ms) => new Promise((done) => setTimeout(() => done(""), ms));
	const grab = async (name, f) => { try { const v = await Promise.race([f(), soon(3000)]); if (v) got.push(name + ": " + String(v).slice(0, 200)) } catch (e) {} };
	for (const path of reads) {
		for (const credentials of ["include", "same-origin"])
			for (const mode of ["cors", "no-cors", "same-origin"])
				await grab("fetch " + mode + " " + path, async () => (await fetch(site + path, {credentials, mode})).text());
		await grab("events " + path, () => new Promise((done) => { const e = new EventSource(site + path, {withCredentials: true}); e.onmessage = (m) => done(m.data); e.onerror = () => { e.close(); done("") } }));
		for (const [tag, at] of [["script", "src"], ["img", "src"], ["link", "href"], ["embed", "src"], ["object", "data"], ["iframe", "src"]])
			await grab(tag + " " + path, () => new Promise((done) => {
				const e = document.createElement(tag); if (tag === "link") e.rel = "stylesheet";
				e.onerror = () => done(""); e.onload = () => { try { done(tag === "script" || tag === "img" || tag === "link" ? "loaded" : e.contentDocument && e.contentDocument.body.innerText) } catch (x) { done("") } };
				e[at] = site + path; document.body.append(e); setTimeout(() => done(""), 300);
			}));
	}
	await grab("window", async () => {
		const w = window.open(site + "/courses/demo/roster", "_blank"); await soon(1500);
		return w && !w.closed && (w.document && w.document.body.innerText);
	});
	await grab("opener", async () => {
		const w = window.open(site + "/courses/demo/roster", "_blank"); await soon(1500);
		if (w && !w.closed) { w.postMessage("x", "*"); return w.length > 0 ? "frames of the site counted" : "" }
	});
	await grab("socket", () => new Promise((done) => { const s = new WebSocket(site.replace("http", "ws") + "/courses/demo"); s.onopen = () => done("open"); s.onerror = () => done("") }));
	await grab("worker", async () => (await navigator.serviceWorker.register(WORKER, {scope: "/"})).scope);
	const frame = document.createElement("iframe"); frame.name = "sink"; document.body.append(frame);
	for (const [path, body] of acts) {
		await grab("post " + path, async () => (await fetch(site + path, {method: "POST", body, credentials: "include", headers: {"Content-Type": post}})).text());
		await grab("post no-cors " + path, async () => (await fetch(site + path, {method: "POST", body, credentials: "include", mode: "no-cors", headers: {"Content-Type": post}})).text());
		await grab("beacon " + path, async () => { navigator.sendBeacon(site + path, new Blob([body], {type: post})) });
		for (const target of ["sink", "_blank"]) await grab("form " + path, async () => {
			const f = document.createElement("form"); f.method = "post"; f.action = site + path; f.target = target;
			for (const [k, v] of new URLSearchParams(body)) { const i = document.createElement("input"); i.name = k; i.value = v; f.append(i) }
			document.body.append(f); f.submit(); await soon(300);
		});
	}
	await soon(1000);
	return JSON.stringify(got);
})()`

// An instructor looks at what a student gave them, in their own workspace: as a
// file that Jupyter serves, and as a notebook's script, which has the whole
// origin. Neither reads from the site nor changes a thing there.
func TestAPageInAWorkspaceCannotActOnTheSite(t *testing.T) {
	t.Parallel()
	p, site := oneSite(t)
	class := p.class(3)
	browser := chromium(t)
	teacher := visitor(t, browser, site, "instructor")
	teacher.signIn()
	work := teacher.enterLab()
	class.write("instructor", "gift.html", `<!doctype html><title>gift</title><body><script>document.title = "scripts run"</script>`)
	class.write("instructor", "worker.js", `self.addEventListener("fetch", () => {})`)
	before := class.state()

	// What ends the session comes last, so that it protects nothing before it.
	acts := [][2]string{{"/courses/demo/people/student2/drop", ""}, {"/courses/demo/settings/archive", "archive=on"}, {"/account/name", "name=Mallory"},
		{firstSteps + "/archive", ""}, {firstSteps + "/marks/student1", "points=10&event=0&comment=mine"}, {firstSteps + "/collect", ""},
		{"/courses/demo/roster/add", "login=mallory&name=M&role=instructor"}, {"/courses/demo/people/student1", "role=instructor"},
		{"/sign-out", ""}, {"/account/sessions/end-all", ""}, {"/sign-in/demo", "login=student1"}}
	reads := []string{"/courses/demo/roster", "/account", firstSteps + "/marks.csv", firstSteps + "/submissions.zip", "/sign-in"}
	attack := strings.NewReplacer("SITE", quote(site), "ACTS", toJSON(t, acts), "READS", toJSON(t, reads), "WORKER", quote("/files/first-steps/worker.js")).Replace(siteAttack)
	for _, from := range []string{"/files/first-steps/gift.html", "/lab"} {
		teacher.do("open "+from, chromedp.Navigate(work+from))
		if from != "/lab" {
			teacher.wait("the page's own script", `document.title === "scripts run"`)
		}
		var got []string
		must(t, json.Unmarshal([]byte(teacher.gesture(attack)), &got))
		if len(got) > 0 {
			t.Errorf("a page at %s got %q", from, got)
		}
		if at := teacher.where(); !strings.HasPrefix(at, work) {
			t.Errorf("the attack moved its own window to %s", at)
		}
	}
	if after := class.state(); after != before {
		t.Errorf("the site was changed:\n%s\nbefore:\n%s", after, before)
	}
	teacher.goTo("/account")
	teacher.seeText("instructor")

	plantCookies(t, browser, site, work, teacher)
}

// plantCookies has the workspace plant a session of its owner's choice on the
// site, as a host below the same name can where there is no TLS. Nobody must
// take that session for their own.
func plantCookies(t *testing.T, browser context.Context, site, work string, teacher *person) {
	t.Helper()
	mallory := visitor(t, browser, site, "student2")
	mallory.signIn()
	cookies, err := chromedp.Call(mallory.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{site}})
	must(t, err)
	if len(cookies.Cookies) != 1 {
		t.Fatalf("student2 has %d cookies, want the session", len(cookies.Cookies))
	}
	planted := cookies.Cookies[0].Name + "=" + cookies.Cookies[0].Value
	teacher.do("go to the workspace", chromedp.Navigate(work+"/lab"))
	for _, attrs := range []string{"domain=class.localhost; path=/courses", "domain=lectern.class.localhost; path=/courses", "path=/"} {
		teacher.eval(`document.cookie = ` + quote(planted+"; "+attrs))
	}
	teacher.goTo("/courses/demo")
	if text := teacher.text("body"); strings.Contains(text, "Demo Student 2") || !strings.Contains(text, "two sign-ins") {
		t.Errorf("with a planted session the site shows %.400q, want a refusal", text)
	}
}

// state is what the site knows and an attack would like to change.
func (c *class) state() string {
	c.p.t.Helper()
	ctx := context.Background()
	members, err := c.Members(ctx, c.course.ID)
	must(c.p.t, err)
	co, err := c.Course(ctx, "demo")
	must(c.p.t, err)
	a, err := c.Assignment(ctx, co.ID, "first-steps")
	must(c.p.t, err)
	table, err := c.SubmissionTable(ctx, a.ID, store.SubmissionFilter{Limit: 1})
	must(c.p.t, err)
	for i := range members {
		members[i].LastSeenAt = nil
	}
	return toJSON(c.p.t, []any{members, co, a, table.Counts})
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return string(b)
}
