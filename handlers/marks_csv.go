package handlers

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// marksCSV is the class with its marks, for a spreadsheet.
func (s *Site) marksCSV(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	rows, err := s.Store.MarkTable(r.Context(), v.assignment.ID, store.MarkQuery{})
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := course.WriteMarks(&b, marksNow(rows), v.assignment.Points); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+v.course.Slug+"-"+v.assignment.Slug+`-marks.csv"`)
	h.Set("Cache-Control", "no-store")
	_, err = w.Write(b.Bytes())
	return err
}

// marksNow is what a table of marks is written from and compared with.
func marksNow(rows []store.MarkRow) []course.MarkNow {
	out := make([]course.MarkNow, len(rows))
	for i, m := range rows {
		out[i] = course.MarkNow{Login: m.Login, Name: m.Name, Email: m.Email, Section: m.Section, Score: scoreOf(m)}
		if m.EventID != nil {
			out[i].EventID = *m.EventID
		}
	}
	return out
}

// importMarks is where a table of marks is uploaded or pasted.
func (s *Site) importMarks(w http.ResponseWriter, r *http.Request) error {
	return s.showImportMarks(w, r, http.StatusOK, "", nil)
}

func (s *Site) showImportMarks(w http.ResponseWriter, r *http.Request, status int, pasted string, errs []views.FieldError) error {
	v := visitOf(r)
	c, a := v.course.Slug, v.assignment.Slug
	return s.showStatus(w, r, status, views.ImportMarks(views.ImportMarksView{Page: s.assignmentFrame(r, "Upload marks", "marks"),
		Action: importMarksPath(c, a), Back: marksPath(c, a), Download: marksCSVPath(c, a), Pasted: pasted, Errors: errs, FileError: errorOf(errs, "file")}))
}

// previewMarks shows what a table would change. It changes nothing itself.
func (s *Site) previewMarks(w http.ResponseWriter, r *http.Request) error {
	text, err := readTableUpload(w, r)
	if err == nil {
		err = s.showMarksDiff(w, r, http.StatusOK, text, "")
	}
	if errs, ok := formErrors(err); ok {
		return s.showImportMarks(w, r, http.StatusUnprocessableEntity, r.PostFormValue("pasted"), errs)
	}
	return err
}

// readTableUpload takes the file, or else what was pasted.
func readTableUpload(w http.ResponseWriter, r *http.Request) (string, error) {
	const most = course.MaxMarksBytes + 64<<10
	r.Body = http.MaxBytesReader(w, r.Body, most)
	tooLarge := &course.Problem{Kind: course.TooLarge, Field: "file", Text: "A table of marks may have 4 MB. Leave out columns that are not needed."}
	if err := r.ParseMultipartForm(most); err != nil {
		if strings.Contains(err.Error(), "too large") {
			return "", tooLarge
		}
		return "", course.Problemf(course.Invalid, "The upload did not arrive whole. Please try again.")
	}
	if f, _, err := r.FormFile("file"); err == nil {
		defer f.Close()
		b, err := io.ReadAll(f)
		if err != nil {
			return "", err
		}
		if len(b) > 0 {
			return course.DecodeText(b), nil
		}
	}
	if text := r.PostFormValue("pasted"); strings.TrimSpace(text) != "" {
		return course.DecodeText([]byte(text)), nil
	}
	return "", course.Fieldf("file", "Choose a file, or paste the rows below.")
}

// showMarksDiff compares text with the marks as they are now.
func (s *Site) showMarksDiff(w http.ResponseWriter, r *http.Request, status int, text, notice string) error {
	v := visitOf(r)
	file, err := course.ReadMarks(text)
	if err != nil {
		return err
	}
	rows, err := s.Store.MarkTable(r.Context(), v.assignment.ID, store.MarkQuery{})
	if err != nil {
		return err
	}
	changes, problems := file.Diff(marksNow(rows))
	p := views.MarksDiffView{Page: s.assignmentFrame(r, "Check the marks", "marks"), Back: importMarksPath(v.course.Slug, v.assignment.Slug),
		Apply: importMarksPath(v.course.Slug, v.assignment.Slug) + "/apply", Text: text, Digest: course.MarksDigest(changes), Notice: notice}
	for _, pr := range problems {
		p.Problems = append(p.Problems, views.LineView{Line: fmt.Sprintf("Line %d", pr.Line), Text: pr.Text})
	}
	count := map[string]int{}
	for _, c := range changes {
		row := changedMark(c, v.assignment.Points)
		count[row.State]++
		if row.Warning != "" {
			p.Above++
		}
		p.Changes = append(p.Changes, row)
	}
	p.Max = pointsText(v.assignment.Points)
	p.Figures = []views.Figure{{Label: "New", Value: fmt.Sprint(count["checked"])}, {Label: "Changed", Value: fmt.Sprint(count["progress"])},
		{Label: "Taken back", Value: fmt.Sprint(count["warn"])}, {Label: "Unchanged", Value: fmt.Sprint(len(file.Lines) + len(file.Problems) - len(changes) - len(problems))}}
	return s.showStatus(w, r, status, views.MarksDiff(p))
}

// changedMark says what a table would change about one student's mark.
func changedMark(c course.MarkChange, most float64) views.MarkChangeRow {
	row := views.MarkChangeRow{Line: fmt.Sprint(c.Line), Login: c.From.Login, Name: c.From.Name, State: "progress", StateText: "Change",
		Points:  views.FromTo{From: scoreText(c.From.Score), To: scoreText(c.To)},
		Comment: views.FromTo{From: c.From.Comment, To: c.To.Comment}}
	row.Points.Differs = row.Points.From != row.Points.To
	row.Comment.Differs = c.From.Comment != c.To.Comment && c.From.Comment != ""
	switch {
	case c.From.Points == nil && c.To.Points != nil:
		row.State, row.StateText, row.Points.Differs = "checked", "New", false
	case c.From.Points != nil && c.To.Points == nil:
		row.State, row.StateText = "warn", "Take back"
	}
	if c.To.Above(most) {
		row.Warning = "above " + pointsText(most)
	}
	return row
}

// applyMarks gives exactly the marks that were shown, or none: if a mark has
// changed meanwhile, the new difference is shown instead. Sending the same form
// again finds nothing left to do.
func (s *Site) applyMarks(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	text, err := readTableUpload(w, r)
	if err != nil {
		return err
	}
	file, err := course.ReadMarks(text)
	if err != nil {
		return err
	}
	var done saved
	err = s.Store.ChangeMarks(r.Context(), v.assignment.ID, nil, v.user.ID, "", func(tx *store.Store, now []store.MarkRow) ([]course.Mark, error) {
		changes, problems := file.Diff(marksNow(now))
		if len(problems) > 0 {
			return nil, course.Problemf(course.Conflict, "Some lines cannot be used. Mend them first; nothing was changed.")
		}
		if len(changes) > 0 && course.MarksDigest(changes) != r.PostFormValue("digest") {
			return nil, course.Problemf(course.Conflict, "The marks changed while you were looking, so nothing was applied. This is the difference now.")
		}
		done = saved{}
		members := map[string]course.MemberID{}
		for _, row := range now {
			members[row.Login] = row.MemberID
		}
		for _, c := range changes {
			done.marks = append(done.marks, course.Mark{MemberID: members[c.From.Login], Points: c.To.Points, Comment: c.To.Comment, Source: "csv"})
			if c.To.Above(v.assignment.Points) {
				done.above = append(done.above, c.From.Login)
			}
		}
		return done.marks, s.recordMarks(r, tx, done.marks, "uploaded marks")
	})
	if p, ok := course.AsProblem(err); ok && p.Kind == course.Conflict {
		return s.showMarksDiff(w, r, http.StatusConflict, text, p.Text)
	}
	if err != nil {
		return err
	}
	s.flashSaved(r, done, v.assignment.Points)
	return seeOther(w, r, marksPath(v.course.Slug, v.assignment.Slug))
}
