package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"lectern/course"
	"lectern/spawner"
	"lectern/store"
	"lectern/views"
)

// chosen are the workspaces a form names: one, or all that are idle.
func (s *Site) chosen(r *http.Request) ([]store.Server, error) {
	rows, err := s.Store.Servers(r.Context(), visitOf(r).course.ID)
	if err != nil {
		return nil, err
	}
	id, all := r.FormValue("workspace"), r.FormValue("idle") != ""
	var out []store.Server
	for _, row := range rows {
		if all && isIdle(row, s.Now()) || !all && row.ID == id {
			out = append(out, row)
		}
	}
	return out, nil
}

// confirmStopServers says what a stop ends and what it keeps.
func (s *Site) confirmStopServers(w http.ResponseWriter, r *http.Request) error {
	rows, err := s.chosen(r)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		s.flash(r, "info", "Nothing to stop: no such workspace is running any more.")
		return seeOther(w, r, serversBase(r))
	}
	v := views.ConfirmView{Title: "Stop " + plural(len(rows), "idle workspace") + "?", Kind: "danger", Button: "Stop them",
		Text:   "In each of them nothing happened for " + lasting(idleSince) + " or longer: no cell ran, and nobody typed.",
		Keeps:  "Everything that was saved. Each student opens their assignment again and goes on with their files.",
		Loses:  "What is on a screen and not saved, and what kernels hold in memory. Throw-away copies of submissions go altogether.",
		Action: serversBase(r) + "/stop", Back: serversBase(r), Fields: []views.Option{{Value: "idle", Text: "on"}}}
	if r.FormValue("idle") == "" {
		row := rows[0]
		v.Title, v.Button, v.Text = "Stop the workspace of "+cmp.Or(row.Name, row.Login)+"?", "Stop it", "Nothing has happened in it for "+lasting(s.Now().Sub(row.LastActivityAt))+"."
		if s.Now().Sub(row.LastActivityAt) < 5*time.Minute {
			v.Text = "Somebody is at work in it, or a cell runs."
		}
		if row.Tabs > 0 {
			v.Text += fmt.Sprintf(" It is open in %s.", plural(row.Tabs, "tab"))
		}
		if row.CopyOf != "" {
			v.Title, v.Keeps, v.Loses = "Stop the copy of "+row.CopyOf+" for "+row.Login+"?", "The submission, as it was handed in.", "What was changed in the copy."
		}
		v.Fields = []views.Option{{Value: "workspace", Text: row.ID}}
	}
	page := s.page(r, "Stop")
	page.Width = "narrow"
	return s.show(w, r, views.StopServers(page, v))
}

// stopServers stops one workspace, or all that are idle.
func (s *Site) stopServers(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	rows, err := s.chosen(r)
	if err != nil {
		return err
	}
	copies := 0
	for _, row := range rows {
		if err := s.Workspaces.Close(r.Context(), row.ID, spawner.ByStaff); err != nil {
			return err
		}
		if row.CopyOf != "" {
			copies++
		}
		if err := s.Store.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: row.CourseID, MemberID: row.MemberID,
			Verb: "stopped a workspace", Detail: row.Image}); err != nil {
			return err
		}
	}
	text := plural(len(rows), "workspace") + " stopped. Everything that was saved is kept."
	switch {
	case len(rows) == 0:
		text = "Nothing to stop: no such workspace is running any more."
	case copies == len(rows):
		text = "The copy is stopped and what was tried in it is gone. The submission is as it was handed in."
	case copies > 0:
		text = plural(len(rows), "workspace") + " stopped. Everything that students saved is kept; throw-away copies of submissions are gone."
	}
	s.flash(r, "good", text)
	return seeOther(w, r, serversBase(r))
}
