package handlers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"

	"lectern/course"
	"lectern/exchange"
	"lectern/grading"
	"lectern/store"
	"lectern/views"
)

// uploadFeedback takes a zip of feedback, and shows what became of each folder in it.
func (s *Site) uploadFeedback(w http.ResponseWriter, r *http.Request) error {
	report, err := s.receiveFeedback(w, r)
	if errs, ok := formErrors(err); ok {
		return s.feedbackPage(w, r, http.StatusUnprocessableEntity, errs)
	}
	if err != nil {
		return err
	}
	v := visitOf(r)
	page := views.FeedbackReportView{Page: s.assignmentFrame(r, "Feedback", "feedback"), Back: feedbackPath(v.course.Slug, v.assignment.Slug),
		Staged: feedbackItems(report.Staged), Refused: feedbackItems(report.Refused), Stray: report.Stray}
	return s.show(w, r, views.FeedbackReport(page))
}

func feedbackItems(items []exchange.FeedbackItem) (out []views.FeedbackItem) {
	for _, i := range items {
		out = append(out, views.FeedbackItem{Folder: i.Login + "/" + i.Assignment, Files: i.Files, Count: plural(len(i.Files), "file"), Why: i.Why})
	}
	return out
}

// receiveFeedback reads the form's one file and stages what it holds.
func (s *Site) receiveFeedback(w http.ResponseWriter, r *http.Request) (report exchange.FeedbackReport, err error) {
	v := visitOf(r)
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	parts, err := r.MultipartReader()
	if err != nil {
		return report, course.Problemf(course.Invalid, "That was not a form with files.")
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return report, course.Fieldf("files", "Choose the zip with the feedback.")
		}
		if err != nil {
			return report, uploadError(err)
		}
		if part.FormName() != "files" || part.FileName() == "" {
			continue
		}
		if !strings.EqualFold(path.Ext(part.FileName()), ".zip") {
			return report, course.Fieldf("files", "Upload one zip, with folders such as feedback/<login>/%s.", v.assignment.Slug)
		}
		people, err := s.feedbackPeople(r.Context(), v)
		if err != nil {
			return report, err
		}
		report, err = s.Exchange.UploadFeedback(r.Context(), v.course.Slug, part.FileName(), part, people.check)
		if err != nil {
			return report, uploadError(err)
		}
		return report, s.recordStaged(r, report, people)
	}
}

// feedbackPeople knows for whom feedback on one assignment may come.
type feedbackPeople struct {
	assignment string
	members    map[string]course.MemberID // of the course
	wanted     map[string]bool            // submitted, or marked
}

func (s *Site) feedbackPeople(ctx context.Context, v *visit) (p feedbackPeople, err error) {
	p = feedbackPeople{v.assignment.Slug, map[string]course.MemberID{}, map[string]bool{}}
	members, err := s.Store.Members(ctx, v.course.ID)
	if err != nil {
		return p, err
	}
	for _, m := range members {
		p.members[m.Login] = m.ID
	}
	rows, err := s.Store.FeedbackTable(ctx, v.assignment.ID, store.FeedbackQuery{})
	for _, f := range rows {
		p.wanted[f.Login] = true
	}
	return p, err
}

// check says why feedback for somebody's work is not wanted; nil if it is.
func (p feedbackPeople) check(login, assignment string) error {
	switch {
	case p.members[login] == 0:
		return course.Problemf(course.NotFound, "Nobody on the roster has this login.")
	case assignment != p.assignment:
		return course.Problemf(course.NotFound, "This is for another assignment: upload it on that one's page.")
	case !p.wanted[login]:
		return course.Problemf(course.NotFound, "This student has not handed anything in, and has no mark.")
	}
	return nil
}

// recordStaged notes the files that lie on disk now: they alone are the truth.
func (s *Site) recordStaged(r *http.Request, report exchange.FeedbackReport, people feedbackPeople) error {
	v, ctx := visitOf(r), r.Context()
	for _, item := range report.Staged {
		id := people.members[item.Login]
		err := s.Store.WithFeedback(ctx, v.assignment.ID, id, func(tx *store.Store) error {
			dir, err := s.Exchange.Layout.StagedFeedback(v.course.Slug, item.Login, item.Assignment)
			if err != nil {
				return err
			}
			files, err := grading.FilesIn(ctx, s.Exchange, dir)
			if err != nil || len(files) == 0 { // returned in the meantime: nothing waits any more
				return err
			}
			return tx.StageFeedback(ctx, v.assignment.ID, id, files, s.Now())
		})
		if err != nil {
			return err
		}
	}
	if len(report.Staged) == 0 {
		return nil
	}
	return s.record(r, "uploaded feedback", v.assignment, "for "+plural(len(report.Staged), "student"))
}
