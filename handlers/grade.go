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

// gradeWords name the states of a question.
var gradeWords = map[string]string{
	"needs": "Needs grading", "stale": "Marked before newer work came in", "waiting": "Tests have not run", "auto": "Passed the tests",
	"failed": "Failed tests", "empty": "No response", "marked": "Marked", "overridden": "Marked over the tests", "excused": "Excused", "missing": "Nothing handed in",
}

// gradeState is the state of a question of a kind. What no test looks at earns less
// than full points by itself only where nothing was written.
func gradeState(state, kind string) views.GradeState {
	if state == "failed" && kind != "tests" {
		state = "empty"
	}
	return views.GradeState{State: state, Word: gradeWords[state]}
}

// anonymous reports whether names are hidden from this visitor while grading:
// they are, until they say otherwise.
func (s *Site) anonymous(r *http.Request) bool {
	return !s.sessions.GetBool(r.Context(), "grade-names")
}

// gradeNames shows or hides names, for this visitor, until they sign out.
func (s *Site) gradeNames(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if r.PostFormValue("names") == "on" { // they are hidden now
		s.sessions.Put(r.Context(), "grade-names", true)
	} else {
		s.sessions.Remove(r.Context(), "grade-names")
	}
	return seeOther(w, r, gradePath(v.course.Slug, v.assignment.Slug))
}

// gradeGrid is the class with every question: where it stands, and what is left.
func (s *Site) gradeGrid(w http.ResponseWriter, r *http.Request) error {
	v, ctx := visitOf(r), r.Context()
	c, a := v.course.Slug, v.assignment.Slug
	anonymous := s.anonymous(r)
	page := views.GradeGridView{Page: s.assignmentFrame(r, "Grade", "grade"), Anonymous: anonymous, Next: gradeNextPath(c, a), Names: gradeNamesPath(c, a)}
	questions, err := s.Store.GradeQuestions(ctx, v.assignment.ID)
	if err != nil {
		return err
	}
	if page.Empty = emptyGrid(v, questions); page.Empty.Title != "" {
		return s.show(w, r, views.GradeGrid(page))
	}
	sections, err := s.Store.Sections(ctx, v.course.ID)
	if err != nil {
		return err
	}
	q, n := gradeQueryOf(r, anonymous)
	rows, err := s.Store.GradeTable(ctx, v.assignment.ID, q)
	if err != nil {
		return err
	}
	base := gradePath(c, a)
	links := tableQuery{base: base, values: r.URL.Query()}
	page.Sub = pick(anonymous, "Names are hidden; the order is the same for everybody who grades.", "Names are shown.")
	page.Filter = gradeFilter(base, q, r.URL.Query().Get("of"), questions, sections)
	page.Who = links.head(pick(anonymous, "", "name"), pick(anonymous, "Paper", "Student"), q.Sort, q.Down, false)
	page.TotalHead = links.head("points", "Total", q.Sort, q.Down, true)
	page.Questions = gradeHeads(v, questions, links, q)
	total, handed := 0, 0
	for _, g := range questions {
		page.Left += g.Needs
		handed = max(handed, g.Papers)
	}
	for _, g := range rows {
		total = g.Total
		page.Rows = append(page.Rows, gradeGridRow(v, g, questions, anonymous))
	}
	page.Pages = links.pages(n, total)
	page.Figures = gradeFigures(questions, handed)
	for _, state := range []string{"needs", "stale", "waiting", "auto", "failed", "empty", "marked", "overridden", "excused", "missing"} {
		page.Legend = append(page.Legend, gradeState(state, "tests"))
	}
	return s.show(w, r, views.GradeGrid(page))
}

// emptyGrid says what is missing before anything can be graded.
func emptyGrid(v *visit, questions []store.GradeQuestion) views.EmptyView {
	c, a := v.course.Slug, v.assignment.Slug
	switch {
	case v.assignment.ReleasedAt == nil:
		return views.EmptyView{Icon: "send", Title: "Not released yet", Text: "Papers appear here once students have the assignment and hand it in.", Action: "Go to release", URL: assignmentPart(c, a, "release")}
	case len(questions) == 0:
		return views.EmptyView{Icon: "clipboard-list", Title: "No question gives points", Text: "No cell of this assignment is marked to be graded. A mark for the whole can be given under Marks.", Action: "Go to marks", URL: marksPath(c, a)}
	}
	return views.EmptyView{}
}

func gradeQueryOf(r *http.Request, anonymous bool) (q store.GradeQuery, page int) {
	ask := r.URL.Query()
	page = max(1, atoi(ask.Get("page")))
	q = store.GradeQuery{Section: ask.Get("section"), State: ask.Get("state"), Sort: ask.Get("sort"), Down: ask.Get("dir") == "down",
		Limit: rowsPerPage, Offset: (page - 1) * rowsPerPage}
	q.Question, _ = course.ParseQuestion(ask.Get("of"))
	switch {
	case anonymous && (q.Sort == "name" || q.Sort == "login"):
		q.Sort = "" // an order by name would tell names
	case !anonymous && q.Sort == "":
		q.Sort = "name"
	}
	return q, page
}

func gradeFilter(base string, q store.GradeQuery, of string, questions []store.GradeQuestion, sections []string) views.FilterView {
	f := views.FilterView{URL: base, Keep: keepSort(q.Sort, q.Down)}
	state := views.FieldView{Name: "state", Label: "Show"}
	for _, o := range [][2]string{{"", "All papers"}, {"needs", "Needs grading"}, {"flagged", "Flagged"}, {"waiting", "Tests have not run"}, {"missing", "Nothing handed in"}} {
		state.Options = append(state.Options, views.Option{Value: o[0], Text: o[1], Selected: o[0] == q.State})
	}
	question := views.FieldView{Name: "of", Label: "In question", Options: []views.Option{{Text: "Any"}}}
	for _, g := range questions {
		question.Options = append(question.Options, views.Option{Value: g.QuestionKey.String(), Text: g.Notebook + ": " + g.Question, Selected: g.QuestionKey.String() == of})
	}
	f.Selects = append(f.Selects, state, question)
	if len(sections) > 0 {
		section := views.FieldView{Name: "section", Label: "Section", Options: []views.Option{{Text: "All sections"}}}
		for _, name := range sections {
			section.Options = append(section.Options, views.Option{Value: name, Text: name, Selected: name == q.Section})
		}
		f.Selects = append(f.Selects, section)
	}
	if q.Section != "" || q.State != "" || of != "" {
		f.Clear = base
	}
	return f
}

var kindWords = map[string]string{"tests": "tests", "manual": "by hand", "task": "task"}

// gradeHeads are the questions' columns; a notebook is named where it begins.
func gradeHeads(v *visit, questions []store.GradeQuestion, links tableQuery, q store.GradeQuery) (out []views.GradeHead) {
	was := ""
	for _, g := range questions {
		key := g.QuestionKey.String()
		h := views.GradeHead{Sub: kindWords[g.Kind] + " · " + pointsText(g.Max), Question: key, Done: g.Papers - g.Needs - g.Waiting, Of: g.Papers, Left: g.Needs,
			Rubric: rubricAt(v.course.Slug, v.assignment.Slug, g.QuestionKey, 0, ""), Sort: views.SortView{Text: g.Question, Numeric: true}}
		h.Sort.URL = links.with("sort", "question", "of", key, "dir", "", "page", "")
		if q.Sort == "question" && q.Question == g.QuestionKey {
			h.Sort.Sort = pick(q.Down, "descending", "ascending")
			h.Sort.URL = links.with("sort", "question", "of", key, "dir", pick(q.Down, "", "down"), "page", "")
		}
		if g.Mean != nil {
			h.Mean = pointsText(*g.Mean)
		}
		if g.Notebook != was {
			h.Notebook, was = g.Notebook, g.Notebook
		}
		out = append(out, h)
	}
	return out
}

func gradeFigures(questions []store.GradeQuestion, handed int) []views.Figure {
	needs, waiting, flagged, all := 0, 0, 0, 0
	for _, g := range questions {
		needs, waiting, flagged, all = needs+g.Needs, waiting+g.Waiting, flagged+g.Flagged, all+g.Papers
	}
	out := []views.Figure{{Label: "Papers", Value: strconv.Itoa(handed)}, {Label: "Answers marked", Value: strconv.Itoa(all - needs - waiting), Of: fmt.Sprintf("of %d", all)},
		{Label: "Need grading", Value: strconv.Itoa(needs)}}
	if waiting > 0 {
		out = append(out, views.Figure{Label: "Wait for their tests", Value: strconv.Itoa(waiting)})
	}
	if flagged > 0 {
		out = append(out, views.Figure{Label: "Flagged", Value: strconv.Itoa(flagged)})
	}
	return out
}

// gradeGridRow is one student; questions without a cell are those of somebody who
// handed in nothing.
func gradeGridRow(v *visit, g store.GradeRow, questions []store.GradeQuestion, anonymous bool) views.GradeGridRow {
	c, a := v.course.Slug, v.assignment.Slug
	row := views.GradeGridRow{Name: paperName(g.Number, g.Login, g.Name, anonymous), Sub: pick(anonymous, g.Section, joined(g.Login, g.Section)), Late: g.Late, Total: formatRounded(g.Points)}
	cells := map[course.QuestionKey]store.GradeCell{}
	for _, cell := range g.Cells {
		cells[cell.QuestionKey] = cell
	}
	for i, q := range questions {
		cell, ok := cells[q.QuestionKey]
		if !ok {
			cell = store.GradeCell{QuestionKey: q.QuestionKey, State: "missing"}
		}
		out := views.GradeGridCell{GradeState: gradeState(cell.State, cell.Kind), Mark: formatRounded(cell.Points), Flagged: cell.Flagged}
		if cell.Extra > 0 && cell.Points != nil {
			out.Extra = "+" + pointsText(cell.Extra)
		}
		if g.Number != nil {
			out.URL = gradeAt(c, a, *g.Number, q.QuestionKey, "")
			if i == 0 {
				row.URL = gradeAt(c, a, *g.Number, q.QuestionKey, "student")
			}
		}
		row.Cells = append(row.Cells, out)
	}
	switch {
	case g.Excused:
		row.TotalSub = "excused"
	case g.Whole != nil:
		row.TotalSub = "as a whole"
	case g.Penalty > 0:
		row.TotalSub = "−" + pointsText(g.Penalty) + " late"
	}
	if !anonymous {
		row.TotalURL = markPath(c, a, g.Login)
	}
	return row
}

// paperName is what a paper is called: its number, or whose it is.
func paperName(number *int, login, name string, anonymous bool) string {
	switch {
	case !anonymous:
		return cmp.Or(name, login)
	case number == nil:
		return "Nothing handed in"
	}
	return fmt.Sprintf("Paper %d", *number)
}

func joined(a, b string) string {
	if b == "" {
		return a
	}
	return a + " · " + b
}

// formatRounded is points to the hundredth; "" for nil.
func formatRounded(p *float64) string {
	if p == nil {
		return ""
	}
	return pointsText(*p)
}

// gradeNext hands out the next paper that waits, and that nobody else reads.
func (s *Site) gradeNext(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	c, a, by := v.course.Slug, v.assignment.Slug, byStudent(r.PostFormValue("by"))
	k, _ := course.ParseQuestion(r.PostFormValue("question"))
	number, at, err := s.Store.NextPaper(r.Context(), v.assignment.ID, k, atoi(r.PostFormValue("after")), v.user.ID)
	if err != nil {
		return err
	}
	if number == 0 {
		s.flash(r, "good", pick(k.Question == "", "Nothing is left that nobody else is reading.", "Nothing is left in this question that nobody else is reading."))
		return seeOther(w, r, gradePath(c, a))
	}
	return seeOther(w, r, gradeAt(c, a, number, at, by))
}

// byStudent is the order of the queue, as addresses say it.
func byStudent(s string) string { return pick(s == "student", "student", "") }
