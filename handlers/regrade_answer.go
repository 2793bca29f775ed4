package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// regradePanel is the request about a question, to stand beside its mark; nil
// without one that waits or was answered.
func (s *Site) regradePanel(r *http.Request, rd *reading) (*views.RegradePanel, error) {
	v := visitOf(r)
	g, err := s.Store.RegradeAbout(r.Context(), v.assignment.ID, rd.key, rd.paper.MemberID, v.user.ID)
	if err != nil || g == nil {
		return nil, err
	}
	p := s.regradeForm(v, *g, &rd.mark)
	return &p, nil
}

// regradeForm is a request with the form that answers it; mark is nil if the
// assignment no longer has the question.
func (s *Site) regradeForm(v *visit, g store.Regrade, mark *store.CellMark) views.RegradePanel {
	c, state := v.course.Slug, regradeStates[g.State]
	p := views.RegradePanel{State: state[0], StateText: state[1], Asked: when(g.AskedAt, s.Now(), v.course.Location()), Reason: g.Reason, URL: regradePath(c, g.ID),
		Was: regradePoints(g.Old, g.OldOut), Now: regradePoints(g.Old, g.OldOut), Max: pointsText(g.Max), Event: "0"}
	if g.Answer != nil {
		p.Answer = *g.Answer
	}
	if !g.Open() {
		return p
	}
	p.Action, p.Whose = regradePath(c, g.ID)+"/answer", "It is with "+regradeGrader(g)+"."
	switch {
	case g.GraderID == nil:
		p.Whose = "It is with the instructors."
	case *g.GraderID == v.user.ID:
		p.Whose = "It is yours."
	}
	if mayTake(v, g) {
		p.Take = regradePath(c, g.ID) + "/take"
	}
	p.Sees = "The student sees your answer at once, and with it the mark this question then has. Other marks that have changed since the feedback was returned wait for the next return."
	if g.Unreturned {
		p.Sees = "The feedback is withdrawn: the student sees your answer, and all marks, when it is returned again."
	}
	if mark != nil {
		p.Now, p.Max, p.Event, p.MayMark = regradePoints(mark.Points, mark.Excused()), pointsText(mark.Max), strconv.FormatInt(mark.Event(), 10), !mark.Excused()
	}
	return p
}

// regradePage is one request as staff see it, with its whole history.
func (s *Site) regradePage(w http.ResponseWriter, r *http.Request) error {
	g, err := s.regradeOf(r)
	if err != nil {
		return err
	}
	return s.showRegrade(w, r, http.StatusOK, g, nil)
}

// showRegrade shows the page; change puts back a form that was sent.
func (s *Site) showRegrade(w http.ResponseWriter, r *http.Request, status int, g store.Regrade, change func(*views.RegradePanel)) error {
	v, state := visitOf(r), regradeStates[g.State]
	mark, err := s.regradeMark(r, g)
	if err != nil {
		return err
	}
	page := views.RegradeView{Page: s.regradeFrame(r, g), Title: g.Question, Sub: joined(g.Title, g.Notebook), State: state[0], StateText: state[1],
		Back: views.LinkView{Text: "All regrade requests", URL: regradesPath(v.course.Slug)},
		Facts: []views.Definition{{Term: pick(s.anonymous(r), "Paper", "Student"), Text: paperName(g.Number, g.Login, g.Name, s.anonymous(r))},
			{Term: "Points", Text: regradeChange(g) + " of " + pointsText(g.Max)}, {Term: "Grader", Text: regradeGrader(g)}}}
	switch {
	case g.Dropped:
		page.Note = "This student is no longer in the course. The request stays, and so would an answer: they see it if they come back."
	case g.Unreturned:
		page.Note = "The feedback of this student is withdrawn. The request stays; the student sees an answer when the feedback is returned again."
	}
	if g.Number != nil && mark != nil {
		page.Work = views.LinkView{Text: "Open on the marking screen", Size: "small", Icon: "clipboard-check", URL: gradeAt(v.course.Slug, g.Assignment, *g.Number, g.QuestionKey, "")}
	}
	if g.Open() {
		panel := s.regradeForm(v, g, mark)
		if change != nil {
			change(&panel)
		}
		page.Panel = &panel
	}
	steps, err := s.Store.RegradeSteps(r.Context(), g)
	if err != nil {
		return err
	}
	page.Steps = s.regradeSteps(v, g, steps, false)
	return s.showStatus(w, r, status, views.Regrade(page))
}

// regradeMark is the question's mark as it stands; nil if there is no such question (any more).
func (s *Site) regradeMark(r *http.Request, g store.Regrade) (*store.CellMark, error) {
	m, err := s.Store.CellMark(r.Context(), g.AssignmentID, g.QuestionKey, g.MemberID, visitOf(r).user.ID)
	if course.IsKind(err, course.NotFound) {
		return nil, nil
	}
	return &m, err
}

// mayTake reports whether the visitor can make a request their own: it waits, is
// not theirs already, and they are on the course's staff.
func mayTake(v *visit, g store.Regrade) bool {
	return g.Open() && v.member.ID != 0 && (g.GraderID == nil || *g.GraderID != v.user.ID)
}

// takeRegrade makes a request the visitor's own, and goes to it.
func (s *Site) takeRegrade(w http.ResponseWriter, r *http.Request) error {
	v, ctx := visitOf(r), r.Context()
	g, err := s.regradeOf(r)
	if err != nil {
		return err
	}
	if v.member.ID == 0 {
		return course.Problemf(course.Forbidden, "You are not on the roster of this course, so its requests cannot be yours. You can answer them.")
	}
	err = s.Store.InTx(ctx, func(tx *store.Store) error {
		done, err := tx.TakeRegrade(ctx, g.ID, v.user.ID, s.Now())
		if err != nil || !done {
			return err
		}
		return s.recordRegrade(r, tx, g, "took over a regrade request", "")
	})
	if err != nil {
		return err
	}
	s.flash(r, "good", "The request is yours now.")
	return seeOther(w, r, regradeAt(v.course.Slug, g))
}

// answerRegrade answers a request, with a new mark or without.
func (s *Site) answerRegrade(w http.ResponseWriter, r *http.Request) error {
	v, ctx := visitOf(r), r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, maxGradeForm)
	g, err := s.regradeOf(r)
	if err != nil {
		return err
	}
	mark, err := s.regradeMark(r, g)
	if err != nil {
		return err
	}
	in, errs := readRegradeAnswer(r, g, mark)
	if len(errs) > 0 && g.Open() {
		return s.showRegrade(w, r, http.StatusUnprocessableEntity, g, func(p *views.RegradePanel) {
			p.Text, p.Points, p.Errs = r.PostFormValue("answer"), clip(r.PostFormValue("new_points"), 20), map[string]string{}
			p.Errors = errs
			for _, e := range errs {
				p.Errs[e.Field] = e.Text
			}
		})
	}
	err = s.Store.InTx(ctx, func(tx *store.Store) error {
		if err := tx.AnswerRegrade(ctx, g, in, v.user.ID, s.Now()); err != nil {
			return err
		}
		return s.recordRegrade(r, tx, g, "answered a regrade request", pick(in.Points != nil, ", new points: "+formatPoints(in.Points), ""))
	})
	conflict, marked := store.AsMarkConflict(err)
	switch {
	case marked:
		return s.regradeMarked(w, r, g, in, conflict.Theirs)
	case errors.Is(err, store.ErrRegradeClosed):
		return s.regradeClash(w, r, g, in)
	case err != nil:
		return err
	}
	s.flash(r, "good", "Answered. "+pick(g.Unreturned, "The student sees it when the feedback is returned again.", "The student sees it now."))
	return seeOther(w, r, regradePath(v.course.Slug, g.ID))
}

func readRegradeAnswer(r *http.Request, g store.Regrade, mark *store.CellMark) (in store.RegradeAnswer, errs []views.FieldError) {
	var why string
	add := func(field, text string) { errs = append(errs, views.FieldError{Field: field, Text: text}) }
	if in.Text, why = course.RegradeText(r.PostFormValue("answer"), "Write an answer: the student waits for a reason."); why != "" {
		add("answer", why)
	}
	most := g.Max
	if mark != nil {
		most = mark.Max
	}
	if in.Points, why = course.ParsePoints(r.PostFormValue("new_points")); why != "" {
		add("new_points", why)
	} else if in.Points != nil && *in.Points > most {
		add("new_points", fmt.Sprintf("The question gives %s. Give more as extra credit, in the mark itself.", pointsText(most)))
	}
	in.Seen, _ = strconv.ParseInt(r.PostFormValue("event"), 10, 64)
	return in, errs
}

// regradeClash tells who came second that the request is closed. The same answer
// sent twice by the same person is no clash.
func (s *Site) regradeClash(w http.ResponseWriter, r *http.Request, g store.Regrade, in store.RegradeAnswer) error {
	v := visitOf(r)
	g, err := s.Store.Regrade(r.Context(), v.course.ID, g.ID, v.user.ID)
	if err != nil {
		return err
	}
	if g.State == "answered" && *g.CloserID == v.user.ID && *g.Answer == in.Text {
		return seeOther(w, r, regradePath(v.course.Slug, g.ID))
	}
	page := views.RegradeClashView{Page: s.regradeFrame(r, g), Title: "Somebody answered first", YourText: in.Text, YourPoints: answerPoints(in),
		Text:   "A request has one answer, so yours was not sent and no mark was changed. If you disagree, talk to each other; the mark itself can still be changed on the marking screen and shown with the next return.",
		Theirs: "The answer of " + *g.Closer, TheirPoints: "Points: " + regradeChange(g), Keep: views.LinkView{Text: "To the request", URL: regradePath(v.course.Slug, g.ID)}}
	if g.State == "withdrawn" {
		page.Title, page.Theirs, page.TheirPoints = "The request was withdrawn", "Withdrawn by the student", wallTime(*g.ClosedAt, v.course.Location())
		page.Text = "The student took the request back while you were here. Your answer was not sent and no mark was changed."
	} else {
		page.TheirText = *g.Answer
	}
	return s.showStatus(w, r, http.StatusConflict, views.RegradeClash(page))
}

// regradeMarked tells a grader that the mark is not the one they saw. Sent again,
// the answer is about the mark as it is now.
func (s *Site) regradeMarked(w http.ResponseWriter, r *http.Request, g store.Regrade, in store.RegradeAnswer, theirs store.CellMark) error {
	c := visitOf(r).course
	page := views.RegradeClashView{Page: s.regradeFrame(r, g), Title: "The mark has changed meanwhile", YourText: in.Text, YourPoints: answerPoints(in), Theirs: "The mark now",
		Text:        "Somebody marked this question while you were here. Nothing was sent: the student would have seen a mark that you have not.",
		TheirPoints: regradePoints(theirs.Points, theirs.Excused()) + " of " + pointsText(theirs.Max), Keep: views.LinkView{Text: "Look at it first", URL: regradeAt(c.Slug, g)},
		Again: regradePath(c.Slug, g.ID) + "/answer", Fields: []views.Option{{Value: "event", Text: strconv.FormatInt(theirs.Event(), 10)},
			{Value: "answer", Text: in.Text}, {Value: "new_points", Text: formatPoints(in.Points)}}}
	if theirs.By != nil {
		page.Theirs = "The mark of " + *theirs.By
	}
	if theirs.Comment != nil {
		page.TheirText = *theirs.Comment
	}
	return s.showStatus(w, r, http.StatusConflict, views.RegradeClash(page))
}

// answerPoints says what an answer wanted the points to be.
func answerPoints(in store.RegradeAnswer) string {
	if in.Points == nil {
		return "Points as they are"
	}
	return "New points: " + formatPoints(in.Points)
}
