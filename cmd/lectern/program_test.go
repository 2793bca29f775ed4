package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lectern/course"
	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
	"lectern/store"
	"lectern/store/storetest"
)

// program is the real binary as the demo command runs it, on a real database
// and the real container engine, with one released assignment "ps1".
type program struct {
	t      testing.TB
	binary string
	env    []string
	port   string
	data   string
	store  *store.Store
	cmd    *exec.Cmd
	log    *bytes.Buffer
}

func newProgram(t testing.TB, settings ...string) *program {
	t.Helper()
	p := &program{t: t, binary: filepath.Join(t.TempDir(), "lectern"), data: filepath.Join(t.TempDir(), "data"), log: new(bytes.Buffer)}
	if out, err := exec.Command("go", "build", "-o", p.binary, "lectern/cmd/lectern").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	p.port = strconv.Itoa(enginetest.Port(t))
	db := storetest.URL(t)
	p.env = append(os.Environ(), "LECTERN_DATABASE_URL="+db, "LECTERN_DATA="+p.data, "LECTERN_LISTEN=127.0.0.1:"+p.port,
		"LECTERN_SITE_URL=http://localhost:"+p.port, "LECTERN_WORKSPACE_NETWORK=lectern-test", "LECTERN_POOL=0")
	p.env = append(p.env, settings...)
	p.start()
	var err error
	p.store, err = store.Open(context.Background(), db)
	must(t, err)
	t.Cleanup(func() {
		p.kill()
		p.clear()
		p.store.Close()
		if t.Failed() {
			t.Logf("the program's log:\n%s", p.log)
		}
	})
	return p
}

// start runs the program and waits until it answers.
func (p *program) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.binary, "demo")
	p.cmd.Env, p.cmd.Stderr = p.env, p.log
	must(p.t, p.cmd.Start())
	until := time.Now().Add(time.Minute)
	for {
		res, err := http.Get("http://127.0.0.1:" + p.port + "/healthz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(until) {
			p.t.Fatalf("the program does not answer: %v\n%s", err, p.log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// kill ends it as a power cut would.
func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// clear removes the containers that it left, as it should.
func (p *program) clear() {
	p.t.Helper()
	realm, err := p.store.Setting(context.Background(), "realm")
	must(p.t, err)
	engine, err := container.NewDocker(container.DockerOptions{Network: "lectern-test",
		Data: container.Paths{Inside: p.data, Host: p.data}, Secrets: filepath.Join(p.data, "secrets")})
	must(p.t, err)
	defer engine.Close()
	for _, label := range []string{"lectern.realm", container.GraderLabel} {
		all, err := engine.List(context.Background(), map[string]string{label: string(realm)})
		must(p.t, err)
		for _, c := range all {
			if err := engine.Remove(context.Background(), c.Name); err != nil {
				p.t.Errorf("remove %s: %v", c.Name, err)
			}
		}
	}
}

// release gives the demo course an assignment with one notebook.
func (p *program) release(slug string) course.Assignment {
	p.t.Helper()
	ctx := context.Background()
	c, err := p.store.Course(ctx, "demo")
	must(p.t, err)
	due := time.Now().Add(48 * time.Hour)
	a := course.Assignment{CourseID: c.ID, Slug: slug, Title: "Problem set", DueAt: &due}
	must(p.t, p.store.AddAssignment(ctx, &a))
	dir, err := course.Layout{Root: p.data}.Release("demo", slug)
	must(p.t, err)
	must(p.t, os.MkdirAll(dir, 0o755))
	must(p.t, os.WriteFile(filepath.Join(dir, "first.ipynb"), []byte(`{"cells":[{"cell_type":"code","execution_count":null,"id":"a","metadata":{},"outputs":[],"source":"1+1"}],
		"metadata":{"kernelspec":{"display_name":"Python 3","language":"python","name":"python3"}},"nbformat":4,"nbformat_minor":5}`), 0o644))
	_, err = p.store.Pool().Exec(ctx, `update assignments set released_at = now(), release_version = 1 where id = $1`, a.ID)
	must(p.t, err)
	return a
}

// person is a browser signed in to the demo.
type person struct {
	*http.Client
	p *program
}

func (p *program) as(login string) *person {
	p.t.Helper()
	jar, _ := cookiejar.New(nil)
	tr := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+p.port)
	}}
	p.t.Cleanup(tr.CloseIdleConnections)
	who := &person{p: p, Client: &http.Client{Transport: tr, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if got := who.post("/sign-in/demo", url.Values{"login": {login}}); got.StatusCode != http.StatusSeeOther {
		p.t.Fatalf("sign-in of %s: %s", login, got.Status)
	}
	return who
}

func (w *person) url(path string) string {
	if strings.HasPrefix(path, "http") {
		return path
	}
	return "http://localhost:" + w.p.port + path
}

func (w *person) ask(method, to, kind string, body io.Reader) *http.Response {
	w.p.t.Helper()
	r, err := http.NewRequest(method, w.url(to), body)
	must(w.p.t, err)
	r.Header.Set("Accept", "text/html")
	if kind != "" {
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Origin", r.URL.Scheme+"://"+r.URL.Host)
	}
	res, err := w.Do(r)
	must(w.p.t, err)
	w.p.t.Cleanup(func() { res.Body.Close() })
	return res
}

func (w *person) get(to string) *http.Response { w.p.t.Helper(); return w.ask("GET", to, "", nil) }

func (w *person) post(to string, form url.Values) *http.Response {
	w.p.t.Helper()
	return w.ask("POST", to, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// follow goes where redirects lead and gives the last address and answer.
func (w *person) follow(res *http.Response) (string, *http.Response) {
	w.p.t.Helper()
	at := res.Request.URL.String()
	for range 10 {
		if res.StatusCode/100 != 3 {
			return at, res
		}
		to, err := res.Location()
		must(w.p.t, err)
		at, res = to.String(), w.get(to.String())
	}
	w.p.t.Fatal("redirects without end")
	return "", nil
}

// launched follows the events of a launch page to the end and gives the steps
// that were seen and where the page goes.
func (w *person) launched(page string) (steps []string, to string) {
	w.p.t.Helper()
	u, err := url.Parse(w.url(page))
	must(w.p.t, err)
	u.Path += "/events"
	res := w.get(u.String())
	lines := bufio.NewScanner(res.Body)
	event := ""
	for lines.Scan() {
		line := lines.Text()
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			event = name
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var e struct{ Step, URL, Text string }
		must(w.p.t, json.Unmarshal([]byte(data), &e))
		switch event {
		case "step":
			if len(steps) == 0 || steps[len(steps)-1] != e.Step {
				steps = append(steps, e.Step)
			}
		case "ready":
			return steps, e.URL
		case "failed":
			w.p.t.Fatalf("the start failed after %v: %s", steps, e.Text)
		}
	}
	w.p.t.Fatalf("the events ended after %v: %v", steps, lines.Err())
	return nil, ""
}

// open presses Open and comes out inside JupyterLab; it gives the workspace's origin.
func (w *person) open(slug string) string {
	w.p.t.Helper()
	res := w.post("/courses/demo/assignments/"+slug+"/open", nil)
	if res.StatusCode != http.StatusSeeOther {
		text, _ := io.ReadAll(res.Body)
		w.p.t.Fatalf("open: %s %s", res.Status, text)
	}
	if to := res.Header.Get("Location"); strings.Contains(to, "/workspaces/") {
		_, next := w.launched(to)
		res = w.get(next)
	}
	at, res := w.follow(res)
	if res.StatusCode != http.StatusOK || !strings.Contains(at, "/lab/tree/"+slug+"/first.ipynb") {
		text, _ := io.ReadAll(res.Body)
		w.p.t.Fatalf("open leads to %s: %s %.500s", at, res.Status, text)
	}
	u, _ := url.Parse(at)
	return u.Scheme + "://" + u.Host
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func say(t testing.TB, res *http.Response, v any) {
	t.Helper()
	text, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s %s", res.Request.Method, res.Request.URL, res.Status, text)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatalf("%s: %v in %s", res.Request.URL, err, fmt.Sprintf("%.300s", text))
	}
}
