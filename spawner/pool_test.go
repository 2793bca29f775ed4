package spawner_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
	"lectern/spawner/rowstest"
)

// openPool is a site whose engine keeps so many containers of image, and shows a
// release in each home.
func openPool(t testing.TB, data, image string, size int, limits container.Limits) *site {
	release := filepath.Join(data, "release")
	must(t, os.MkdirAll(release, 0o777))
	must(t, os.Chmod(release, 0o777))
	var pool *container.Pool
	s := openSite(t, data, limits, func(o *container.DockerOptions, c *spawner.Config) {
		d, err := container.NewDocker(*o)
		must(t, err)
		pool, err = container.NewPool(d, container.PoolOptions{Size: size, Dir: filepath.Join(data, "run", "secrets", ".pool")})
		must(t, err)
		plan := c.Plan
		c.Plan = func(ctx context.Context, row spawner.Row) (spawner.Plan, error) {
			p, err := plan(ctx, row)
			must(t, os.MkdirAll(filepath.Join(p.Home, "release"), 0o755))
			p.Mounts = []container.Mount{{From: release, To: container.HomeDir + "/release"}}
			return p, err
		}
		c.Engine = pool
	})
	pool.Want(spawner.Template("", spawner.Row{Image: image}, spawner.Plan{Limits: limits}))
	ctx, done := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- pool.Run(ctx) }()
	stop := s.stop
	s.stop = func() {
		done()
		must(t, <-ended)
		stop()
		pool.Close()
	}
	return s
}

type pooled struct {
	ID, State string
	Names     []string
	Mounts    []struct{ Source string }
}

// pooled lists the containers that a site's pool made, whosever they are now.
func poolOf(t testing.TB, data string) (list []pooled) {
	t.Helper()
	var all []pooled
	must(t, enginetest.Docker(context.Background(), http.MethodGet, "/containers/json?all=1&filters="+url.QueryEscape(`{"label":["lectern.pool"]}`), nil, &all))
	for _, c := range all {
		for _, m := range c.Mounts {
			if strings.HasPrefix(m.Source, data+"/") {
				list = append(list, c)
				break
			}
		}
	}
	return list
}

func clearPool(t testing.TB, data string) {
	for _, c := range poolOf(t, data) {
		if err := enginetest.Docker(context.Background(), http.MethodDelete, "/containers/"+c.ID+"?force=true", nil, nil); err != nil {
			t.Errorf("clear: %v", err)
		}
	}
}

func (s *site) filled(size int) {
	s.t.Helper()
	count := func() (n int) {
		for _, c := range poolOf(s.t, s.data) {
			if c.State == "paused" {
				n++
			}
		}
		return n
	}
	for until := time.Now().Add(2 * time.Minute); count() != size; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			s.t.Fatalf("%d containers wait, want %d", count(), size)
		}
	}
	time.Sleep(500 * time.Millisecond) // and the pool has looked
}

// The real JupyterLab out of the pool: whoever opens it is in their own home, by
// files, kernels and terminals, and nobody else's.
func TestPoolRealJupyter(t *testing.T) {
	t.Parallel()
	data := dataDir(t)
	s := openPool(t, data, notebook, 2, container.Limits{})
	defer clearPool(t, data)
	defer s.clear()
	defer s.stop()
	s.filled(2)
	homes := []string{filepath.Join(data, "homes", "1"), filepath.Join(data, "homes", "2")}
	for n, home := range homes {
		must(t, os.MkdirAll(home, 0o755))
		must(t, os.WriteFile(filepath.Join(home, "whose.txt"), fmt.Appendf(nil, "student %d", n+1), 0o644))
	}
	must(t, os.WriteFile(filepath.Join(data, "release", "sheet.txt"), []byte("released"), 0o666))
	rows := []spawner.Row{s.run(1, notebook), s.run(2, notebook)}
	var targets []spawner.Target
	for n, row := range rows {
		target, err := s.Target(t.Context(), row.ID)
		must(t, err)
		targets = append(targets, target)
		if c, err := s.engine.Inspect(t.Context(), "lectern-"+row.ID); err != nil || c.Labels["lectern.pool"] == "" || c.ID != row.ContainerID {
			t.Fatalf("workspace %d is not in a container that waited: %+v, %v", n, c, err)
		}
	}
	if spawner.NewREST().Up(t.Context(), spawner.Target{Addr: targets[0].Addr, Token: targets[1].Token}) {
		t.Error("another's token opens it")
	}
	for n, target := range targets {
		want := fmt.Sprintf("student %d", n+1)
		if code, text, err := enginetest.Call(t.Context(), http.MethodGet, target.Addr, target.Token, "/api/contents/whose.txt?content=1"); err != nil || code != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("whose.txt: %d %s %v", code, text, err)
		}
		if code := put(t, target, "saved.txt", "mine"); code != http.StatusCreated {
			t.Errorf("saving gives %d", code)
		}
		if text, err := os.ReadFile(filepath.Join(homes[n], "saved.txt")); string(text) != "mine" {
			t.Errorf("in the home is %q, %v", text, err)
		}
		if code := put(t, target, "release/sheet.txt", "mine"); code < 400 {
			t.Errorf("saving in the release gives %d", code)
		}
		k := startKernel(t, target)
		k.send("import os; print(os.getcwd(), open('whose.txt').read(), open('release/sheet.txt').read(), os.environ.get('JUPYTER_TOKEN'))")
		if got, want := strings.TrimSpace(k.stdout()), "/home/student "+want+" released None"; got != want {
			t.Errorf("a kernel says %q, want %q", got, want)
		}
		terminal(t, target, "cat whose.txt > from-terminal.txt\r")
		enginetest.Await(t, "the terminal's file", func() bool {
			text, _ := os.ReadFile(filepath.Join(homes[n], "from-terminal.txt"))
			return string(text) == want
		})
		for path, body := range map[string]string{
			"/lab/api/settings/@jupyterlab/apputils-extension:themes": `{"raw":"{\"theme\":\"JupyterLab Dark\"}"}`,
			"/lab/api/workspaces/default":                             `{"data":{},"metadata":{"id":"default"}}`,
		} {
			if code := send(t, target, path, body); code != http.StatusNoContent {
				t.Errorf("PUT %s = %d", path, code)
			}
		}
		if kept, err := filepath.Glob(filepath.Join(homes[n], ".jupyter", "lab", "*", "*")); err != nil || len(kept) != 2 {
			t.Errorf("settings in the home: %v, %v", kept, err)
		}
		if code, _, err := enginetest.Call(t.Context(), http.MethodGet, target.Addr, target.Token, "/lab"); err != nil || code != http.StatusOK {
			t.Errorf("GET /lab = %d, %v", code, err)
		}
	}
	must(t, s.Close(t.Context(), rows[0].ID, spawner.ByStudent))
	s.await(rows[0].ID, spawner.Stopped)
	// It ends otherwise: the site hears of it as of any other.
	must(t, enginetest.Docker(t.Context(), http.MethodPost, "/containers/"+rows[1].ContainerID+"/kill", nil, nil))
	enginetest.Await(t, "the row to say so", func() bool {
		row, err := s.rows.Workspace(t.Context(), rows[1].ID)
		must(t, err)
		return row.State == spawner.Failed && row.Reason == spawner.Crashed
	})
	enginetest.Await(t, "its container to go", func() bool {
		return enginetest.Docker(t.Context(), http.MethodGet, "/containers/"+rows[1].ContainerID+"/json", nil, nil) != nil
	})
}

// put saves a file by Jupyter's contents.
func put(t testing.TB, at spawner.Target, path, text string) int {
	t.Helper()
	body, err := json.Marshal(map[string]string{"type": "file", "format": "text", "content": text})
	must(t, err)
	return send(t, at, "/api/contents/"+path, string(body))
}

func send(t testing.TB, at spawner.Target, path, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+at.Addr+path, strings.NewReader(body))
	must(t, err)
	req.Header.Set("Authorization", "token "+at.Token)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	resp.Body.Close()
	return resp.StatusCode
}

// terminal types a line into a new one.
func terminal(t testing.TB, at spawner.Target, line string) {
	t.Helper()
	code, text, err := enginetest.Call(t.Context(), http.MethodPost, at.Addr, at.Token, "/api/terminals")
	if err != nil || code != http.StatusOK {
		t.Fatalf("start a terminal: %d %s %v", code, text, err)
	}
	var made struct{ Name string }
	must(t, json.Unmarshal([]byte(text), &made))
	conn, _, err := websocket.Dial(t.Context(), "ws://"+at.Addr+"/terminals/websocket/"+made.Name,
		&websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"token " + at.Token}}})
	must(t, err)
	t.Cleanup(func() { _ = conn.CloseNow() })
	message, err := json.Marshal([]string{"stdin", line})
	must(t, err)
	must(t, conn.Write(t.Context(), websocket.MessageText, message))
}

// Killed while three are given a container, Lectern starts all three, each in one
// of its own, and leaves none half given behind.
func TestPoolKillNine(t *testing.T) {
	const marker = "LECTERN_TEST_POOL_KILL"
	image, limits := enginetest.StubImage(t), container.Limits{Memory: 64 << 20, Tmp: 8 << 20}
	if data := os.Getenv(marker); data != "" {
		s := openPool(t, data, image, 3, limits)
		s.filled(3)
		for n := range 3 {
			_, err := s.Open(t.Context(), rowstest.Numbered(n+1, image))
			must(t, err)
		}
		fmt.Println("three are opened")
		select {}
	}
	for _, delay := range []time.Duration{0, 15 * time.Millisecond, 40 * time.Millisecond, 90 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			data := dataDir(t)
			t.Cleanup(func() { clearPool(t, data) })
			child := exec.Command(os.Args[0], "-test.run=^TestPoolKillNine$", "-test.v")
			child.Env = append(os.Environ(), marker+"="+data)
			out, err := child.StdoutPipe()
			must(t, err)
			must(t, child.Start())
			said := ""
			for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "three are opened"; {
				said += lines.Text() + "\n"
			}
			time.Sleep(delay)
			must(t, child.Process.Kill())
			if _ = child.Wait(); child.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the process ended by itself: %s", said)
			}
			s := openPool(t, data, image, 0, limits)
			defer s.clear()
			defer s.stop()
			mine := map[string]bool{}
			for n := range 3 {
				row := s.run(n+1, image)
				target, err := s.Target(t.Context(), row.ID)
				must(t, err)
				enginetest.Answers(t, target.Addr, target.Token)
				if mine[row.ContainerID] || row.Generation != 1 {
					t.Errorf("workspace %d is in %s at generation %d; the others in %v", n, row.ContainerID, row.Generation, mine)
				}
				mine[row.ContainerID] = true
			}
			enginetest.Await(t, "nothing else to be left", func() bool {
				for _, c := range poolOf(t, data) {
					if !mine[c.ID] {
						return false
					}
				}
				return true
			})
		})
	}
}
