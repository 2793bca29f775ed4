package handlers

import (
	"net/http"
	"time"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// studentCourse is a course as a student meets it: each assignment with what is
// to be done about it next.
func (s *Site) studentCourse(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	now := s.Now()
	tasks, err := s.Store.Tasks(r.Context(), v.course.ID, v.member.ID, now)
	if err != nil {
		return err
	}
	up, err := s.Store.WorkspacesUp(r.Context(), v.member.ID)
	if err != nil {
		return err
	}
	page := views.StudentCourseView{Page: s.coursePage(r, v.course.Title, ""), Title: v.course.Title, Sub: v.course.Term}
	page.Page.Crumbs = []views.Crumb{{Text: v.course.Title}}
	page.Home = s.homeView(r.Context(), v)
	for _, row := range up {
		mine := views.MyWorkspace{Image: row.Image, Stop: workspacePath(v.course.Slug, row.ID) + "/stop"}
		if mine.State, mine.StateText = workspaceState(row); row.Ahead && mine.State == "ok" {
			mine.StateText = "Ready for you"
		}
		page.Workspaces = append(page.Workspaces, mine)
	}
	var earned, of float64
	returned, next := 0, -1
	for i, t := range tasks {
		page.Rows = append(page.Rows, taskRow(v.course, t, now))
		if t.ReturnedAt != nil && t.Earned != nil {
			earned, of, returned = earned+*t.Earned, of+t.Of(), returned+1
		}
		if due := t.Due(); next < 0 && t.TakenAt == nil && (due == nil || now.Before(*due)) {
			next = i
		}
	}
	if next >= 0 {
		page.Rows[next].Kind = "primary" // the one to do now; the others are quieter
		if t := tasks[next]; dueSoon(t, now) {
			page.Prestart = s.offerPrestart(v, &page.Page, t)
		}
	}
	if returned > 0 {
		page.Figures = []views.Figure{{Label: "my points so far", Value: pointsText(earned), Of: "of " + pointsText(of)},
			{Label: "assignments returned", Value: plainNumber(returned), Of: "of " + plainNumber(len(tasks))}}
	}
	return s.show(w, r, views.StudentCourse(page))
}

// taskRow is one assignment in the student's table.
func taskRow(c course.Course, t store.Task, now time.Time) views.TaskRow {
	loc := c.Location()
	row := views.TaskRow{Title: t.Title, URL: assignmentPath(c.Slug, t.Slug), Due: whenIf(t.Due(), now, loc, "No deadline"),
		Extension: t.OwnDueAt != nil, Points: pointsText(t.Points)}
	row.State, row.StateText = taskState(t, now, loc)
	if t.TakenAt != nil || t.ReturnedAt != nil {
		row.Due.Soon = false // nothing is left to hurry for
	}
	if t.LateSeconds != nil && *t.LateSeconds > 0 {
		row.Late = lateText(time.Duration(*t.LateSeconds) * time.Second)
	}
	if t.ReturnedAt != nil && t.Earned != nil {
		row.Points = pointsText(*t.Earned) + " of " + pointsText(t.Of())
	}
	switch {
	case t.ReturnedAt != nil:
		row.Action, row.Link = "See feedback", row.URL+"#feedback"
	case t.FetchedAt != nil:
		row.Action, row.Post = "Continue", openPath(c.Slug, t.Slug)
	default:
		row.Action, row.Post = "Start", openPath(c.Slug, t.Slug)
	}
	return row
}

// taskState is the kind of badge and the words for how far a student is.
func taskState(t store.Task, now time.Time, loc *time.Location) (kind, text string) {
	past := t.Due() != nil && now.After(*t.Due())
	switch {
	case t.ReturnedAt != nil:
		return "returned", "Returned"
	case t.Graded:
		return "graded", "Graded"
	case t.TakenAt != nil && *t.Kind == course.ByCollect:
		return "collected", "Collected"
	case t.TakenAt != nil:
		return "submitted", "Submitted " + shortTime(*t.TakenAt, now, loc)
	case t.FetchedAt != nil && past:
		return "missing", "Not submitted"
	case t.FetchedAt != nil:
		return "progress", "In progress"
	case past:
		return "missing", "Not started"
	}
	return "todo", "Not started"
}

// lateText says by how much something was late.
func lateText(d time.Duration) string { return lasting(d) + " late" }
