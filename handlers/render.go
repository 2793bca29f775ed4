package handlers

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"lectern/views"
)

// show renders a page. It is rendered whole before anything is sent, so that a
// failure becomes the error page and not half a page.
func (s *Site) show(w http.ResponseWriter, r *http.Request, c templ.Component) error {
	return s.showStatus(w, r, http.StatusOK, c)
}

// showStatus does the same under another status: 422 for a form that came back.
func (s *Site) showStatus(w http.ResponseWriter, r *http.Request, status int, c templ.Component) error {
	var b bytes.Buffer
	if err := c.Render(r.Context(), &b); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store") // pages are personal: the back button must not show another's
	}
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

// seeOther answers a form.
func seeOther(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

// flash leaves a notice for the next page; kind is "good", "info", "warn" or "bad".
func (s *Site) flash(r *http.Request, kind, text string) {
	s.sessions.Put(r.Context(), "flash", kind+" "+text)
}

// flashed takes the notice that was left, if there is one.
func (s *Site) flashed(r *http.Request) *views.Flash {
	if visitOf(r).sessionless || !s.sessions.Exists(r.Context(), "flash") {
		return nil
	}
	kind, text, _ := strings.Cut(s.sessions.PopString(r.Context(), "flash"), " ")
	return &views.Flash{Kind: kind, Text: text}
}

// initials are at most two letters for the person's badge.
func initials(name, login string) string {
	words := strings.Fields(name)
	if len(words) == 0 {
		words = []string{login}
	}
	out := []rune{[]rune(words[0])[0]}
	if len(words) > 1 {
		out = append(out, []rune(words[len(words)-1])[0])
	}
	return strings.ToUpper(string(out))
}
