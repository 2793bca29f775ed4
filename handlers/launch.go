package handlers

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"lectern/course"
	"lectern/exchange"
	"lectern/spawner"
	"lectern/store"
	"lectern/views"
)

// Workspaces is the spawner, as the web face uses it.
type Workspaces interface {
	Open(ctx context.Context, r spawner.Request) (spawner.Row, error)
	Prestart(ctx context.Context, r spawner.Request) (bool, error)
	Watch(ctx context.Context, id string) <-chan spawner.Progress
	Target(ctx context.Context, id string) (spawner.Target, error)
	Close(ctx context.Context, id string, why spawner.Reason) error
	Touch(id string, at time.Time)
	Machines(ctx context.Context) ([]spawner.Machine, error)
}

// openAssignment lays out the visitor's working copy, once, and sends them into
// their workspace, or to the page on which it starts.
func (s *Site) openAssignment(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if err := mustBeMember(v); err != nil {
		return err
	}
	if v.staff() {
		return s.tryOut(w, r)
	}
	if v.assignment.ReleasedAt == nil {
		return course.Problemf(course.Conflict, "This assignment is not released yet, so there is nothing to open.")
	}
	row, err := s.openWork(r.Context(), v)
	if err != nil {
		return err
	}
	return s.goTo(w, r, row, labPath(v.assignment.Slug, s.firstNotebook(v, s.Exchange.Layout.Release)))
}

// openWork is the part of opening that must be there before the page is.
func (s *Site) openWork(ctx context.Context, v *visit) (spawner.Row, error) {
	if _, err := s.Exchange.Fetch(ctx, workOf(v)); err != nil {
		return spawner.Row{}, err
	}
	if err := s.Store.RecordFetched(ctx, v.assignment, v.member.ID, v.user.ID); err != nil {
		return spawner.Row{}, err
	}
	return s.Workspaces.Open(ctx, spawner.Request{CourseID: v.course.ID, MemberID: v.member.ID, Image: imageOf(v)})
}

// goTo leads into a running workspace, and to the launch page of any other or
// of one whose machine does not answer.
func (s *Site) goTo(w http.ResponseWriter, r *http.Request, row spawner.Row, next string) error {
	v := visitOf(r)
	if row.State != spawner.Running || row.Reason == spawner.Away {
		return seeOther(w, r, launchPath(v.course.Slug, row.ID, next))
	}
	q, err := s.work.tickets.issue(r.Context(), row.ID, v.user.ID, v.session.ID, next)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return seeOther(w, r, s.Work.Origin(row.ID)+enterPath+"?"+q.Encode())
}

// launch is the page of a workspace that starts, failed or rests; one that runs
// is entered at once. Without scripts the browser asks again every two seconds.
func (s *Site) launch(w http.ResponseWriter, r *http.Request) error {
	row, err := s.ownWorkspace(r)
	if err != nil {
		return err
	}
	next := safePath(r.URL.Query().Get("next"))
	if spawner.State(row.State) == spawner.Running && spawner.Reason(row.Reason) != spawner.Away {
		return s.goTo(w, r, spawner.Row{ID: row.ID, State: spawner.Running}, next)
	}
	ctx, done := context.WithCancel(r.Context())
	defer done()
	p, ok := <-s.Workspaces.Watch(ctx, row.ID)
	if !ok {
		return course.Problemf(course.Busy, "It cannot be seen at the moment how far your workspace is. Try again in a few seconds.")
	}
	if p.State == spawner.Running && p.Reason != spawner.Away {
		return s.goTo(w, r, spawner.Row{ID: row.ID, State: spawner.Running}, next)
	}
	return s.show(w, r, views.LaunchPage(s.launchView(r, row, next, p)))
}

// startWorkspace starts a workspace that rests or failed.
func (s *Site) startWorkspace(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	row, err := s.ownWorkspace(r)
	if err != nil {
		return err
	}
	if row.SubmissionID != 0 {
		return s.reopenCopy(w, r, row.ID)
	}
	started, err := s.Workspaces.Open(r.Context(), spawner.Request{CourseID: v.course.ID, MemberID: v.member.ID, Image: row.Image})
	if err != nil {
		return err
	}
	return s.goTo(w, r, started, safePath(r.FormValue("next")))
}

// stopWorkspace stops one's own workspace.
func (s *Site) stopWorkspace(w http.ResponseWriter, r *http.Request) error {
	row, err := s.ownWorkspace(r)
	if err != nil {
		return err
	}
	if row.SubmissionID != 0 {
		return s.discardCopy(w, r)
	}
	if err := s.Workspaces.Close(r.Context(), row.ID, spawner.ByStudent); err != nil {
		return err
	}
	s.flash(r, "good", "Your workspace is being stopped. Your files are kept.")
	return seeOther(w, r, coursePath(visitOf(r).course.Slug))
}

// ownWorkspace is the visitor's workspace that the path names; anybody else's
// does not exist, nor does a copy of a submission for who no longer teaches.
func (s *Site) ownWorkspace(r *http.Request) (store.Workspace, error) {
	v := visitOf(r)
	row, err := s.Store.WorkspaceIn(r.Context(), v.course.ID, chi.URLParam(r, "workspace"))
	if err == nil && (row.MemberID != v.member.ID || v.member.ID == 0 || row.SubmissionID != 0 && !v.staff()) {
		err = course.Problemf(course.NotFound, "There is no such workspace.")
	}
	return row, err
}

// ownCopy is the visitor's throw-away copy that the path names.
func (s *Site) ownCopy(r *http.Request) (store.Workspace, error) {
	row, err := s.ownWorkspace(r)
	if err == nil && row.SubmissionID == 0 {
		err = course.Problemf(course.NotFound, "There is no such copy.")
	}
	return row, err
}

// mustBeMember refuses a site admin who is not on the roster: a workspace and
// its files belong to a member.
func mustBeMember(v *visit) error {
	if v.member.ID == 0 {
		return course.Problemf(course.Forbidden, "You are not on the roster of this course. Add yourself there to open its assignments.")
	}
	return nil
}

func workOf(v *visit) exchange.Work {
	return exchange.Work{Course: v.course.Slug, Login: v.user.Login, Assignment: v.assignment.Slug}
}

// imageOf is the environment the assignment opens in.
func imageOf(v *visit) string {
	if v.assignment.Image != "" {
		return v.assignment.Image
	}
	return v.course.Image
}

// firstNotebook is the release's first notebook by name, "" if it has none. The
// release tells, not the student's folder: theirs may hold anything.
func (s *Site) firstNotebook(v *visit, release func(course, assignment string) (string, error)) string {
	dir, err := release(v.course.Slug, v.assignment.Slug)
	if err != nil {
		return ""
	}
	entries, err := s.Exchange.List(dir)
	if err != nil {
		s.Log.Warn("release cannot be listed", "course", v.course.Slug, "assignment", v.assignment.Slug, "error", err)
		return ""
	}
	var names []string
	for _, e := range entries {
		if !e.Dir {
			names = append(names, e.Path)
		}
	}
	return topNotebook(names)
}

// topNotebook is the first notebook by name among those in as few folders as any.
func topNotebook(names []string) (first string) {
	for _, name := range names {
		if path.Ext(name) != ".ipynb" {
			continue
		}
		deeper := strings.Count(name, "/") - strings.Count(first, "/")
		if first == "" || deeper < 0 || (deeper == 0 && name < first) {
			first = name
		}
	}
	return first
}

// labPath opens a file of an assignment in JupyterLab, or its folder.
func labPath(assignment, notebook string) string {
	u := url.URL{Path: path.Join("/lab/tree", assignment, notebook)}
	return u.EscapedPath()
}
