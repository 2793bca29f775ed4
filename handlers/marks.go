package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// marks is the table of a class with its marks, to be typed in.
func (s *Site) marks(w http.ResponseWriter, r *http.Request) error {
	return s.marksPage(w, r, http.StatusOK, nil)
}

// marksPage shows a part of the table or, after a form that came back, its rows
// with what was typed.
func (s *Site) marksPage(w http.ResponseWriter, r *http.Request, status int, typed map[string]markEntry) error {
	v := visitOf(r)
	q, n := markQueryOf(r)
	show := q
	if typed != nil { // the filter may no longer find the rows that are to be mended
		show = store.MarkQuery{Sort: q.Sort, Down: q.Down}
		for login := range typed {
			show.Logins = append(show.Logins, login)
		}
	}
	rows, err := s.Store.MarkTable(r.Context(), v.assignment.ID, show)
	if err != nil {
		return err
	}
	counts, err := s.Store.MarkCounts(r.Context(), v.assignment.ID)
	if err != nil {
		return err
	}
	c, a := v.course.Slug, v.assignment.Slug
	base := marksPath(c, a)
	links := tableQuery{base: base, values: r.URL.Query()}
	page := views.MarksView{Page: s.assignmentFrame(r, "Marks", "marks"), Figures: markFigures(counts, v.assignment.Points),
		Filter: markFilter(base, q, counts.Sections), Save: links.with(), Download: marksCSVPath(c, a), Import: importMarksPath(c, a),
		Students: counts.Students, Roster: pick(v.teaches(), rosterPath(c), ""), Max: pointsText(v.assignment.Points)}
	page.Page.Scripts = append(page.Page.Scripts, "marks.js")
	for _, h := range []struct{ key, text string }{{"", "Student"}, {"section", "Section"}, {"points", "Points"}, {"at", "Last change"}} {
		page.Heads = append(page.Heads, links.head(h.key, h.text, q.Sort, q.Down, false))
	}
	members := make([]course.MemberID, len(rows))
	for i, m := range rows {
		members[i] = m.MemberID
	}
	sums, err := s.Store.Totals(r.Context(), v.assignment.ID, members)
	if err != nil {
		return err
	}
	total := 0
	for _, m := range rows {
		total = m.Total
		row := s.markRow(v, m)
		if sum := sums[m.MemberID]; sum.Whole == nil {
			row.Sum = formatRounded(sum.Points())
		}
		if e, ok := typed[m.Login]; ok {
			e.fill(&row)
			page.Errors = append(page.Errors, e.errors(m.Login)...)
		}
		page.Rows = append(page.Rows, row)
	}
	if typed == nil {
		page.Pages = links.pages(n, total)
	}
	return s.showStatus(w, r, status, views.Marks(page))
}

func markQueryOf(r *http.Request) (q store.MarkQuery, page int) {
	ask := r.URL.Query()
	page = max(1, atoi(ask.Get("page")))
	return store.MarkQuery{Text: clip(ask.Get("q"), 100), Section: ask.Get("section"), State: ask.Get("state"), Sort: ask.Get("sort"),
		Down: ask.Get("dir") == "down", Limit: rowsPerPage, Offset: (page - 1) * rowsPerPage}, page
}

func markFigures(c store.MarkCounts, most float64) []views.Figure {
	figures := []views.Figure{{Label: "Marked", Value: strconv.Itoa(c.Marked), Of: fmt.Sprintf("of %d", c.Students)},
		{Label: "Handed in, not marked", Value: strconv.Itoa(c.Todo), Of: fmt.Sprintf("of %d", c.Submitted)}}
	if c.Mean != nil {
		figures = append(figures, views.Figure{Label: "Mean", Value: pointsText(*c.Mean), Of: "of " + pointsText(most)})
	}
	return figures
}

func markFilter(base string, q store.MarkQuery, sections []string) views.FilterView {
	f := views.FilterView{URL: base, Query: q.Text, Search: "Search students", Keep: keepSort(q.Sort, q.Down)}
	state := views.FieldView{Name: "state", Label: "State"}
	for _, o := range [][2]string{{"", "Everybody"}, {"todo", "Handed in, not marked"}, {"unmarked", "Not marked"}, {"marked", "Marked"}, {"missing", "Nothing handed in"}} {
		state.Options = append(state.Options, views.Option{Value: o[0], Text: o[1], Selected: o[0] == q.State})
	}
	f.Selects = append(f.Selects, state)
	if len(sections) > 0 {
		section := views.FieldView{Name: "section", Label: "Section", Options: []views.Option{{Text: "All sections"}}}
		for _, name := range sections {
			section.Options = append(section.Options, views.Option{Value: name, Text: name, Selected: name == q.Section})
		}
		f.Selects = append(f.Selects, section)
	}
	if q.Text != "" || q.Section != "" || q.State != "" {
		f.Clear = base
	}
	return f
}

// keepSort carries a table's order through its filter.
func keepSort(sort string, down bool) (keep []views.Option) {
	if sort != "" {
		keep = append(keep, views.Option{Value: "sort", Text: sort})
	}
	if down {
		keep = append(keep, views.Option{Value: "dir", Text: "down"})
	}
	return keep
}

// markRow is a student with the mark they have.
func (s *Site) markRow(v *visit, m store.MarkRow) views.MarkRow {
	c, a := v.course.Slug, v.assignment.Slug
	score := scoreOf(m)
	row := views.MarkRow{Login: m.Login, Name: cmp.Or(m.Name, m.Login), Section: m.Section, URL: markPath(c, a, m.Login),
		Points: formatPoints(score.Points), Comment: score.Comment, Event: eventText(m.EventID), Unseen: m.Unseen,
		At: whenIf(m.At, s.Now(), v.course.Location(), ""), By: byText(m.By, m.EventID != nil)}
	switch {
	case m.Late:
		row.State, row.StateText = "late", "Late"
	case m.Submitted:
		row.State, row.StateText = "submitted", "Handed in"
	default:
		row.State, row.StateText = "missing", "Nothing"
	}
	if m.Submitted {
		row.Work = workOfPath(c, a, m.Login)
	}
	if score.Above(v.assignment.Points) {
		row.Warning = "above " + pointsText(v.assignment.Points)
	}
	return row
}

// eventText is the value of the hidden field that says what a row was made from.
func eventText(id *int64) string {
	if id == nil {
		return "0"
	}
	return strconv.FormatInt(*id, 10)
}

// byText names who gave a mark.
func byText(login *string, marked bool) string {
	switch {
	case !marked:
		return ""
	case login == nil:
		return "autograder"
	}
	return *login
}

// marksAddress is the table again, as it was filtered and paged.
func marksAddress(r *http.Request, v *visit) string {
	return tableQuery{base: marksPath(v.course.Slug, v.assignment.Slug), values: keptQuery(r.URL.Query())}.with()
}

// keptQuery leaves only what the table knows in an address that is sent back.
func keptQuery(q url.Values) url.Values {
	out := url.Values{}
	for _, k := range []string{"q", "section", "state", "sort", "dir", "page"} {
		if v := q.Get(k); v != "" {
			out.Set(k, v)
		}
	}
	return out
}
