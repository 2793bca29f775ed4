// Package storetest gives a test a database of its own, on a real Postgres
// server that the test process runs. It fails, and never skips, without one.
package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lectern/store"
	"lectern/store/cluster"
)

var (
	once    sync.Once
	shared  *cluster.Cluster
	failed  error
	counter atomic.Int64
)

// New is a migrated, empty Store, closed and dropped when the test ends.
func New(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// URL is the address of a migrated, empty database that goes with the test.
func URL(t testing.TB) string {
	t.Helper()
	once.Do(start)
	if failed != nil {
		t.Fatalf("no Postgres for tests: %v", failed)
	}
	name := fmt.Sprintf("t%d", counter.Add(1))
	admin(t, "create database "+name+" template lectern_template strategy file_copy")
	t.Cleanup(func() { admin(t, "drop database "+name+" with (force)") })
	u, err := url.Parse(shared.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// start runs one server for all tests of this process, and migrates a template.
func start() {
	base := os.TempDir()
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		base = "/dev/shm" // memory: a database costs 30 ms rather than 300
	}
	sweep(base)
	dir := fmt.Sprintf("%s/lectern-pg-%d", base, os.Getpid())
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	// The thread that starts the server must live on: its death is the server's.
	ready := make(chan struct{})
	go func() {
		lockThread()
		shared, failed = cluster.Start(ctx, cluster.Config{Dir: dir, Ephemeral: true})
		close(ready)
		select {}
	}()
	<-ready
	if failed != nil {
		return
	}
	u, err := shared.Database(ctx, "lectern_template")
	if err != nil {
		failed = err
		return
	}
	s, err := store.Open(ctx, u)
	if err != nil {
		failed = err
		return
	}
	defer s.Close()
	failed = s.Migrate(ctx, slog.New(slog.DiscardHandler))
}

func admin(t testing.TB, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, shared.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	// Copying the template needs nobody else to look at it.
	for range 50 {
		if _, err = conn.Exec(ctx, sql); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s: %v", sql, err)
}
