package container_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

const poolLabel = "lectern.pool"

// poolAt is a pool on a data root; several may be on one.
func poolAt(t testing.TB, data string, size int) *container.Pool {
	p, err := container.NewPool(newDocker(t, data), container.PoolOptions{Size: size, Dir: filepath.Join(data, "run", "pool")})
	must(t, err)
	return p
}

// poolRig has so many containers that wait for a workspace like those of Place.
func poolRig(t testing.TB, size int) (enginetest.Rig, *container.Pool) {
	data := openTempDir(t)
	p := poolAt(t, data, size)
	r := enginetest.Rig{Engine: p, Data: data, Image: enginetest.StubImage(t), Realm: filepath.Base(filepath.Dir(data))}
	emptyPool(t, data)
	p.Want(container.Workspace(r.Place(t, "wanted")))
	fillPool(t, p, size)
	return r, p
}

// emptyPool removes what waits when the test ends.
func emptyPool(t testing.TB, data string) {
	none := poolAt(t, data, 0)
	t.Cleanup(func() {
		if err := none.Keep(context.Background()); err != nil {
			t.Errorf("empty the pool: %v", err)
		}
	})
}

func fillPool(t testing.TB, p *container.Pool, size int) {
	t.Helper()
	for until := time.Now().Add(2 * time.Minute); p.Waiting() != size; time.Sleep(20 * time.Millisecond) {
		must(t, p.Keep(t.Context()))
		if p.Off() != "" || time.Now().After(until) {
			t.Fatalf("%d containers wait, want %d; off: %q", p.Waiting(), size, p.Off())
		}
	}
}

// startIn starts a workspace whose home has places for what is shown in it.
func startIn(t testing.TB, e container.Engine, p container.Place) (container.Running, error) {
	t.Helper()
	if _, err := e.Image(t.Context(), p.Image); err != nil {
		t.Fatal(err)
	}
	return e.Start(t.Context(), container.Workspace(p))
}

// fromPool reports whether the engine knows a container as one of a pool.
func fromPool(t testing.TB, id string) bool {
	t.Helper()
	var c struct {
		Config struct{ Labels map[string]string }
	}
	must(t, enginetest.Docker(t.Context(), http.MethodGet, "/containers/"+id+"/json", nil, &c))
	return c.Config.Labels[poolLabel] != ""
}

// writes reports whether the program in a workspace can write a file.
func writes(t testing.TB, at container.Running, token, path, text string) bool {
	t.Helper()
	q := url.Values{"path": {path}, "text": {text}}
	code, answer, err := enginetest.Call(t.Context(), http.MethodPost, at.Addr, token, "/stub/write?"+q.Encode())
	if err != nil || code != http.StatusOK && code != http.StatusForbidden {
		t.Fatalf("write %s: %d %s %v", path, code, answer, err)
	}
	return code == http.StatusOK
}

// The contract of every engine, with containers that wait for what it starts.
func TestPool(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, func(t *testing.T) enginetest.Rig {
		r, _ := poolRig(t, 1)
		return r
	})
}

func TestPoolGivesAContainerItsHome(t *testing.T) {
	t.Parallel()
	r, p := poolRig(t, 1)
	one := r.Place(t, "one")
	release := filepath.Join(r.Data, "release")
	must(t, errors.Join(os.Mkdir(release, 0o777), os.Chmod(release, 0o777), os.Mkdir(filepath.Join(one.Home, "release"), 0o755)))
	one.Mounts = []container.Mount{{From: release, To: container.HomeDir + "/release"}}
	got, err := startIn(t, p, one)
	must(t, err)
	if !fromPool(t, got.ID) {
		t.Fatal("it was not given the container that waited")
	}
	enginetest.Answers(t, got.Addr, one.Token)
	if !writes(t, got, one.Token, container.HomeDir+"/mine", "hello") {
		t.Error("it cannot save in its home")
	}
	if text, err := os.ReadFile(filepath.Join(one.Home, "mine")); string(text) != "hello" {
		t.Errorf("in its home is %q, %v", text, err)
	}
	for _, path := range []string{container.HomeDir + "/release/x", container.SecretsDir + "/x", "/x"} {
		if writes(t, got, one.Token, path, "x") {
			t.Errorf("it can write %s", path)
		}
	}
	again, err := startIn(t, p, one)
	if err != nil || again != got {
		t.Errorf("started again it is %+v, %v; want %+v", again, err, got)
	}
	for _, e := range []container.Engine{p, poolAt(t, r.Data, 0)} { // also a Lectern that keeps none
		must(t, e.(*container.Pool).Keep(t.Context()))
		list, err := e.List(t.Context(), one.Labels)
		if err != nil || len(list) != 1 || list[0].ID != got.ID || list[0].Name != one.Name || list[0].Addr != got.Addr || list[0].Phase != container.Up {
			t.Errorf("List = %+v, %v", list, err)
		}
	}
	must(t, p.Stop(t.Context(), one.Name, 0))
	must(t, p.Remove(t.Context(), one.Name))
	if _, err := p.Inspect(t.Context(), one.Name); !errors.Is(err, container.ErrNotFound) {
		t.Errorf("removed, it is %v", err)
	}
	for _, dir := range []string{"pool", "secrets"} {
		if left, err := os.ReadDir(filepath.Join(r.Data, "run", dir)); err != nil || len(left) != p.Waiting() {
			t.Errorf("removed, %s holds %v, %v", dir, left, err)
		}
	}
}

// Two Lecterns on one pool, six students at once: each container is one's.
func TestPoolGivesNoContainerTwice(t *testing.T) {
	t.Parallel()
	r, p := poolRig(t, 3)
	other := poolAt(t, r.Data, 3)
	must(t, other.Keep(t.Context()))
	var all sync.WaitGroup
	var mu sync.Mutex
	given, pooled := map[string]string{}, 0
	for n := range 6 {
		place, engine := r.Place(t, fmt.Sprintf("s%d", n)), []container.Engine{p, other}[n%2]
		all.Go(func() {
			got, err := startIn(t, engine, place)
			if err != nil {
				t.Errorf("%s: %v", place.Name, err)
				return
			}
			enginetest.Answers(t, got.Addr, place.Token)
			if !writes(t, got, place.Token, container.HomeDir+"/whose", place.Name) {
				t.Errorf("%s cannot save", place.Name)
			}
			mu.Lock()
			defer mu.Unlock()
			if whose := given[got.ID]; whose != "" {
				t.Errorf("%s and %s are in one container", whose, place.Name)
			}
			given[got.ID] = place.Name
			if fromPool(t, got.ID) {
				pooled++
			}
			if text, err := os.ReadFile(filepath.Join(place.Home, "whose")); string(text) != place.Name {
				t.Errorf("in the home of %s is %q, %v", place.Name, text, err)
			}
		})
	}
	all.Wait()
	if pooled != 3 {
		t.Errorf("%d were given a container that waited, want all 3", pooled)
	}
}

// Whatever is asked for otherwise than those that wait are is started anew.
func TestPoolStartsWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	r, p := poolRig(t, 1)
	for name, change := range map[string]func(*container.Place){
		"memory":   func(w *container.Place) { w.Limits.Memory += 16 << 20 },
		"variable": func(w *container.Place) { w.Env = map[string]string{"COURSE": "another"} },
		"mount": func(w *container.Place) {
			shared := filepath.Join(r.Data, "shared")
			must(t, os.MkdirAll(shared, 0o755))
			w.Mounts = []container.Mount{{From: shared, To: "/opt/shared"}}
		},
		"network": func(w *container.Place) { w.Env = map[string]string{"http_proxy": "x"} },
		"boot":    func(w *container.Place) { w.Fresh = true },
		"settings": func(w *container.Place) {
			must(t, os.WriteFile(filepath.Join(w.Home, "jupyter_server_config.py"), nil, 0o644))
		},
	} {
		w := r.Place(t, name)
		change(&w)
		got, err := startIn(t, p, w)
		must(t, err)
		if fromPool(t, got.ID) {
			t.Errorf("one with another %s was given a container that waited", name)
		}
		enginetest.Answers(t, got.Addr, w.Token)
	}
	if p.Waiting() != 1 {
		t.Errorf("%d wait still, want the one", p.Waiting())
	}
}

// An assignment whose image is pinned names it by its id.
func TestPoolKnowsAnImageByItsId(t *testing.T) {
	t.Parallel()
	r, p := poolRig(t, 1)
	image, err := p.Image(t.Context(), r.Image)
	must(t, err)
	one := r.Place(t, "pinned")
	one.Image = image.ID
	got, err := startIn(t, p, one)
	must(t, err)
	if !fromPool(t, got.ID) {
		t.Error("it was not given the container that waited")
	}
	enginetest.Answers(t, got.Addr, one.Token)
}

// A link that a student put in place of a directory is not followed by Lectern.
func TestPoolFollowsNoLinkOfAStudents(t *testing.T) {
	t.Parallel()
	r, p := poolRig(t, 1)
	one := r.Place(t, "linked")
	release := filepath.Join(r.Data, "release")
	must(t, errors.Join(os.Mkdir(release, 0o755), os.Symlink("/tmp", filepath.Join(one.Home, "release"))))
	one.Mounts = []container.Mount{{From: release, To: container.HomeDir + "/release"}}
	got, err := startIn(t, p, one)
	if err == nil && fromPool(t, got.ID) {
		t.Error("a container of the pool has a mount behind a link")
	}
	must(t, p.Keep(t.Context()))
	var list []struct{ ID, State string }
	must(t, enginetest.Docker(t.Context(), http.MethodGet, "/containers/json?all=1&filters="+
		url.QueryEscape(`{"label":["`+poolLabel+`"],"name":["`+one.Name+`"]}`), nil, &list))
	if len(list) != 0 {
		t.Errorf("half given and left: %+v", list)
	}
	// A home that is a link to another's is nobody's.
	two := r.Place(t, "two")
	must(t, errors.Join(os.Remove(two.Home), os.Symlink(one.Home, two.Home)))
	if got, err := startIn(t, p, two); err == nil {
		t.Errorf("a home that is a link was mounted: %+v", got)
	}
}

// An image whose jupyter-lab does not wait is started as ever, and none is kept.
func TestPoolOfAnImageThatCannotWait(t *testing.T) {
	t.Parallel()
	data := openTempDir(t)
	p := poolAt(t, data, 1)
	r := enginetest.Rig{Engine: p, Data: data, Image: "debian:trixie-slim", Realm: filepath.Base(filepath.Dir(data))}
	w := r.Place(t, "plain")
	p.Want(container.Workspace(w))
	must(t, p.Keep(t.Context()))
	if p.Waiting() != 0 || p.Off() != "" {
		t.Errorf("%d wait, off because of %q", p.Waiting(), p.Off())
	}
	s := container.Workspace(w)
	s.Command = []string{"sleep", "100"}
	got, err := p.Start(t.Context(), s)
	must(t, err)
	if fromPool(t, got.ID) || strings.HasPrefix(s.Name, "lectern-pool") {
		t.Error("it came from the pool")
	}
}

// Whoever starts while a container boots for the pool has the machine to themselves.
func TestPoolBootsWhileNobodyStarts(t *testing.T) {
	t.Parallel()
	data := openTempDir(t)
	p := poolAt(t, data, 1)
	r := enginetest.Rig{Engine: p, Data: data, Image: enginetest.StubImage(t), Realm: filepath.Base(filepath.Dir(data))}
	emptyPool(t, data)
	slow := r.Place(t, "slow")
	slow.Env = map[string]string{"STUB_BOOT": "2s"}
	p.Want(container.Workspace(slow))
	booted := make(chan error, 1)
	go func() { booted <- p.Keep(t.Context()) }()
	state := func() string {
		var list []struct {
			State  string
			Mounts []struct{ Source string }
		}
		must(t, enginetest.Docker(t.Context(), http.MethodGet, "/containers/json?filters="+url.QueryEscape(`{"label":["`+poolLabel+`"]}`), nil, &list))
		for _, c := range list {
			if len(c.Mounts) > 0 && strings.HasPrefix(c.Mounts[0].Source, data+"/") {
				return c.State
			}
		}
		return ""
	}
	enginetest.Await(t, "a boot", func() bool { return state() == "running" })
	one := r.Place(t, "one")
	got, err := startIn(t, p, one)
	must(t, err)
	enginetest.Await(t, "the boot to rest", func() bool { return state() == "paused" })
	if p.Waiting() != 0 {
		t.Error("it is offered already")
	}
	enginetest.Answers(t, got.Addr, one.Token)
	must(t, <-booted)
	fillPool(t, p, 1)
}

// A class that is expected finds more; afterwards they go, down to the pool's size.
func TestPoolGrowsForAClass(t *testing.T) {
	t.Parallel()
	data := openTempDir(t)
	more := 1
	p, err := container.NewPool(newDocker(t, data), container.PoolOptions{Size: 1, Dir: filepath.Join(data, "run", "pool"),
		More: func(context.Context) int { return more }})
	must(t, err)
	r := enginetest.Rig{Engine: p, Data: data, Image: enginetest.StubImage(t), Realm: filepath.Base(filepath.Dir(data))}
	emptyPool(t, data)
	p.Want(container.Workspace(r.Place(t, "wanted")))
	fillPool(t, p, 2)
	more = 0
	fillPool(t, p, 1)
}
