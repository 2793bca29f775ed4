package handlers

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"lectern/spawner"
	"lectern/store"
	"lectern/views"
)

// idleSince is how long a workspace must have rested for "stop all idle".
const idleSince = 15 * time.Minute

// ServersWatched is the turn that is taken while somebody looks at a page of
// servers: readings are then taken more often.
const ServersWatched = "servers watched"

// serversBase is the page of servers the request is about: the course's, or the
// site's for its administrator.
func serversBase(r *http.Request) string {
	if c := visitOf(r).course; c.ID != 0 {
		return serversPath(c.Slug)
	}
	return adminServersPath
}

// servers lists the workspaces that run, start or stop, with what they use.
func (s *Site) servers(w http.ResponseWriter, r *http.Request) error {
	v, base := visitOf(r), serversBase(r)
	list, err := s.serversList(r)
	if err != nil {
		return err
	}
	p := views.ServersView{List: list, Events: base + "/events", Announce: base + "/announce", Withdraw: base + "/withdraw"}
	if r.URL.RawQuery != "" {
		p.Events += "?" + r.URL.RawQuery
	}
	if v.course.ID != 0 {
		p.Page = s.coursePage(r, "Servers", "servers")
	} else {
		p.Page, p.Whole = s.page(r, "Servers"), true
		p.Page.Crumbs = []views.Crumb{{Text: "Administration", URL: adminPath}, {Text: "Servers"}}
	}
	p.Page.Width = "wide"
	said, err := s.Store.Announcements(r.Context(), v.course.ID)
	if err != nil {
		return err
	}
	for _, a := range said {
		p.Said = append(p.Said, views.SaidView{ID: strconv.FormatInt(a.ID, 10), Text: a.Text, By: a.By, Ends: when(a.EndsAt, s.Now(), v.course.Location())})
	}
	if err := s.fillFigures(r, &p); err != nil {
		return err
	}
	return s.show(w, r, views.Servers(p))
}

// serversList is the table, as the page and its events show it.
func (s *Site) serversList(r *http.Request) (views.ServersList, error) {
	v, base, ask := visitOf(r), serversBase(r), r.URL.Query()
	rows, err := s.Store.Servers(r.Context(), v.course.ID)
	if err != nil {
		return views.ServersList{}, err
	}
	key, down := ask.Get("sort"), ask.Get("dir") == "down"
	sortServers(rows, key, down)
	list := views.ServersList{Stop: base + "/stop", Whole: v.course.ID == 0,
		Nodes: slices.ContainsFunc(rows, func(r store.Server) bool { return r.Node != "" })}
	q := tableQuery{base, ask}
	for _, h := range serverHeads {
		if h.key == "node" && !list.Nodes || h.key == "course" && !list.Whole {
			continue
		}
		list.Heads = append(list.Heads, q.head(h.key, h.text, key, down, h.numeric))
	}
	sum := serversSum{}
	for _, row := range rows {
		sum.add(row, s.Now())
		list.Rows = append(list.Rows, serverRow(row, base, s.Now(), v.course.Location()))
	}
	list.Idle, list.Sub = sum.idle, sum.text()
	if list.Whole {
		list.Machines, list.Unknown = s.machines(r.Context(), rows)
	}
	return list, nil
}

const (
	serversEvery = 5 * time.Second  // between looks of one page
	serversLimit = 10 * time.Minute // of one stream: the browser asks anew, and may be refused then
)

// serversEvents sends the table whenever it changed.
func (s *Site) serversEvents(w http.ResponseWriter, r *http.Request) error {
	ctx, done := context.WithTimeout(r.Context(), serversLimit)
	defer done()
	r = r.WithContext(ctx)
	out := startEvents(w)
	tick := time.NewTicker(serversEvery)
	defer tick.Stop()
	var last string
	for {
		list, err := s.serversList(r)
		if err == nil {
			_, err = s.Store.Turn(ctx, ServersWatched, 0)
		}
		if err != nil {
			return nil // the page asks again
		}
		var html bytes.Buffer
		if err := views.ServersTable(list).Render(ctx, &html); err != nil {
			return nil
		}
		send := out.alive
		if text := html.String(); text != last {
			last = text
			send = func() error { return out.text("fragment", text) }
		}
		if send() != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// imageText is an image as a table names it: of one that is known by its
// content alone, the beginning.
func imageText(image string) string {
	if digest, ok := strings.CutPrefix(image, "sha256:"); ok && len(digest) > 12 {
		return "sha256:" + digest[:12]
	}
	return image
}

func isIdle(row store.Server, now time.Time) bool {
	return spawner.State(row.State) == spawner.Running && now.Sub(row.LastActivityAt) >= idleSince
}

// workspaceState is serverState, and tells those whose machine does not answer
// and those that nobody has opened yet.
func workspaceState(w store.Workspace) (kind, text string) {
	if spawner.State(w.State) == spawner.Running && spawner.Reason(w.Reason) == spawner.Away {
		return "failed", "Out of reach"
	}
	if w.Ahead && spawner.State(w.State) == spawner.Running {
		return "ok", "Started ahead"
	}
	return serverState(spawner.State(w.State))
}

// serverState is a kind of badge and its word.
func serverState(st spawner.State) (kind, text string) {
	switch st {
	case spawner.Running:
		return "ok", "Running"
	case spawner.Queued:
		return "queued", "Queued"
	case spawner.Starting:
		return "running", "Starting"
	case spawner.Stopping:
		return "closed", "Stopping"
	}
	return "", string(st)
}
