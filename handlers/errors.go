package handlers

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// handler is a page or an act. An error it returns becomes a page in one place.
type handler func(w http.ResponseWriter, r *http.Request) error

// errSignIn sends the visitor to the sign-in page and back.
var errSignIn = errors.New("sign in first")

// serve runs h and shows its error. Nothing may have been written before an
// error is returned.
func (s *Site) serve(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.Log.Error("panic", "request", visitOf(r).requestID, "value", p, "stack", string(debug.Stack()))
				s.fail(w, r, errors.New("panic"))
			}
		}()
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// fail turns an error into the page that the visitor sees.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	v := visitOf(r)
	if errors.Is(err, errSignIn) {
		if r.Method == http.MethodGet {
			http.Redirect(w, r, "/sign-in?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
			return
		}
		err = &course.Problem{Kind: course.Forbidden, Text: "Your sign-in has ended. Sign in again; nothing was changed."}
	}
	status, text := http.StatusInternalServerError, ""
	if p, ok := course.AsProblem(err); ok {
		status, text = statusOf(p.Kind), p.Text
	} else if cutOff(r) {
		status, text = http.StatusServiceUnavailable, awayText
	} else if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		status = 499 // the visitor has left; for the log only
	} else if store.Away(err) {
		status, text = http.StatusServiceUnavailable, awayText
		s.Log.Error("the database does not answer", "request", v.requestID, "route", routeOf(r), "error", err)
	} else {
		s.Log.Error("request failed", "request", v.requestID, "method", r.Method, "route", routeOf(r), "user", v.user.ID, "error", err)
	}
	s.errorPage(w, r, status, text)
}

func (s *Site) errorPage(w http.ResponseWriter, r *http.Request, status int, text string) {
	v := visitOf(r)
	w.Header().Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	title, usual, kept := views.ErrorText(status)
	page := views.ErrorView{Page: s.page(r, title), Status: status, Title: title, Text: cmp.Or(text, usual), Kept: kept,
		RequestID: v.requestID, BackURL: "/", BackText: "To your courses"}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := views.Error(page).Render(context.WithoutCancel(r.Context()), w); err != nil {
		s.Log.Log(r.Context(), slog.LevelDebug, "error page", "error", err)
	}
}

func statusOf(k course.Kind) int {
	switch k {
	case course.Invalid:
		return http.StatusUnprocessableEntity
	case course.NotFound:
		return http.StatusNotFound
	case course.Forbidden:
		return http.StatusForbidden
	case course.Conflict:
		return http.StatusConflict
	case course.Busy:
		return http.StatusServiceUnavailable
	case course.TooLarge:
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusInternalServerError
}
