package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"lectern/course"
	"lectern/grading"
	"lectern/moving"
	"lectern/views"
)

// NewMover connects the moving of courses with what checks and releases them.
func NewMover(p *grading.Preparer, now func() time.Time) *moving.Mover {
	return &moving.Mover{Exchange: p.Exchange, Store: p.Store, Now: now, Release: p.Release,
		Prepare: func(ctx context.Context, c course.Course, id course.AssignmentID) (int, error) {
			report, err := p.Prepare(ctx, c, id)
			return report.Errors(), err
		}}
}

func (s *Site) mover() *moving.Mover { return NewMover(s.Preparer, s.Now) }

// exportCourse sends the whole course as a zip in nbgrader's layout.
func (s *Site) exportCourse(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	name := v.course.Slug + "-" + s.Now().UTC().Format("2006-01-02")
	return s.sendZip(w, r, name, func() error { return s.mover().Export(r.Context(), w, v.course) })
}

// movePage is where a course is taken out, and one is brought in.
func (s *Site) movePage(w http.ResponseWriter, r *http.Request) error {
	return s.showMove(w, r, http.StatusOK, nil)
}

func (s *Site) showMove(w http.ResponseWriter, r *http.Request, status int, errs []views.FieldError) error {
	slug := visitOf(r).course.Slug
	return s.showStatus(w, r, status, views.Move(views.MoveView{Page: s.coursePage(r, "Move the course", "settings"), ExportURL: exportPath(slug), Action: movePath(slug),
		Back: settingsPath(slug), Errors: errs, Field: views.FieldView{Name: "files", Label: "The course as a zip", Accept: ".zip", Error: errorOf(errs, "files"),
			Hint: "At most 200 MB and 5,000 files. A larger course is brought in from the command line."}}))
}

// uploadCourse lays a zip out where nobody looks, and goes on to what is in it.
func (s *Site) uploadCourse(w http.ResponseWriter, r *http.Request) error {
	id, err := s.receiveCourse(w, r)
	if errs, ok := formErrors(err); ok {
		return s.showMove(w, r, http.StatusUnprocessableEntity, errs)
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, foundPath(visitOf(r).course.Slug)+"?upload="+url.QueryEscape(id))
}

func (s *Site) receiveCourse(w http.ResponseWriter, r *http.Request) (id string, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	parts, err := r.MultipartReader()
	if err != nil {
		return "", course.Problemf(course.Invalid, "That was not a form with files.")
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return "", course.Fieldf("files", "Choose the zip with the course.")
		}
		if err != nil {
			return "", uploadError(err)
		}
		if part.FormName() != "files" || part.FileName() == "" {
			continue
		}
		if !strings.EqualFold(path.Ext(part.FileName()), ".zip") {
			return "", course.Fieldf("files", "Upload one zip with the course's folders in it.")
		}
		u, err := s.Exchange.Unpack(r.Context(), visitOf(r).course.Slug, part.FileName(), part, false)
		if err != nil {
			return "", uploadError(err)
		}
		return u.ID, nil
	}
}

// foundCourse shows what was uploaded and what taking it in would do.
func (s *Site) foundCourse(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	u, err := s.Exchange.Unpacked(v.course.Slug, r.URL.Query().Get("upload"))
	if err != nil {
		return err
	}
	plan, err := s.mover().Look(r.Context(), v.course, u.Path())
	if errs, ok := formErrors(err); ok {
		return s.showMove(w, r, http.StatusUnprocessableEntity, errs)
	}
	if err != nil {
		return err
	}
	p := views.FoundView{Page: s.coursePage(r, "What is in the zip", "settings"), Action: takeInPath(v.course.Slug), Back: movePath(v.course.Slug), Upload: u.ID,
		Empty: plan.Empty(), Notes: append(u.Left, plan.Notes...),
		Figures: []views.Figure{figureOf("New students", plan.Students), figureOf("New submissions", plan.Submissions), figureOf("New marks", plan.Marks)}}
	for _, a := range plan.Assignments {
		row := views.FoundAssignment{Title: a.Name, Slug: a.Slug, Submissions: fmt.Sprint(a.Submissions), Files: plural(a.Files, "file"), State: "ok", What: "Is here already"}
		if a.DueAt != nil {
			row.Due = a.DueAt.In(v.course.Location()).Format("Mon 2 Jan 2006, 15:04 MST")
		}
		switch {
		case a.New:
			row.State, row.What = "progress", "New"
		case a.NewSource:
			row.State, row.What = "progress", "Its files are new"
		}
		p.Assignments = append(p.Assignments, row)
	}
	p.Page.Width = "wide"
	return s.show(w, r, views.Found(p))
}

func figureOf(label string, c moving.Count) views.Figure {
	return views.Figure{Label: label, Value: fmt.Sprint(c.New), Of: fmt.Sprintf("of %d", c.All)}
}

// maxApply bounds an import that its visitor may have stopped waiting for.
const maxApply = 20 * time.Minute

// applyCourse takes in what was shown, as far as it is still new. It goes on when
// the visitor leaves: half a course would help nobody.
func (s *Site) applyCourse(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	u, err := s.Exchange.Unpacked(v.course.Slug, r.PostFormValue("upload"))
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(r.Context()), maxApply)
	defer stop()
	plan, err := s.mover().Look(ctx, v.course, u.Path())
	if err != nil {
		return err
	}
	done, err := plan.Apply(ctx, v.course, v.user.ID)
	if err != nil {
		return err
	}
	u.Discard()
	if len(done.Notes) == 0 {
		s.flash(r, "good", fmt.Sprintf("The course has moved in: %s, %s, %s and %s are new.", plural(done.Assignments, "assignment"),
			plural(done.Students, "student"), plural(done.Submissions, "submission"), plural(done.Marks, "mark")))
		return seeOther(w, r, coursePath(v.course.Slug))
	}
	return s.show(w, r, views.Moved(views.MovedView{Page: s.coursePage(r, "Moved in", "settings"), Course: coursePath(v.course.Slug), Notes: done.Notes,
		Figures: []views.Figure{{Label: "Assignments", Value: fmt.Sprint(done.Assignments)}, {Label: "Students", Value: fmt.Sprint(done.Students)},
			{Label: "Submissions", Value: fmt.Sprint(done.Submissions)}, {Label: "Marks", Value: fmt.Sprint(done.Marks)}}}))
}

func movePath(course string) string   { return coursePath(course) + "/move" }
func foundPath(course string) string  { return movePath(course) + "/found" }
func takeInPath(course string) string { return movePath(course) + "/apply" }
func exportPath(course string) string { return movePath(course) + "/course.zip" }
