package main

import (
	"strings"
	"testing"
)

func TestConfigReportsEveryMistakeAtOnce(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"LECTERN_SITE_URL":          "lectern.example.edu",
		"LECTERN_WORK_URL":          "https://work.example.edu",
		"LECTERN_SPAWNER":           "magic",
		"LECTERN_WORKSPACE_MEMORY":  "lots",
		"LECTERN_IDLE_AFTER":        "soon",
		"LECTERN_GRADING_CELL_TIME": "0s",
	}
	_, err := readConfig(func(k string) string { return values[k] })
	if err == nil {
		t.Fatal("readConfig accepted six mistakes")
	}
	for name := range values {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
}

func TestConfigWithNothingSetIsComplete(t *testing.T) {
	t.Parallel()
	c, err := readConfig(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Work.Origin("abc"), "http://abc.work.localhost:8000"; got != want {
		t.Errorf("workspace origin %q, want %q", got, want)
	}
	if c.Memory != 1<<30 {
		t.Errorf("memory %d, want 1 GiB", c.Memory)
	}
}

func TestSizesAreReadAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{"512": 512, "512MiB": 512 << 20, "1g": 1 << 30, "1.5 GiB": 3 << 29, "2KB": 2 << 10} {
		if got, err := parseBytes(in); err != nil || got != want {
			t.Errorf("parseBytes(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "x", "-1g", "5 parsecs"} {
		if got, err := parseBytes(in); err == nil {
			t.Errorf("parseBytes(%q) = %d, want an error", in, got)
		}
	}
}
