package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// feedback is the table of who has feedback, and for whom some is ready.
func (s *Site) feedback(w http.ResponseWriter, r *http.Request) error {
	return s.feedbackPage(w, r, http.StatusOK, nil)
}

func (s *Site) feedbackPage(w http.ResponseWriter, r *http.Request, status int, errs []views.FieldError) error {
	v := visitOf(r)
	q, n := feedbackQueryOf(r)
	rows, err := s.Store.FeedbackTable(r.Context(), v.assignment.ID, q)
	if err != nil {
		return err
	}
	counts, err := s.Store.FeedbackCounts(r.Context(), v.assignment.ID)
	if err != nil {
		return err
	}
	c, a := v.course.Slug, v.assignment.Slug
	base := feedbackPath(c, a)
	links := tableQuery{base: base, values: r.URL.Query()}
	page := views.FeedbackView{Page: s.assignmentFrame(r, "Feedback", "feedback"), Errors: errs, FilesError: errorOf(errs, "files"), Upload: base,
		Return: returnPath(c, a), Withdraw: withdrawPath(c, a), Students: counts.Students, Ready: counts.Ready, Marks: marksPath(c, a),
		Figures: feedbackFigures(counts), Filter: feedbackFilter(base, q), ReturnAll: returnConfirm(v, counts)}
	page.Warnings = beforeReturn(counts)
	for _, h := range []struct{ key, text string }{{"", "Student"}, {"staged", "Ready"}, {"returned", "Returned"}} {
		page.Heads = append(page.Heads, links.head(h.key, h.text, q.Sort, q.Down, false))
	}
	if err := s.fillMaking(r, &page); err != nil {
		return err
	}
	if err := s.fillReturning(r, &page); err != nil {
		return err
	}
	total := 0
	for _, f := range rows {
		total = f.Total
		page.Rows = append(page.Rows, s.feedbackRow(v, f))
	}
	page.Pages = links.pages(n, total)
	return s.showStatus(w, r, status, views.Feedback(page))
}

func feedbackQueryOf(r *http.Request) (q store.FeedbackQuery, page int) {
	ask := r.URL.Query()
	page = max(1, atoi(ask.Get("page")))
	return store.FeedbackQuery{Text: clip(ask.Get("q"), 100), State: ask.Get("state"), Sort: ask.Get("sort"), Down: ask.Get("dir") == "down",
		Limit: rowsPerPage, Offset: (page - 1) * rowsPerPage}, page
}

func feedbackFigures(c store.FeedbackCounts) []views.Figure {
	of := fmt.Sprintf("of %d", c.Students)
	return []views.Figure{{Label: "Ready to return", Value: strconv.Itoa(c.Ready), Of: of},
		{Label: "Returned", Value: strconv.Itoa(c.Returned), Of: of}, {Label: "Seen", Value: strconv.Itoa(c.Seen), Of: fmt.Sprintf("of %d", c.Returned)}}
}

func feedbackFilter(base string, q store.FeedbackQuery) views.FilterView {
	f := views.FilterView{URL: base, Query: q.Text, Search: "Search students", Keep: keepSort(q.Sort, q.Down)}
	state := views.FieldView{Name: "state", Label: "State"}
	for _, o := range [][2]string{{"", "Everybody"}, {"ready", "Ready to return"}, {"waiting", "Nothing to return yet"}, {"returned", "Returned"}, {"unseen", "Returned, not seen"}} {
		state.Options = append(state.Options, views.Option{Value: o[0], Text: o[1], Selected: o[0] == q.State})
	}
	f.Selects = append(f.Selects, state)
	if q.Text != "" || q.State != "" {
		f.Clear = base
	}
	return f
}

// feedbackRow says what a student has and what waits for them.
func (s *Site) feedbackRow(v *visit, f store.FeedbackRow) views.FeedbackRow {
	now, loc := s.Now(), v.course.Location()
	row := views.FeedbackRow{Login: f.Login, Name: cmp.Or(f.Name, f.Login), Mark: markPath(v.course.Slug, v.assignment.Slug, f.Login),
		Ready: f.Ready(), Returned: f.ReturnedAt != nil, StagedAt: whenIf(f.StagedAt, now, loc, ""), ReturnedAt: whenIf(f.ReturnedAt, now, loc, ""),
		Staged: fileNames(f.StagedFiles), ReturnedFiles: fileNames(f.ReturnedFiles)}
	if f.Submitted {
		row.Work = workOfPath(v.course.Slug, v.assignment.Slug, f.Login)
	}
	if f.Points != nil {
		row.Points = pointsText(*f.Points)
	}
	if f.Open > 0 {
		row.Open = plural(f.Open, "answer") + " to mark"
	}
	switch {
	case f.Newer && f.ReturnedAt != nil:
		row.Waits = "a changed mark"
	case f.Newer:
		row.Waits = "a mark"
	}
	switch {
	case f.Ready() && f.ReturnedAt != nil:
		row.State, row.StateText = "soon", "Newer to return"
	case f.Ready():
		row.State, row.StateText = "checked", "Ready"
	case f.ReturnedAt != nil && f.SeenAt != nil:
		row.State, row.StateText, row.Seen = "returned", "Seen", "seen "+inWords(*f.SeenAt, now)
	case f.ReturnedAt != nil:
		row.State, row.StateText = "returned", "Returned"
	default:
		row.State, row.StateText = "todo", "Nothing yet"
	}
	row.Confirm = withdrawConfirm(v, "withdraw-"+f.Login, []store.FeedbackRow{f})
	return row
}

func fileNames(files []course.File) (out []views.FeedbackFile) {
	for _, f := range files {
		out = append(out, views.FeedbackFile{Name: f.Path, Size: sizeText(f.Bytes)})
	}
	return out
}

// returnConfirm asks before everything that is ready is returned.
func returnConfirm(v *visit, counts store.FeedbackCounts) views.ConfirmView {
	c, a, ready := v.course.Slug, v.assignment.Slug, counts.Ready
	confirm := views.ConfirmView{ID: "return-all", Title: "Return feedback to " + plural(ready, "student") + "?",
		Text:   "They see their marks, comments and feedback files at once, on their page and in the folder “feedback” of their workspace.",
		Keeps:  "Who has nothing ready is left out. You can withdraw what you returned, but not make anybody forget it.",
		Button: "Return to " + plural(ready, "student"), Kind: "primary", Action: returnPath(c, a), Back: feedbackPath(c, a),
		Fields: []views.Option{{Value: "all", Text: "ready"}}}
	for _, w := range beforeReturn(counts) {
		confirm.Text = w + " " + confirm.Text
	}
	return confirm
}

// beforeReturn is what one should know of what is ready before it is returned.
func beforeReturn(c store.FeedbackCounts) (warnings []string) {
	if c.Unfinished > 0 {
		warnings = append(warnings, fmt.Sprintf("%d of these %d have answers that are not marked yet. They would be shown the points they have so far, and those answers without any.", c.Unfinished, c.Ready))
	}
	if c.Unmade > 0 {
		warnings = append(warnings, fmt.Sprintf("%d of these %d have no feedback page, or none with their marks as they are now: they would be shown their points and comments alone. “Make feedback” makes the pages.", c.Unmade, c.Ready))
	}
	return warnings
}

// withdrawConfirm asks before feedback is taken out of students' sight.
func withdrawConfirm(v *visit, id string, rows []store.FeedbackRow) views.ConfirmView {
	c, a := v.course.Slug, v.assignment.Slug
	who, newer := plural(len(rows), "student"), false
	if len(rows) == 1 {
		who = cmp.Or(rows[0].Name, rows[0].Login)
	}
	confirm := views.ConfirmView{ID: id, Title: "Withdraw the feedback of " + who + "?",
		Text:   "It disappears from the student's page and workspace at once. Who has downloaded it already keeps that copy.",
		Keeps:  "The marks stay as they are, and the files wait here to be returned again. Requests for a regrade stay too.",
		Button: "Withdraw", Kind: "danger", Action: withdrawPath(c, a), Back: feedbackPath(c, a)}
	for _, f := range rows {
		newer = newer || f.StagedAt != nil && len(f.ReturnedFiles) > 0
		confirm.Fields = append(confirm.Fields, views.Option{Value: "login", Text: f.Login})
	}
	if newer {
		confirm.Keeps = "The marks stay as they are, and the newer files that wait here stay. Requests for a regrade stay too."
		confirm.Loses = "The returned files themselves: newer ones have been uploaded in their place."
	}
	return confirm
}
