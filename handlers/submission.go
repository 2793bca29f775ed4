package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"lectern/course"
	"lectern/exchange"
	"lectern/store"
	"lectern/views"
)

// submission shows one student's work to the staff: every attempt, and the files
// of the one that counts or was chosen.
func (s *Site) submission(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	subs, err := s.Store.SubmissionsOf(r.Context(), v.assignment.ID, v.subject.ID)
	if err != nil {
		return err
	}
	base := assignmentPart(v.course.Slug, v.assignment.Slug, "submissions")
	self := base + "/" + url.PathEscape(v.subject.Login)
	page := views.SubmissionView{Page: s.assignmentFrame(r, v.subject.Name, "submissions"), Name: v.subject.Name, Login: v.subject.Login, Back: base,
		Collect: assignmentPart(v.course.Slug, v.assignment.Slug, "collect"), Marks: assignmentPart(v.course.Slug, v.assignment.Slug, "marks/"+url.PathEscape(v.subject.Login))}
	if err := s.neighbours(r, base, &page); err != nil {
		return err
	}
	if len(subs) == 0 {
		return s.show(w, r, views.Submission(page))
	}
	if err := s.testsOf(r, &page); err != nil {
		return err
	}
	now, loc := s.Now(), v.course.Location()
	chosen := chosenSubmission(subs, r.FormValue("attempt"))
	for i, sub := range subs {
		page.Attempts = append(page.Attempts, views.AttemptView{Title: fmt.Sprintf("Attempt %d", len(subs)-i), At: when(sub.TakenAt, now, loc),
			Counts: sub.Counts, Late: pick(sub.LateBy > 0, lateText(sub.LateBy), ""), Collected: sub.Kind == course.ByCollect,
			URL: fmt.Sprintf("%s?attempt=%d", self, sub.ID), Current: sub.ID == chosen.ID, Digest: sub.Digest, Files: plural(len(sub.Files), "file")})
	}
	page.Notes = chosen.Notes
	page.Zip = fmt.Sprintf("%s/%d.zip", self, chosen.ID)
	if v.member.ID != 0 { // a copy belongs to somebody of the course
		page.Running = openRunningPath(v.course.Slug, v.assignment.Slug, v.subject.Login, chosen.ID)
	}
	name := r.FormValue("file")
	if name == "" {
		name = firstShown(chosen.Files)
	}
	for _, f := range chosen.Files {
		ref := contentRef{Course: v.course.Slug, Login: v.subject.Login, Assignment: v.assignment.Slug, Tree: treeHistory, Snapshot: chosen.Snapshot, Path: f.Path}
		file := views.SubmittedFile{Path: f.Path, Size: sizeText(f.Bytes), Current: f.Path == name,
			URL: self + "?" + url.Values{"attempt": {strconv.FormatInt(int64(chosen.ID), 10)}, "file": {f.Path}}.Encode()}
		if file.Current {
			if page.Frame, err = s.content.address(r.Context(), ref); err != nil {
				return err
			}
			page.Download, page.FrameTitle = page.Frame+"download", f.Path
		}
		page.Files = append(page.Files, file)
	}
	return s.show(w, r, views.Submission(page))
}

// testsOf says what autograding found in the attempt that counts, and where it is
// read and marked.
func (s *Site) testsOf(r *http.Request, page *views.SubmissionView) error {
	v := visitOf(r)
	rows, err := s.Store.RunTable(r.Context(), v.assignment.ID, store.RunQuery{Login: v.subject.Login})
	if err != nil {
		return err
	}
	if len(rows) == 1 && rows[0].State != nil {
		tests := s.runRow(v, rows[0])
		tests.URL = runsPath(v.course.Slug, v.assignment.Slug) + "?" + url.Values{"q": {v.subject.Login}}.Encode()
		page.Tests = &tests
	}
	if v.assignment.Points == 0 {
		return nil
	}
	number, err := s.Store.PaperOf(r.Context(), v.assignment.ID, v.subject.ID)
	if err == nil {
		page.Grade = paperPath(v.course.Slug, v.assignment.Slug, number) + "?by=student"
	}
	if course.IsKind(err, course.NotFound) {
		err = nil // nobody has asked for papers yet
	}
	return err
}

// chosenSubmission is the attempt that was asked for, else the one that counts.
func chosenSubmission(subs []course.Submission, id string) course.Submission {
	for _, sub := range subs {
		if strconv.FormatInt(int64(sub.ID), 10) == id {
			return sub
		}
	}
	i := slices.IndexFunc(subs, func(s course.Submission) bool { return s.Counts })
	return subs[max(i, 0)]
}

// firstShown is the file a grader wants to see first: a notebook if there is one.
func firstShown(files []course.File) string {
	for _, f := range files {
		if path.Ext(f.Path) == ".ipynb" {
			return f.Path
		}
	}
	if len(files) > 0 {
		return files[0].Path
	}
	return ""
}

// neighbours finds who handed in before and after this student, by login.
func (s *Site) neighbours(r *http.Request, base string, page *views.SubmissionView) error {
	v := visitOf(r)
	prev, next, err := s.Store.Neighbours(r.Context(), v.assignment.ID, v.subject.Login)
	if err != nil {
		return err
	}
	if prev != "" {
		page.Prev = base + "/" + url.PathEscape(prev)
	}
	if next != "" {
		page.Next = base + "/" + url.PathEscape(next)
	}
	return nil
}

// submissionZip streams one attempt, whichever, with its timestamp.txt.
func (s *Site) submissionZip(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	sub, err := s.attempt(r)
	if err != nil {
		return err
	}
	item, err := downloadOf(v, sub)
	if err != nil {
		return err
	}
	return s.sendZip(w, r, fmt.Sprintf("%s-%s-%s", v.course.Slug, v.assignment.Slug, v.subject.Login), func() error {
		return s.Exchange.ZipSubmissions(r.Context(), w, v.course.Slug, item)
	})
}

// attempt is the submission of {login} that the pattern names.
func (s *Site) attempt(r *http.Request) (course.Submission, error) {
	v := visitOf(r)
	missing := course.Problemf(course.NotFound, "There is no such submission.")
	id, err := strconv.ParseInt(strings.TrimSuffix(chi.URLParam(r, "attempt"), ".zip"), 10, 64)
	if err != nil {
		return course.Submission{}, missing
	}
	sub, err := s.Store.Submission(r.Context(), v.assignment.ID, course.SubmissionID(id))
	if err == nil && sub.MemberID != v.subject.ID {
		err = missing
	}
	return sub, err
}

// downloadOf names the attempt's snapshot for a zip.
func downloadOf(v *visit, sub course.Submission) ([]exchange.Download, error) {
	at, err := time.Parse(course.SnapshotForm, sub.Snapshot)
	if err != nil {
		return nil, fmt.Errorf("handlers: snapshot of submission %d: %w", sub.ID, err)
	}
	return []exchange.Download{{Login: v.subject.Login, Assignment: v.assignment.Slug, At: at}}, nil
}
