// Package handlers is Lectern's web face: the list of routes, sign-in, forms,
// authorisation, the one place where an error becomes a page, server-sent
// events, and the reverse proxy to workspaces. It decides who may; the rooms
// below do the work.
package handlers

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/chi/v5"
	"golang.org/x/sync/singleflight"

	"lectern/course"
	"lectern/course/notebook/render"
	"lectern/exchange"
	"lectern/grading"
	"lectern/store"
)

// Config is what the operator decides about the web face.
type Config struct {
	SiteURL   *url.URL       // where people go
	Work      Origins        // one host for every workspace
	Content   Origins        // hosts for files and outputs that students wrote
	Demo      bool           // offer the demo sign-ins; the demo command only
	Proxies   []netip.Prefix // whose X-Forwarded-For is believed
	Providers []Provider     // who else may sign people in
	Image     string         // notebook image of new courses
	Local     bool           // offer sign-in with a local password

	// How long workspaces may stay at most and when people are warned; a course
	// may choose less. 0 of the first two is for ever.
	IdleAfter, MaxAge, WarnBefore time.Duration

	Bounds   Bounds // of workspaces
	Prestart bool   // workspaces may be started before their student clicks
	Loopback bool   // workspaces are processes on this machine, and dialled there
	Assets   Assets // JupyterLab's own files, out of an image; nil leaves them to workspaces
}

// Site answers every request. Its fields are set once, before it serves.
type Site struct {
	Config
	Store *store.Store
	Log   *slog.Logger
	Now   func() time.Time

	Exchange   *exchange.Exchange
	Preparer   *grading.Preparer
	Collector  *grading.Collector
	Render     *render.Renderer
	Workspaces Workspaces
	Images     Images // nil where workspaces are no containers

	process  string // names this Lectern among those on its database
	work     *Work
	content  *content
	submits  *singleflight.Group
	copying  *sync.Mutex // a throw-away copy is being opened
	sessions *scs.SessionManager
	limits   *limits
	pulse    *pulse
	hasher   *hasher
	doors    map[string]*door // by the name of a provider
	handler  http.Handler
}

// New makes the site ready to serve.
func New(s Site) *Site {
	site := &s
	if site.Now == nil {
		site.Now = time.Now
	}
	site.sessions = newSessions(site.Store, site.Now, site.SiteURL.Scheme == "https")
	site.sessions.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		visitOf(r).sessionless = true
		site.fail(w, r, err)
	}
	site.process = rand.Text()[:12]
	site.limits = newLimits(site.Now)
	site.pulse = new(pulse)
	site.hasher = newHasher()
	site.doors = newDoors(site.Config)
	site.submits = new(singleflight.Group)
	site.copying = new(sync.Mutex)
	site.work = newWork(site.Config, site.Store, site.Workspaces, site.Log, site.Now)
	site.content = &content{origins: site.Content, site: site.SiteURL.String(), store: site.Store, exchange: site.Exchange,
		render: site.Render, log: site.Log, now: site.Now}
	site.handler = site.router(site.routes())
	return site
}

// Run does what the site does between requests, until ctx ends.
func (s *Site) Run(ctx context.Context) error {
	go s.watchDatabase(ctx)
	go s.countTabs(ctx)
	return s.work.run(ctx)
}

// ServeHTTP sends a request to the site, a workspace or the content host, by
// the name of the host it asks for.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = unlessStalled(w, r, bodyPatience)
	if id, ok := s.Work.Label(r.Host); ok {
		s.work.serve(w, r, id)
		return
	}
	if label, ok := s.Content.Label(r.Host); ok {
		s.content.serve(w, r, label)
		return
	}
	switch {
	case sameHost(r.Host, s.SiteURL):
		s.handler.ServeHTTP(w, r)
	case r.URL.Path == "/healthz":
		s.serve(s.health)(w, r) // probes ask by address
	default:
		s.secure(s.SiteURL.Scheme == "https", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "This address does not belong to "+s.SiteURL.String(), http.StatusMisdirectedRequest)
		})).ServeHTTP(w, r)
	}
}

// router lays the middleware around a list of routes.
func (s *Site) router(list []route) http.Handler {
	r := chi.NewRouter()
	r.NotFound(s.serve(func(http.ResponseWriter, *http.Request) error {
		return course.Problemf(course.NotFound, "There is no page at this address.")
	}))
	r.MethodNotAllowed(s.serve(func(http.ResponseWriter, *http.Request) error {
		return course.Problemf(course.NotFound, "There is no page at this address.")
	}))
	for _, rt := range list {
		r.Method(rt.method, rt.pattern, s.serve(small(rt, s.authorise(rt.who, rt.handle))))
	}
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.errorPage(w, r, http.StatusForbidden, "That came from another site, so nothing was done.")
	}))
	return s.number(s.secure(s.SiteURL.Scheme == "https", s.unlessAway(s.oneSession(s.sessions.LoadAndSave(s.identify(s.notCrowded(guard.Handler(r))))))))
}

// What a form may have that uploads nothing, in bytes; the staff's tables are long.
const (
	formBytes  = 1 << 20
	tableBytes = 8 << 20
)

// takesFiles are the routes, by the end of their pattern, that limit what they
// read themselves, as it comes in.
var takesFiles = []string{"/assignments/new", "/source", "/feedback", "/move"}

// small keeps forms small: reading one would put whatever somebody sends, without
// end, onto the disk.
func small(rt route, next handler) handler {
	most := int64(formBytes)
	if rt.who == staff || rt.who == instructor {
		most = tableBytes
		if slices.ContainsFunc(takesFiles, func(end string) bool { return strings.HasSuffix(rt.pattern, end) }) {
			most = maxBody
		}
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.ContentLength > most && most < maxBody { // else it would read as an empty form
			return course.Problemf(course.TooLarge, "That form was too large. Nothing was changed.")
		}
		r.Body = http.MaxBytesReader(w, r.Body, most)
		return next(w, r)
	}
}

// number gives the request an id, which error pages and the log share.
func (s *Site) number(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{requestID: rand.Text()[:12], address: clientAddress(r, s.Proxies), agent: r.UserAgent()}
		w.Header().Set("X-Request-Id", v.requestID)
		next.ServeHTTP(w, withVisit(r, v))
	})
}

// secure sets the headers that hold on every page of the site.
func (s *Site) secure(https bool, next http.Handler) http.Handler {
	policy := fmt.Sprintf("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "+
		"connect-src 'self'; form-action 'self' %s; frame-src %s; frame-ancestors 'none'; base-uri 'none'",
		s.Work.Pattern(), s.Content.Pattern())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), browsing-topics=()")
		if https {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// health answers a probe: 200 if the database does.
func (s *Site) health(w http.ResponseWriter, r *http.Request) error {
	ctx, done := context.WithTimeout(r.Context(), 3*time.Second)
	defer done()
	if err := s.Store.Ping(ctx); err != nil {
		return course.Problemf(course.Busy, "The database does not answer: %w", err)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := fmt.Fprintln(w, "ok")
	return err
}
