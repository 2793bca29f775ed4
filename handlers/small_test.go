package handlers

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"lectern/course"
)

// Every form has a limit, told beforehand or met while it is read; only a route
// that takes files may have hundreds of megabytes.
func TestFormsAreSmall(t *testing.T) {
	t.Parallel()
	var large []string
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
			large = append(large, rt.pattern[strings.LastIndexByte(rt.pattern, '/'):])
			continue
		}
		if read != limit || !errors.As(err, &over) {
			t.Errorf("%s read %d bytes (%v), want %d and the limit", rt.pattern, read, err, limit)
		}
		if err := ask(2 * tableBytes); !course.IsKind(err, course.TooLarge) {
			t.Errorf("%s, told the length: %v, want too large", rt.pattern, err)
		}
	}
	if want := []string{"/new", "/source", "/feedback", "/move"}; !slices.Equal(slices.Sorted(slices.Values(large)), slices.Sorted(slices.Values(want))) {
		t.Errorf("the routes that take files end in %v, want %v", large, want)
	}
}

// One person is packed a few zips at a time, whoever else waits for theirs.
func TestZipsAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	s := &Site{limits: newLimits(time.Now)}
	send := func(user course.UserID, write func() error) error {
		r := withVisit(httptest.NewRequest(get, "/", nil), &visit{user: course.User{ID: user}})
		return s.sendZip(httptest.NewRecorder(), r, "x", write)
	}
	nothing := func() error { return nil }
	under, finish, done := make(chan bool), make(chan bool), make(chan error)
	for range zipsAtOnce {
		go func() { done <- send(1, func() error { under <- true; <-finish; return nil }) }()
		<-under
	}
	if err := send(1, nothing); !course.IsKind(err, course.Busy) {
		t.Errorf("one more at once: %v, want busy", err)
	}
	if err := send(2, nothing); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	close(finish)
	for range zipsAtOnce {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := send(1, nothing); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
