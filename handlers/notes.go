package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"lectern/course"
	"lectern/spawner"
	"lectern/store"
	"lectern/views"
)

// notesOf is what the visitor should see on any page. Without the database's
// answer it is nothing: no page fails for that.
func (s *Site) notesOf(r *http.Request) *views.NotesView {
	found, err := s.Store.Notes(r.Context(), visitOf(r).user.ID)
	if err != nil {
		if r.Context().Err() == nil {
			s.Log.Warn("notes", "error", err)
		}
		return nil
	}
	out := &views.NotesView{URL: notesPath, Here: herePath}
	for _, n := range found {
		out.Notes = append(out.Notes, noteView(n, s.Now()))
	}
	return out
}

func noteView(n store.Note, now time.Time) views.NoteView {
	v := views.NoteView{Text: n.Text, From: n.Title}
	if n.Why == store.HomeFull {
		v.Near, v.Text = true, homeFullText(n.Bytes, n.Quota)
		return v
	}
	if n.Workspace != "" {
		c := course.Course{Zone: n.Zone}
		v.Near, v.Workspace, v.MayStay = true, n.Workspace, spawner.Reason(n.Why) == spawner.Idle
		at := n.At.In(c.Location()).Format("15:04")
		if v.MayStay {
			v.Text = "Nothing has happened in your workspace for a while. It will be stopped at " + at + ", in " + lasting(max(time.Minute, n.At.Sub(now).Round(time.Minute))) + ". Save your work."
		} else {
			v.Text = "Your workspace has reached the longest time it may run. It will be stopped at " + at + ", in " + lasting(max(time.Minute, n.At.Sub(now).Round(time.Minute))) + ". Save your work; you can start it again."
		}
	}
	return v
}

// noteKey is the same while a note says the same.
func noteKey(n store.Note, v views.NoteView) string {
	if n.Why == store.HomeFull {
		return n.Course + v.Text
	}
	return fmt.Sprint(n.Text, n.Why, n.At.Unix())
}

// notes sends what the page shows, for pages that stay open.
func (s *Site) notes(w http.ResponseWriter, r *http.Request) error {
	v := s.notesOf(r)
	if v == nil {
		return course.Problemf(course.Busy, "The database does not answer.")
	}
	w.Header().Set("Cache-Control", "no-store")
	return s.show(w, r, views.Notes(*v))
}

// stillHere is the answer to a warning: it counts as activity. Nobody else's
// workspace hears it.
func (s *Site) stillHere(w http.ResponseWriter, r *http.Request) error {
	id := r.PostFormValue("workspace")
	mine, err := s.Store.MayStay(r.Context(), visitOf(r).user.ID, id, s.Now())
	if err != nil {
		return err
	}
	if !mine {
		return course.Problemf(course.NotFound, "That workspace is not running any more.")
	}
	s.Workspaces.Touch(id, s.Now())
	s.flash(r, "good", "Your workspace goes on.")
	return seeOther(w, r, safeNext(r.PostFormValue("next")))
}

// notes of a workspace's own host: what its student should see inside
// JupyterLab. POST says that somebody is there. The workspace's pages can ask as
// well, which tells them nothing that its student does not know.
func (w *Work) notes(rw http.ResponseWriter, r *http.Request, id string) {
	token, err := ownCookie(r.Header, w.cookie())
	if err != nil || !w.sameOrigin(r, id) {
		w.closed(rw, r)
		return
	}
	grant, ctx, done, err := w.gate.use(r.Context(), token)
	if err != nil || grant.WorkspaceID != id {
		if err == nil {
			done()
		}
		w.closed(rw, r)
		return
	}
	defer done()
	switch r.Method {
	case http.MethodGet:
		found, err := w.store.NotesIn(ctx, id)
		if err != nil {
			w.refuse(rw, r, http.StatusServiceUnavailable, refusal{Text: "Lectern cannot tell at the moment."})
			return
		}
		type note struct {
			Key     string `json:"key"` // the same while it says the same
			Text    string `json:"text"`
			From    string `json:"from"`
			MayStay bool   `json:"may_stay"`
			Stop    bool   `json:"stop"`
		}
		out := []note{}
		for _, n := range found {
			v := noteView(n, time.Now())
			out = append(out, note{noteKey(n, v), v.Text, v.From, v.MayStay, v.Near})
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Cache-Control", "no-store")
		rw.Header().Set("X-Content-Type-Options", "nosniff")
		_ = json.NewEncoder(rw).Encode(out)
	case http.MethodPost:
		now := time.Now()
		if err := w.store.TouchWorkspaces(ctx, map[string]time.Time{id: now}); err != nil {
			w.refuse(rw, r, http.StatusServiceUnavailable, refusal{Text: "Lectern cannot note that at the moment."})
			return
		}
		w.dialled.Touch(id, now)
		rw.WriteHeader(http.StatusNoContent)
	default:
		w.refuse(rw, r, http.StatusMethodNotAllowed, refusal{Text: "There is no page at this address."})
	}
}
