package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestAStudentsHour is one student with the real program, the real engine and the
// real JupyterLab: open, run a cell, lose Lectern to a kill -9 and go on with the
// same kernel, hand in, sign out.
func TestAStudentsHour(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.release("ps1")
	p.release("ps2")
	student := p.as("student1")

	began := time.Now()
	res := student.post("/courses/demo/assignments/ps1/open", nil)
	page := res.Header.Get("Location")
	if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(page, "/courses/demo/workspaces/") {
		t.Fatalf("open: %s to %s; want the launch page", res.Status, page)
	}
	html, _ := io.ReadAll(student.get(page).Body)
	if !strings.Contains(string(html), `data-launch="/courses/demo/workspaces/`) || !strings.Contains(string(html), `http-equiv="refresh"`) {
		t.Errorf("the launch page follows no events, or not without scripts: %.2000s", html)
	}
	steps, ready := student.launched(page)
	if !slices.Contains(steps, "jupyter") {
		t.Errorf("steps seen: %v; want the boot of Jupyter among them", steps)
	}
	at, lab := student.follow(student.get(ready))
	if lab.StatusCode != http.StatusOK || !strings.Contains(at, ".work.localhost:"+p.port+"/lab/tree/ps1/first.ipynb") {
		t.Fatalf("ready leads to %s: %s", at, lab.Status)
	}
	t.Logf("from the click to JupyterLab: %v", time.Since(began).Round(10*time.Millisecond))
	u, _ := url.Parse(at)
	origin := "http://" + u.Host
	if set := strings.Join(lab.Header["Set-Cookie"], "\n"); strings.Contains(strings.ToLower(set), "domain=") {
		t.Errorf("JupyterLab sets a cookie for more than its host: %s", set)
	}

	id := student.newKernel(origin)
	k := student.connect(origin, id)
	if got := k.run("x = 41; x"); got != "41" {
		t.Fatalf("x is %q", got)
	}
	k.run("import os; home = sorted(n for n in os.listdir('/home/student') if not n.startswith('.')); open('ps1/mine.txt', 'w').write('saved')")
	if got := k.run("home"); got != "['feedback', 'ps1', 'release']" {
		t.Errorf("the home holds %s", got)
	}
	for _, dir := range []string{"release", "feedback"} {
		if got := k.run(fmt.Sprintf("ok = 'refused'\ntry:\n    open('/home/student/%s/x', 'w'); ok = 'written'\nexcept OSError: pass\nok", dir)); got != "'refused'" {
			t.Errorf("writing into %s is %s", dir, got)
		}
	}

	// The second assignment of the same environment opens in the same container.
	var fastest time.Duration
	for range 5 {
		began := time.Now()
		res := student.post("/courses/demo/assignments/ps2/open", nil)
		took := time.Since(began)
		if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, origin+"/.lectern/enter?") {
			t.Fatalf("opening the second: %s to %s; want straight in", res.Status, to)
		}
		if fastest == 0 || took < fastest {
			fastest = took
		}
	}
	t.Logf("opening with the workspace running: %v", fastest.Round(100*time.Microsecond))
	if fastest > 100*time.Millisecond {
		t.Errorf("opening with the workspace running took %v at best, want at most 100 ms", fastest)
	}

	p.kill()
	p.start()
	again := student.connect(origin, id) // with the cookie from before
	if got := again.run("x + 1"); got != "42" {
		t.Errorf("after kill -9 of Lectern x + 1 is %q in the same kernel, want 42", got)
	}

	receipt := student.submit("ps1")
	if !strings.Contains(receipt, "mine.txt") || !strings.Contains(receipt, "first.ipynb") || !strings.Contains(receipt, "This is the submission that counts") {
		t.Errorf("the receipt does not name what was handed in: %.3000s", receipt)
	}

	student.post("/sign-out", nil)
	gone := time.Now()
	ctx, done := context.WithTimeout(context.Background(), 10*time.Second)
	defer done()
	for {
		if _, _, err := again.conn.Read(ctx); err != nil {
			break
		}
	}
	if took := time.Since(gone); took > 5*time.Second {
		t.Errorf("the kernel's socket outlived the sign-out by %v, want at most 5 s", took)
	}
	if res := student.get(origin + "/lab"); res.StatusCode != http.StatusForbidden {
		t.Errorf("JupyterLab after the sign-out: %s, want 403", res.Status)
	}
}

var keyField = regexp.MustCompile(`name="key" value="([0-9a-f-]{36})"`)

// submit presses Submit as the page offers it and gives the receipt's page.
func (w *person) submit(slug string) string {
	w.p.t.Helper()
	html, err := io.ReadAll(w.get("/courses/demo/assignments/" + slug).Body)
	must(w.p.t, err)
	key := keyField.FindSubmatch(html)
	if key == nil || uuid.Validate(string(key[1])) != nil {
		w.p.t.Fatalf("the assignment's page has no form to submit: %.3000s", html)
	}
	res := w.post("/courses/demo/assignments/"+slug+"/submit", url.Values{"key": {string(key[1])}})
	if res.StatusCode != http.StatusSeeOther {
		w.p.t.Fatalf("submit: %s", res.Status)
	}
	_, page := w.follow(res)
	text, err := io.ReadAll(page.Body)
	must(w.p.t, err)
	return string(text)
}

// TestAWorkspaceThatIsRemovedBehindOurBack: the page says so and offers a start,
// and the files are there.
func TestAWorkspaceThatIsRemovedBehindOurBack(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.release("ps1")
	student := p.as("student2")
	origin := student.open("ps1")
	k := student.connect(origin, student.newKernel(origin))
	k.run("open('ps1/mine.txt', 'w').write('saved')")
	p.clear()
	var text []byte
	until := time.Now().Add(20 * time.Second)
	for {
		res := student.get(origin + "/lab/tree/ps1/first.ipynb")
		text, _ = io.ReadAll(res.Body)
		if res.StatusCode == http.StatusServiceUnavailable {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("20 s after the container went: %s %.300s", res.Status, text)
		}
		time.Sleep(100 * time.Millisecond)
	}
	link := regexp.MustCompile(`href="(http://localhost:\d+/courses/demo/workspaces/[^"]+)"`).FindSubmatch(text)
	if link == nil {
		t.Fatalf("the page offers no restart: %s", text)
	}
	html, _ := io.ReadAll(student.get(strings.ReplaceAll(string(link[1]), "&amp;", "&")).Body)
	form := regexp.MustCompile(`<form method="post" action="(/courses/demo/workspaces/[^"]+)"`).FindSubmatch(html)
	if form == nil {
		t.Fatalf("the launch page offers no restart: %.3000s", html)
	}
	res := student.post(strings.ReplaceAll(string(form[1]), "&amp;", "&"), nil)
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("start again: %s", res.Status)
	}
	_, ready := student.launched(res.Header.Get("Location"))
	if at, lab := student.follow(student.get(ready)); lab.StatusCode != http.StatusOK || !strings.HasSuffix(at, "/lab/tree/ps1/first.ipynb") {
		t.Errorf("started again, it leads to %s: %s", at, lab.Status)
	}
	var file struct{ Content string }
	say(t, student.get(origin+"/api/contents/ps1/mine.txt"), &file)
	if file.Content != "saved" {
		t.Errorf("the file holds %q, want what was saved before", file.Content)
	}
}
