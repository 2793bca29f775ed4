package handlers

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// studentAssignment is an assignment as a student meets it: open it, hand it in,
// and everything that was handed in and came back.
func (s *Site) studentAssignment(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	t, err := s.Store.Task(r.Context(), v.assignment, v.member.ID)
	if err != nil {
		return err
	}
	subs, err := s.Store.SubmissionsOf(r.Context(), v.assignment.ID, v.member.ID)
	if err != nil {
		return err
	}
	fb, err := s.Store.ReturnedFeedback(r.Context(), v.assignment.ID, v.member.ID)
	if err != nil {
		return err
	}
	rule, err := s.Store.LateRule(r.Context(), v.assignment.ID)
	if err != nil {
		return err
	}
	c, a, now, loc := v.course.Slug, v.assignment.Slug, s.Now(), v.course.Location()
	page := views.StudentAssignmentView{
		Page:      s.coursePage(r, v.assignment.Title, ""),
		Title:     v.assignment.Title,
		Open:      openPath(c, a),
		OpenText:  pick(t.FetchedAt == nil, "Open assignment", "Continue in JupyterLab"),
		Dates:     datesText(v.course, t, now),
		Policy:    policyText(t, rule, now),
		Opened:    t.FetchedAt != nil,
		Submit:    views.LinkView{Text: "Submit now", URL: submitPath(c, a), Icon: "send", Confirm: "submit"},
		Files:     views.LinkView{Text: "Download my files", URL: myFilesPath(c, a), Icon: "download"},
		StartOver: views.LinkView{Text: "Start over", URL: startOverPath(c, a), Icon: "rotate-ccw", Confirm: "start-over"},
		Confirms:  []views.ConfirmView{submitConfirm(v, uuid.NewString(), len(subs)), startOverConfirm(v)},
	}
	page.State, page.StateText = taskState(t, now, loc)
	if page.Network, err = s.networkText(r.Context(), v); err != nil {
		return err
	}
	page.Prestart = s.offerPrestart(v, &page.Page, t)
	page.Home = s.homeView(r.Context(), v)
	for i, sub := range subs {
		page.Receipts = append(page.Receipts, views.StudentReceipt{
			Receipt: receiptView(v, sub, len(subs)-i, now), URL: receiptPath(c, a, sub.ID), Notes: sub.Notes})
	}
	if t.ReturnedAt != nil {
		// Like "last seen", and unlike everything else, this is noted on looking.
		if err := s.Store.MarkSeen(r.Context(), v.assignment.ID, v.member.ID, now); err != nil {
			return err
		}
		page.Feedback = &views.StudentFeedback{At: when(*t.ReturnedAt, now, loc), Comment: t.Comment}
		if t.Earned != nil {
			page.Feedback.Points = pointsText(*t.Earned) + " of " + pointsText(t.Of()) + " points"
			if t.Penalty > 0 {
				page.Feedback.Points += ", after " + pointsText(t.Penalty) + " taken off for lateness"
			}
		}
		for _, f := range fb {
			page.Feedback.Download = myFeedbackPath(c, a)
			page.Feedback.Files = append(page.Feedback.Files, views.FeedbackFile{Name: f.Path, Size: sizeText(f.Bytes), URL: myFeedbackFilePath(c, a, f.Path)})
		}
	}
	if err := s.fillRegrades(r, &page); err != nil {
		return err
	}
	return s.show(w, r, views.StudentAssignment(page))
}

// receiptView is a submission as its receipt; n counts from the first.
func receiptView(v *visit, sub course.Submission, n int, now time.Time) views.ReceiptView {
	loc := v.course.Location()
	out := views.ReceiptView{
		Title:    "Submission " + plainNumber(n),
		At:       views.TimeView{At: sub.TakenAt, Text: exactTime(sub.TakenAt, loc), Away: inWords(sub.TakenAt, now)},
		Counts:   sub.Counts,
		SHA256:   sub.Digest,
		Summary:  plural(len(sub.Files), "file") + ", " + sizeText(sub.Bytes()),
		Download: receiptZipPath(v.course.Slug, v.assignment.Slug, sub.ID),
	}
	if sub.Kind == course.ByCollect {
		out.Title += ", collected"
	}
	if sub.LateBy > 0 {
		out.Late = lateText(sub.LateBy)
	}
	for _, f := range sub.Files {
		out.Files = append(out.Files, views.ReceiptFile{Name: f.Path, Size: sizeText(f.Bytes), SHA256: f.SHA256})
	}
	return out
}

// datesText says when the assignment opened and is due for this student.
func datesText(c course.Course, t store.Task, now time.Time) []views.DateLine {
	loc := c.Location()
	var out []views.DateLine
	if t.OpensAt != nil {
		out = append(out, views.DateLine{Term: "Opened", At: when(*t.OpensAt, now, loc)})
	}
	due := views.DateLine{Term: "Due", At: whenIf(t.Due(), now, loc, "No deadline")}
	if t.TakenAt != nil {
		due.At.Soon = false
	}
	if t.OwnDueAt != nil {
		due.Note = "an extension for you"
		if t.DueAt != nil {
			due.Note += "; for the course it is " + wallTime(*t.DueAt, loc)
		}
	}
	return append(out, due)
}

// policyText is what happens at and after the due time.
func policyText(t store.Task, rule course.LateRule, now time.Time) string {
	due := t.Due()
	cost := ""
	if rule.Unit != "" {
		cost = " " + rule.Words()
	}
	switch {
	case due == nil:
		return "There is no deadline. Submit as often as you like; the last submission counts."
	case now.Before(*due):
		return "Submit as often as you like; the last submission in time counts. At the due time your saved work is collected by itself if you have opened the assignment." + cost
	}
	return "The due time has passed. You can still submit: it is kept, marked late, and counts only if nothing was handed in in time." + cost
}

func submitConfirm(v *visit, key string, before int) views.ConfirmView {
	c, a := v.course.Slug, v.assignment.Slug
	keeps := "Your files stay as they are, and you can go on working and submit again."
	if before > 0 {
		keeps += " Earlier submissions are kept too."
	}
	return views.ConfirmView{ID: "submit", Title: "Submit " + v.assignment.Title + "?",
		Text:   "Everything in your folder “" + a + "” is submitted as it is saved now. Save your notebooks in JupyterLab first: what is only on your screen is not included.",
		Keeps:  keeps,
		Button: "Submit now", Kind: "primary", Action: submitPath(c, a), Back: assignmentPath(c, a),
		Fields: []views.Option{{Value: "key", Text: key}}}
}

func startOverConfirm(v *visit) views.ConfirmView {
	c, a := v.course.Slug, v.assignment.Slug
	return views.ConfirmView{ID: "start-over", Title: "Start " + v.assignment.Title + " over?",
		Text:   "You get the assignment's files as they were given out.",
		Keeps:  "Your folder “" + a + "” is kept beside the new one under another name, and all submissions are kept.",
		Button: "Start over", Kind: "danger", Action: startOverPath(c, a), Back: pick(v.staff(), tryPath(c, a), assignmentPath(c, a))}
}
