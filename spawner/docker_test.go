package spawner_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// notebook is the image students get, built by deploy/notebook.
const notebook = "lectern/notebook:latest"

// site is a spawner on the real engine, in a realm of its own.
type site struct {
	*spawner.Spawner
	t      testing.TB
	engine *container.Docker
	rows   *rowstest.Rows
	data   string
	realm  string
	stop   func()
}

func openSite(t testing.TB, data string, limits container.Limits, mend ...func(*container.DockerOptions, *spawner.Config)) *site {
	s := &site{t: t, data: data, realm: "test-" + strings.ReplaceAll(data, "/", "-"), rows: rowstest.Open(t, filepath.Join(data, "rows.json"))}
	o := container.DockerOptions{Network: "lectern-test", Data: container.Paths{Inside: data}, Secrets: filepath.Join(data, "run", "secrets")}
	c := spawner.Config{Rows: s.rows, Realm: s.realm, Plan: func(_ context.Context, row spawner.Row) (spawner.Plan, error) {
		home := filepath.Join(data, "homes", fmt.Sprint(row.MemberID))
		if err := os.MkdirAll(home, 0o755); err != nil {
			return spawner.Plan{}, err
		}
		return spawner.Plan{Home: home, Limits: limits}, os.Chown(home, 1000, 100)
	}}
	for _, m := range mend {
		m(&o, &c)
	}
	var err error
	s.engine, err = container.NewDocker(o)
	must(t, err)
	if c.Engine == nil {
		c.Engine = s.engine
	}
	s.Spawner = spawner.New(c)
	ctx, done := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	s.stop = func() {
		done()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		s.engine.Close()
	}
	return s
}

// clear removes every container of the site, whatever became of the test.
func (s *site) clear() {
	for _, c := range s.containers() {
		if err := enginetest.Docker(context.Background(), http.MethodDelete, "/containers/"+c.ID+"?force=true", nil, nil); err != nil {
			s.t.Errorf("clear: %v", err)
		}
	}
}

func (s *site) containers() []container.Status {
	list, err := s.engine.List(context.Background(), map[string]string{"lectern.realm": s.realm})
	must(s.t, err)
	return list
}

func (s *site) run(n int, image string) spawner.Row {
	s.t.Helper()
	row, err := s.Open(s.t.Context(), rowstest.Numbered(n, image))
	must(s.t, err)
	return s.await(row.ID, spawner.Running)
}

func (s *site) await(id string, state spawner.State) spawner.Row {
	s.t.Helper()
	var row spawner.Row
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var err error
		row, err = s.rows.Workspace(s.t.Context(), id)
		must(s.t, err)
		if row.State == state {
			return row
		}
		if row.State == spawner.Failed {
			break
		}
	}
	s.t.Fatalf("workspace %s is %s %q, want %s", id, row.State, row.Reason, state)
	return row
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dataDir has parents that an unprivileged user may pass.
func dataDir(t testing.TB) string {
	dir := t.TempDir()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	return dir
}

func TestContainerRemovedBehindOurBack(t *testing.T) {
	t.Parallel()
	s := openSite(t, dataDir(t), container.Limits{Memory: 64 << 20, Tmp: 8 << 20})
	defer s.clear()
	defer s.stop()
	row := s.run(1, enginetest.StubImage(t))
	target, err := s.Target(t.Context(), row.ID)
	must(t, err)
	enginetest.Answers(t, target.Addr, target.Token)

	must(t, enginetest.Docker(t.Context(), http.MethodDelete, "/containers/"+row.ContainerID+"?force=true", nil, nil))
	began := time.Now()
	for {
		got, err := s.rows.Workspace(t.Context(), row.ID)
		must(t, err)
		if got.State == spawner.Failed {
			if got.Reason != spawner.Gone && got.Reason != spawner.Crashed {
				t.Errorf("reason %s", got.Reason)
			}
			break
		}
		if time.Since(began) > 15*time.Second {
			t.Fatalf("after 15 s it is still %s", got.State)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("noticed after %v", time.Since(began).Round(time.Millisecond))
	if again := s.run(1, row.Image); again.ID != row.ID || again.ContainerID == row.ContainerID {
		t.Errorf("opened again as %+v", again)
	}

	began = time.Now()
	must(t, s.Close(t.Context(), row.ID, spawner.ByStudent))
	s.await(row.ID, spawner.Stopped)
	t.Logf("stopped after %v", time.Since(began).Round(time.Millisecond))
	if left := s.containers(); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
	if left, err := os.ReadDir(filepath.Join(s.data, "run", "secrets")); err != nil || len(left) != 0 {
		t.Errorf("secrets left: %v, %v", left, err)
	}
}

// killed is the process that dies: it opens five workspaces, then starts two more.
func killed(t *testing.T, data string) {
	s := openSite(t, data, container.Limits{Memory: 64 << 20, Tmp: 8 << 20})
	image := enginetest.StubImage(t)
	for n := range 5 {
		s.run(n+1, image)
	}
	for n := range 2 {
		_, err := s.Open(t.Context(), rowstest.Numbered(n+6, image))
		must(t, err)
	}
	fmt.Println("five are running")
	select {}
}

func TestKillNineLosesNoWorkspace(t *testing.T) {
	if data := os.Getenv("LECTERN_TEST_KILL"); data != "" {
		killed(t, data)
	}
	t.Parallel()
	image := enginetest.StubImage(t)
	for _, delay := range []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			data := dataDir(t)
			child := exec.Command(os.Args[0], "-test.run=^TestKillNineLosesNoWorkspace$", "-test.v")
			child.Env = append(os.Environ(), "LECTERN_TEST_KILL="+data)
			out, err := child.StdoutPipe()
			must(t, err)
			must(t, child.Start())
			lines := bufio.NewScanner(out)
			for lines.Scan() && lines.Text() != "five are running" {
			}
			// Somewhere between the steps of the two that start.
			time.Sleep(delay)
			must(t, child.Process.Kill())
			if err := child.Wait(); child.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the child ended with %v", err)
			}

			s := openSite(t, data, container.Limits{Memory: 64 << 20, Tmp: 8 << 20})
			defer s.clear()
			defer s.stop()
			before := map[string]container.Status{}
			for _, c := range s.containers() {
				now, err := s.engine.Inspect(t.Context(), c.Name)
				if errors.Is(err, container.ErrNotFound) {
					continue // the engine gives up what the dead child had asked for
				}
				must(t, err)
				before[c.Name] = now
			}
			if len(before) < 5 {
				t.Fatalf("%d containers survived, want five at least", len(before))
			}
			for n := range 7 {
				row := s.run(n+1, image)
				target, err := s.Target(t.Context(), row.ID)
				must(t, err)
				enginetest.Answers(t, target.Addr, target.Token)
				now, err := s.engine.Inspect(t.Context(), "lectern-"+row.ID)
				must(t, err)
				if was, ok := before[now.Name]; n < 5 && (!ok || now.ID != was.ID || now.StartedAt != was.StartedAt) {
					t.Errorf("workspace %d was not kept: %+v, then %+v", n, was, now)
				}
				if row.Generation != 1 {
					t.Errorf("workspace %d is at generation %d, want its first", n, row.Generation)
				}
			}
			if left := s.containers(); len(left) != 7 {
				t.Errorf("%d containers, want 7", len(left))
			}
		})
	}
}

// kernel is a live kernel of a workspace, spoken to as JupyterLab does.
type kernel struct {
	t    testing.TB
	conn *websocket.Conn
}

func startKernel(t testing.TB, target spawner.Target) *kernel {
	code, text, err := enginetest.Call(t.Context(), http.MethodPost, target.Addr, target.Token, "/api/kernels")
	if err != nil || code != http.StatusCreated {
		t.Fatalf("start a kernel: %d %s %v", code, text, err)
	}
	var k struct{ ID string }
	must(t, json.Unmarshal([]byte(text), &k))
	conn, _, err := websocket.Dial(t.Context(), "ws://"+target.Addr+"/api/kernels/"+k.ID+"/channels",
		&websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"token " + target.Token}}})
	must(t, err)
	conn.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &kernel{t, conn}
}

func (k *kernel) send(code string) {
	k.t.Helper()
	message, err := json.Marshal(map[string]any{
		"header":        map[string]any{"msg_id": "m1", "msg_type": "execute_request", "session": "s1", "username": "", "version": "5.3", "date": time.Now()},
		"parent_header": map[string]any{}, "metadata": map[string]any{}, "channel": "shell", "buffers": []any{},
		"content": map[string]any{"code": code, "silent": false, "store_history": true, "user_expressions": map[string]any{}, "allow_stdin": false, "stop_on_error": true},
	})
	must(k.t, err)
	must(k.t, k.conn.Write(k.t.Context(), websocket.MessageText, message))
}

// stdout waits for the next thing the kernel prints.
func (k *kernel) stdout() string {
	k.t.Helper()
	ctx, done := context.WithTimeout(k.t.Context(), 60*time.Second)
	defer done()
	for {
		_, data, err := k.conn.Read(ctx)
		must(k.t, err)
		var m struct {
			MsgType string `json:"msg_type"`
			Content struct{ Text, Ename, Evalue string }
		}
		must(k.t, json.Unmarshal(data, &m))
		switch m.MsgType {
		case "stream":
			return m.Content.Text
		case "error":
			k.t.Fatalf("the kernel raised %s: %s", m.Content.Ename, m.Content.Evalue)
		}
	}
}

// A real JupyterLab with a real kernel: works inside the lock-down, is seen to
// be busy, survives a kernel that eats all memory and says so.
func TestRealJupyter(t *testing.T) {
	t.Parallel()
	s := openSite(t, dataDir(t), container.Limits{Memory: 512 << 20})
	defer s.clear()
	defer s.stop()
	row := s.run(1, notebook)
	target, err := s.Target(t.Context(), row.ID)
	must(t, err)
	jupyter := spawner.NewREST()
	if jupyter.Up(t.Context(), spawner.Target{Addr: target.Addr, Token: "wrong"}) {
		t.Error("Jupyter answers to a wrong token")
	}
	if code, _, err := enginetest.Call(t.Context(), http.MethodGet, target.Addr, target.Token, "/lab"); err != nil || code != http.StatusOK {
		t.Errorf("GET /lab = %d, %v", code, err)
	}

	k := startKernel(t, target)
	k.send("import numpy, os; open('mine.txt','w').write('x'); print(numpy.arange(5).sum(), os.getuid(), os.environ.get('JUPYTER_TOKEN'))")
	if got := strings.TrimSpace(k.stdout()); got != "10 1000 None" {
		t.Errorf("the kernel printed %q", got)
	}
	if _, err := os.Stat(filepath.Join(s.data, "homes", "1", "mine.txt")); err != nil {
		t.Errorf("a file written in the notebook: %v", err)
	}
	busy := func() bool {
		a, err := jupyter.Activity(t.Context(), target)
		if err == nil && (a.LastAt.IsZero() || time.Since(a.LastAt) > time.Minute) {
			t.Errorf("last activity %v", a.LastAt)
		}
		return err == nil && a.Busy
	}
	enginetest.Await(t, "an idle kernel", func() bool { return !busy() })
	k.send("import time; time.sleep(3); print('slept')")
	enginetest.Await(t, "a busy kernel", busy)
	k.stdout()
	enginetest.Await(t, "an idle kernel again", func() bool { return !busy() })

	k.send("x = bytearray(2 << 30)")
	enginetest.Await(t, "the note of the killed kernel", func() bool {
		got, err := s.rows.Workspace(t.Context(), row.ID)
		return err == nil && got.Reason == spawner.KernelOOM && got.State == spawner.Running && got.ContainerID == row.ContainerID
	})
	if !jupyter.Up(t.Context(), target) {
		t.Error("the server went with its kernel")
	}
	usage, err := s.Usage(t.Context(), row.ID)
	if err != nil || usage.Memory == 0 || usage.MemoryLimit != 512<<20 || usage.CPU == 0 {
		t.Errorf("Usage = %+v, %v", usage, err)
	}
}

func TestImageWithoutJupyter(t *testing.T) {
	t.Parallel()
	s := openSite(t, dataDir(t), container.Limits{})
	defer s.clear()
	defer s.stop()
	row, err := s.Open(t.Context(), rowstest.Numbered(1, "debian:trixie-slim"))
	must(t, err)
	var last spawner.Progress
	for p := range s.Watch(t.Context(), row.ID) {
		last = p
	}
	if last.State != spawner.Failed || last.Reason != spawner.NoJupyter || last.Retry {
		t.Errorf("told %+v, want that there is no JupyterLab", last)
	}
	enginetest.Await(t, "no container", func() bool { return len(s.containers()) == 0 })
	if _, err := s.Target(t.Context(), row.ID); !errors.Is(err, spawner.ErrNotRunning) {
		t.Errorf("Target = %v", err)
	}
}

func TestStubsForAWholeRow(t *testing.T) {
	t.Parallel()
	s := openSite(t, dataDir(t), container.Limits{Memory: 64 << 20, Tmp: 8 << 20})
	defer s.clear()
	defer s.stop()
	image := enginetest.StubImage(t)
	var ids []string
	began := time.Now()
	for n := range 20 {
		row, err := s.Open(t.Context(), rowstest.Numbered(n+1, image))
		must(t, err)
		ids = append(ids, row.ID)
	}
	var took []time.Duration
	for _, id := range ids {
		row := s.await(id, spawner.Running)
		took = append(took, row.ReadyAt.Sub(row.QueuedAt))
	}
	slices.Sort(took)
	t.Logf("20 at once: all after %v, median %v", time.Since(began).Round(time.Millisecond), took[10].Round(time.Millisecond))
	if n := len(s.containers()); n != 20 {
		t.Errorf("%d containers, want 20", n)
	}
}
