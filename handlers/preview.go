package handlers

import (
	"errors"
	"net/http"
	"strings"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/views"
)

// preview shows a notebook as the instructor wrote it beside what students get.
func (s *Site) preview(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	name := r.FormValue("notebook")
	dir, err := s.Exchange.Layout.Source(v.course.Slug, v.assignment.Slug)
	if err != nil {
		return err
	}
	f, err := s.Exchange.Open(dir, name)
	if err != nil {
		return course.Problemf(course.NotFound, "There is no such notebook in this assignment.")
	}
	defer f.Close()
	source, err := notebook.Read(f)
	var bad *notebook.FormatError
	if errors.As(err, &bad) {
		return course.Problemf(course.Invalid, "%s", bad.Text)
	}
	if err != nil {
		return err
	}
	page := views.PreviewView{Page: s.assignmentFrame(r, "Preview", "source"), Notebook: name, Back: assignmentPart(v.course.Slug, v.assignment.Slug, "source")}
	page.Page.Styles = append(page.Page.Styles, "notebook.css")
	options, err := s.Preparer.Options(r.Context(), v.assignment, strings.TrimSuffix(name, ".ipynb"))
	if err != nil {
		return err
	}
	released, _, err := notebook.Release(source, options)
	var problems notebook.Problems
	if errors.As(err, &problems) {
		page.Refused = true
		return s.show(w, r, views.Preview(page))
	}
	if err != nil {
		return err
	}
	for i, p := range notebook.Pairs(source, released) {
		page.Pairs = append(page.Pairs, s.pairView(i, p))
	}
	return s.show(w, r, views.Preview(page))
}

// pairView is one row: a cell in both versions, and what was done to it.
func (s *Site) pairView(i int, p notebook.Pair) views.PairRow {
	row := views.PairRow{Number: i + 1, GradeID: p.GradeID, Kind: string(p.Kind), Code: p.Release != nil && p.Release.Type == notebook.Code}
	if p.Kind.Scored() {
		row.Points = pointsText(p.Points) + pick(p.Points == 1, " point", " points")
	}
	for _, n := range []struct {
		is   bool
		text string
	}{{p.SolutionReplaced, "solution replaced"}, {p.HiddenTestsRemoved, "hidden tests removed"}, {p.MarkSchemeRemoved, "mark scheme removed"},
		{p.OutputsCleared, "outputs cleared"}, {p.Locked, "locked"}} {
		if n.is {
			row.Notes = append(row.Notes, n.text)
		}
	}
	row.Changed = p.SolutionReplaced || p.HiddenTestsRemoved || p.MarkSchemeRemoved
	if !row.Code && !row.Changed && p.Release != nil && p.Release.Type == notebook.Markdown {
		row.Rendered = string(s.Render.Markdown(p.Release.Source))
		return row
	}
	row.Source, row.Release = lineViews(p.SourceLines), lineViews(p.ReleaseLines)
	return row
}

func lineViews(lines []notebook.PairLine) []views.PairLine {
	out := make([]views.PairLine, 0, len(lines))
	for _, l := range lines {
		out = append(out, views.PairLine{Text: l.Text, Mark: string(l.Mark)})
	}
	return out
}
