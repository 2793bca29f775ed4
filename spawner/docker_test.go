package spawner_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
	"lectern/spawner/rowstest"
)

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
	s := &site{t: t, data: data, realm: realmOf(data), rows: rowstest.Open(t, filepath.Join(data, "rows.json"))}
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

// realmOf keeps the containers of one data directory apart from all others.
func realmOf(data string) string { return "test-" + strings.ReplaceAll(data, "/", "-") }

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
	// Those of the one that vanished may stay until a sweep: nobody could be asked where they are.
	if left, err := os.ReadDir(filepath.Join(s.data, "run", "secrets")); err != nil || len(left) > 1 {
		t.Errorf("secrets left: %v, %v", left, err)
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
