package handlers

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strings"

	"lectern/course"
	"lectern/views"
)

// importForm is where a roster is uploaded or pasted.
func (s *Site) importForm(w http.ResponseWriter, r *http.Request) error {
	return s.showImport(w, r, http.StatusOK, "", nil)
}

func (s *Site) showImport(w http.ResponseWriter, r *http.Request, status int, pasted string, errs []views.FieldError) error {
	v := visitOf(r)
	base := rosterPath(v.course.Slug)
	return s.showStatus(w, r, status, views.RosterImport(views.RosterImportView{Page: s.coursePage(r, "Import a roster", "roster"),
		Action: base + "/import", Back: base, Pasted: pasted, Errors: errs, FileError: errorOf(errs, "file")}))
}

// previewImport shows what a roster would change. It changes nothing itself.
func (s *Site) previewImport(w http.ResponseWriter, r *http.Request) error {
	text, err := readRosterUpload(w, r)
	if err == nil {
		err = s.showRosterDiff(w, r, http.StatusOK, text, r.PostFormValue("drop") != "", "")
	}
	if errs, ok := formErrors(err); ok {
		return s.showImport(w, r, http.StatusUnprocessableEntity, r.PostFormValue("pasted"), errs)
	}
	return err
}

// readRosterUpload takes the file, or else what was pasted.
func readRosterUpload(w http.ResponseWriter, r *http.Request) (string, error) {
	r.Body = http.MaxBytesReader(w, r.Body, course.MaxRosterBytes+64<<10)
	tooLarge := course.Problemf(course.TooLarge, "A roster may have 2 MB. Leave out columns that are not needed.")
	if err := r.ParseMultipartForm(course.MaxRosterBytes + 64<<10); err != nil {
		if strings.Contains(err.Error(), "too large") {
			return "", tooLarge
		}
		return "", course.Problemf(course.Invalid, "The upload did not arrive whole. Please try again.")
	}
	if f, _, err := r.FormFile("file"); err == nil {
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, course.MaxRosterBytes+1))
		if err != nil {
			return "", err
		}
		if len(b) > course.MaxRosterBytes {
			return "", tooLarge
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

// showRosterDiff compares text with the roster as it is now.
func (s *Site) showRosterDiff(w http.ResponseWriter, r *http.Request, status int, text string, drop bool, notice string) error {
	v := visitOf(r)
	file, err := course.ReadRoster(text)
	if err != nil {
		return err
	}
	people, err := s.Store.RosterPeople(r.Context(), v.course.ID, v.user, file.Keys())
	if err != nil {
		return err
	}
	changes, problems := file.Diff(people, drop)
	withDrops, _ := file.Diff(people, true)
	base := rosterPath(v.course.Slug)
	p := views.RosterDiffView{Page: s.coursePage(r, "Check the roster", "roster"), Apply: base + "/apply", Preview: base + "/import", Back: base + "/import",
		Text: text, Drop: drop, Digest: course.RosterDigest(changes), Notes: file.Notes, Notice: notice,
		Same: len(file.Lines)}
	counts := map[course.RosterKind]int{}
	for _, c := range changes {
		counts[c.Kind]++
		if c.Kind != course.RosterDrop {
			p.Same--
		}
		p.Changes = append(p.Changes, changeRow(c))
	}
	for _, c := range withDrops {
		if c.Kind == course.RosterDrop {
			p.Missing++
		}
	}
	for _, pr := range problems {
		p.Problems = append(p.Problems, views.LineView{Line: fmt.Sprintf("Line %d", pr.Line), Text: pr.Text})
	}
	p.Figures = []views.Figure{{Label: "To add", Value: fmt.Sprint(counts[course.RosterAdd])}, {Label: "To restore", Value: fmt.Sprint(counts[course.RosterBack])},
		{Label: "To change", Value: fmt.Sprint(counts[course.RosterEdit])}, {Label: "To drop", Value: fmt.Sprint(counts[course.RosterDrop])},
		{Label: "Unchanged", Value: fmt.Sprint(max(0, p.Same))}}
	p.Page.Width = "wide"
	return s.showStatus(w, r, status, views.RosterDiff(p))
}

// changeRow says what changes about one person, field by field.
func changeRow(c course.RosterChange) views.RosterChangeRow {
	row := views.RosterChangeRow{Login: c.To.Login, Name: c.To.Name, Note: c.Note}
	switch c.Kind {
	case course.RosterAdd:
		row.State, row.StateText = "checked", "Add"
	case course.RosterBack:
		row.State, row.StateText = "returned", "Restore"
	case course.RosterEdit:
		row.State, row.StateText = "progress", "Change"
	case course.RosterDrop:
		row.State, row.StateText = "dropped", "Drop"
	}
	cell := func(label, from, to string) views.FromTo {
		differs := from != to && c.Kind != course.RosterAdd
		return views.FromTo{Label: label, From: cmp.Or(from, "none"), To: cmp.Or(to, pick(differs, "none", "")), Differs: differs}
	}
	row.Fields = []views.FromTo{cell("Name", c.From.Name, c.To.Name), cell("E-mail", c.From.Email, c.To.Email),
		cell("Role", roleOrNone(c.From.Role), roleOrNone(c.To.Role)), cell("Section", c.From.Section, c.To.Section)}
	return row
}

func roleOrNone(r course.Role) string {
	if r == "" {
		return ""
	}
	return roleText(r)
}

// applyImport makes exactly the changes that were shown, or none: if the roster
// has changed so that they differ, the new ones are shown instead. Sending the
// same form again finds nothing left to do.
func (s *Site) applyImport(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	text, err := readRosterUpload(w, r)
	if err != nil {
		return err
	}
	file, err := course.ReadRoster(text)
	if err != nil {
		return err
	}
	drop, applied := r.PostFormValue("drop") != "", 0
	differs := &course.Problem{Kind: course.Conflict, Text: "The roster changed while you were looking. This is the difference now."}
	err = s.Store.ApplyRoster(r.Context(), v.course.ID, v.user, file.Keys(), func(people []course.RosterPerson) ([]course.RosterChange, error) {
		changes, problems := file.Diff(people, drop)
		if len(problems) > 0 {
			return nil, course.Problemf(course.Conflict, "Some lines cannot be read. Mend them first.")
		}
		if len(changes) > 0 && course.RosterDigest(changes) != r.PostFormValue("digest") {
			return nil, differs
		}
		applied = len(changes)
		return changes, nil
	})
	if p, ok := course.AsProblem(err); ok && p.Kind == course.Conflict {
		return s.showRosterDiff(w, r, http.StatusConflict, text, drop, p.Text)
	}
	if err != nil {
		return err
	}
	if applied == 0 {
		s.flash(r, "info", "The roster is already as the file says.")
	} else {
		s.flash(r, "good", plural(applied, "change")+" made to the roster.")
	}
	return seeOther(w, r, rosterPath(v.course.Slug))
}
