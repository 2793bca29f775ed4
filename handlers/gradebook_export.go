package handlers

import (
	"bytes"
	"io"
	"net/http"
	"strings"

	"lectern/course"
	"lectern/course/sheet"
	"lectern/store"
	"lectern/views"
)

// sheet is the whole gradebook, for other programs.
func (s *Site) sheet(r *http.Request) (course.Sheet, error) {
	v := visitOf(r)
	b, err := s.readBook(r.Context(), v.course, store.BookQuery{Sort: "login"})
	if err != nil {
		return course.Sheet{}, err
	}
	b.fill()
	students, err := s.Store.BookStudents(r.Context(), b.members)
	if err != nil {
		return course.Sheet{}, err
	}
	comments, err := s.Store.BookComments(r.Context(), v.course.ID)
	if err != nil {
		return course.Sheet{}, err
	}
	type key struct {
		a course.AssignmentID
		m course.MemberID
	}
	said := make(map[key]string, len(comments))
	for _, c := range comments {
		said[key{c.AssignmentID, c.MemberID}] = c.Comment
	}
	var out course.Sheet
	for _, a := range b.assignments {
		out.Assignments = append(out.Assignments, course.SheetAssignment{Slug: a.Slug, Title: a.Title, Most: a.Points, DueAt: a.DueAt})
	}
	for i, st := range students {
		row := course.SheetStudent{Login: st.Login, Name: st.Name, Email: st.Email, Section: st.Section, Total: b.total(i, nil)}
		for j := range b.assignments {
			c := b.cell(i, j)
			cell := course.SheetCell{Points: c.Points(), Raw: c.Earned, Penalty: c.Penalty(), Excused: c.Excused, Missing: c.missing,
				Comment: said[key{b.assignments[j].ID, st.MemberID}]}
			if c.Whole != nil {
				cell.Raw = c.Whole
			}
			if taken, ok := c.TakenAt(); ok {
				cell.TakenAt = &taken
			}
			row.Cells = append(row.Cells, cell)
		}
		out.Students = append(out.Students, row)
	}
	return out, nil
}

func (s *Site) nbgraderCSV(w http.ResponseWriter, r *http.Request) error {
	return s.sendSheet(w, r, "grades.csv", "text/csv; charset=utf-8", course.Sheet.WriteNbgrader)
}

func (s *Site) moodleCSV(w http.ResponseWriter, r *http.Request) error {
	return s.sendSheet(w, r, "moodle.csv", "text/csv; charset=utf-8", course.Sheet.WriteMoodle)
}

func (s *Site) excel(w http.ResponseWriter, r *http.Request) error {
	return s.sendSheet(w, r, "gradebook.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
		func(b course.Sheet, to io.Writer) error { return sheet.Write(to, b) })
}

// sendSheet sends the gradebook in some form, whole or not at all.
func (s *Site) sendSheet(w http.ResponseWriter, r *http.Request, name, kind string, write func(course.Sheet, io.Writer) error) error {
	b, err := s.sheet(r)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := write(b, &out); err != nil {
		return err
	}
	return sendFile(w, visitOf(r).course.Slug+"-"+name, kind, out.Bytes())
}

func sendFile(w http.ResponseWriter, name, kind string, data []byte) error {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
	_, err := w.Write(data)
	return err
}

// canvasForm is where a Canvas export is uploaded to be filled.
func (s *Site) canvasForm(w http.ResponseWriter, r *http.Request) error {
	return s.showCanvas(w, r, http.StatusOK, nil)
}

func (s *Site) showCanvas(w http.ResponseWriter, r *http.Request, status int, errs []views.FieldError) error {
	v := visitOf(r)
	return s.showStatus(w, r, status, views.Canvas(views.CanvasView{Page: s.coursePage(r, "Grades for Canvas", "gradebook"), Action: bookCanvasPath(v.course.Slug),
		Back: gradebookPath(v.course.Slug), Errors: errs, FileError: errorOf(errs, "file")}))
}

// fillCanvas answers an export of Canvas: first with a page that says what would
// be filled, then, asked with the same table, with the filled table itself.
// Nothing is stored.
func (s *Site) fillCanvas(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	text, err := readTableUpload(w, r)
	var filled course.CanvasFill
	if err == nil {
		var b course.Sheet
		if b, err = s.sheet(r); err == nil {
			filled, err = b.FillCanvas(text)
		}
	}
	if errs, ok := formErrors(err); ok {
		return s.showCanvas(w, r, http.StatusUnprocessableEntity, errs)
	}
	if err != nil {
		return err
	}
	if r.PostFormValue("download") == "on" {
		return sendFile(w, v.course.Slug+"-canvas.csv", "text/csv; charset=utf-8", []byte(filled.CSV))
	}
	return s.show(w, r, views.CanvasFilled(views.CanvasFilledView{Page: s.coursePage(r, "Grades for Canvas", "gradebook"), Action: bookCanvasPath(v.course.Slug),
		Back: gradebookPath(v.course.Slug), Text: text, Students: plural(filled.Students, "student"), Filled: strings.Join(filled.Filled, ", "),
		Unmatched: filled.Unmatched, Unknown: filled.Unknown}))
}
