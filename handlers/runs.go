package handlers

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// runs is how far the autograding of an assignment is, and what came of it.
func (s *Site) runs(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	c, a := v.course.Slug, v.assignment.Slug
	live, total, err := s.runsLive(r)
	if err != nil {
		return err
	}
	settings, err := s.Store.RunSettings(r.Context(), v.assignment.ID)
	if err != nil {
		return err
	}
	q, n := runQueryOf(r)
	links := tableQuery{base: runsPath(c, a), values: keptQuery(r.URL.Query())}
	page := views.RunsView{Page: s.assignmentFrame(r, "Autograde", "runs"), Start: runsPath(c, a), Compare: comparePath(c, a), Source: assignmentPart(c, a, "source"),
		When: occasionText[settings.AutogradeOn], Filter: runFilter(runsPath(c, a), q), Pages: links.pages(n, total), Live: live,
		Events: tableQuery{base: runEventsPath(c, a), values: links.values}.with()}
	if v.assignment.ReleasedAt == nil {
		page.Why = "The assignment has not been released, so nobody has handed anything in."
	} else if v.assignment.Points == 0 {
		page.Why = "The assignment has no question that carries points."
	} else if live.Total > 0 {
		page.Grade = gradePath(c, a)
	}
	return s.show(w, r, views.Runs(page))
}

var occasionText = map[string]string{
	store.OnCollect: "By itself at the due time; late work when it is handed in.",
	store.OnSubmit:  "By itself each time work is handed in.",
	store.OnDemand:  "Only when somebody asks.",
}

func runQueryOf(r *http.Request) (store.RunQuery, int) {
	ask := r.URL.Query()
	n := min(max(1, atoi(ask.Get("page"))), 1_000_000)
	return store.RunQuery{State: ask.Get("state"), Search: clip(ask.Get("q"), 100), Limit: rowsPerPage, Offset: (n - 1) * rowsPerPage}, n
}

func runFilter(base string, q store.RunQuery) views.FilterView {
	f := views.FilterView{URL: base, Query: q.Search, Search: "Search students"}
	state := views.FieldView{Name: "state", Label: "State"}
	for _, o := range [][2]string{{"", "All states"}, {"queued", "Waiting"}, {"running", "Running"}, {"failed", "Failed"}, {"done", "Done"},
		{"flagged", "With flags"}, {"repaired", "With repairs"}, {"none", "Not autograded"}, {"cancelled", "Cancelled"}} {
		state.Options = append(state.Options, views.Option{Value: o[0], Text: o[1], Selected: o[0] == q.State})
	}
	f.Selects = append(f.Selects, state)
	if q.Search != "" || q.State != "" {
		f.Clear = base
	}
	return f
}

// runsLive is the part of the page that moves, and how many rows the filter leaves.
func (s *Site) runsLive(r *http.Request) (views.RunsLiveView, int, error) {
	v := visitOf(r)
	c, a := v.course.Slug, v.assignment.Slug
	counts, err := s.Store.RunCounts(r.Context(), v.assignment.ID, false)
	if err != nil {
		return views.RunsLiveView{}, 0, err
	}
	trial, err := s.Store.RunCounts(r.Context(), v.assignment.ID, true)
	if err != nil {
		return views.RunsLiveView{}, 0, err
	}
	q, _ := runQueryOf(r)
	rows, err := s.Store.RunTable(r.Context(), v.assignment.ID, q)
	if err != nil {
		return views.RunsLiveView{}, 0, err
	}
	of := fmt.Sprintf("of %d", counts.Submissions)
	live := views.RunsLiveView{Start: runsPath(c, a), Cancel: cancelRunsPath(c, a), Compare: comparePath(c, a), Failed: counts.Failed,
		New: counts.None + counts.Cancelled, Total: counts.Submissions, Progress: runProgress("autograde", "Autograding", counts),
		Figures: []views.Figure{{Label: "Done", Value: strconv.Itoa(counts.Done), Of: of}, {Label: "Waiting", Value: strconv.Itoa(counts.Queued)},
			{Label: "Running", Value: strconv.Itoa(counts.Running)}, {Label: "Failed", Value: strconv.Itoa(counts.Failed)},
			{Label: "To look at", Value: strconv.Itoa(counts.Flagged), Of: fmt.Sprintf("of %d", counts.Done)}}}
	switch {
	case trial.Queued+trial.Running > 0:
		live.Trial = fmt.Sprintf("A dry run is under way: %d of %d.", trial.Done+trial.Failed, trial.Submissions-trial.None)
	case trial.Done+trial.Failed > 0:
		live.Trial = "A dry run waits to be looked at. Nothing has been changed yet."
	}
	total := 0
	for _, row := range rows {
		total = row.Total
		live.Rows = append(live.Rows, s.runRow(v, row))
	}
	return live, total, nil
}

// runProgress is how far runs are in words; without a label nothing is under way.
func runProgress(id, label string, c store.RunCounts) views.ProgressView {
	moving := c.Queued + c.Running
	if moving == 0 {
		return views.ProgressView{}
	}
	asked := c.Submissions - c.None
	text := fmt.Sprintf("%d of %d · %d running · %d waiting", asked-moving, asked, c.Running, c.Queued)
	if others := c.Ahead - moving; others > 0 {
		text += fmt.Sprintf(" · in turn with %d of other assignments", others)
	}
	return views.ProgressView{ID: id, Label: label, Value: asked - moving, Max: asked, Text: text}
}

var runStates = map[string][2]string{
	"queued": {"queued", "Waiting"}, "running": {"running", "Running"}, "done": {"ok", "Done"}, "failed": {"failed", "Failed"}, "cancelled": {"closed", "Cancelled"},
}

func (s *Site) runRow(v *visit, row store.RunRow) views.RunRow {
	out := views.RunRow{Login: row.Login, Name: cmp.Or(row.Name, row.Login), Section: row.Section, URL: workOfPath(v.course.Slug, v.assignment.Slug, row.Login),
		State: "todo", StateText: "Not autograded", May: "start", Flags: append(row.Flags, row.Asked...)}
	if row.State == nil {
		return out
	}
	now, loc := s.Now(), v.course.Location()
	state := *row.State
	out.State, out.StateText = runStates[state][0], runStates[state][1]
	ago := func(t *time.Time) views.TimeView { // in words: the wall time of a job is nobody's concern
		w := whenIf(t, now, loc, "")
		return views.TimeView{At: w.At, Text: w.Away}
	}
	out.When = ago(cmp.Or(row.FinishedAt, row.StartedAt, row.QueuedAt))
	for _, p := range row.Repairs {
		text := p.Text
		if p.Question != "" {
			text = p.Question + ": " + text
		}
		out.Repairs = append(out.Repairs, p.Notebook+", "+text)
	}
	switch state {
	case "queued":
		out.May, out.When = "cancel", ago(row.QueuedAt)
		if *row.Attempts > 0 && *row.Error != "" {
			out.StateText, out.Why, out.Log = "Tried again soon", *row.Error, *row.Log
			if row.NotBefore.After(now) {
				out.When = ago(row.NotBefore)
			}
		}
	case "running":
		out.May, out.When = "cancel", ago(row.StartedAt)
	case "failed":
		out.May, out.Why, out.Log = "retry", *row.Error, *row.Log
	case "done":
		out.May, out.Log = "again", *row.Log
		if row.Points != nil && row.Max != nil {
			out.Score = pointsText(*row.Points) + " of " + pointsText(*row.Max)
		}
		if row.Needs > 0 {
			out.Needs = fmt.Sprintf("%d by hand", row.Needs)
		}
	}
	return out
}

// runEvents streams the moving part whenever it has changed. It ends with the
// visit, or when nothing has moved for long; the browser then asks again.
func (s *Site) runEvents(w http.ResponseWriter, r *http.Request) error {
	if _, _, err := s.runsLive(r); err != nil { // while it can still become a page
		return err
	}
	ev := startEvents(w)
	var last []byte
	quiet := 0
	for quiet < 3600 {
		live, _, err := s.runsLive(r)
		if err != nil {
			return nil // the stream has begun; the browser asks again
		}
		var b bytes.Buffer
		if err := views.RunsLive(live).Render(r.Context(), &b); err != nil {
			return nil
		}
		switch {
		case !bytes.Equal(b.Bytes(), last):
			if err := ev.text("fragment", b.String()); err != nil {
				return nil
			}
			last, quiet = b.Bytes(), 0
		case quiet%20 == 19:
			if err := ev.alive(); err != nil {
				return nil
			}
		}
		quiet++
		pause := 700 * time.Millisecond
		if live.Progress.Label == "" && live.Trial == "" {
			pause = 2 * time.Second // nothing moves
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-time.After(pause):
		}
	}
	return nil
}

// startRuns puts runs into the queue: of all, of those without a result, of those
// that failed, or of the students who are named; as a dry run if the form says so.
func (s *Site) startRuns(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	c, a := v.course.Slug, v.assignment.Slug
	members, err := s.chosenMembers(r)
	if err != nil {
		return err
	}
	ask := store.RunAsk{AssignmentID: v.assignment.ID, Members: members, Trial: r.PostFormValue("dry") == "on", FreshImage: r.PostFormValue("fresh") == "on", By: v.user.ID}
	switch which := r.PostFormValue("which"); which {
	case "new", "failed":
		ask.Only = which
	case "all":
	case "":
		if len(members) == 0 && !ask.Trial {
			s.flash(r, "info", "Nobody was chosen.")
			return seeOther(w, r, runsPath(c, a))
		}
	default:
		return course.Problemf(course.Invalid, "That form could not be read. Nothing was started.")
	}
	n := 0
	err = s.Store.InTx(r.Context(), func(tx *store.Store) error {
		if ask.Trial && ask.Only == "" && members == nil {
			// A dry run of everything is a new one: what an earlier one found would only mislead.
			if err := tx.DropTrial(r.Context(), ask.AssignmentID); err != nil {
				return err
			}
		} else if !ask.Trial {
			if err := tx.UseChecked(r.Context(), ask.AssignmentID); err != nil {
				return err
			}
		}
		if n, err = tx.AskRuns(r.Context(), ask); err != nil || n == 0 {
			return err
		}
		return tx.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: v.assignment.ID,
			Verb: pick(ask.Trial, "asked for a dry run", "asked for autograding"), Detail: plural(n, "submission")})
	})
	if err != nil {
		return err
	}
	if n == 0 {
		s.flash(r, "info", "There is nothing to autograde, or it waits already.")
	}
	if ask.Trial {
		return seeOther(w, r, comparePath(c, a))
	}
	return seeOther(w, r, runsPath(c, a))
}

// chosenMembers are the members whose logins a form names; nil if it names none.
func (s *Site) chosenMembers(r *http.Request) ([]course.MemberID, error) {
	if err := r.ParseForm(); err != nil {
		return nil, course.Problemf(course.Invalid, "That form could not be read. Nothing was changed.")
	}
	logins := r.PostForm["login"]
	if len(logins) == 0 {
		return nil, nil
	}
	return s.Store.MembersByLogin(r.Context(), visitOf(r).course.ID, logins)
}

// cancelRuns ends what waits or runs, of one student or of all.
func (s *Site) cancelRuns(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	members, err := s.chosenMembers(r)
	if err != nil {
		return err
	}
	n, err := s.Store.CancelRuns(r.Context(), v.assignment.ID, members, false)
	if err != nil {
		return err
	}
	if n > 0 {
		if err := s.record(r, "cancelled autograding", v.assignment, plural(n, "submission")); err != nil {
			return err
		}
	}
	s.flash(r, "info", fmt.Sprintf("Cancelled: %s. Results there were stay.", plural(n, "submission")))
	return seeOther(w, r, runsPath(v.course.Slug, v.assignment.Slug))
}
