package exchange_test

import (
	"context"
	"strings"
	"testing"
	"unicode/utf8"

	"lectern/exchange"
)

// Whatever a student called a file, as long as names may be, it can be restored.
func TestTheLongestNamesAreRestored(t *testing.T) {
	ctx := context.Background()
	x := open(t, t.TempDir())
	release(t, x, map[string]string{"a.ipynb": notebook})
	if _, err := x.Fetch(ctx, theWork); err != nil {
		t.Fatal(err)
	}
	names := []string{strings.Repeat("é", 120) + ".txt", strings.Repeat("x", 251) + ".md", "a." + strings.Repeat("y", 250), strings.Repeat("語", 85)}
	files := map[string]string{}
	for _, n := range names {
		files[n] = n
	}
	work := must(x.Layout.WorkingCopy("c1", "student1", "ps1"))
	put(t, work, files)
	record := func(context.Context, exchange.Snapshot) (bool, error) { return true, nil }
	if _, err := x.Collect(ctx, theWork, due, record); err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		got, err := x.RestoreFile(ctx, theWork, due, n)
		if err != nil || !utf8.ValidString(got) || len(got) > 255 || contents(t, work)[got] != n {
			t.Errorf("restoring a name of %d bytes: %q, %v", len(n), got, err)
		}
	}
}
