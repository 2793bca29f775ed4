package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"lectern/course"
	"lectern/exchange"
	"lectern/store"
	"lectern/views"
)

const rowsPerPage = 100

// submissions is the table of who handed in what.
func (s *Site) submissions(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	f, n := filterOf(r)
	table, err := s.Store.SubmissionTable(r.Context(), v.assignment.ID, f)
	if err != nil {
		return err
	}
	rows, counts := table.Rows, table.Counts
	sections, err := s.Store.Sections(r.Context(), v.course.ID)
	if err != nil {
		return err
	}
	base := assignmentPart(v.course.Slug, v.assignment.Slug, "submissions")
	q := tableQuery{base: base, values: r.URL.Query()}
	page := views.SubmissionsView{Page: s.assignmentFrame(r, "Submissions", "submissions"), Figures: submissionFigures(counts),
		Filter: submissionFilter(base, f, sections), Zip: base + ".zip", Collect: assignmentPart(v.course.Slug, v.assignment.Slug, "collect"),
		MayCollect: counts.Opened > 0, Students: counts.Students, Opened: counts.Opened, Released: v.assignment.ReleasedAt != nil}
	for _, h := range []struct{ key, text string }{{"", "Student"}, {"submitted", "Handed in"}, {"late", "Late by"}, {"points", "Points"}} {
		page.Heads = append(page.Heads, q.head(h.key, h.text, f.Sort, f.Down, h.key == "points"))
	}
	page.Pages = q.pages(n, table.Total)
	members := make([]course.MemberID, len(rows))
	for i, row := range rows {
		members[i] = row.MemberID
	}
	runs, err := s.Store.RunStates(r.Context(), v.assignment.ID, members)
	if err != nil {
		return err
	}
	up, err := s.Store.CopiesUp(r.Context(), v.member.ID)
	if err != nil {
		return err
	}
	if len(up) > 0 {
		page.Copies = runningPath(v.course.Slug)
	}
	page.Autograde = runsPath(v.course.Slug, v.assignment.Slug)
	for _, row := range rows {
		out := s.submissionRow(v, base, row)
		if run, ok := runs[row.MemberID]; ok {
			out.Auto, out.AutoText = runStates[run.State][0], runStates[run.State][1]
			if run.Flagged {
				out.Auto, out.AutoText = "warn", "Done, flagged"
			}
			if out.State == "graded" && run.State == "done" && run.ByHand == 0 && !run.Marked {
				out.State, out.StateText = "ok", "Autograded"
			}
			if run.Points != nil && run.Max != nil {
				out.AutoScore = pointsText(*run.Points) + " of " + pointsText(*run.Max)
			}
		}
		page.Rows = append(page.Rows, out)
	}
	if batch, err := strconv.ParseInt(r.FormValue("collecting"), 10, 64); err == nil {
		p, err := s.Store.CollectProgress(r.Context(), v.assignment.ID, batch)
		if err != nil {
			return err
		}
		page.Collecting = collectView(p, s.Now().Sub(time.UnixMicro(batch)))
		page.Collected = p.Done == p.Total
		page.Events = assignmentPart(v.course.Slug, v.assignment.Slug, "collect") + "?batch=" + strconv.FormatInt(batch, 10)
	}
	return s.show(w, r, views.Submissions(page))
}

func filterOf(r *http.Request) (f store.SubmissionFilter, page int) {
	q := r.URL.Query()
	page, _ = strconv.Atoi(q.Get("page"))
	page = max(1, min(page, 1_000_000))
	return store.SubmissionFilter{Search: clip(q.Get("q"), 100), Section: q.Get("section"), State: q.Get("state"), Sort: q.Get("sort"),
		Down: q.Get("dir") == "down", Limit: rowsPerPage, Offset: (page - 1) * rowsPerPage}, page
}

func submissionFigures(c store.SubmissionCounts) []views.Figure {
	of := fmt.Sprintf("of %d", c.Students)
	return []views.Figure{{Label: "Opened", Value: strconv.Itoa(c.Opened), Of: of}, {Label: "Handed in", Value: strconv.Itoa(c.Submitted), Of: of},
		{Label: "Late", Value: strconv.Itoa(c.Late)}, {Label: "Marked", Value: strconv.Itoa(c.Marked), Of: fmt.Sprintf("of %d", c.Submitted)},
		{Label: "Returned", Value: strconv.Itoa(c.Returned), Of: fmt.Sprintf("of %d", c.Submitted)}}
}

func submissionFilter(base string, f store.SubmissionFilter, sections []string) views.FilterView {
	v := views.FilterView{URL: base, Query: f.Search, Search: "Search students"}
	state := views.FieldView{Name: "state", Label: "State"}
	for _, o := range [][2]string{{"", "All states"}, {"submitted", "Handed in"}, {"late", "Late"}, {"missing", "Missing"}, {"unopened", "Never opened"},
		{"unmarked", "To be marked"}, {"marked", "Marked"}, {"returned", "Returned"}} {
		state.Options = append(state.Options, views.Option{Value: o[0], Text: o[1], Selected: o[0] == f.State})
	}
	v.Selects = append(v.Selects, state)
	if len(sections) > 0 {
		section := views.FieldView{Name: "section", Label: "Section", Options: []views.Option{{Text: "All sections"}}}
		for _, name := range sections {
			section.Options = append(section.Options, views.Option{Value: name, Text: name, Selected: name == f.Section})
		}
		v.Selects = append(v.Selects, section)
	}
	if f.Sort != "" {
		v.Keep = append(v.Keep, views.Option{Value: "sort", Text: f.Sort})
	}
	if f.Down {
		v.Keep = append(v.Keep, views.Option{Value: "dir", Text: "down"})
	}
	if f.Search != "" || f.Section != "" || f.State != "" {
		v.Clear = base
	}
	return v
}

func (s *Site) submissionRow(v *visit, base string, row store.SubmissionRow) views.SubmissionRow {
	now, loc := s.Now(), v.course.Location()
	out := views.SubmissionRow{Login: row.Login, Name: row.Name, Section: row.Section, Attempts: row.Attempts, URL: base + "/" + url.PathEscape(row.Login),
		Marks: assignmentPart(v.course.Slug, v.assignment.Slug, "marks/"+url.PathEscape(row.Login)), At: whenIf(row.TakenAt, now, loc, "–"), Doubtful: row.Notes > 0}
	due := course.EffectiveDue(v.assignment.DueAt, row.OwnDueAt)
	switch {
	case row.ReturnedAt != nil:
		out.State, out.StateText = "returned", "Returned"
	case row.SubmissionID != nil && row.Needs > 0 && (row.Points != nil || row.Waiting == 0):
		out.State, out.StateText = "grading", fmt.Sprintf("Needs grading %d", row.Needs)
	case row.Points != nil && row.Waiting == 0:
		out.State, out.StateText = "graded", "Marked"
	case row.SubmissionID != nil && row.LateSeconds != nil && *row.LateSeconds > 0:
		out.State, out.StateText = "late", "Late"
	case row.SubmissionID != nil:
		out.State, out.StateText = "submitted", pick(row.Kind != nil && *row.Kind == course.ByCollect, "Collected", "Submitted")
	case row.CollectError != nil:
		out.State, out.StateText, out.Problem = "warn", "Nothing to collect", *row.CollectError
	case due != nil && now.After(*due):
		out.State, out.StateText = "missing", "Missing"
	case row.FetchedAt != nil:
		out.State, out.StateText = "progress", "In progress"
	default:
		out.State, out.StateText = "todo", "Not started"
	}
	if row.LateSeconds != nil && *row.LateSeconds > 0 {
		out.Late = lasting(time.Duration(*row.LateSeconds) * time.Second)
	}
	if row.Points != nil {
		out.Points = pointsText(*row.Points)
	}
	if row.OwnDueAt != nil {
		out.Extension = "due " + shortTime(*row.OwnDueAt, now, loc)
	}
	out.Handed = row.SubmissionID != nil
	if out.Handed && v.member.ID != 0 {
		out.Running = openRunningPath(v.course.Slug, v.assignment.Slug, row.Login, *row.SubmissionID)
	}
	return out
}

// submissionsZip streams the work that counts, of all or of the chosen students,
// in the fixed layout.
func (s *Site) submissionsZip(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	table, err := s.Store.SubmissionTable(r.Context(), v.assignment.ID, store.SubmissionFilter{State: "submitted"})
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return course.Problemf(course.Invalid, "That form could not be read.")
	}
	chosen := map[string]bool{}
	for _, login := range r.Form["login"] {
		chosen[login] = true
	}
	var items []exchange.Download
	for _, row := range table.Rows {
		if len(chosen) > 0 && !chosen[row.Login] {
			continue
		}
		at, err := time.Parse(course.SnapshotForm, *row.Snapshot)
		if err != nil {
			return fmt.Errorf("handlers: snapshot of submission %d: %w", *row.SubmissionID, err)
		}
		items = append(items, exchange.Download{Login: row.Login, Assignment: v.assignment.Slug, At: at})
	}
	if len(items) == 0 {
		return course.Problemf(course.NotFound, "Nobody has handed anything in yet.")
	}
	return s.sendZip(w, r, v.course.Slug+"-"+v.assignment.Slug, func() error { return s.Exchange.ZipSubmissions(r.Context(), w, v.course.Slug, items) })
}
