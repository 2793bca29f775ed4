package static

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, method, path string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Result()
}

func TestEveryAssetIsServedForEverUnderItsHash(t *testing.T) {
	t.Parallel()
	hashed := regexp.MustCompile(`^/static/[a-z-]+\.[0-9a-f]{8}\.(css|js|svg)$`)
	want := map[string]string{"app.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "mark.svg": "image/svg+xml"}
	for name, kind := range want {
		url := URL(name)
		if !hashed.MatchString(url) {
			t.Errorf("URL(%q) = %q, want a hash in it", name, url)
		}
		res := get(t, http.MethodGet, url)
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != http.StatusOK || len(body) == 0 {
			t.Errorf("GET %s: status %d, %d bytes", url, res.StatusCode, len(body))
		}
		for header, want := range map[string]string{
			"Content-Type": kind, "Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff",
		} {
			if got := res.Header.Get(header); got != want {
				t.Errorf("GET %s: %s = %q, want %q", url, header, got, want)
			}
		}
	}
}

func TestOnlyWhatWasEmbeddedIsServed(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/static/", "/static/app.css", "/static/app.00000000.css", "/static/static.go", "/static/LICENSES", "/static/tokens.css",
		"/static/../static.go", "/static/..%2fstatic.go", URL("app.css") + "/", "/etc/passwd",
	} {
		if got := get(t, http.MethodGet, path).StatusCode; got != http.StatusNotFound {
			t.Errorf("GET %s: status %d, want 404", path, got)
		}
	}
	if got := get(t, http.MethodPost, URL("app.css")).StatusCode; got != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d, want 405", got)
	}
}

func TestTheSheetOpensWithTheOrderOfItsLayers(t *testing.T) {
	t.Parallel()
	sheet := string(byName[sheet].content)
	if want := "@layer tokens, base, components, pages;"; !strings.HasPrefix(sheet, want) {
		t.Errorf("app.css begins %.60q, want %q", sheet, want)
	}
	for _, name := range parts {
		if part := string(mustRead(name)); !strings.Contains(sheet, part) {
			t.Errorf("app.css lacks %s", name)
		}
	}
	if open, shut := strings.Count(sheet, "{"), strings.Count(sheet, "}"); open != shut {
		t.Errorf("app.css has %d opening and %d closing braces", open, shut)
	}
}

func TestAnUnknownNamePanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error(`URL("none.css") did not panic`)
		}
	}()
	URL("none.css")
}
