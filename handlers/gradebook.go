package handlers

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// bookRows is how many students a page of the gradebook shows; each has a cell an assignment.
const bookRows = 50

// gradebook is the table of students and assignments.
func (s *Site) gradebook(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	ask := bookAskOf(r)
	b, err := s.readBook(r.Context(), v.course, ask.BookQuery)
	if err != nil {
		return err
	}
	if err := b.sortBy(ask.order, ask.down); err != nil {
		return err
	}
	all := len(b.members)
	b.page((ask.page-1)*bookRows, bookRows)
	students, err := s.Store.BookStudents(r.Context(), b.members)
	if err != nil {
		return err
	}
	sections, err := s.Store.Sections(r.Context(), v.course.ID)
	if err != nil {
		return err
	}
	base := gradebookPath(v.course.Slug)
	links := tableQuery{base: base, values: keptQuery(r.URL.Query())}
	page := views.GradebookView{Page: s.coursePage(r, "Gradebook", "gradebook"), Filter: bookFilter(base, ask, sections), Settings: bookSettingsPath(v.course.Slug), MayEdit: v.teaches(),
		Pages: links.pagesOf(ask.page, all, bookRows), Nbgrader: bookFilePath(v.course.Slug, "nbgrader.csv"), Moodle: bookFilePath(v.course.Slug, "moodle.csv"),
		Excel: bookFilePath(v.course.Slug, "gradebook.xlsx"), Canvas: bookCanvasPath(v.course.Slug), Letters: len(b.rule.Letters) > 0}
	page.Page.Width = "wide"
	page.Name = links.head("", "Student", ask.order, ask.down, false)
	page.Total = links.head("total", "Total", ask.order, ask.down, true)
	for _, a := range b.assignments {
		page.Heads = append(page.Heads, views.BookHead{Sort: links.head(sortByAssignment+a.Slug, a.Title, ask.order, ask.down, true),
			Statistics: statisticsPath(v.course.Slug, a.Slug), Title: a.Title, Most: "of " + pointsText(a.Points), Group: a.GradeGroup})
	}
	entries := make([]course.BookEntry, 0, len(b.assignments))
	for i, st := range students {
		page.Rows = append(page.Rows, bookRow(v, b, i, st, b.total(i, entries)))
	}
	return s.show(w, r, views.Gradebook(page))
}

// sortByAssignment begins the name of an order by the points in one assignment.
const sortByAssignment = "points."

// bookAsk is what an address of the gradebook asks for.
type bookAsk struct {
	store.BookQuery
	order string // as in the address
	down  bool
	page  int
}

func bookAskOf(r *http.Request) bookAsk {
	ask := r.URL.Query()
	a := bookAsk{order: ask.Get("sort"), down: ask.Get("dir") == "down", page: min(max(1, atoi(ask.Get("page"))), 1_000_000)}
	a.Search, a.Section = clip(ask.Get("q"), 100), ask.Get("section")
	if a.order != "total" && !strings.HasPrefix(a.order, sortByAssignment) { // of equals there, by name
		a.Sort, a.Down = a.order, a.down
	}
	return a
}

// sortBy puts the students in an order that the database does not know, if it is one.
func (b *book) sortBy(sort string, down bool) error {
	slug, of := strings.CutPrefix(sort, sortByAssignment)
	if !of && sort != "total" {
		return nil
	}
	b.fill()
	switch {
	case !of:
		entries := make([]course.BookEntry, 0, len(b.assignments))
		b.sort(down, func(i int) *float64 { return b.total(i, entries).Percent })
	default:
		j := slices.IndexFunc(b.assignments, func(a store.BookAssignment) bool { return a.Slug == slug })
		if j < 0 {
			return course.Problemf(course.Invalid, "The gradebook knows no such order.")
		}
		b.sort(down, func(i int) *float64 {
			c := b.cell(i, j)
			return c.Points()
		})
	}
	return nil
}

func bookFilter(base string, q bookAsk, sections []string) views.FilterView {
	f := views.FilterView{URL: base, Query: q.Search, Search: "Search students", Keep: keepSort(q.order, q.down)}
	if len(sections) > 0 {
		section := views.FieldView{Name: "section", Label: "Section", Options: []views.Option{{Text: "All sections"}}}
		for _, name := range sections {
			section.Options = append(section.Options, views.Option{Value: name, Text: name, Selected: name == q.Section})
		}
		f.Selects = append(f.Selects, section)
	}
	if q.Search != "" || q.Section != "" {
		f.Clear = base
	}
	return f
}

func bookRow(v *visit, b *book, i int, st store.BookStudent, total course.BookTotal) views.BookRow {
	row := views.BookRow{Name: cmp.Or(st.Name, st.Login), Login: st.Login, Section: st.Section, Letter: total.Letter}
	if p := total.Percent; p != nil {
		row.Total = pointsText(*p) + " %"
	}
	for j := range b.assignments {
		a := &b.assignments[j]
		c := b.cell(i, j)
		cell := c.view(b.now, a.DueAt)
		cell.URL = markPath(v.course.Slug, a.Slug, st.Login)
		cell.Dropped = total.Dropped[j]
		row.Cells = append(row.Cells, cell)
	}
	return row
}

// view is a cell in words and figures.
func (c *bookCell) view(now time.Time, due *time.Time) views.BookCell {
	out := views.BookCell{}
	_, handedIn := c.TakenAt()
	own, extended := c.OwnDueAt()
	var notes []string
	note := func(tone, text string) {
		out.Tone = cmp.Or(out.Tone, tone)
		notes = append(notes, text)
	}
	switch p := c.Points(); {
	case c.Excused:
		out.Text, out.Tone = "Excused", "mute"
	case p != nil:
		out.Text = pointsText(*p)
		if !c.whole() {
			note("ask", strconv.Itoa(c.Needs+c.Waiting)+" to mark")
		}
		if c.Whole != nil && c.Earned != nil && *c.Whole != *c.Earned {
			note("ask", "set by hand")
		}
		if late := c.Penalty(); late > 0 {
			note("late", "late −"+pointsText(late))
		}
	case handedIn:
		out.Text, out.Tone = "To mark", "ask"
	case c.missing:
		out.Text, out.Tone = "Missing", "warn"
	case extended && now.Before(own) && due != nil && now.After(*due):
		out.Text, out.Tone = "Extension", "busy"
	default:
		out.Text = "–"
	}
	if handedIn && c.LateSeconds > 0 && c.Penalty() == 0 {
		note("late", "late")
	}
	for i, text := range notes {
		out.Note += pick(i > 0, ", ", "") + text
	}
	return out
}
