package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"lectern/course"
	"lectern/static"
	"lectern/store"
)

// ownPrefix begins the paths of a workspace's host that are Lectern's own;
// nothing below it reaches the workspace.
const ownPrefix = "/.lectern/"

// Work answers for all workspaces' hosts: it takes tickets, checks cookies and
// passes requests on. It touches the database neither for a request nor for a
// socket's traffic.
type Work struct {
	origins  Origins
	site     *url.URL
	store    *store.Store
	dialled  Workspaces
	log      *slog.Logger
	loopback bool // workspaces are processes on this machine

	tickets  *tickets
	gate     *gate
	guard    *http.CrossOriginProtection
	proxy    *httputil.ReverseProxy
	pace     pace
	kernels  pace
	tabs     tabs
	outflows outflows
	lab      *labFiles
	image    string // of new courses
}

func newWork(c Config, st *store.Store, d Workspaces, log *slog.Logger, now func() time.Time) *Work {
	w := &Work{origins: c.Work, site: c.SiteURL, store: st, dialled: d, log: log, loopback: c.Loopback,
		tickets: &tickets{store: st, now: now},
		gate:    newGate(st.StandingGrants, now, log),
		guard:   http.NewCrossOriginProtection(),
		lab:     &labFiles{read: c.Assets, log: log, now: now}, image: c.Image}
	w.proxy = w.newProxy()
	return w
}

// cookie is the name of the cookie of a workspace's host.
func (w *Work) cookie() string {
	if w.origins.scheme == "https" {
		return "__Host-lectern-work"
	}
	return "lectern-work"
}

// run keeps grants true until ctx ends.
func (w *Work) run(ctx context.Context) error {
	go func() {
		tick := time.NewTicker(time.Hour)
		defer tick.Stop()
		for {
			if err := w.store.DropGrants(ctx, sessionLife); err != nil && ctx.Err() == nil {
				w.log.Error("old workspace grants could not be removed", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	w.lab.warm(w.image)
	return w.gate.run(ctx)
}

// serve answers a request for the workspace whose host it names.
func (w *Work) serve(rw http.ResponseWriter, r *http.Request, id string) {
	if rest, ok := strings.CutPrefix(r.URL.Path, ownPrefix); ok {
		w.own(rw, r, id, rest)
		return
	}
	if !w.sameOrigin(r, id) {
		w.refuse(rw, r, http.StatusForbidden, refusal{Text: "That came from another site, so nothing was done."})
		return
	}
	token, err := ownCookie(r.Header, w.cookie())
	if err != nil {
		w.refuse(rw, r, http.StatusBadRequest, refusal{
			Text: "Your browser sent two sign-ins for this workspace. Remove this address's cookies and open the assignment again."})
		return
	}
	grant, ctx, done, err := w.gate.use(r.Context(), token)
	switch {
	case errors.Is(err, errNoPass):
		w.closed(rw, r)
		return
	case err != nil:
		w.log.Error("workspace grant", "workspace", id, "error", err)
		w.refuse(rw, r, http.StatusServiceUnavailable, refusal{Text: "Lectern cannot check your sign-in at the moment. Try again in a few seconds."})
		return
	}
	defer done()
	if grant.WorkspaceID != id {
		w.closed(rw, r)
		return
	}
	if w.lab.serve(rw, r, grant.Image) {
		return
	}
	w.forward(ctx, rw, r, id, grant)
}

// sameOrigin refuses what another site, or another workspace, has a browser
// send here. The neighbours' hosts are the same "site" to a browser, which
// sends our cookie along; and Jupyter itself does not ask, because it is shown
// its token.
func (w *Work) sameOrigin(r *http.Request, id string) bool {
	origin := r.Header.Get("Origin")
	if isUpgrade(r) {
		return strings.EqualFold(origin, w.origins.Origin(id))
	}
	if w.guard.Check(r) != nil || (origin != "" && !strings.EqualFold(origin, w.origins.Origin(id))) {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return true
	}
	// From elsewhere one may only be led here, by a link, in a window of its own.
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// closed is the answer to a browser without a grant.
func (w *Work) closed(rw http.ResponseWriter, r *http.Request) {
	w.refuse(rw, r, http.StatusForbidden, refusal{
		Text: "Open the assignment from Lectern to come in here.", Link: w.site.String(), LinkText: "Go to Lectern"})
}

// own answers below ownPrefix.
func (w *Work) own(rw http.ResponseWriter, r *http.Request, id, rest string) {
	switch {
	case rest == "enter" && r.Method == http.MethodGet:
		w.enter(rw, r, id)
	case rest == "notes":
		w.notes(rw, r, id)
	case strings.HasPrefix(rest, "static/"):
		http.StripPrefix(strings.TrimSuffix(ownPrefix, "/"), static.Handler()).ServeHTTP(rw, r)
	default:
		w.refuse(rw, r, http.StatusNotFound, refusal{Text: "There is no page at this address."})
	}
}

// enter turns a ticket into the cookie of this host. A browser may send the same
// address twice; one that is in already is let on.
func (w *Work) enter(rw http.ResponseWriter, r *http.Request, id string) {
	next := safePath(r.URL.Query().Get("next"))
	rw.Header().Set("Cache-Control", "no-store")
	rw.Header().Set("Referrer-Policy", "no-referrer") // the ticket stands in the address
	tk, err := w.tickets.read(r.Context(), id, r.URL.Query())
	if err == nil {
		token := rand.Text()
		if _, err = w.store.RedeemTicket(r.Context(), tk, hashOf(token)); err == nil {
			http.SetCookie(rw, &http.Cookie{Name: w.cookie(), Value: token, Path: "/", HttpOnly: true,
				Secure: w.origins.scheme == "https", SameSite: http.SameSiteLaxMode})
			http.Redirect(rw, r, next, http.StatusSeeOther)
			return
		}
	}
	p, ok := course.AsProblem(err)
	if ok && w.isIn(r, id) {
		http.Redirect(rw, r, next, http.StatusSeeOther) // the same address a second time: the back button
		return
	}
	if !ok {
		w.log.Error("workspace ticket", "workspace", id, "error", err)
		w.refuse(rw, r, http.StatusServiceUnavailable, refusal{Text: "Lectern cannot let you in at the moment. Try again in a few seconds."})
		return
	}
	w.refuse(rw, r, http.StatusForbidden, refusal{Text: p.Text + " Open the assignment from Lectern once more.",
		Link: w.site.String(), LinkText: "Go to Lectern"})
}

// isIn reports whether the visitor's cookie opens the workspace already.
func (w *Work) isIn(r *http.Request, id string) bool {
	token, err := ownCookie(r.Header, w.cookie())
	if err != nil {
		return false
	}
	grant, _, done, err := w.gate.use(r.Context(), token)
	if err != nil {
		return false
	}
	done()
	return grant.WorkspaceID == id
}

// safePath is p if it leads to a page of the same host and nowhere else, or "/".
func safePath(p string) string {
	u, err := url.Parse(p)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "/"
	}
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || strings.Contains(p, `\`) ||
		strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.Path, `/\`) {
		return "/"
	}
	for _, c := range p + u.Path {
		if c < ' ' || c == 0x7f {
			return "/"
		}
	}
	return p
}
