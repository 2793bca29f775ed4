package handlers

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"lectern/static"
	"lectern/store"
	"lectern/views"
)

// refusal is what a workspace's host says instead of the workspace.
type refusal struct {
	Title    string // of a page; empty is "Not here"
	Text     string
	Link     string // where to go on, for a page
	LinkText string
}

// refuse answers with a page to a person, with JSON as Jupyter's own errors are
// to a script, and shortly to a socket.
func (w *Work) refuse(rw http.ResponseWriter, r *http.Request, status int, v refusal) {
	h := rw.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusServiceUnavailable || status == http.StatusBadGateway || status == http.StatusGatewayTimeout {
		h.Set("Retry-After", "5")
	}
	if !wantsPage(r) || isUpgrade(r) {
		h.Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		_ = json.NewEncoder(rw).Encode(map[string]any{"message": v.Text, "reason": nil})
		return
	}
	if v.Title == "" {
		v.Title = "This workspace is closed"
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'")
	rw.WriteHeader(status)
	_ = views.WorkHost(views.WorkHostView{
		Title: v.Title, Text: v.Text, Link: v.Link, LinkText: v.LinkText,
		Style: strings.TrimSuffix(ownPrefix, "/") + static.URL("app.css"),
		Mark:  strings.TrimSuffix(ownPrefix, "/") + static.URL("mark.svg"),
	}).Render(r.Context(), rw)
}

// down says that the workspace does not answer and offers to start it again.
func (w *Work) down(rw http.ResponseWriter, r *http.Request, g store.Grant, status int) {
	v := refusal{Title: "Your workspace is not running",
		Text: "Everything you had saved is there. Start the workspace again to go on."}
	if g.Copy {
		v.Title, v.Text = "This copy is not running", "It was a throw-away copy: what was changed in it is gone. The submission is as it was handed in."
	}
	if g.CourseSlug != "" {
		next := ""
		if r.Method == http.MethodGet {
			next = "?" + url.Values{"next": {safePath(r.URL.RequestURI())}}.Encode()
		}
		v.Link, v.LinkText = w.site.String()+workspacePath(g.CourseSlug, g.WorkspaceID)+next, pick(g.Copy, "Open a new copy", "Start it again")
	}
	w.refuse(rw, r, status, v)
}

// outOfReach says that the workspace runs, as far as is known, and does not answer.
func (w *Work) outOfReach(rw http.ResponseWriter, r *http.Request, g store.Grant) {
	v := refusal{Title: "Your workspace is out of reach", LinkText: "Try again",
		Text: "The way to it is interrupted at the moment, or it has too much to do. What you had saved is there. Try again in a moment."}
	if r.Method == http.MethodGet && g.CourseSlug != "" {
		v.Link = w.site.String() + workspacePath(g.CourseSlug, g.WorkspaceID) + "?" + url.Values{"next": {safePath(r.URL.RequestURI())}}.Encode()
	}
	w.refuse(rw, r, http.StatusGatewayTimeout, v)
}

func (w *Work) tooLarge(rw http.ResponseWriter, r *http.Request) {
	w.refuse(rw, r, http.StatusRequestEntityTooLarge, refusal{Title: "Too large",
		Text: "That is more than 300 MB at once, so it was not uploaded."})
}
