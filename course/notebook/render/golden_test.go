package render

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lectern/course/notebook"
)

var update = flag.Bool("update", false, "write golden files anew; look at the difference before committing it")

// rich is a notebook with one of everything.
func rich(t testing.TB) *notebook.Notebook {
	t.Helper()
	data, err := os.ReadFile("testdata/rich.ipynb")
	if err != nil {
		t.Fatal(err)
	}
	nb, err := notebook.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return nb
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestANotebookWithOneOfEverything(t *testing.T) {
	t.Parallel()
	r := New()
	opt := Options{
		Name:   "problem 1",
		Before: func(cell int) []byte { return []byte(map[int]string{3: `<p class="mark">2 / 2</p>`}[cell]) },
		After:  func(cell int) []byte { return []byte(map[int]string{4: `<p class="comment">Well put.</p>`}[cell]) },
		Frame:  func(int, int, string) string { return frameHost + "1" },
	}
	var cold, warm bytes.Buffer
	for _, out := range []*bytes.Buffer{&cold, &warm} {
		if err := r.Notebook(out, rich(t), opt); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(cold.Bytes(), warm.Bytes()) {
		t.Error("a notebook from memory differs from one that was rendered")
	}
	golden(t, "rich.html", bytes.ReplaceAll(cold.Bytes(), []byte("><"), []byte(">\n<")))
}
