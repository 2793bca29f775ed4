package notebook

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The files NAME.golden were written by nbformat 5.5.0 after reading NAME.json.
func TestWriteIsJupytersByteForByte(t *testing.T) {
	t.Parallel()
	inputs, _ := filepath.Glob("testdata/write/*.json")
	if len(inputs) < 9 {
		t.Fatalf("only %d inputs in testdata/write", len(inputs))
	}
	for _, input := range inputs {
		t.Run(filepath.Base(input), func(t *testing.T) {
			t.Parallel()
			want := string(readFile(t, strings.TrimSuffix(input, ".json")+".golden"))
			nb, err := Parse(readFile(t, input))
			if err != nil {
				t.Fatal(err)
			}
			diffText(t, string(nb.Bytes()), want)
			again, err := Parse(nb.Clone().Bytes())
			if err != nil {
				t.Fatal(err)
			}
			diffText(t, string(again.Bytes()), want)
		})
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// diffText shows the first line that differs.
func diffText(t testing.TB, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("line %d:\n got %q\nwant %q", i+1, g[i], w[i])
		}
	}
	t.Fatalf("got %d lines, want %d", len(g), len(w))
}
