package static

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestAStyleSheetNamesTheFontByItsHashedAddress(t *testing.T) {
	t.Parallel()
	get := func(address string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequest("GET", address, nil))
		return w
	}
	found := regexp.MustCompile(`url\("([^"]+\.woff2)"\)`).FindStringSubmatch(get(URL("notebook.css")).Body.String())
	if found == nil {
		t.Fatal("notebook.css names no font")
	}
	w := get(found[1])
	if w.Code != 200 || w.Header().Get("Content-Type") != "font/woff2" || !strings.HasPrefix(w.Body.String(), "wOF2") {
		t.Errorf("%s: %d %s", found[1], w.Code, w.Header().Get("Content-Type"))
	}
}
