package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"lectern/store"
	"lectern/views"
)

// regradeBegin is how much of a reason the list shows, in bytes.
const regradeBegin = 140

// regradeList is the course's requests: those that wait for the visitor first.
func (s *Site) regradeList(w http.ResponseWriter, r *http.Request) error {
	v, ctx, ask := visitOf(r), r.Context(), r.URL.Query()
	anonymous, n := s.anonymous(r), max(1, atoi(ask.Get("page")))
	q := store.RegradeQuery{Assignment: ask.Get("assignment"), State: ask.Get("state"), Grader: ask.Get("grader"), Sort: ask.Get("sort"), Down: ask.Get("dir") == "down",
		ByName: !anonymous, Limit: rowsPerPage, Offset: (n - 1) * rowsPerPage}
	rows, err := s.Store.RegradeList(ctx, v.course.ID, v.user.ID, q)
	if err != nil {
		return err
	}
	choices, err := s.Store.RegradeChoices(ctx, v.course.ID)
	if err != nil {
		return err
	}
	waiting, err := s.Store.RegradesWaiting(ctx, v.user.ID)
	if err != nil {
		return err
	}
	base := regradesPath(v.course.Slug)
	links := tableQuery{base: base, values: ask}
	page := views.RegradeListView{Page: s.coursePage(r, "Regrade requests", "regrades"), Anonymous: anonymous, Sub: regradesWait(waiting[v.course.ID]),
		Filter: regradeFilter(base, q, choices), Empty: emptyRegrades(base, q)}
	page.Page.Width = "wide"
	for _, h := range [][2]string{{"question", "Question"}, {"student", pick(anonymous, "Paper", "Student")}, {"assignment", "Assignment"}, {"asked", "Asked"}, {"state", "State"}, {"grader", "Grader"}} {
		page.Heads = append(page.Heads, links.head(h[0], h[1], q.Sort, q.Down, false))
	}
	total := 0
	for _, g := range rows {
		total = g.Total
		page.Rows = append(page.Rows, s.regradeRow(v, g, anonymous))
	}
	page.Pages = links.pages(n, total)
	return s.show(w, r, views.RegradeList(page))
}

// regradesWait says how many requests wait for the visitor; "" for none.
func regradesWait(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 regrade request waits for you"
	}
	return fmt.Sprintf("%d regrade requests wait for you", n)
}

func (s *Site) regradeRow(v *visit, g store.Regrade, anonymous bool) views.RegradeRow {
	c, state := v.course.Slug, regradeStates[g.State]
	row := views.RegradeRow{Who: paperName(g.Number, g.Login, g.Name, anonymous), WhoLabel: pick(anonymous, "Paper", "Student"), Assignment: g.Title, Question: g.Question, Notebook: g.Notebook,
		Reason: strings.ToValidUTF8(clip(g.Reason, regradeBegin), ""), Asked: when(g.AskedAt, s.Now(), v.course.Location()), State: state[0], StateText: state[1],
		Points: regradeChange(g) + " of " + pointsText(g.Max), Grader: regradeGrader(g), Mine: g.Open() && g.Mine, URL: regradePath(c, g.ID), History: regradePath(c, g.ID)}
	if len(g.Reason) > len(row.Reason) {
		row.Reason += "…"
	}
	if g.Dropped {
		row.Gone = "no longer in the course"
	}
	if g.Open() {
		row.URL = regradeAt(c, g)
	}
	if mayTake(v, g) {
		row.Take = regradePath(c, g.ID) + "/take"
	}
	return row
}

// regradeGrader is whose a request is.
func regradeGrader(g store.Regrade) string {
	if g.GraderID == nil {
		return "Instructors"
	}
	return cmp.Or(*g.GraderName, *g.Grader)
}

func regradeFilter(base string, q store.RegradeQuery, choices []store.RegradeChoice) views.FilterView {
	f := views.FilterView{URL: base, Keep: keepSort(q.Sort, q.Down)}
	pickFrom := func(name, label, chosen string, options ...views.Option) {
		for i := range options {
			options[i].Selected = options[i].Value == chosen
		}
		f.Selects = append(f.Selects, views.FieldView{Name: name, Label: label, Options: options})
	}
	assignments, graders := []views.Option{{Text: "All"}}, []views.Option{{Text: "Everybody"}, {Value: "me", Text: "Waits for me"}, {Value: "nobody", Text: "Instructors"}}
	for _, c := range choices {
		o := views.Option{Value: c.Value, Text: c.Text}
		if c.Kind == "assignment" {
			assignments = append(assignments, o)
		} else {
			graders = append(graders, o)
		}
	}
	pickFrom("assignment", "Assignment", q.Assignment, assignments...)
	pickFrom("state", "State", q.State, views.Option{Text: "All"}, views.Option{Value: "open", Text: "Asked"}, views.Option{Value: "answered", Text: "Answered"}, views.Option{Value: "withdrawn", Text: "Withdrawn"})
	pickFrom("grader", "Grader", q.Grader, graders...)
	if q.Assignment != "" || q.State != "" || q.Grader != "" {
		f.Clear = base
	}
	return f
}

func emptyRegrades(base string, q store.RegradeQuery) views.EmptyView {
	if q.Assignment != "" || q.State != "" || q.Grader != "" {
		return views.EmptyView{Icon: "inbox", Title: "No request fits this filter", Text: "There may be others.", Action: "Show all", URL: base}
	}
	return views.EmptyView{Icon: "inbox", Title: "No regrade requests", Text: "Students can ask about a question once their feedback is returned, for as many days as the assignment's settings say. Each request goes to who gave the mark."}
}
