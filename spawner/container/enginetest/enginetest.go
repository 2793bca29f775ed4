package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lectern/spawner/container"
)

// Rig is one driver with what it needs to run the stub.
type Rig struct {
	Engine container.Engine
	Data   string // the data root that the engine was given
	Image  string // has the stub as jupyter-lab
	Realm  string // in a label of everything started, so that tests do not meet
}

// Realm labels what one test starts.
const Realm = "lectern.test"

// Place is a workspace of the rig with a home of its own. Whatever is started
// under its name is removed when the test ends.
func (r Rig) Place(t testing.TB, name string) container.Place {
	t.Helper()
	home := filepath.Join(r.Data, "homes", name)
	must(t, os.MkdirAll(home, 0o755))
	if os.Geteuid() == 0 {
		must(t, os.Chown(home, 1000, 100))
	}
	name = "lectern-test-" + r.Realm + "-" + name
	t.Cleanup(func() {
		if err := r.Engine.Remove(context.Background(), name); err != nil {
			t.Errorf("remove %s: %v", name, err)
		}
	})
	user := "1000:100"
	if uid := os.Geteuid(); uid != 0 {
		user = fmt.Sprintf("%d:%d", uid, os.Getgid())
	}
	return container.Place{
		Name: name, Image: r.Image, User: user, Home: home, Token: "t0ken-" + name,
		Labels: map[string]string{Realm: r.Realm, "lectern.generation": "1"},
		Limits: container.Limits{Memory: 128 << 20, PIDs: 64, Tmp: 8 << 20},
	}
}

// Call makes one request of the program at addr and returns its answer.
func Call(ctx context.Context, method, addr, token, path string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "token "+token)
	resp, err := (&http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// Await calls ok until it holds.
func Await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited 20 s in vain for: %s", what)
}

// Answers waits until the program answers with 200.
func Answers(t testing.TB, addr, token string) {
	t.Helper()
	Await(t, "an answer from "+addr, func() bool {
		code, _, err := Call(t.Context(), http.MethodGet, addr, token, "/api/status")
		return err == nil && code == http.StatusOK
	})
}

// Run holds a driver to the contract of container.Engine.
func Run(t *testing.T, rig func(t *testing.T) Rig) {
	start := func(t *testing.T, r Rig, p container.Place) container.Running {
		t.Helper()
		got, err := r.Engine.Start(t.Context(), container.Workspace(p))
		must(t, err)
		if got.ID == "" || got.Addr == "" {
			t.Fatalf("Start = %+v, want an id and an address", got)
		}
		Answers(t, got.Addr, p.Token)
		return got
	}

	t.Run("a started program answers whoever has its secret", func(t *testing.T) {
		t.Parallel()
		r := rig(t)
		p := r.Place(t, "answers")
		got := start(t, r, p)
		if code, _, err := Call(t.Context(), http.MethodGet, got.Addr, "wrong", "/api/status"); err != nil || code != http.StatusForbidden {
			t.Errorf("with a wrong token: %d, %v; want 403", code, err)
		}
		s, err := r.Engine.Inspect(t.Context(), p.Name)
		must(t, err)
		if s.Phase != container.Up || s.Addr != got.Addr || s.ID != got.ID || s.StartedAt.IsZero() || s.Labels[Realm] != r.Realm {
			t.Errorf("Inspect = %+v, want it running at %s", s, got.Addr)
		}
	})

	t.Run("a second start of a name finds the first container", func(t *testing.T) {
		t.Parallel()
		r := rig(t)
		p := r.Place(t, "twice")
		first := start(t, r, p)
		again, err := r.Engine.Start(t.Context(), container.Workspace(p))
		if err != nil || again != first {
			t.Errorf("second Start = %+v, %v; want %+v", again, err, first)
		}
		p.Labels = map[string]string{Realm: r.Realm, "lectern.generation": "2"}
		if _, err := r.Engine.Start(t.Context(), container.Workspace(p)); !errors.Is(err, container.ErrConflict) {
			t.Errorf("Start with another generation: %v, want ErrConflict", err)
		}
		Answers(t, first.Addr, p.Token)
	})

	t.Run("twelve starts of a name at once make one container", func(t *testing.T) {
		t.Parallel()
		r := rig(t)
		p := r.Place(t, "atonce")
		var all sync.WaitGroup
		for range 12 {
			all.Go(func() {
				if _, err := r.Engine.Start(t.Context(), container.Workspace(p)); err != nil && !errors.Is(err, container.ErrConflict) {
					t.Errorf("Start: %v, want success or ErrConflict", err)
				}
			})
		}
		all.Wait()
		list, err := r.Engine.List(t.Context(), p.Labels)
		must(t, err)
		if len(list) != 1 || list[0].Name != p.Name || list[0].Phase != container.Up {
			t.Fatalf("List = %+v, want the one container", list)
		}
		Answers(t, list[0].Addr, p.Token)
	})

	t.Run("an ended program keeps its code and log until it is removed", func(t *testing.T) {
		t.Parallel()
		r := rig(t)
		p := r.Place(t, "ends")
		got := start(t, r, p)
		_, _, _ = Call(t.Context(), http.MethodPost, got.Addr, p.Token, "/stub/exit?code=7")
		Await(t, "the end", func() bool {
			s, err := r.Engine.Inspect(t.Context(), p.Name)
			return err == nil && s.Phase == container.Exited && s.ExitCode == 7 && s.Addr == "" && !s.EndedAt.IsZero()
		})
		if log, err := r.Engine.Logs(t.Context(), p.Name, 1); err != nil || strings.TrimSpace(log) != "stub: ready" {
			t.Errorf("last line of the log = %q, %v", log, err)
		}
		if _, err := r.Engine.Start(t.Context(), container.Workspace(p)); !errors.Is(err, container.ErrConflict) {
			t.Errorf("Start over an ended one: %v, want ErrConflict", err)
		}
		must(t, r.Engine.Remove(t.Context(), p.Name))
		must(t, r.Engine.Remove(t.Context(), p.Name))
		if _, err := r.Engine.Inspect(t.Context(), p.Name); !errors.Is(err, container.ErrNotFound) {
			t.Errorf("Inspect after Remove: %v, want ErrNotFound", err)
		}
		start(t, r, p)
	})

	t.Run("stop lets the program end by itself", func(t *testing.T) {
		t.Parallel()
		r := rig(t)
		p := r.Place(t, "stops")
		start(t, r, p)
		must(t, r.Engine.Stop(t.Context(), p.Name, 5*time.Second))
		must(t, r.Engine.Stop(t.Context(), p.Name, 5*time.Second))
		s, err := r.Engine.Inspect(t.Context(), p.Name)
		must(t, err)
		log, err := r.Engine.Logs(t.Context(), p.Name, 10)
		must(t, err)
		if s.Phase != container.Exited || s.ExitCode != 0 || !strings.Contains(log, "stub: bye") {
			t.Errorf("after Stop: %+v, log %q; want exit 0 and a farewell", s, log)
		}
	})

	t.Run("events tell of start and death of what was asked for", func(t *testing.T) {
		t.Parallel()
		r := rig(t)
		p, other := r.Place(t, "seen"), r.Place(t, "unseen")
		p.Labels["lectern.seen"] = "yes"
		events := make(chan container.Event, 100)
		ctx, done := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- r.Engine.Events(ctx, map[string]string{Realm: r.Realm, "lectern.seen": "yes"}, func(e container.Event) { events <- e })
		}()
		// The stream is open once it tells of a container; one is restarted
		// until it does.
		var first container.Event
		Await(t, "the event stream", func() bool {
			start(t, r, p)
			select {
			case first = <-events:
				return true
			case <-time.After(time.Second):
				must(t, r.Engine.Remove(t.Context(), p.Name))
				return false
			}
		})
		start(t, r, other)
		s, err := r.Engine.Inspect(t.Context(), p.Name)
		must(t, err)
		_, _, _ = Call(t.Context(), http.MethodPost, s.Addr, p.Token, "/stub/exit?code=9")
		kinds := []container.Kind{first.Kind}
		for kinds[len(kinds)-1] != container.Removed || len(kinds) < 3 {
			select {
			case e := <-events:
				if e.Name != p.Name {
					t.Errorf("an event of %s, which was not asked for", e.Name)
				}
				kinds = append(kinds, e.Kind)
				if e.Kind == container.Died {
					if e.ExitCode != 9 {
						t.Errorf("death with code %d, want 9", e.ExitCode)
					}
					must(t, r.Engine.Remove(t.Context(), p.Name))
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("no event after %v", kinds)
			}
		}
		done()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Events ended with %v, want context.Canceled", err)
		}
	})

	t.Run("usage grows with work", func(t *testing.T) {
		t.Parallel()
		r := rig(t)
		p := r.Place(t, "usage")
		got := start(t, r, p)
		before, err := r.Engine.Usage(t.Context(), p.Name)
		must(t, err)
		if before.Memory == 0 || before.PIDs == 0 {
			t.Errorf("Usage = %+v, want memory and processes", before)
		}
		Await(t, "more CPU time", func() bool {
			for range 50 {
				_, _, _ = Call(t.Context(), http.MethodGet, got.Addr, p.Token, "/api/status")
			}
			after, err := r.Engine.Usage(t.Context(), p.Name)
			return err == nil && after.CPU > before.CPU && after.At.After(before.At)
		})
	})

	t.Run("the home is the student's and stays", func(t *testing.T) {
		t.Parallel()
		r := rig(t)
		p := r.Place(t, "home")
		got := start(t, r, p)
		path := container.HomeDir + "/work.txt"
		if _, ok := r.Engine.(*container.Process); ok {
			path = p.Home + "/work.txt"
		}
		code, text, err := Call(t.Context(), http.MethodPost, got.Addr, p.Token, "/stub/write?text=kept&path="+path)
		if err != nil || code != http.StatusOK {
			t.Fatalf("write in the home: %d %s %v", code, text, err)
		}
		must(t, r.Engine.Remove(t.Context(), p.Name))
		if kept, err := os.ReadFile(filepath.Join(p.Home, "work.txt")); err != nil || string(kept) != "kept" {
			t.Errorf("after Remove the home holds %q, %v", kept, err)
		}
	})

	t.Run("a start that cannot be leaves nothing and says why", func(t *testing.T) {
		t.Parallel()
		r := rig(t)
		for name, c := range map[string]struct {
			mend func(*container.Spec)
			want error
		}{
			"outside": {func(s *container.Spec) { s.Mounts[0].From = "/etc" }, container.ErrMount},
			"root":    {func(s *container.Spec) { s.Mounts[0].From = r.Data }, container.ErrMount},
			"dots":    {func(s *container.Spec) { s.Mounts[0].From = r.Data + "/homes/../.." }, container.ErrMount},
			"nohome":  {func(s *container.Spec) { s.Mounts[0].From = r.Data + "/homes/nobody" }, container.ErrMount},
		} {
			s := container.Workspace(r.Place(t, name))
			c.mend(&s)
			if _, err := r.Engine.Start(t.Context(), s); !errors.Is(err, c.want) {
				t.Errorf("%s: Start = %v, want %v", name, err, c.want)
			}
			if _, err := r.Engine.Inspect(t.Context(), s.Name); !errors.Is(err, container.ErrNotFound) {
				t.Errorf("%s: Inspect afterwards = %v, want ErrNotFound", name, err)
			}
		}
	})

	t.Run("a program that the image lacks is told from one that failed", func(t *testing.T) {
		t.Parallel()
		r := rig(t)
		s := container.Workspace(r.Place(t, "noprogram"))
		s.Command = []string{"no-such-program"}
		if _, err := r.Engine.Start(t.Context(), s); errors.Is(err, container.ErrNoProgram) {
			return
		}
		Await(t, "an end with code 127", func() bool {
			got, err := r.Engine.Inspect(t.Context(), s.Name)
			return err == nil && got.Phase == container.Exited && got.ExitCode == 127
		})
	})

	t.Run("nobody runs as root", func(t *testing.T) {
		t.Parallel()
		r := rig(t)
		for _, user := range []string{"0:0", "root", "", "student:users", "-1:5"} {
			s := container.Workspace(r.Place(t, "root"))
			s.User = user
			if _, err := r.Engine.Start(t.Context(), s); err == nil {
				t.Errorf("Start as %q succeeded", user)
			}
		}
	})
}
