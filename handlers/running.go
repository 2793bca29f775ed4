package handlers

import (
	"context"
	"fmt"
	"net/http"

	"lectern/course"
	"lectern/spawner"
	"lectern/store"
	"lectern/views"
)

// maxCopies is how many throw-away copies one member of the staff may have open
// in a course.
const maxCopies = 3

// byPaper remembers, until somebody signs out, that the copies they open must
// not be named: names are hidden where they opened the last.
const byPaper = "copies-by-paper"

// openRunning opens an attempt of a student in a throw-away copy.
func (s *Site) openRunning(w http.ResponseWriter, r *http.Request) error {
	sub, err := s.attempt(r)
	if err != nil {
		return err
	}
	s.sessions.Remove(r.Context(), byPaper)
	return s.openCopy(w, r, visitOf(r).assignment, sub)
}

// openPaperRunning opens what counts of a paper; neither the address nor a page
// on the way tells whose it is while names are hidden.
func (s *Site) openPaperRunning(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	p, err := s.paper(r)
	if err != nil {
		return err
	}
	sub, err := s.Store.CountedSubmission(r.Context(), v.assignment.ID, p.MemberID)
	if err != nil {
		return err
	}
	if s.anonymous(r) {
		s.sessions.Put(r.Context(), byPaper, true)
	} else {
		s.sessions.Remove(r.Context(), byPaper)
	}
	return s.openCopy(w, r, v.assignment, sub)
}

// openCopy leads into the visitor's copy of a submission; a new one if none is
// up. One too many is asked about first: the form's discard names the one to go.
func (s *Site) openCopy(w http.ResponseWriter, r *http.Request, a course.Assignment, sub course.Submission) error {
	v, ctx := visitOf(r), r.Context()
	if err := mustBeMember(v); err != nil {
		return err
	}
	s.copying.Lock() // or two at once would both be the last that may
	defer s.copying.Unlock()
	up, err := s.Store.CopiesUp(ctx, v.member.ID)
	if err != nil {
		return err
	}
	image, discard := "", r.FormValue("discard")
	var others []store.Copy
	for _, c := range up {
		switch {
		case c.SubmissionID == sub.ID:
			image = c.Image // whatever it is graded in by now: this one is up
		case c.ID == discard:
			if err := s.Workspaces.Close(ctx, c.ID, spawner.Discarded); err != nil {
				return err
			}
		case spawner.State(c.State) != spawner.Stopping:
			others = append(others, c)
		}
	}
	if image == "" {
		if len(others) >= maxCopies {
			return s.showCopies(w, r, others, r.URL.Path)
		}
		if image, err = s.copyImage(ctx, v.course, a, sub); err != nil {
			return err
		}
		if err := s.Store.Record(ctx, course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: a.ID, MemberID: sub.MemberID,
			Verb: "opened a submission running", Detail: sub.Digest}); err != nil {
			return err
		}
	}
	row, err := s.Workspaces.Open(ctx, spawner.Request{CourseID: v.course.ID, MemberID: v.member.ID, Image: image, SubmissionID: sub.ID})
	if err != nil {
		return err
	}
	names := make([]string, len(sub.Files))
	for i, f := range sub.Files {
		names[i] = f.Path
	}
	return s.goTo(w, r, row, labPath(a.Slug, topNotebook(names)))
}

// copyImage is the environment that the submission was graded in, to the byte;
// the assignment's before it was.
func (s *Site) copyImage(ctx context.Context, c course.Course, a course.Assignment, sub course.Submission) (string, error) {
	image, err := s.Store.GradedImage(ctx, sub.ID)
	if err != nil || image != "" {
		return image, err
	}
	if a.Image != "" {
		return a.Image, nil
	}
	return c.Image, nil
}

// reopenCopy starts a copy that ended anew, from what was handed in.
func (s *Site) reopenCopy(w http.ResponseWriter, r *http.Request, id string) error {
	c, err := s.Store.Copy(r.Context(), id)
	if err != nil {
		return err
	}
	a, err := s.Store.Assignment(r.Context(), visitOf(r).course.ID, c.Assignment)
	if err != nil {
		return err
	}
	sub, err := s.Store.Submission(r.Context(), a.ID, c.SubmissionID)
	if err != nil {
		return err
	}
	return s.openCopy(w, r, a, sub)
}

// runningCopies lists what the visitor has open.
func (s *Site) runningCopies(w http.ResponseWriter, r *http.Request) error {
	up, err := s.Store.CopiesUp(r.Context(), visitOf(r).member.ID)
	if err != nil {
		return err
	}
	return s.showCopies(w, r, up, "")
}

// showCopies lists copies; with open, one of them is to give way to what that
// address opens.
func (s *Site) showCopies(w http.ResponseWriter, r *http.Request, up []store.Copy, open string) error {
	v, now := visitOf(r), s.Now()
	page := views.RunningView{Page: s.coursePage(r, "Running copies", ""), Open: open, Most: fmt.Sprintf("%d copies", maxCopies),
		Sub: "Throw-away copies of what was handed in: nothing you change in them is kept."}
	hidden := s.sessions.GetBool(r.Context(), byPaper)
	for _, c := range up {
		row := views.RunningRow{ID: c.ID, Who: paperName(c.Number, c.Login, c.Name, hidden), Assignment: c.Title,
			Handed:  "handed in " + shortTime(c.TakenAt, now, v.course.Location()),
			Since:   when(c.QueuedAt, now, v.course.Location()),
			Enter:   launchPath(v.course.Slug, c.ID, labPath(c.Assignment, "")),
			Discard: discardCopyConfirm(v, c.ID)}
		row.State, row.StateText = serverState(spawner.State(c.State))
		page.Rows = append(page.Rows, row)
	}
	return s.showStatus(w, r, pick(open == "", http.StatusOK, http.StatusConflict), views.Running(page))
}

// discardCopyConfirm asks before a copy goes with what was changed in it.
func discardCopyConfirm(v *visit, id string) views.ConfirmView {
	return views.ConfirmView{ID: "discard-" + id, Title: "Discard this copy?", Keeps: "The submission, as it was handed in.",
		Loses:  "What was changed in the copy, and what runs in it.",
		Button: "Discard", Kind: "danger", Action: discardPath(v.course.Slug, id), Back: runningPath(v.course.Slug)}
}

// confirmDiscardCopy asks first, for those without scripts.
func (s *Site) confirmDiscardCopy(w http.ResponseWriter, r *http.Request) error {
	row, err := s.ownCopy(r)
	if err != nil {
		return err
	}
	page := s.coursePage(r, "Discard a copy", "")
	return s.show(w, r, views.Confirm(views.ConfirmPageView{Page: page, Confirm: discardCopyConfirm(visitOf(r), row.ID)}))
}

// discardCopy ends one of the visitor's copies; its files go with it.
func (s *Site) discardCopy(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	row, err := s.ownCopy(r)
	if err != nil {
		return err
	}
	if err := s.Workspaces.Close(r.Context(), row.ID, spawner.Discarded); err != nil {
		return err
	}
	s.flash(r, "good", "The copy is discarded. The submission is as it was handed in.")
	return seeOther(w, r, runningPath(v.course.Slug))
}

// copyWords say why a copy ended or did not start, where the words for a
// student's own workspace would speak of files that are kept.
var copyWords = map[spawner.Reason]string{
	spawner.NoImage:   "The environment this was graded in is not installed on the server any more, so it cannot run here.",
	spawner.NoFiles:   "The files that were handed in could not be copied, so nothing was started. The submission itself was not touched.",
	spawner.NoEngine:  "The server that runs workspaces does not answer at the moment. Try again in a minute.",
	spawner.TooSlow:   "Starting took too long and was given up. The server may be very busy. Try again.",
	spawner.NotBegun:  "The copy could not be started. Try again.",
	spawner.OutOfMem:  "It used more memory than a workspace may and was ended.",
	spawner.Crashed:   "It ended unexpectedly.",
	spawner.Gone:      "It is no longer running on the server.",
	spawner.QuitSelf:  "JupyterLab was shut down.",
	spawner.Discarded: "It was discarded.",
	spawner.ByStudent: "It was discarded.",
	spawner.ByStaff:   "It was stopped from the course's servers.",
	spawner.Idle:      "It was ended because nothing happened in it for a while.",
	spawner.TooOld:    "It had reached the longest time a copy may run.",
}

// copyText is the sentence for a start or an end of a copy.
func copyText(p spawner.Progress) string {
	if text, ok := copyWords[p.Reason]; ok {
		return text
	}
	return p.Text
}

// launchCopy turns the page of a start into that of a copy's.
func launchCopy(course string, page *views.LaunchPageView, p spawner.Progress) {
	page.Page.Banner = &views.Banner{Text: "This is a copy; nothing you change here is kept."}
	page.Launch.Download = ""
	page.Back, page.BackText = runningPath(course), "your running copies"
	switch {
	case page.Start != "":
		page.Title, page.Sub = "This copy has ended", copyText(p)+" What was changed in it is gone; the submission is as it was handed in."
		page.StartText = "Open a new copy"
	case p.State == spawner.Failed:
		page.Title, page.Launch.Failed = "The copy did not start", copyText(p)
	default:
		page.Title = "Starting a copy of the submission"
		page.Sub = "JupyterLab opens on the files as they were handed in. You can leave this page; the copy goes on starting."
	}
}
