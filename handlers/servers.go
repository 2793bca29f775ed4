package handlers

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"lectern/course"
	"lectern/spawner"
	"lectern/store"
	"lectern/views"
)

// idleSince is how long a workspace must have rested for "stop all idle".
const idleSince = 15 * time.Minute

// servers lists the course's workspaces that run, start or stop.
func (s *Site) servers(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	rows, err := s.Store.Servers(r.Context(), v.course.ID)
	if err != nil {
		return err
	}
	now, loc := s.Now(), v.course.Location()
	page := views.ServersView{Page: s.coursePage(r, "Servers", "servers"), Stop: stopServersPath(v.course.Slug)}
	page.Page.Width = "wide"
	running := 0
	for _, row := range rows {
		line := views.ServerRow{ID: row.ID, Login: row.Login, Name: row.Name, Image: imageText(row.Image), CopyOf: row.CopyOf}
		line.State, line.StateText = workspaceState(row.Workspace)
		if !row.StartedAt.IsZero() {
			line.Since = when(row.StartedAt, now, loc)
		}
		if spawner.State(row.State) == spawner.Running {
			running++
			line.Idle = "in use"
			if idle := now.Sub(row.LastActivityAt); idle >= time.Minute {
				line.Idle = lasting(idle)
			}
			if isIdle(row, now) {
				page.Idle++
			}
		}
		page.Rows = append(page.Rows, line)
	}
	page.Sub = fmt.Sprintf("%d running, %d idle for %s or longer", running, page.Idle, lasting(idleSince))
	return s.show(w, r, views.Servers(page))
}

// stopServers stops one workspace, or all that are idle.
func (s *Site) stopServers(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	id, all := r.FormValue("workspace"), r.FormValue("idle") != ""
	rows, err := s.Store.Servers(r.Context(), v.course.ID)
	if err != nil {
		return err
	}
	stopped, copies := 0, 0
	for _, row := range rows {
		if (all && !isIdle(row, s.Now())) || (!all && row.ID != id) {
			continue
		}
		if err := s.Workspaces.Close(r.Context(), row.ID, spawner.ByStaff); err != nil {
			return err
		}
		stopped++
		if row.CopyOf != "" {
			copies++
		}
		if err := s.Store.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, MemberID: row.MemberID,
			Verb: "stopped a workspace", Detail: row.Image}); err != nil {
			return err
		}
	}
	text := plural(stopped, "workspace") + " stopped. Everything that was saved is kept."
	switch {
	case copies == stopped:
		text = "The copy is stopped and what was tried in it is gone. The submission is as it was handed in."
	case copies > 0:
		text = plural(stopped, "workspace") + " stopped. Everything that students saved is kept; throw-away copies of submissions are gone."
	}
	if stopped == 0 {
		text = "Nothing to stop: no such workspace is running any more."
	}
	s.flash(r, "good", text)
	return seeOther(w, r, serversPath(v.course.Slug))
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
