package handlers

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// bookRows is how many students a page of the gradebook shows; each has a cell an assignment.
const bookRows = 50

// book is a part of a course's gradebook, put together.
type book struct {
	rule        course.Book
	assignments []store.BookAssignment
	students    []store.BookStudent
	cells       [][]bookCell // by student and assignment
	totals      []course.BookTotal
}

// bookCell is one assignment of one student; the zero one has nothing in it.
type bookCell struct {
	store.BookCell
	missing bool // due, and nothing there
}

// readBook puts the gradebook of these students together, in a fixed number of statements.
func (s *Site) readBook(ctx context.Context, c course.Course, q store.BookQuery) (b book, err error) {
	if b.rule, _, err = s.Store.Book(ctx, c.ID); err != nil {
		return b, err
	}
	if b.assignments, err = s.Store.BookAssignments(ctx, c.ID); err != nil {
		return b, err
	}
	if b.students, err = s.Store.BookStudents(ctx, c.ID, q); err != nil {
		return b, err
	}
	ids, column := make([]course.AssignmentID, len(b.assignments)), map[course.AssignmentID]int{}
	for i, a := range b.assignments {
		ids[i], column[a.ID] = a.ID, i
	}
	members, row := make([]course.MemberID, len(b.students)), map[course.MemberID]int{}
	for i, st := range b.students {
		members[i], row[st.MemberID] = st.MemberID, i
	}
	cells, err := s.Store.BookCells(ctx, ids, members)
	if err != nil {
		return b, err
	}
	now := s.Now()
	b.cells, b.totals = make([][]bookCell, len(b.students)), make([]course.BookTotal, len(b.students))
	for i := range b.cells {
		b.cells[i] = make([]bookCell, len(b.assignments))
	}
	for _, cell := range cells {
		b.cells[row[cell.MemberID]][column[cell.AssignmentID]].BookCell = cell
	}
	for i := range b.students {
		entries := make([]course.BookEntry, len(b.assignments))
		for j, a := range b.assignments {
			cell := &b.cells[i][j]
			due := course.EffectiveDue(a.DueAt, cell.OwnDueAt)
			cell.missing = cell.TakenAt == nil && cell.Points() == nil && !cell.Excused && due != nil && now.After(*due)
			entries[j] = course.BookEntry{Group: a.GradeGroup, Most: cell.Most, Missing: cell.missing, Excused: cell.Excused}
			if cell.missing {
				entries[j].Most = cmp.Or(cell.Most, a.Points)
			}
			if cell.whole() {
				entries[j].Points = cell.Points()
			}
		}
		b.totals[i] = b.rule.Total(entries)
	}
	return b, nil
}

// whole reports whether everything in the work is marked: before, it does not count.
func (c *bookCell) whole() bool { return c.Whole != nil || c.Needs+c.Waiting == 0 }

// gradebook is the table of students and assignments.
func (s *Site) gradebook(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	q, sort, n := bookQueryOf(r)
	all := q
	if sort == "total" { // it is made from everything a student has, so everybody is looked at
		all.Limit, all.Offset = 0, 0
	}
	b, err := s.readBook(r.Context(), v.course, all)
	if err != nil {
		return err
	}
	sections, err := s.Store.Sections(r.Context(), v.course.ID)
	if err != nil {
		return err
	}
	total := 0
	if len(b.students) > 0 {
		total = b.students[0].Total
	}
	if sort == "total" {
		b.sort(q.Down, (n-1)*bookRows)
	}
	base := gradebookPath(v.course.Slug)
	links := tableQuery{base: base, values: keptQuery(r.URL.Query())}
	page := views.GradebookView{Page: s.coursePage(r, "Gradebook", "gradebook"), Filter: bookFilter(base, q, sort, sections), Settings: bookSettingsPath(v.course.Slug), MayEdit: v.teaches(),
		Pages: links.pagesOf(n, total, bookRows), Nbgrader: bookFilePath(v.course.Slug, "nbgrader.csv"), Moodle: bookFilePath(v.course.Slug, "moodle.csv"),
		Excel: bookFilePath(v.course.Slug, "gradebook.xlsx"), Canvas: bookCanvasPath(v.course.Slug), Letters: len(b.rule.Letters) > 0}
	page.Page.Width = "wide"
	page.Name = links.head("", "Student", sort, q.Down, false)
	page.Total = links.head("total", "Total", sort, q.Down, true)
	for _, a := range b.assignments {
		page.Heads = append(page.Heads, views.BookHead{Text: a.Title, URL: statisticsPath(v.course.Slug, a.Slug), Most: "of " + pointsText(a.Points), Group: a.GradeGroup})
	}
	for i, st := range b.students {
		page.Rows = append(page.Rows, s.bookRow(v, &b, i, st))
	}
	return s.show(w, r, views.Gradebook(page))
}

func bookQueryOf(r *http.Request) (q store.BookQuery, sort string, n int) {
	ask := r.URL.Query()
	n = min(max(1, atoi(ask.Get("page"))), 1_000_000)
	q = store.BookQuery{Search: clip(ask.Get("q"), 100), Section: ask.Get("section"), Down: ask.Get("dir") == "down", Limit: bookRows, Offset: (n - 1) * bookRows}
	if sort = ask.Get("sort"); sort != "total" {
		q.Sort = sort
	}
	return q, sort, n
}

// sort orders the whole class by its total, those without one last, and keeps a page.
func (b *book) sort(down bool, from int) {
	order := make([]int, len(b.students))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int {
		p, q := b.totals[x].Percent, b.totals[y].Percent
		switch {
		case p == nil || q == nil:
			return cmp.Compare(pick(p == nil, 1, 0), pick(q == nil, 1, 0))
		case down:
			return cmp.Compare(*q, *p)
		}
		return cmp.Compare(*p, *q)
	})
	order = order[min(from, len(order)):min(from+bookRows, len(order))]
	students, cells, totals := b.students, b.cells, b.totals
	b.students, b.cells, b.totals = nil, nil, nil
	for _, i := range order {
		b.students, b.cells, b.totals = append(b.students, students[i]), append(b.cells, cells[i]), append(b.totals, totals[i])
	}
}

func bookFilter(base string, q store.BookQuery, sort string, sections []string) views.FilterView {
	f := views.FilterView{URL: base, Query: q.Search, Search: "Search students", Keep: keepSort(sort, q.Down)}
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

func (s *Site) bookRow(v *visit, b *book, i int, st store.BookStudent) views.BookRow {
	row := views.BookRow{Name: cmp.Or(st.Name, st.Login), Login: st.Login, Section: st.Section, Letter: b.totals[i].Letter}
	if p := b.totals[i].Percent; p != nil {
		row.Total = pointsText(*p) + " %"
	}
	now := s.Now()
	for j := range b.cells[i] {
		a := &b.assignments[j]
		cell := b.cells[i][j].view(now, a.DueAt)
		cell.URL = markPath(v.course.Slug, a.Slug, st.Login)
		cell.Dropped = b.totals[i].Dropped[j]
		row.Cells = append(row.Cells, cell)
	}
	return row
}

// view is a cell in words and figures.
func (c *bookCell) view(now time.Time, due *time.Time) views.BookCell {
	out := views.BookCell{}
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
	case c.TakenAt != nil:
		out.Text, out.Tone = "To mark", "ask"
	case c.missing:
		out.Text, out.Tone = "Missing", "warn"
	case c.OwnDueAt != nil && now.Before(*c.OwnDueAt) && due != nil && now.After(*due):
		out.Text, out.Tone = "Extension", "busy"
	default:
		out.Text = "–"
	}
	if c.LateSeconds > 0 && c.Penalty() == 0 {
		note("late", "late")
	}
	for i, text := range notes {
		out.Note += pick(i > 0, ", ", "") + text
	}
	return out
}

// bookSettings is the form for how the total is made.
func (s *Site) bookSettings(w http.ResponseWriter, r *http.Request) error {
	b, exact, err := s.Store.Book(r.Context(), visitOf(r).course.ID)
	if err != nil {
		return err
	}
	return s.bookSettingsForm(w, r, http.StatusOK, b, course.FormatLetters(b.Letters), exact, nil)
}

func (s *Site) bookSettingsForm(w http.ResponseWriter, r *http.Request, status int, b course.Book, letters string, exact bool, errs []views.FieldError) error {
	v := visitOf(r)
	assignments, err := s.Store.BookAssignments(r.Context(), v.course.ID)
	if err != nil {
		return err
	}
	page := views.BookSettingsView{Page: s.coursePage(r, "How the total is made", "gradebook"), Errors: errs, Action: bookSettingsPath(v.course.Slug), Back: gradebookPath(v.course.Slug),
		Letters: views.FieldView{Name: "letters", Label: "Letter grades", Value: letters, Optional: true, Rows: 6, Error: errorOf(errs, "letters"), Placeholder: "A 90\nB 80\nC 70",
			Hint: "One a line: the grade and the percentage it begins at. Totals are rounded to the hundredth first."},
		Exact: views.FieldView{Name: "exact", Label: "Score exactly like nbgrader", Checked: exact,
			Hint: "Warnings on stderr fail a test, partial credit understands plain numbers only, and points above the maximum stop the grading. From the next autograding on."}}
	used := map[string]int{}
	var names []string
	for _, a := range assignments {
		if used[a.GradeGroup]++; used[a.GradeGroup] == 1 {
			names = append(names, a.GradeGroup)
		}
	}
	for _, g := range b.Groups {
		if used[g.Name] == 0 {
			used[g.Name] = -1
			names = append(names, g.Name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		g := views.BookGroupView{Name: name, Label: cmp.Or(name, "Assignments without a group"), Index: strconv.Itoa(i), Weight: "", Drop: "0", Count: plural(max(0, used[name]), "assignment")}
		for _, set := range b.Groups {
			if set.Name == name {
				g.Weight, g.Drop = course.FormatPoints(&set.Weight), strconv.Itoa(set.Drop)
			}
		}
		page.Groups = append(page.Groups, g)
	}
	return s.showStatus(w, r, status, views.BookSettings(page))
}

// saveBook changes how the total is made.
func (s *Site) saveBook(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		return course.Problemf(course.Invalid, "That form could not be read. Nothing was saved.")
	}
	var b course.Book
	var problems course.Problems
	for i := range 200 {
		index := strconv.Itoa(i)
		if !r.PostForm.Has("group." + index) {
			break
		}
		g := course.BookGroup{Name: clip(r.PostForm.Get("group."+index), 60)}
		weight, why := course.ParsePoints(r.PostForm.Get("weight." + index))
		drop, err := strconv.Atoi(cmp.Or(r.PostForm.Get("drop."+index), "0"))
		switch {
		case why != "":
			problems = append(problems, course.Fieldf("weight."+index, "%s: %s", cmp.Or(g.Name, "Without a group"), why))
		case err != nil || drop < 0 || drop > 100:
			problems = append(problems, course.Fieldf("drop."+index, "%s: say how many of the worst to drop, from 0 to 100.", cmp.Or(g.Name, "Without a group")))
		}
		if weight != nil {
			g.Weight, g.Drop = *weight, drop
			b.Groups = append(b.Groups, g)
		}
	}
	letters, err := course.ParseLetters(r.PostForm.Get("letters"))
	if p, ok := course.AsProblem(err); ok {
		problems = append(problems, p)
	}
	b.Letters = letters
	exact := r.PostForm.Get("exact") == "on"
	if errs, ok := formErrors(problems.OrNil()); ok && len(problems) > 0 {
		return s.bookSettingsForm(w, r, http.StatusUnprocessableEntity, b, r.PostForm.Get("letters"), exact, errs)
	}
	err = s.Store.InTx(r.Context(), func(tx *store.Store) error {
		if err := tx.SaveBook(r.Context(), v.course.ID, b, exact); err != nil {
			return err
		}
		return tx.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, Verb: "changed how the total is made",
			Detail: fmt.Sprintf("%s, %s", plural(len(b.Groups), "group"), plural(len(b.Letters), "grade"))})
	})
	if err != nil {
		return err
	}
	s.flash(r, "good", "Saved. All totals follow.")
	return seeOther(w, r, gradebookPath(v.course.Slug))
}
