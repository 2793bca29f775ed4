package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lectern/course"
	"lectern/store"
	"lectern/store/storetest"
)

func TestACourseMovesFromTheCommandLine(t *testing.T) {
	t.Parallel()
	url, data, dir := storetest.URL(t), t.TempDir(), t.TempDir()
	env := func(out io.Writer) *env {
		return &env{ctx: t.Context(), stdout: out, stderr: io.Discard, getenv: func(k string) string {
			return map[string]string{"LECTERN_DATABASE_URL": url, "LECTERN_SITE_URL": "https://lectern.example.edu", "LECTERN_DATA": data}[k]
		}}
	}
	if err := (addUserCmd{Login: "operator"}).Run(env(io.Discard)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"source/ps1/notes.txt": "x", "submitted/ada/ps1/answer.txt": "42", "submitted/ada/ps1/timestamp.txt": "2026-01-02 03:04:05 UTC"} {
		name = filepath.Join(dir, "old", name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	take := func(c importCmd) string {
		t.Helper()
		var out bytes.Buffer
		if err := c.Run(env(&out)); err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		return out.String()
	}
	s, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	from := importCmd{Course: "moved", Path: filepath.Join(dir, "old"), By: "operator", Title: "Moved", Zone: "Europe/Berlin"}
	if out := take(from); !strings.Contains(out, "Nothing was changed") || !strings.Contains(out, "1 submissions, 1 of them new") {
		t.Errorf("without --apply:\n%s", out)
	}
	if _, err := s.Course(t.Context(), "moved"); !course.IsKind(err, course.NotFound) {
		t.Errorf("showing made the course: %v", err)
	}
	from.Apply = true
	if out := take(from); !strings.Contains(out, "Taken in: 1 assignments, 1 students, 1 submissions, 0 marks.") {
		t.Errorf("with --apply:\n%s", out)
	}
	if out := take(from); !strings.Contains(out, "Taken in: 0 assignments, 0 students, 0 submissions, 0 marks.") {
		t.Errorf("a second time:\n%s", out)
	}
	file := filepath.Join(dir, "out.zip")
	if err := (exportCmd{Course: "moved", Output: file}).Run(env(io.Discard)); err != nil {
		t.Fatal(err)
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if f, err := z.Open("submitted/ada/ps1/answer.txt"); err != nil {
		t.Errorf("the submission is not in the zip: %v", err)
	} else {
		f.Close()
	}
	if err := (exportCmd{Course: "moved", Output: file}).Run(env(io.Discard)); err == nil {
		t.Error("a file that was there is overwritten")
	}
	if out := take(importCmd{Course: "copy", Path: file, By: "operator", Zone: "UTC", Apply: true}); !strings.Contains(out, "1 submissions, 0 marks.") {
		t.Errorf("from a zip:\n%s", out)
	}
}
