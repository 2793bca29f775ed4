package handlers

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/exchange"
	"lectern/grading"
	"lectern/store"
	"lectern/views"
)

// courseFiles are the files that go into every assignment, as the form names them.
var courseFiles = []struct {
	field, label, hint string
	file               exchange.CourseFile
}{
	{"header", "Header", "A notebook whose cells come before those of every notebook.", exchange.CourseHeader},
	{"footer", "Footer", "A notebook whose cells come after those of every notebook.", exchange.CourseFooter},
	{"autotests", "Templates of autotests", "An autotests.yml, for assignments that bring none of their own.", exchange.CourseAutotests},
}

// releaseSettings shows how the course's releases are made.
func (s *Site) releaseSettings(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Store.Preparation(r.Context(), visitOf(r).course.ID)
	if err != nil {
		return err
	}
	return s.showReleaseSettings(w, r, http.StatusOK, p, nil)
}

func (s *Site) showReleaseSettings(w http.ResponseWriter, r *http.Request, status int, p course.Preparation, errs []views.FieldError) error {
	v := visitOf(r)
	page := views.ReleaseSettingsView{Page: s.coursePage(r, "How releases are made", "settings"), Action: releaseSettingsPath(v.course.Slug), Back: settingsPath(v.course.Slug), Errors: errs}
	for _, f := range courseFiles {
		there, err := s.hasCourseFile(v.course.Slug, f.file)
		if err != nil {
			return err
		}
		row := views.CourseFileView{There: there, Input: views.FieldView{Name: f.field, Label: f.label, Hint: f.hint, Optional: true, Error: errorOf(errs, f.field),
			Accept: pick(f.field == "autotests", ".yml,.yaml", ".ipynb")}, Remove: views.FieldView{Name: "remove_" + f.field, Label: "Remove it"}}
		page.Files = append(page.Files, row)
	}
	codes := maps.Clone(notebook.CodeStubs)
	maps.Copy(codes, p.CodeStubs)
	for _, language := range slices.Sorted(maps.Keys(codes)) {
		f := views.FieldView{Name: "stub." + language, Label: "Solutions in " + language, Value: codes[language], Rows: 3, Code: true, Optional: true, Error: errorOf(errs, "stub."+language)}
		switch was, standard := notebook.CodeStubs[language]; {
		case !standard:
			f.Hint = "Leave it empty to take the language out."
		case was != codes[language]:
			f.Hint = "nbgrader's is “" + strings.ReplaceAll(was, "\n", " ⏎ ") + "”. Leave it empty to go back to that."
		}
		page.Stubs = append(page.Stubs, f)
	}
	page.Text = views.FieldView{Name: "text_stub", Label: "Written answers", Value: p.TextStub, Placeholder: notebook.TextStub, Rows: 2, Optional: true, Error: errorOf(errs, "text_stub"),
		Hint: "Empty is nbgrader's “" + notebook.TextStub + "”."}
	page.NewLanguage = views.FieldView{Name: "language", Label: "Another language", Value: r.PostFormValue("language"), Optional: true, Error: errorOf(errs, "language"),
		Hint: "As the kernel names it in a notebook's metadata, such as julia."}
	page.NewStub = views.FieldView{Name: "language_stub", Label: "Its text", Value: r.PostFormValue("language_stub"), Rows: 3, Code: true, Optional: true, Error: errorOf(errs, "language_stub")}
	return s.showStatus(w, r, status, views.ReleaseSettings(page))
}

func (s *Site) hasCourseFile(slug string, f exchange.CourseFile) (bool, error) {
	file, err := s.Exchange.OpenCourseFile(slug, f)
	if course.IsKind(err, course.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, file.Close()
}

var languageForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 +#._-]{0,39}$`)

// readPreparation reads the texts; what equals nbgrader's is not kept.
func readPreparation(r *http.Request, was course.Preparation) (p course.Preparation, ps course.Problems) {
	p.CodeStubs = map[string]string{}
	text := func(field string) string {
		t := strings.TrimRight(strings.ReplaceAll(r.PostFormValue(field), "\r\n", "\n"), " \t\n")
		switch {
		case len(t) > 2000:
			ps = append(ps, course.Fieldf(field, "A text has at most 2,000 characters."))
		case strings.ContainsRune(t, 0), strings.Contains(t, "BEGIN SOLUTION"), strings.Contains(t, "END SOLUTION"), strings.Contains(t, "HIDDEN TESTS"), strings.Contains(t, "MARK SCHEME"):
			ps = append(ps, course.Fieldf(field, "The text may not hold a marker such as BEGIN SOLUTION."))
		}
		return t
	}
	languages := map[string]bool{}
	for l := range notebook.CodeStubs {
		languages[l] = true
	}
	for l := range was.CodeStubs {
		languages[l] = true
	}
	for l := range languages {
		if t := text("stub." + l); t != "" && t != notebook.CodeStubs[l] {
			p.CodeStubs[l] = t
		}
	}
	if p.TextStub = text("text_stub"); p.TextStub == notebook.TextStub {
		p.TextStub = ""
	}
	l, t := strings.TrimSpace(r.PostFormValue("language")), text("language_stub")
	switch {
	case l == "" && t == "":
	case !languageForm.MatchString(l):
		ps = append(ps, course.Fieldf("language", "Name the language as its kernel does, such as julia."))
	case languages[l]:
		ps = append(ps, course.Fieldf("language", "%s stands above already.", l))
	case t == "":
		ps = append(ps, course.Fieldf("language_stub", "Say what stands in place of a solution."))
	default:
		p.CodeStubs[l] = t
	}
	return p, ps
}

// readCourseFile is a file of the form, nil if none was chosen.
func readCourseFile(r *http.Request, field string) ([]byte, error) {
	f, _, err := r.FormFile(field)
	if errors.Is(err, http.ErrMissingFile) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil || len(data) == 0 {
		return nil, err
	}
	if field == "autotests" {
		if err := grading.CheckTemplates(data); err != nil {
			return nil, course.Fieldf(field, "%s.", clip(err.Error(), 300))
		}
		return data, nil
	}
	_, err = notebook.Parse(data)
	var bad *notebook.FormatError
	if errors.As(err, &bad) {
		return nil, course.Fieldf(field, "%s", bad.Text)
	}
	return data, err
}

// saveReleaseSettings saves them and has every assignment's files checked anew.
// What students have already stays as it is until it is released again.
func (s *Site) saveReleaseSettings(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	switch err := r.ParseMultipartForm(tableBytes); {
	case errors.Is(err, http.ErrNotMultipart):
		return course.Problemf(course.Invalid, "That was not a form with files. Nothing was changed.")
	case err != nil:
		return uploadError(err)
	}
	was, err := s.Store.Preparation(r.Context(), v.course.ID)
	if err != nil {
		return err
	}
	p, ps := readPreparation(r, was)
	uploads := map[exchange.CourseFile][]byte{}
	for _, f := range courseFiles {
		data, err := readCourseFile(r, f.field)
		var problem *course.Problem
		if errors.As(err, &problem) {
			ps = append(ps, problem)
			continue
		}
		if err != nil {
			return uploadError(err)
		}
		uploads[f.file] = data
	}
	if errs, bad := formErrors(ps.OrNil()); bad {
		return s.showReleaseSettings(w, r, http.StatusUnprocessableEntity, p, errs)
	}
	changed := !maps.Equal(p.CodeStubs, was.CodeStubs) || p.TextStub != was.TextStub
	for _, f := range courseFiles {
		there, err := s.hasCourseFile(v.course.Slug, f.file)
		switch {
		case err != nil:
		case uploads[f.file] != nil:
			err, changed = s.Exchange.SaveCourseFile(v.course.Slug, f.file, uploads[f.file]), true
		case there && r.PostFormValue("remove_"+f.field) == "on":
			err, changed = s.Exchange.RemoveCourseFile(v.course.Slug, f.file), true
		}
		if err != nil {
			return err
		}
	}
	if !changed {
		s.flash(r, "info", "Nothing was changed.")
		return seeOther(w, r, releaseSettingsPath(v.course.Slug))
	}
	n := 0
	err = s.Store.InTx(r.Context(), func(tx *store.Store) error {
		if err := tx.SavePreparation(r.Context(), v.course.ID, p); err != nil {
			return err
		}
		if n, err = tx.AskChecks(r.Context(), v.course.ID, s.Now()); err != nil {
			return err
		}
		return tx.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, Verb: "changed how releases are made"})
	})
	if err != nil {
		return err
	}
	text := "Saved."
	if n > 0 {
		text += fmt.Sprintf(" The files of %s are being checked anew. Students keep what they have until you release it again.", plural(n, "assignment"))
	}
	s.flash(r, "good", text)
	return seeOther(w, r, releaseSettingsPath(v.course.Slug))
}
