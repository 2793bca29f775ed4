package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"lectern/grading"
	"lectern/spawner"
	"lectern/spawner/container/enginetest"
	"lectern/store"
)

const stepsURL = "/courses/demo/assignments/first-steps"

// useImage has the demo's assignment name an image.
func (p *program) useImage(ref string) {
	p.t.Helper()
	_, err := p.store.Pool().Exec(context.Background(), `update assignments set image = $1 where slug = 'first-steps'`, ref)
	must(p.t, err)
}

// job waits until work with an image rests, and is its row.
func (p *program) job(kind, ref string) store.ImageJob {
	p.t.Helper()
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) { // machines are busy
		var id int64
		must(p.t, p.store.Pool().QueryRow(context.Background(), `select coalesce(max(id), 0) from image_jobs where kind = $1 and reference = $2`, kind, ref).Scan(&id))
		if id == 0 {
			continue
		}
		j, err := p.store.ImageJobByID(context.Background(), id)
		must(p.t, err)
		if !j.Moving() {
			return j
		}
	}
	p.t.Fatalf("waited in vain for: %s of %s", kind, ref)
	return store.ImageJob{}
}

// administrator is the instructor, who has the site from now on.
func (p *program) administrator() *person {
	p.t.Helper()
	_, err := p.store.Pool().Exec(context.Background(), `update users set site_admin = true where login = 'instructor'`)
	must(p.t, err)
	return p.as("instructor")
}

// page is the text of a page.
func (w *person) page(path string) string {
	w.p.t.Helper()
	text, err := io.ReadAll(w.get(path).Body)
	must(w.p.t, err)
	return string(text)
}

// started opens the demo's assignment and is the workspace's row with the id of
// the image that its container is made from.
func (w *person) started(login string) (store.Workspace, string) {
	w.p.t.Helper()
	res := w.post(stepsURL+"/open", nil)
	if to := res.Header.Get("Location"); strings.Contains(to, "/workspaces/") {
		w.launched(to)
	}
	rows := w.p.workspaces(login)
	if len(rows) != 1 {
		w.p.t.Fatalf("%s has %d workspaces, want one", login, len(rows))
	}
	var is struct{ Image string }
	must(w.p.t, enginetest.Docker(context.Background(), http.MethodGet, "/containers/"+spawner.ContainerName(rows[0].ID)+"/json", nil, &is))
	return rows[0], is.Image
}

func (p *program) workspaces(login string) (out []store.Workspace) {
	p.t.Helper()
	rows, err := p.store.Pool().Query(context.Background(), `
		select w.id from workspaces w join members m on m.id = w.member_id join users u on u.id = m.user_id where u.login = $1`, login)
	must(p.t, err)
	var ids []string
	for rows.Next() {
		var id string
		must(p.t, rows.Scan(&id))
		ids = append(ids, id)
	}
	must(p.t, rows.Err())
	for _, id := range ids {
		w, err := p.store.Workspace(context.Background(), id)
		must(p.t, err)
		out = append(out, w)
	}
	return out
}

// A name that moves changes nothing under a class; a person does.
func TestAClassKeepsItsImageUntilItTakesTheNewer(t *testing.T) {
	t.Parallel()
	registry := enginetest.NewRegistry(t)
	d := newDoored(t)
	p := d.program
	ref := registry.Addr + "/course:1"
	first, digest := registry.Push(t, "course:1", "first")
	p.useImage(ref)
	teacher, student, late := p.as("instructor"), p.as("student1"), p.as("student2")

	// It is not on the engine: it is fetched, pinned, and then released.
	res := teacher.post(stepsURL+"/release", url.Values{"when": {"now"}})
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("release: %s", res.Status)
	}
	if j := p.job(store.ImageFetch, ref); j.State != "done" {
		t.Fatalf("the fetch %s: %s", j.State, j.Error)
	}
	c, err := p.store.Course(t.Context(), "demo")
	must(t, err)
	pin, pinned, err := p.store.ImagePin(t.Context(), c.ID, ref)
	must(t, err)
	if !pinned || pin.ImageID != first || pin.RepoDigest != digest {
		t.Fatalf("pinned to %+v, want %s", pin, first)
	}
	var verb string
	must(t, p.store.Pool().QueryRow(t.Context(), `select verb from activity where detail like 'as soon as%'`).Scan(&verb))
	if verb != "released again" {
		t.Errorf("the log says %q", verb)
	}
	if page := teacher.page(stepsURL + "/release"); !strings.Contains(page, first[:19]) || strings.Contains(page, "It is released as soon as") {
		t.Errorf("the release page does not name the image\n%s", page)
	}

	// The name moves, here and in the registry.
	second, _ := registry.Push(t, "course:1", "second")
	row, image := student.started("student1")
	if image != first {
		t.Fatalf("a workspace starts from %s, want the pinned %s", image, first)
	}
	must(t, enginetest.Docker(t.Context(), http.MethodGet, "/containers/"+spawner.ContainerName(row.ID)+"/json", nil, nil))

	teacher.post(stepsURL+"/image/newer", nil)
	if j := p.job(store.ImageNewer, ref); j.State != "done" {
		t.Fatalf("looking for a newer one %s: %s", j.State, j.Error)
	}
	page := teacher.page(stepsURL + "/image")
	for _, want := range []string{first[:19], second[:19], "when they next start", "First steps"} {
		if !strings.Contains(page, want) {
			t.Fatalf("the page lacks %q\n%s", want, page)
		}
	}
	use := func(was, id string) int {
		return teacher.post(stepsURL+"/image/use", url.Values{"was": {was}, "id": {id}}).StatusCode
	}
	if got := use(second, second); got != http.StatusConflict {
		t.Errorf("taking what was not shown: %d", got)
	}
	if got := use(first, second); got != http.StatusSeeOther {
		t.Fatalf("taking the newer: %d", got)
	}
	// Who runs goes on; who starts has the newer; nobody has two.
	if again, image := student.started("student1"); again.Generation != row.Generation || image != first {
		t.Errorf("a running workspace was changed: start %d of %s, want %d of %s", again.Generation, image, row.Generation, first)
	}
	if _, image := late.started("student2"); image != second {
		t.Errorf("the next start is from %s, want %s", image, second)
	}
	student.post("/courses/demo/workspaces/"+row.ID+"/stop", nil)
	enginetest.Await(t, "the stop", func() bool { return p.workspaces("student1")[0].State == "stopped" })
	if again, image := student.started("student1"); again.ID != row.ID || image != second {
		t.Errorf("after a stop: %s from %s, want the same workspace from %s", again.ID, image, second)
	}
}

// F18: an image that is gone costs its own class a sentence and a button, nobody
// else anything, and comes back by its digest.
func TestAnImageThatIsGoneComesBack(t *testing.T) {
	t.Parallel()
	registry := enginetest.NewRegistry(t)
	p := newProgram(t)
	p.release("ps1")
	ref := registry.Addr + "/gone:1"
	id, _ := registry.Push(t, "gone:1", "here and there")
	p.useImage(ref)
	teacher, student, other, admin := p.as("instructor"), p.as("student1"), p.as("student2"), p.administrator()
	teacher.post(stepsURL+"/release", url.Values{"when": {"now"}})
	if j := p.job(store.ImageFetch, ref); j.State != "done" {
		t.Fatalf("the fetch %s: %s", j.State, j.Error)
	}
	enginetest.Forget(t, id)
	began := time.Now()
	to := student.post(stepsURL+"/open", nil).Header.Get("Location")
	enginetest.Await(t, "the start to fail", func() bool {
		rows := p.workspaces("student1")
		return len(rows) == 1 && rows[0].State == "failed"
	})
	t.Logf("the start failed after %v", time.Since(began).Round(10*time.Millisecond))
	page := student.page(to)
	if !strings.Contains(page, "not on the server at the moment") || !strings.Contains(page, "Try again") {
		t.Fatalf("the student reads no sentence, or has no button\n%s", page)
	}
	other.open("ps1") // another image's class has lost nothing
	enginetest.Await(t, "the image's return by itself", func() bool {
		return enginetest.Docker(t.Context(), http.MethodGet, "/images/"+id+"/json", nil, nil) == nil
	})
	p.job(store.ImageFetch, ref)
	if page := admin.page("/admin/images"); strings.Contains(page, "Images that are gone") {
		t.Errorf("the administrator still reads that it is gone\n%s", page)
	}
	student.post(to, nil) // Try again
	if _, image := student.started("student1"); image != id {
		t.Errorf("the workspace starts from %s, want %s", image, id)
	}
}

// F18: a registry that stands still, or has nothing, holds up the release of its
// own class and nothing else.
func TestAReleaseWaitsForItsImage(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.release("ps1")
	leave := make(chan struct{})
	still := enginetest.Still(t, leave)
	defer close(leave)
	registry := enginetest.NewRegistry(t)
	teacher, student := p.as("instructor"), p.as("student1")

	missing := registry.Addr + "/nothing:1"
	p.useImage(missing)
	teacher.post(stepsURL+"/release", url.Values{"when": {"now"}})
	if j := p.job(store.ImageFetch, missing); j.State != "failed" || !strings.Contains(j.Error, "no such image") {
		t.Fatalf("an image that no registry has: %s: %s", j.State, j.Error)
	}
	page := teacher.page(stepsURL + "/release")
	for _, want := range []string{"It is not released", "no such image", "Try again", "Release without waiting", "Do not release it"} {
		if !strings.Contains(page, want) {
			t.Errorf("the release page lacks %q", want)
		}
	}

	// Another image is chosen while it waits: the release follows that one.
	const there = "lectern/notebook:latest"
	teacher.post(stepsURL+"/settings", url.Values{"title": {"First steps"}, "image": {there}, "autograde": {"never"}, "regrade_days": {"7"}})
	if j := p.job(store.ImageFetch, there); j.State != "done" {
		t.Fatalf("the image that was chosen instead: %s: %s", j.State, j.Error)
	}
	if page := teacher.page(stepsURL + "/release"); strings.Contains(page, "It is not released") || strings.Contains(page, "It is released as soon as") {
		t.Error("the release still waits for the image that is not used any more")
	}

	slow := still + "/slow:1"
	p.useImage(slow)
	teacher.post(stepsURL+"/release", url.Values{"when": {"now"}})
	enginetest.Await(t, "the page to say how far it is", func() bool {
		page = teacher.page(stepsURL + "/release")
		return strings.Contains(page, "Looking for the image") && strings.Contains(page, "/image/events?short")
	})
	student.open("ps1")
	teacher.post(stepsURL+"/image/cancel", nil)
	if page = teacher.page(stepsURL + "/release"); strings.Contains(page, "It is released as soon as") {
		t.Error("a release that was taken back still waits")
	}
	// And it may be given out without it.
	if res := teacher.post(stepsURL+"/release", url.Values{"when": {"now"}, "image": {"later"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("releasing without waiting: %s", res.Status)
	}
	if page = teacher.page(stepsURL + "/release"); !strings.Contains(page, "Students have this assignment") {
		t.Error("it was not released without waiting")
	}
}

func TestAnImageIsTested(t *testing.T) {
	t.Parallel()
	d := newDoored(t)
	p := d.program
	teacher, admin := p.as("instructor"), p.administrator()
	const ref = "lectern/notebook:latest"
	teacher.post(stepsURL+"/image/test", nil)
	j := p.job(store.ImageTest, ref)
	var found grading.ImageTrial
	must(t, json.Unmarshal(j.Result, &found))
	if j.State != "done" || !strings.Contains(found.Solution, "full marks: 5 of 5") || !strings.HasPrefix(found.Image, "sha256:") || len(found.Took) != 2 {
		t.Errorf("the test %s: %s, %+v\n%s", j.State, j.Error, found, j.Log)
	}
	if page := teacher.page(stepsURL + "/image"); !strings.Contains(page, "full marks") || !strings.Contains(page, "Passed") {
		t.Errorf("the page does not say that it passed\n%s", page)
	}

	// One without JupyterLab, from the list of the site.
	const bare = "debian:trixie-slim"
	admin.post("/admin/images", url.Values{"reference": {bare}, "title": {"Nothing but Debian"}})
	admin.post("/admin/images/test?"+url.Values{"reference": {bare}}.Encode(), nil)
	if j = p.job(store.ImageTest, bare); j.State != "failed" || !strings.Contains(j.Error, "no jupyter-lab on its PATH") {
		t.Errorf("an image without JupyterLab: %s: %s", j.State, j.Error)
	}
	if page := admin.page("/admin/images"); !strings.Contains(page, "Failed") {
		t.Error("the list does not say that the test failed")
	}

	// Nothing is left, and what a killed Lectern leaves goes, too.
	left := func() int {
		realm, err := p.store.Setting(t.Context(), "realm")
		must(t, err)
		var list []struct{ Names []string }
		q := url.Values{"all": {"1"}, "filters": {`{"label":["` + spawner.LabelRealm + `=` + string(realm) + `"]}`}}
		must(t, enginetest.Docker(t.Context(), http.MethodGet, "/containers/json?"+q.Encode(), nil, &list))
		return len(list)
	}
	if n := left(); n != 0 {
		t.Errorf("%d containers of tests are left", n)
	}
	teacher.post(stepsURL+"/image/test", nil)
	enginetest.Await(t, "the container of a test", func() bool { return left() == 1 })
	p.kill()
	_, err := p.store.Pool().Exec(t.Context(), `update image_jobs set state = 'failed', lease_until = null`)
	must(t, err)
	p.start()
	enginetest.Await(t, "what was left of it to go", func() bool { return left() == 0 })
}
