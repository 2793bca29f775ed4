package exchange_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lectern/course"
	"lectern/exchange"
)

const notebook = `{"cells": [{"cell_type": "code", "source": ["x = 1"], "metadata": {}, "outputs": [], "execution_count": null}],
 "metadata": {}, "nbformat": 4, "nbformat_minor": 5}`

var (
	due     = time.Date(2021, 11, 23, 18, 50, 12, 123456000, time.UTC)
	theWork = exchange.Work{Course: "c1", Login: "student1", Assignment: "ps1"}
)

func layout(root string) course.Layout { return course.Layout{Root: root} }

func open(t testing.TB, root string) *exchange.Exchange {
	t.Helper()
	x, err := exchange.New(layout(root), exchange.Options{UID: 1000, GID: 100})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// put writes files below dir, as a student or an instructor would have.
func put(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// must is for paths of names that are known to be good.
func must(path string, err error) string {
	if err != nil {
		panic(err)
	}
	return path
}

// contents reads a whole tree.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		got[rel] = string(data)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return got
}

// release publishes files as ps1, the way the other rooms do.
func release(t testing.TB, x *exchange.Exchange, files map[string]string) {
	t.Helper()
	d, err := x.NewDraft("c1")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	for name, text := range files {
		if err := d.Write(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.StageRelease(d, "ps1"); err != nil {
		t.Fatal(err)
	}
	if err := x.Publish(context.Background(), "c1", "ps1"); err != nil {
		t.Fatal(err)
	}
}

// noStages fails if anything unfinished was left behind.
func noStages(t testing.TB, x *exchange.Exchange) {
	t.Helper()
	for _, dir := range []string{must(x.Layout.Staging("c1")), must(x.Layout.HomeStaging("c1"))} {
		left, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, e := range left {
			t.Errorf("%s was left in %s", e.Name(), dir)
		}
	}
}

func counts(context.Context, exchange.Snapshot) (bool, error) { return true, nil }
