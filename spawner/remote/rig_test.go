package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
	"lectern/spawner/remote"
)

const notebook = "lectern/notebook:latest"

func TestMain(m *testing.M) {
	code := m.Run()
	enginetest.CleanStub()
	os.Exit(code)
}

// table stands for the database: specs by workspace, and images that rows name.
type table struct {
	realm string

	mu     sync.Mutex
	specs  map[string]container.Spec
	images []string
	down   bool
}

func (t *table) Realm(context.Context) (string, error) { return t.realm, t.fails() }

func (t *table) fails() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.down {
		return errors.New("the database does not answer")
	}
	return nil
}

func (t *table) Spec(_ context.Context, id string, generation int64) (container.Spec, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.specs[id]
	if !ok {
		return s, fmt.Errorf("workspace %s has no row: %w", id, container.ErrNotFound)
	}
	if s.Labels[spawner.LabelGeneration] != strconv.FormatInt(generation, 10) {
		return container.Spec{}, remote.ErrStale
	}
	return s, nil
}

func (t *table) Images(context.Context, string) ([]string, error) { return t.images, t.fails() }

// add makes the row that s is the container of.
func (t *table) add(s container.Spec) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id, _ := spawner.WorkspaceID(s.Name)
	s.Labels = maps.Clone(s.Labels)
	s.Labels[spawner.LabelRealm], s.Labels[spawner.LabelWorkspace] = t.realm, id
	t.specs[id] = s
}

// written is a client whose specs become rows before they are asked for, as the
// row of a workspace is always written first.
type written struct {
	*remote.Client
	rows *table
}

func (w written) Start(ctx context.Context, s container.Spec) (container.Running, error) {
	w.rows.add(s)
	return w.Client.Start(ctx, s)
}

// door is a server on the real engine and a client of it.
type door struct {
	*remote.Client
	t      testing.TB
	rows   *table
	engine *container.Docker
	data   string
	socket string
	close  func() // ends the server; may be called again
}

func openDoor(t testing.TB) *door {
	t.Helper()
	d := &door{t: t, data: openTempDir(t)}
	d.rows = &table{realm: fmt.Sprintf("test-%d-%d", os.Getpid(), time.Now().UnixNano()), specs: map[string]container.Spec{}, images: []string{notebook}}
	dir, err := os.MkdirTemp("", "door")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	d.socket = filepath.Join(dir, "s.sock")
	d.engine, err = container.NewDocker(container.DockerOptions{Network: "lectern-test", Data: container.Paths{Inside: d.data},
		Secrets: filepath.Join(d.data, "run", "secrets")})
	must(t, err)
	t.Cleanup(func() { d.engine.Close() })
	must(t, d.engine.Ensure(t.Context()))
	d.serve()
	t.Cleanup(func() { d.close() })
	d.Client = remote.NewClient(d.socket)
	return d
}

func (d *door) serve() {
	d.t.Helper()
	log := slog.New(slog.DiscardHandler)
	ln, err := remote.Listen(d.socket, remote.Peers{User: -1, Group: -1}, log)
	must(d.t, err)
	d.close = serveOn(d.t, ln, remote.Config{Workspaces: d.engine, Local: d.engine, Images: d.engine, Rows: d.rows, Data: d.data, Log: log,
		SweepEvery: 2 * time.Second})
}

func serveOn(t testing.TB, ln net.Listener, c remote.Config) func() {
	ctx, done := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- remote.NewServer(c).Serve(ctx, ln) }()
	return sync.OnceFunc(func() {
		done()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Error("the server does not end")
		}
	})
}

// rig is the door as the conformance suite wants a driver.
func (d *door) rig(t testing.TB) enginetest.Rig {
	return enginetest.Rig{Engine: written{d.Client, d.rows}, Data: d.data, Image: enginetest.StubImage(t),
		Realm: fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())}
}

// place is a workspace of the door with its row.
func (d *door) place(name string) (container.Place, container.Spec) {
	p := d.rig(d.t).Place(d.t, name)
	s := container.Workspace(p)
	d.rows.add(s)
	return p, s
}

func openTempDir(t testing.TB) string {
	dir := t.TempDir()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	return dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// talk sends bytes to a socket as they are and returns what comes back until
// the other side closes.
func talk(t testing.TB, socket, text string) string {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, _ = io.WriteString(conn, text) // it may be refused before its end
	got, _ := io.ReadAll(conn)
	return string(got)
}

// post is one request, and the status and body of its answer.
func post(t testing.TB, socket, op, body string) (status, text string) {
	t.Helper()
	got := talk(t, socket, fmt.Sprintf("POST /v1/%s HTTP/1.1\r\nHost: s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", op, len(body), body))
	head, text, _ := strings.Cut(got, "\r\n\r\n")
	first, _, _ := strings.Cut(head, "\r\n")
	_, status, _ = strings.Cut(first, " ")
	return status, text
}

// swap serves again, on an engine that does something right after each start.
func (d *door) swap(do func()) {
	d.t.Helper()
	log := slog.New(slog.DiscardHandler)
	ln, err := remote.Listen(d.socket, remote.Peers{User: -1, Group: -1}, log)
	must(d.t, err)
	d.close = serveOn(d.t, ln, remote.Config{Workspaces: swapping{d.engine, do}, Local: d.engine, Rows: d.rows, Data: d.data, Log: log})
}
