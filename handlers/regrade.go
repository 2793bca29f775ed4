package handlers

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// regradeStates are the badge and the word of a request's state.
var regradeStates = map[string][2]string{"open": {"grading", "Asked"}, "answered": {"returned", "Answered"}, "withdrawn": {"dropped", "Withdrawn"}}

// regradePoints is points as a student sees them: "2", "excused", "no points yet".
func regradePoints(p *float64, excused bool) string {
	switch {
	case excused:
		return "excused"
	case p == nil:
		return "no points yet"
	}
	return pointsText(*p)
}

// pointsOutOf is the same with what could be had: "2 of 3".
func pointsOutOf(p *float64, excused bool, most float64) string {
	text := regradePoints(p, excused)
	if p != nil && !excused {
		text += " of " + pointsText(most)
	}
	return text
}

// regradeChange is what an answer did to the points: "1 → 2", or the points alone.
func regradeChange(g store.Regrade) string {
	was := regradePoints(g.Old, g.OldOut)
	if g.State != "answered" {
		return was
	}
	now := regradePoints(g.New, g.NewOut != nil && *g.NewOut)
	return pick(was == now, was, was+" → "+now)
}

// fillRegrades adds to a student's assignment page what came back question by
// question, and what they may ask or have asked about it.
func (s *Site) fillRegrades(r *http.Request, page *views.StudentAssignmentView) error {
	v, now := visitOf(r), s.Now()
	terms, err := s.Store.RegradeTerms(r.Context(), v.assignment.ID, v.member.ID)
	if err != nil {
		return err
	}
	asked, err := s.Store.RegradesOf(r.Context(), v.assignment.ID, v.member.ID)
	if err != nil || len(asked) == 0 && len(terms.Questions) == 0 {
		return err
	}
	c, a, loc := v.course.Slug, v.assignment.Slug, v.course.Location()
	open := terms.Open(terms.ReturnedAt, now, loc)
	section := views.RegradeSection{Window: regradeClosed(terms, v)}
	if open {
		section.Window, section.At = "You can ask for a regrade until", when(terms.ClosesAt(*terms.ReturnedAt, loc), now, loc)
	} else if terms.ReturnedAt == nil {
		section.Note = "Your feedback was withdrawn. Your requests are kept and will be answered; points and answers show again when the feedback is returned."
	}
	rows := map[course.QuestionKey]int{}
	add := func(k course.QuestionKey) *views.RegradeQuestion {
		if _, known := rows[k]; !known {
			rows[k] = len(section.Rows)
			section.Rows = append(section.Rows, views.RegradeQuestion{Question: k.Question, Notebook: k.Notebook})
		}
		return &section.Rows[rows[k]]
	}
	for _, q := range terms.Questions {
		row := add(q.Key())
		row.Points = pointsOutOf(q.Shown(), q.Excused, q.Max)
		if open {
			row.Ask = askRegradePath(c, a, q.Key())
		}
	}
	for _, g := range asked {
		row, state := add(g.QuestionKey), regradeStates[g.State]
		link := views.RegradeLink{State: state[0], StateText: state[1], URL: myRegradePath(c, a, g.ID)}
		if g.State == "answered" && terms.ReturnedAt != nil {
			link.Changed = regradeChange(g)
			if page.Feedback != nil && len(page.Feedback.Files) > 0 && strings.Contains(link.Changed, "→") {
				section.Note = "The feedback files are as they were returned. The points here are the ones that hold."
			}
		}
		row.Requests = append(row.Requests, link)
		if g.Open() {
			row.Ask = ""
		}
	}
	page.Regrades = &section
	return nil
}

// regradeClosed says why one may not ask; "" if one may, or has nothing to ask about.
func regradeClosed(t store.RegradeTerms, v *visit) string {
	switch {
	case t.ReturnedAt == nil:
		return ""
	case !t.Regrades:
		return "This assignment takes no requests for a regrade."
	}
	return "Requests for a regrade closed on " + wallTime(t.ClosesAt(*t.ReturnedAt, v.course.Location()), v.course.Location()) + "."
}

// regradeOf is the request that the pattern names; NotFound for another course's.
func (s *Site) regradeOf(r *http.Request) (store.Regrade, error) {
	v := visitOf(r)
	id, err := strconv.ParseInt(chi.URLParam(r, "regrade"), 10, 64)
	if err != nil {
		return store.Regrade{}, course.Problemf(course.NotFound, "There is no such regrade request.")
	}
	return s.Store.Regrade(r.Context(), v.course.ID, course.RegradeID(id), v.user.ID)
}

// myRegradeOf is the student's own request, about this assignment.
func (s *Site) myRegradeOf(r *http.Request) (store.Regrade, error) {
	v := visitOf(r)
	g, err := s.regradeOf(r)
	if err == nil && (g.MemberID != v.member.ID || g.AssignmentID != v.assignment.ID) {
		err = course.Problemf(course.NotFound, "There is no such regrade request.")
	}
	return g, err
}

// myRegrade is one request as its student sees it.
func (s *Site) myRegrade(w http.ResponseWriter, r *http.Request) error {
	g, err := s.myRegradeOf(r)
	if err != nil {
		return err
	}
	v, state := visitOf(r), regradeStates[g.State]
	c, a := v.course.Slug, v.assignment.Slug
	page := views.RegradeView{Page: s.regradeFrame(r, g), Title: g.Question, Sub: "Regrade request, " + g.Notebook, State: state[0], StateText: state[1],
		Back: views.LinkView{Text: "Back to " + v.assignment.Title, URL: assignmentPath(c, a) + "#regrades"}}
	if g.Unreturned {
		page.Note = "Your feedback was withdrawn. This request is kept" + pick(g.Open(), " and will be answered", "") + "; points and answers show again when the feedback is returned."
	} else {
		page.Facts = []views.Definition{{Term: "Points", Text: regradeChange(g) + " of " + pointsText(g.Max)}}
	}
	if g.Open() {
		confirm := withdrawRegradeConfirm(v, g)
		page.Withdraw, page.WithdrawURL = &confirm, confirm.Action
	}
	steps, err := s.Store.RegradeSteps(r.Context(), g)
	if err != nil {
		return err
	}
	page.Steps = s.regradeSteps(v, g, forStudent(g, steps), true)
	return s.show(w, r, views.Regrade(page))
}

// forStudent leaves out what a student does not see: marks before there is an
// answer, who holds the request, and all points while feedback is withdrawn.
func forStudent(g store.Regrade, steps []store.RegradeStep) (out []store.RegradeStep) {
	for _, st := range steps {
		shown := st.Kind == "asked" || st.Kind == "withdrawn" || !g.Unreturned && (st.Kind == "answered" || st.Kind == "mark" && g.State == "answered")
		if shown {
			out = append(out, st)
		}
	}
	return out
}

func (s *Site) regradeFrame(r *http.Request, g store.Regrade) views.PageView {
	v := visitOf(r)
	page := s.coursePage(r, "Regrade of "+g.Question, "regrades")
	up := views.Crumb{Text: g.Title, URL: assignmentPath(v.course.Slug, g.Assignment)}
	if v.staff() {
		up = views.Crumb{Text: "Regrade requests", URL: regradesPath(v.course.Slug)}
	} else {
		page.Width = "narrow"
	}
	page.Crumbs = append(page.Crumbs[:len(page.Crumbs)-1], up, views.Crumb{Text: g.Question})
	return page
}

// regradeSteps prints a history; a student is told neither graders' names nor
// their notes on marks.
func (s *Site) regradeSteps(v *visit, g store.Regrade, steps []store.RegradeStep, student bool) (out []views.RegradeStep) {
	last := regradePoints(g.Old, g.OldOut)
	for _, st := range steps {
		row := views.RegradeStep{At: when(st.At, s.Now(), v.course.Location()), Text: st.Text}
		if st.Actor != nil && !student {
			row.Who = "by " + cmp.Or(*st.Name, *st.Actor)
		}
		points := regradePoints(st.Points, st.Excused)
		change := pick(points == last, points, last+" → "+points)
		switch st.Kind {
		case "asked":
			row.Icon, row.What, row.Points, row.Who = "message-square", pick(student, "You asked", "Asked"), "Points then: "+points, ""
		case "taken":
			row.Icon, row.What = "arrow-right", "Taken over"
		case "withdrawn":
			row.Icon, row.What, row.Who = "undo-2", pick(student, "You withdrew the request", "Withdrawn by the student"), ""
		case "mark":
			row.Icon, row.What, row.Points, last = "pencil", "New mark", change, points
			row.Text = pick(student, "", st.Text)
		case "answered":
			row.Icon, row.What = "reply", "Answered"
			row.Points = pick(points == regradePoints(g.Old, g.OldOut), "Points stay "+points, "Points: "+regradeChange(g))
		}
		if student && g.Unreturned {
			row.Points = ""
		}
		out = append(out, row)
	}
	return out
}

func withdrawRegradeConfirm(v *visit, g store.Regrade) views.ConfirmView {
	at := myRegradePath(v.course.Slug, v.assignment.Slug, g.ID)
	return views.ConfirmView{ID: "withdraw-request", Title: "Withdraw the request about " + g.Question + "?",
		Text: "Nobody will answer it. You can ask again while requests are open.", Keeps: "Your points, and what you wrote: it stays in the history.",
		Button: "Withdraw", Kind: "danger", Action: at + "/withdraw", Back: at}
}

// confirmWithdrawRegrade asks first, for those without scripts.
func (s *Site) confirmWithdrawRegrade(w http.ResponseWriter, r *http.Request) error {
	g, err := s.myRegradeOf(r)
	if err != nil {
		return err
	}
	if !g.Open() {
		return seeOther(w, r, myRegradePath(visitOf(r).course.Slug, g.Assignment, g.ID))
	}
	return s.show(w, r, views.Confirm(views.ConfirmPageView{Page: s.regradeFrame(r, g), Confirm: withdrawRegradeConfirm(visitOf(r), g)}))
}

// withdrawRegrade takes one's own request back.
func (s *Site) withdrawRegrade(w http.ResponseWriter, r *http.Request) error {
	v, ctx := visitOf(r), r.Context()
	g, err := s.myRegradeOf(r)
	if err != nil {
		return err
	}
	err = s.Store.InTx(ctx, func(tx *store.Store) error {
		done, err := tx.WithdrawRegrade(ctx, g.ID, v.user.ID, s.Now())
		if err != nil || !done {
			return err
		}
		return s.recordRegrade(r, tx, g, "withdrew a regrade request", "")
	})
	if p, ok := course.AsProblem(err); ok && p.Kind == course.Conflict {
		s.flash(r, "info", p.Text)
	} else if err != nil {
		return err
	} else {
		s.flash(r, "good", "The request is withdrawn.")
	}
	return seeOther(w, r, myRegradePath(v.course.Slug, v.assignment.Slug, g.ID))
}

// recordRegrade writes an act on a request into the activity log.
func (s *Site) recordRegrade(r *http.Request, tx *store.Store, g store.Regrade, verb, detail string) error {
	v := visitOf(r)
	return tx.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: g.AssignmentID, MemberID: g.MemberID,
		Verb: verb, Detail: g.QuestionKey.String() + detail})
}
