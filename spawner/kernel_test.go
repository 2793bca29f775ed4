package spawner_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

// notebook is the image students get, built by deploy/notebook.
const notebook = "lectern/notebook:latest"

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
	return joinKernel(t, target, k.ID)
}

// onlyKernel joins the one kernel that runs.
func onlyKernel(t testing.TB, target spawner.Target) *kernel {
	_, text, err := enginetest.Call(t.Context(), http.MethodGet, target.Addr, target.Token, "/api/kernels")
	must(t, err)
	var ks []struct{ ID string }
	if err := json.Unmarshal([]byte(text), &ks); err != nil || len(ks) != 1 {
		t.Fatalf("kernels: %s, %v; want one", text, err)
	}
	return joinKernel(t, target, ks[0].ID)
}

func joinKernel(t testing.TB, target spawner.Target, id string) *kernel {
	conn, _, err := websocket.Dial(t.Context(), "ws://"+target.Addr+"/api/kernels/"+id+"/channels",
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
	if n, err := jupyter.EndKernels(t.Context(), target, time.Now().Add(time.Hour)); err != nil || n != 0 {
		t.Errorf("while it computes: %d kernels ended, %v", n, err)
	}
	k.stdout()
	enginetest.Await(t, "an idle kernel again", func() bool { return !busy() })
	second := startKernel(t, target)
	second.send("print('here')")
	second.stdout()
	enginetest.Await(t, "two idle kernels", func() bool { return !busy() })
	if n, err := jupyter.EndKernels(t.Context(), target, time.Now().Add(-time.Hour)); err != nil || n != 0 {
		t.Errorf("of kernels used within the hour %d ended, %v", n, err)
	}
	must(t, second.conn.CloseNow())
	if n, err := jupyter.EndKernels(t.Context(), target, time.Now().Add(time.Hour)); err != nil || n != 2 {
		t.Errorf("of two idle kernels %d ended, %v", n, err)
	}
	if a, err := jupyter.Activity(t.Context(), target); err != nil || a.Kernels != 0 || !jupyter.Up(t.Context(), target) {
		t.Errorf("afterwards: %+v, %v", a, err)
	}
	k = startKernel(t, target)

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
