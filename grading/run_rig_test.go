package grading_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lectern/grading"
	"lectern/spawner/container"
)

const testImage = "lectern/notebook:latest"

func newEngine(t testing.TB) *container.Docker {
	data := t.TempDir()
	d, err := container.NewDocker(container.DockerOptions{Data: container.Paths{Inside: data}, Secrets: filepath.Join(data, "secrets")})
	ok(t, err)
	t.Cleanup(func() { d.Close() })
	if _, err := d.Image(t.Context(), testImage); err != nil {
		t.Fatalf("these tests need a Docker engine with %s: %v", testImage, err)
	}
	return d
}

// newRunner is a runner that leaves no container behind, which is checked.
func newRunner(t testing.TB) *grading.Runner {
	engine := newEngine(t)
	site := fmt.Sprintf("test-%d-%d", os.Getpid(), time.Now().UnixNano())
	r := grading.NewRunner(grading.RunnerOptions{Engine: engine, Site: site})
	t.Cleanup(func() {
		ok(t, r.Close())
		left, err := engine.List(context.Background(), map[string]string{container.GraderLabel: site})
		if err == nil && len(left) > 0 {
			t.Errorf("containers are left: %+v", left)
		}
	})
	return r
}

func assignment(t testing.TB, dir string, limits grading.Limits) *grading.Assignment {
	t.Helper()
	a, err := grading.NewAssignment("hw1", testImage, filesIn(t, dir))
	ok(t, err)
	if len(a.Notebooks) == 0 {
		t.Fatalf("no notebook in %s", dir)
	}
	a.Limits = limits
	return a
}

func filesIn(t testing.TB, dir string) (list []grading.File) {
	t.Helper()
	ok(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		list = append(list, memory(filepath.ToSlash(rel), data))
		return err
	}))
	return list
}

func memory(name string, data []byte) grading.File {
	return grading.File{Path: name, Size: int64(len(data)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
