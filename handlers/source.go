package handlers

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/exchange"
	"lectern/grading"
	"lectern/views"
)

// maxBody bounds one upload with its form around it, in bytes; maxParts the parts
// of that form: an upload's files and the fields beside them.
const (
	maxBody  = 210 << 20
	maxParts = 6_000
)

// upload is a form with files that has been read: the files are staged, and
// nobody sees them before they are imported.
type upload struct {
	*exchange.Upload
	values url.Values
	files  int // file parts with a name
}

// receive reads a multipart form as it comes in. Whatever is wrong with its files
// is told by Import.
func (s *Site) receive(w http.ResponseWriter, r *http.Request, slug string) (*upload, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, course.Problemf(course.Invalid, "That was not a form with files.")
	}
	u, err := s.Exchange.NewUpload(slug)
	if err != nil {
		return nil, err
	}
	up := &upload{Upload: u, values: url.Values{}}
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return up, nil
		}
		if n >= maxParts {
			err = course.Fieldf("files", "An upload may hold 5,000 files at most.")
		}
		if err == nil {
			err = up.take(r, part)
		}
		if err != nil {
			u.Discard()
			return nil, uploadError(err)
		}
	}
}

func (u *upload) take(r *http.Request, part *multipart.Part) error {
	if part.FileName() == "" {
		b, err := io.ReadAll(io.LimitReader(part, 64<<10))
		if part.Header.Get("Content-Type") == "" { // a file input left empty sends a type
			u.values.Add(part.FormName(), string(b))
		}
		return err
	}
	u.files++
	return u.Add(r.Context(), partPath(part), part)
}

// partPath is a file's name with the folders that a browser sends for a folder;
// Part.FileName would cut them off.
func partPath(part *multipart.Part) string {
	_, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil || params["filename"] == "" {
		return part.FileName()
	}
	return params["filename"]
}

// uploadError tells a connection's end and a limit from a fault of ours.
func uploadError(err error) error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &course.Problem{Kind: course.TooLarge, Field: "files", Text: "An upload may hold 200 MB at most."}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return course.Problemf(course.Invalid, "The upload broke off. Nothing was changed; try again.")
	}
	return err
}

// importSource puts an upload into the assignment and checks what is there now.
func (s *Site) importSource(r *http.Request, up *upload, c course.Course, a course.Assignment, all bool) error {
	done, err := up.Import(r.Context(), a.Slug, all)
	if err != nil {
		return err
	}
	if err := s.sourceChanged(r, c, a); err != nil {
		return err
	}
	detail := fmt.Sprintf("%d added, %d replaced, %d removed", len(done.Added), len(done.Replaced), len(done.Removed))
	s.flash(r, "good", "Files taken: "+detail+".")
	return s.record(r, "uploaded files", a, detail)
}

// sourceChanged counts a new version of the source and checks it.
func (s *Site) sourceChanged(r *http.Request, c course.Course, a course.Assignment) error {
	if _, err := s.Store.BumpSource(r.Context(), a.ID); err != nil {
		return err
	}
	_, err := s.Preparer.Prepare(r.Context(), c, a.ID)
	return err
}

// source shows the assignment's files and what the check found.
func (s *Site) source(w http.ResponseWriter, r *http.Request) error {
	return s.sourcePage(w, r, http.StatusOK, nil)
}

func (s *Site) sourcePage(w http.ResponseWriter, r *http.Request, status int, errs []views.FieldError) error {
	v := visitOf(r)
	dir, err := s.Exchange.Layout.Source(v.course.Slug, v.assignment.Slug)
	if err != nil {
		return err
	}
	entries, err := s.Exchange.List(dir)
	if err != nil {
		return err
	}
	live, report, moving, err := s.checkLive(r)
	if err != nil {
		return err
	}
	part := func(p string) string { return assignmentPart(v.course.Slug, v.assignment.Slug, p) }
	page := views.SourceView{Page: s.assignmentFrame(r, "Source", "source"), Errors: errs, Upload: part("source"), Delete: part("source/delete"),
		MayEdit: v.teaches(), FilesError: errorOf(errs, "files"), Release: part("release")}
	for _, e := range entries {
		if !e.Dir {
			page.Files = append(page.Files, views.SourceFile{Path: e.Path, Size: sizeText(e.Size), Notebook: strings.HasSuffix(e.Path, ".ipynb"),
				Preview: part("preview") + "?notebook=" + url.QueryEscape(e.Path)})
		}
	}
	if live != nil && len(entries) > 0 {
		page.Check, page.Ready = live, report.OK() && !live.Report.Stale
		if moving {
			page.Events = checkEventsPath(v.course.Slug, v.assignment.Slug)
		}
	}
	return s.showStatus(w, r, status, views.Source(page))
}

// reportView prints a check report: notebooks, then all problems with their cell.
func reportView(rep grading.Report, a course.Assignment) *views.ReportView {
	v := &views.ReportView{OK: rep.OK(), Stale: rep.Version != a.SourceVersion, Points: pointsText(rep.Points), Errors: rep.Errors(),
		Warnings: len(rep.Problems) - rep.Errors(), Waiting: rep.Waiting}
	for _, text := range rep.Added {
		v.Uses = append(v.Uses, "Added: "+text+".")
	}
	for _, stub := range rep.Stubs {
		of := pick(stub.Of == "", "Written answers", "Solutions in "+stub.Of)
		v.Uses = append(v.Uses, of+" become "+pick(stub.Own, "the course's own text: ", "nbgrader's text: ")+"“"+strings.ReplaceAll(stub.Text, "\n", " ⏎ ")+"”.")
	}
	for _, nb := range rep.Notebooks {
		v.Notebooks = append(v.Notebooks, views.ReportNotebook{Path: nb.Path, Points: pointsText(nb.Points), Cells: nb.Cells,
			Questions: nb.Questions, ByHand: nb.ByHand, Language: nb.Language, Autotests: nb.Autotests})
	}
	for _, p := range rep.Problems {
		where := "whole notebook"
		if p.Cell >= 0 {
			where = fmt.Sprintf("cell %d", p.Cell+1)
		}
		v.Problems = append(v.Problems, views.ReportProblem{Error: p.Severity == notebook.Error, Notebook: p.Notebook, Where: where,
			GradeID: p.GradeID, Text: p.Text, Mend: p.Mend})
	}
	return v
}

// uploadSource takes more files, or replaces all with them.
func (s *Site) uploadSource(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	up, err := s.receive(w, r, v.course.Slug)
	if err == nil {
		defer up.Discard()
		err = s.importSource(r, up, v.course, v.assignment, up.values.Get("all") != "")
	}
	if errs, ok := formErrors(err); ok {
		return s.sourcePage(w, r, http.StatusUnprocessableEntity, errs)
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, assignmentPart(v.course.Slug, v.assignment.Slug, "source"))
}

// deleteSource removes one file from the source. Releases are not touched.
func (s *Site) deleteSource(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	name := r.FormValue("path")
	if err := s.Exchange.DeleteSource(v.course.Slug, v.assignment.Slug, name); err != nil {
		return err
	}
	if err := s.sourceChanged(r, v.course, v.assignment); err != nil {
		return err
	}
	if err := s.record(r, "removed file", v.assignment, clip(name, 200)); err != nil {
		return err
	}
	s.flash(r, "good", "Removed "+clip(name, 80)+".")
	return seeOther(w, r, assignmentPart(v.course.Slug, v.assignment.Slug, "source"))
}
