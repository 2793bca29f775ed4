package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lectern/course"
	"lectern/spawner"
	"lectern/spawner/container"
)

// copyDirs are the throw-away homes on disk.
func (p *program) copyDirs() []string {
	p.t.Helper()
	dir, err := course.Layout{Root: p.data}.Copies("demo")
	must(p.t, err)
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	must(p.t, err)
	return found
}

// containerOf reports whether the engine has a container of the workspace, in
// whatever state.
func (p *program) containerOf(id string) bool {
	p.t.Helper()
	engine, err := container.NewDocker(container.DockerOptions{Network: "lectern-test",
		Data: container.Paths{Inside: p.data, Host: p.data}, Secrets: filepath.Join(p.data, "secrets")})
	must(p.t, err)
	defer engine.Close()
	all, err := engine.List(context.Background(), map[string]string{spawner.LabelWorkspace: id})
	must(p.t, err)
	return len(all) > 0
}

// gone waits until neither container nor home of any copy is there.
func (p *program) gone(ids ...string) {
	p.t.Helper()
	until := time.Now().Add(60 * time.Second)
	for {
		left := p.copyDirs()
		for _, id := range ids {
			if p.containerOf(id) {
				left = append(left, "the container of "+id)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(until) {
			p.t.Fatalf("still there: %v", left)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// digestOf is one sum over every name, owner, mode and byte below a directory.
func digestOf(t testing.TB, dir string) string {
	t.Helper()
	h := sha256.New()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s %s %d\n", path, info.Mode(), info.Size())
		if !d.Type().IsRegular() {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(h, f)
		return err
	}))
	return hex.EncodeToString(h.Sum(nil))
}

// handedIn has student1 open ps1, write into it and hand it in; it is where the
// copy is opened.
func (p *program) handedIn() (running string) {
	p.t.Helper()
	a := p.release("ps1")
	student := p.as("student1")
	origin := student.open("ps1")
	k := student.connect(origin, student.newKernel(origin))
	k.run("open('ps1/mine.txt', 'w').write('as handed in'); open('private.txt', 'w').write('not handed in')")
	student.submit("ps1")
	id := strings.Split(strings.TrimPrefix(origin, "http://"), ".")[0]
	student.post("/courses/demo/workspaces/"+id+"/stop", nil)
	until := time.Now().Add(30 * time.Second)
	for p.containerOf(id) {
		if time.Now().After(until) {
			p.t.Fatal("the student's workspace does not stop")
		}
		time.Sleep(100 * time.Millisecond)
	}
	var sub int64
	must(p.t, p.store.Pool().QueryRow(context.Background(), `select id from submissions where assignment_id = $1`, a.ID).Scan(&sub))
	return fmt.Sprintf("/courses/demo/assignments/ps1/submissions/student1/%d/running", sub)
}

// enterCopy opens a copy and comes out in JupyterLab: its id and origin.
func (w *person) enterCopy(running string) (id, origin string) {
	w.p.t.Helper()
	res := w.post(running, nil)
	if res.StatusCode != http.StatusSeeOther {
		text, _ := io.ReadAll(res.Body)
		w.p.t.Fatalf("open running: %s %.500s", res.Status, text)
	}
	if to := res.Header.Get("Location"); strings.Contains(to, "/workspaces/") {
		_, next := w.launched(to)
		res = w.get(next)
	}
	at, res := w.follow(res)
	if res.StatusCode != http.StatusOK || !strings.Contains(at, "/lab/tree/ps1/first.ipynb") {
		w.p.t.Fatalf("open running leads to %s: %s", at, res.Status)
	}
	u, err := url.Parse(at)
	must(w.p.t, err)
	return strings.Split(u.Host, ".")[0], "http://" + u.Host
}

// TestASubmissionRunsInAThrowAwayCopy: real program, engine and JupyterLab. What
// is done in the copy touches nothing, and nothing is left of it.
func TestASubmissionRunsInAThrowAwayCopy(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	running := p.handedIn()
	layout := course.Layout{Root: p.data}
	home, err := layout.Home("demo", "student1")
	must(t, err)
	courses, err := layout.Course("demo")
	must(t, err)
	homeBefore, courseBefore := digestOf(t, home), digestOf(t, courses)

	grader := p.as("grader")
	id, origin := grader.enterCopy(running)
	k := grader.connect(origin, grader.newKernel(origin))
	k.run("import os; seen = sorted(n for n in os.listdir('/home/student') if not n.startswith('.'))")
	if got := k.run("seen"); got != "['ps1']" {
		t.Errorf("the copy's home holds %s, want the assignment alone", got)
	}
	if got := k.run("open('ps1/mine.txt').read()"); got != "'as handed in'" {
		t.Errorf("the copy's file holds %s", got)
	}
	k.run("open('ps1/mine.txt', 'w').write('changed'); open('ps1/new.txt', 'w').write('new'); os.remove('ps1/first.ipynb'); os.mkdir('ps1/shut'); os.chmod('ps1/shut', 0)")

	// Nobody else gets in: not the one who wrote it, not another of the staff.
	for _, who := range []string{"student1", "instructor"} {
		other := p.as(who)
		if res := other.get(origin + "/lab"); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s gets %s from the copy", who, res.Status)
		}
		if res := other.get("/courses/demo/workspaces/" + id); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s gets %s for the launch page", who, res.Status)
		}
	}

	// Lectern is killed: the copy goes on, and so does its kernel.
	p.kill()
	p.start()
	if got := grader.connect(origin, onlyKernelOf(grader, origin)).run("open('ps1/new.txt').read()"); got != "'new'" {
		t.Errorf("after kill -9 the copy holds %s", got)
	}

	grader.post("/courses/demo/workspaces/"+id+"/discard", nil)
	p.gone(id)
	res := grader.get(origin + "/lab")
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusServiceUnavailable || !regexp.MustCompile(`throw-away copy`).Match(text) {
		t.Errorf("the copy's address answers %s %.300s", res.Status, text)
	}

	// The next one is as it was handed in.
	id2, origin := grader.enterCopy(running)
	var file struct{ Content string }
	say(t, grader.get(origin+"/api/contents/ps1/mine.txt"), &file)
	if file.Content != "as handed in" {
		t.Errorf("a new copy holds %q", file.Content)
	}
	grader.post("/courses/demo/workspaces/"+id2+"/stop", nil)
	p.gone(id, id2)
	if digestOf(t, home) != homeBefore {
		t.Error("the student's home changed")
	}
	if digestOf(t, courses) != courseBefore {
		t.Error("the course's files changed")
	}
	if n := countRows(p, `select count(*) from works w join members m on m.id = w.member_id where m.role <> 'student'`); n != 0 {
		t.Errorf("%d works of the staff", n)
	}
}

// TestKillNineLeavesNoCopyBehind: killed while one is asked for, starts, or ends,
// Lectern leaves neither a container nor a home once it is back.
func TestKillNineLeavesNoCopyBehind(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	running := p.handedIn()
	for _, delay := range []time.Duration{0, 15 * time.Millisecond, 60 * time.Millisecond, 250 * time.Millisecond, time.Second} {
		grader := p.as("grader")
		res := grader.post(running, nil)
		to, err := res.Location()
		must(t, err)
		time.Sleep(delay)
		p.kill()
		atKill := p.copyDirs()
		p.start()
		id, _ := grader.enterCopy(running) // what was begun is finished
		if dirs := p.copyDirs(); len(dirs) != 1 {
			t.Errorf("killed after %v there are the homes %v, then %v", delay, atKill, dirs)
		}
		if !strings.Contains(to.String(), id) {
			t.Errorf("killed after %v, another copy was made: %s, then %s", delay, to, id)
		}
		// And killed while it ends.
		grader.post("/courses/demo/workspaces/"+id+"/discard", nil)
		time.Sleep(delay)
		p.kill()
		p.start()
		p.gone(id)
	}

	// What no row knows of goes, whoever left it; a row that is forgotten takes
	// its container along.
	grader := p.as("grader")
	id, _ := grader.enterCopy(running)
	p.kill()
	dir, err := course.Layout{Root: p.data}.Copies("demo")
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(dir, "abcdefghijklmnop-4", "ps1"), 0o755))
	must(t, os.MkdirAll(filepath.Join(dir, id+"-999", "ps1"), 0o755))
	_, err = p.store.Pool().Exec(context.Background(), `delete from workspaces where id = $1`, id)
	must(t, err)
	p.start()
	p.gone(id)
}

func onlyKernelOf(w *person, origin string) string {
	w.p.t.Helper()
	var kernels []struct{ ID string }
	say(w.p.t, w.get(origin+"/api/kernels"), &kernels)
	if len(kernels) != 1 {
		w.p.t.Fatalf("%d kernels, want one", len(kernels))
	}
	return kernels[0].ID
}

func countRows(p *program, query string) (n int) {
	p.t.Helper()
	must(p.t, p.store.Pool().QueryRow(context.Background(), query).Scan(&n))
	return n
}
