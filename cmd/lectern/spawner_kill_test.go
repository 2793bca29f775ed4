package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

// tripwire stands between the spawner process and the engine. The first answer
// to a request about a workspace that ends in mark is not passed on: trip is
// called instead.
func tripwire(t *testing.T, mark string, trip func()) (host string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "trip")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := strings.TrimPrefix(os.Getenv("DOCKER_HOST"), "unix://")
	if socket == "" {
		socket = "/var/run/docker.sock"
	}
	var tripped atomic.Bool
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "docker"}) },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}},
		ModifyResponse: func(res *http.Response) error {
			u := res.Request.URL // graders have no name
			workspace := strings.HasPrefix(u.Query().Get("name"), "lectern-") || strings.Contains(u.Path, "/containers/lectern-")
			if workspace && strings.HasSuffix(u.Path, mark) && res.StatusCode < 300 && tripped.CompareAndSwap(false, true) {
				trip()
				return errors.New("tripped")
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
	}
	ln, err := net.Listen("unix", filepath.Join(dir, "e.sock"))
	must(t, err)
	srv := &http.Server{Handler: proxy}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { srv.Close() })
	return "unix://" + ln.Addr().String()
}

// containers are all of the site's workspaces on the engine.
func (d *doored) containers() []container.Status {
	d.t.Helper()
	realm, err := d.store.Setting(context.Background(), "realm")
	must(d.t, err)
	engine, err := container.NewDocker(container.DockerOptions{Network: "lectern-test",
		Data: container.Paths{Inside: d.data}, Secrets: filepath.Join(d.data, "secrets")})
	must(d.t, err)
	defer engine.Close()
	all, err := engine.List(context.Background(), map[string]string{"lectern.realm": string(realm)})
	must(d.t, err)
	return all
}

// The spawner process is killed when the engine has made the container, or has
// started it, and nobody was told. Its successor finishes the very same start.
func TestTheSpawnerProcessKilledInTheMiddleOfAStart(t *testing.T) {
	for name, mark := range map[string]string{"after create": "/containers/create", "after start": "/start"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoored(t)
			d.release("ps1")
			d.away()
			killed := make(chan struct{})
			direct := d.engine
			d.engine = tripwire(t, mark, func() {
				d.away()
				close(killed)
			})
			d.guard()
			student := d.as("student1")
			res := student.post("/courses/demo/assignments/ps1/open", nil)
			select {
			case <-killed:
			case <-time.After(30 * time.Second):
				t.Fatal("nothing was asked of the engine")
			}
			before := d.containers()
			if len(before) != 1 {
				t.Fatalf("when it was killed there were %+v, want one container", before)
			}
			time.Sleep(time.Second)
			d.engine = direct
			d.guard()
			_, ready := student.launched(res.Header.Get("Location"))
			if at, lab := student.follow(student.get(ready)); lab.StatusCode != http.StatusOK {
				t.Fatalf("open leads to %s: %s", at, lab.Status)
			}
			after := d.containers()
			if len(after) != 1 || after[0].ID != before[0].ID || after[0].Labels["lectern.generation"] != "1" {
				t.Errorf("afterwards there is %+v, want the same container as before: %+v", after, before)
			}
			if left, err := os.ReadDir(filepath.Join(d.data, "secrets")); err != nil || len(left) != 1 {
				t.Errorf("secrets: %v, %v; want those of one container", left, err)
			}
		})
	}
}

// A start that nobody wants any more by the time the spawner process is back
// leaves nothing.
func TestNothingIsOrphanedByAKilledSpawnerProcess(t *testing.T) {
	t.Parallel()
	d := newDoored(t)
	d.release("ps1")
	d.away()
	killed := make(chan struct{})
	direct := d.engine
	d.engine = tripwire(t, "/start", func() {
		d.away()
		close(killed)
	})
	d.guard()
	student := d.as("student1")
	page, _, _ := strings.Cut(student.post("/courses/demo/assignments/ps1/open", nil).Header.Get("Location"), "?")
	<-killed
	if res := student.post(page+"/stop", nil); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("stop without the spawner process: %s", res.Status)
	}
	if n := len(d.containers()); n != 1 {
		t.Fatalf("%d containers, want the one that nobody knows of", n)
	}
	d.engine = direct
	d.guard()
	began := time.Now()
	enginetest.Await(t, "no container", func() bool { return len(d.containers()) == 0 })
	t.Logf("the orphan is gone after %v", time.Since(began).Round(100*time.Millisecond))
	enginetest.Await(t, "no secrets", func() bool {
		left, err := os.ReadDir(filepath.Join(d.data, "secrets"))
		return err == nil && len(left) == 0
	})
}

// Nobody comes to the door for over a minute: the student reads why, and that
// trying again may help, which it does once the spawner process is there.
func TestOpeningWithoutTheSpawnerProcessSaysSo(t *testing.T) {
	t.Parallel()
	d := newDoored(t)
	d.release("ps1")
	d.away()
	student := d.as("student1")
	page := student.post("/courses/demo/assignments/ps1/open", nil).Header.Get("Location")
	u, err := url.Parse(student.url(page))
	must(t, err)
	u.Path += "/events"
	began := time.Now()
	events, err := io.ReadAll(student.get(u.String()).Body)
	must(t, err)
	if took := time.Since(began); took > 100*time.Second {
		t.Errorf("the page was told after %v", took)
	}
	const sentence = "The server that runs workspaces does not answer at the moment. Your files are safe."
	if !strings.Contains(string(events), "event: failed") || !strings.Contains(string(events), sentence) {
		t.Errorf("the page is told %s", events)
	}
	html, err := io.ReadAll(student.get(page).Body)
	must(t, err)
	if !strings.Contains(string(html), sentence) || !strings.Contains(string(html), `<form method="post" action="/courses/demo/workspaces/`) {
		t.Errorf("the page offers no retry: %.3000s", html)
	}
	d.guard()
	student.open("ps1")
}
