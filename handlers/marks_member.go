package handlers

import (
	"cmp"
	"net/http"
	"strings"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// memberMarks is the history of one student's marks, and a form for one more.
func (s *Site) memberMarks(w http.ResponseWriter, r *http.Request) error {
	return s.memberMarksPage(w, r, http.StatusOK, nil, nil)
}

// memberMarksPage shows the page; typed is a form that came back.
func (s *Site) memberMarksPage(w http.ResponseWriter, r *http.Request, status int, typed *markEntry, errs []views.FieldError) error {
	v := visitOf(r)
	now, err := s.Store.MarkTable(r.Context(), v.assignment.ID, store.MarkQuery{Logins: []string{v.subject.Login}})
	if err != nil {
		return err
	}
	events, err := s.Store.MarkHistory(r.Context(), v.assignment.ID, v.subject.ID)
	if err != nil {
		return err
	}
	sums, err := s.Store.Totals(r.Context(), v.assignment.ID, []course.MemberID{v.subject.ID})
	if err != nil {
		return err
	}
	c, a := v.course.Slug, v.assignment.Slug
	name := cmp.Or(v.subject.Name, v.subject.Login)
	page := views.MemberMarksView{Page: s.assignmentFrame(r, name, "marks"), Name: name, Login: v.subject.Login, Section: v.subject.Section,
		Save: markPath(c, a, v.subject.Login), Back: marksPath(c, a), Max: pointsText(v.assignment.Points), Errors: errs}
	for _, m := range now {
		page.Row = s.markRow(v, m)
		page.Shown = shownText(m)
		if sum := sums[m.MemberID]; sum.Whole == nil {
			page.Row.Sum = formatRounded(sum.Points())
		}
	}
	if typed != nil {
		event := page.Row.Event // the next try is made from what is shown now
		typed.fill(&page.Row)
		page.Row.Event, page.Reason = event, clip(r.PostFormValue("reason"), 500)
	}
	page.Row.PointsError, page.Row.CommentError = errorOf(errs, "points"), errorOf(errs, "comment")
	for i, e := range events {
		page.Events = append(page.Events, s.eventRow(v, e, before(events[i+1:], e)))
	}
	return s.showStatus(w, r, status, views.MemberMarks(page))
}

// shownText says what the student knows of their mark.
func shownText(m store.MarkRow) string {
	switch {
	case m.Unseen:
		return "The student still sees the mark that was returned; this one is shown when you return it."
	case m.Returned != nil:
		return "The student sees this."
	case m.EventID != nil:
		return "The student does not see this mark until you return it."
	}
	return ""
}

// before is the mark of the same question that an event replaced; older is newest first.
func before(older []store.MarkEvent, e store.MarkEvent) *store.MarkEvent {
	for i := range older {
		if older[i].Notebook == e.Notebook && older[i].Question == e.Question {
			return &older[i]
		}
	}
	return nil
}

var markSources = map[string]string{"hand": "by hand", "csv": "from a table", "auto": "by the autograder"}

func (s *Site) eventRow(v *visit, e store.MarkEvent, was *store.MarkEvent) views.MarkEventRow {
	row := views.MarkEventRow{At: when(e.At, s.Now(), v.course.Location()), By: byText(e.By, true), To: scoreText(course.Score{Points: e.Points}),
		Comment: e.Comment, Source: markSources[e.Source], Reason: e.Reason, Shown: e.Shown, Of: e.Question}
	if e.Notebook != "" {
		row.Of = strings.Trim(e.Notebook+", "+e.Question, ", ")
	}
	if was != nil {
		row.From = scoreText(course.Score{Points: was.Points})
		row.SameComment = was.Comment == e.Comment
	}
	return row
}

// saveMemberMark gives one mark, with a reason.
func (s *Site) saveMemberMark(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	r.Body = http.MaxBytesReader(w, r.Body, maxMarkForm)
	if err := r.ParseForm(); err != nil {
		return course.Problemf(course.Invalid, "That form could not be read. Nothing was saved.")
	}
	e := readMark(r.PostFormValue("points"), r.PostFormValue("comment"), r.PostFormValue("event"))
	reason := clip(cleanComment(r.PostFormValue("reason")), 500)
	var problems course.Problems
	if e.badText != "" {
		problems = append(problems, course.Fieldf("points", "%s", e.badText))
	}
	if e.badNote != "" {
		problems = append(problems, course.Fieldf("comment", "%s", e.badNote))
	}
	err := problems.OrNil()
	var done saved
	if err == nil {
		done, err = s.giveMark(r, e, reason)
	}
	if errs, ok := formErrors(err); ok {
		status := pick(course.IsKind(err, course.Conflict), http.StatusConflict, http.StatusUnprocessableEntity)
		return s.memberMarksPage(w, r, status, &e, errs)
	}
	if err != nil {
		return err
	}
	s.flashSaved(r, done, v.assignment.Points)
	return seeOther(w, r, markPath(v.course.Slug, v.assignment.Slug, v.subject.Login))
}

func (s *Site) giveMark(r *http.Request, e markEntry, reason string) (done saved, err error) {
	v := visitOf(r)
	err = s.Store.ChangeMarks(r.Context(), v.assignment.ID, []string{v.subject.Login}, v.user.ID, reason,
		func(tx *store.Store, now []store.MarkRow) ([]course.Mark, error) {
			seen, err := tx.MarkEvents(r.Context(), v.assignment.ID, []int64{e.event})
			if err != nil {
				return nil, err
			}
			done = decideMarks(now, map[string]markEntry{v.subject.Login: e}, seen, v.assignment.Points)
			for _, c := range done.conflicts {
				return nil, course.Problemf(course.Conflict, "%s gave %s while you were here. Nothing was overwritten: look at the history below, then save again if yours is right.",
					byText(c.theirs.By, true), scoreText(scoreOf(c.theirs)))
			}
			return done.marks, s.recordMarks(r, tx, done.marks, "gave mark")
		})
	return done, err
}
