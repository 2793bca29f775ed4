package cluster_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lectern/store/cluster"
)

// place is a directory that the server's account can walk to.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lectern-cluster-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func start(t *testing.T, dir string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func query(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func TestWhatWasCommittedIsThereAfterTheServerWasKilled(t *testing.T) {
	t.Parallel()
	c := start(t, place(t))
	t.Cleanup(func() { _ = c.Stop() })
	url, err := c.Database(t.Context(), "kept")
	if err != nil {
		t.Fatal(err)
	}
	if err := query(t.Context(), url, `create table kept (n int)`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() { watched <- c.Watch(ctx, slog.New(slog.DiscardHandler)) }()
	if err := syscall.Kill(c.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for err = query(t.Context(), url, `insert into kept values (1)`); err != nil; err = query(t.Context(), url, `insert into kept values (1)`) {
		if time.Now().After(deadline) {
			t.Fatalf("30 s after the server was killed: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	cancel()
	if err := <-watched; err != nil {
		t.Error(err)
	}
}

func TestOneProgramAClusterAtATime(t *testing.T) {
	t.Parallel()
	dir := place(t)
	c := start(t, dir)
	if _, err := cluster.Start(t.Context(), cluster.Config{Dir: dir}); err == nil {
		t.Error("a second program was let into the same cluster")
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := start(t, dir).Stop(); err != nil {
		t.Errorf("the cluster does not start again after a stop: %v", err)
	}
}

func TestAClusterBelowAClosedDirectoryStartsElsewhere(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root runs the server under another account")
		return
	}
	t.Parallel()
	dir := place(t)
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c := start(t, filepath.Join(dir, "postgres"))
	t.Cleanup(func() { _ = os.RemoveAll(c.Dir()) })
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
}
