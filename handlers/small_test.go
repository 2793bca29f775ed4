package handlers

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"lectern/course"
)

// Every form has a limit, told beforehand or met while it is read; only a route
// that takes files may have hundreds of megabytes.
func TestFormsAreSmall(t *testing.T) {
	t.Parallel()
	large := 0
	for _, rt := range new(Site).routes() {
		if rt.method != post {
			continue
		}
		limit := int64(formBytes)
		if rt.who == staff || rt.who == instructor {
			limit = tableBytes
		}
		var read int64
		var err error
		h := small(rt, func(_ http.ResponseWriter, r *http.Request) error {
			read, err = io.Copy(io.Discard, r.Body)
			return nil
		})
		ask := func(length int64) error {
			r := httptest.NewRequest(post, "/", io.LimitReader(zeros{}, 2*tableBytes))
			r.ContentLength = length
			return h(httptest.NewRecorder(), r)
		}
		if err := ask(-1); err != nil {
			t.Fatal(err)
		}
		var over *http.MaxBytesError
		if read == 2*tableBytes && err == nil {
			large++
			if !strings.HasSuffix(rt.pattern, "/new") && !strings.HasSuffix(rt.pattern, "/source") && !strings.HasSuffix(rt.pattern, "/feedback") {
				t.Errorf("%s reads without end", rt.pattern)
			}
			continue
		}
		if read != limit || !errors.As(err, &over) {
			t.Errorf("%s read %d bytes (%v), want %d and the limit", rt.pattern, read, err, limit)
		}
		if err := ask(2 * tableBytes); !course.IsKind(err, course.TooLarge) {
			t.Errorf("%s, told the length: %v, want too large", rt.pattern, err)
		}
	}
	if large != 3 {
		t.Errorf("%d routes take files, want 3", large)
	}
}
