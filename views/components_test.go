package views

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sources are the templ files and the hand-written Go files of this package.
func sources(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.templ", "*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_templ.go") {
				continue
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = string(b)
		}
	}
	if len(all) < 8 {
		t.Fatalf("only %d sources found", len(all))
	}
	return all
}

func TestEveryIconAndStateThatViewsNameExists(t *testing.T) {
	t.Parallel()
	icon := regexp.MustCompile(`(?:\bIcon\(|\bIcon:\s*)"([^"]+)"`)
	state := regexp.MustCompile(`\bStateBadge\("([^"]+)"`)
	found := 0
	for name, text := range sources(t) {
		for _, m := range icon.FindAllStringSubmatch(text, -1) {
			found++
			if icons[m[1]] == "" {
				t.Errorf("%s: no icon %q", name, m[1])
			}
		}
		for _, m := range state.FindAllStringSubmatch(text, -1) {
			found++
			if _, ok := tones[m[1]]; !ok {
				t.Errorf("%s: no state %q", name, m[1])
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d uses found; the patterns no longer fit", found)
	}
	for kind, tone := range tones {
		if icons[tone[1]] == "" {
			t.Errorf("state %q: no icon %q", kind, tone[1])
		}
	}
	for _, state := range []string{"done", "now", "warn", "failed", ""} {
		if icons[railIcon(state)] == "" {
			t.Errorf("rail state %q: no icon %q", state, railIcon(state))
		}
	}
}

func TestNoViewHasInlineStyleScriptOrHandler(t *testing.T) {
	t.Parallel()
	inline := regexp.MustCompile(`<style|<script>|\sstyle=|\son[a-z]+=\{?\s*"|javascript:`)
	for name, text := range sources(t) {
		if m := inline.FindString(text); m != "" {
			t.Errorf("%s: %q; the policy refuses it", name, m)
		}
	}
}

func TestEveryErrorPageSaysWhatHappenedAndWhatToDo(t *testing.T) {
	t.Parallel()
	statuses := []int{
		http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusConflict, http.StatusRequestEntityTooLarge,
		http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
	}
	var titles []string
	for _, status := range statuses {
		title, text, _ := ErrorText(status)
		if title == "" || len(text) < 30 || slices.Contains(titles, title) {
			t.Errorf("ErrorText(%d) = %q, %q; want words of its own", status, title, text)
		}
		titles = append(titles, title)
	}
}
