package handlers

import (
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// askRegradePage is the form that asks about one question.
func (s *Site) askRegradePage(w http.ResponseWriter, r *http.Request) error {
	terms, mark, err := s.regradable(r)
	if err != nil {
		return err
	}
	return s.showAskRegrade(w, r, http.StatusOK, terms, mark, uuid.NewString(), "", nil)
}

// regradable is the returned mark that the request names: NotFound without one.
func (s *Site) regradable(r *http.Request) (terms store.RegradeTerms, mark store.ReturnedMark, err error) {
	v := visitOf(r)
	k, ok := course.ParseQuestion(r.FormValue("question"))
	if terms, err = s.Store.RegradeTerms(r.Context(), v.assignment.ID, v.member.ID); err != nil {
		return terms, mark, err
	}
	for _, q := range terms.Questions {
		if ok && q.Key() == k && v.member.Role == course.Student {
			return terms, q, nil
		}
	}
	return terms, mark, course.Problemf(course.NotFound, "No mark of yours for this question has been returned.")
}

func (s *Site) showAskRegrade(w http.ResponseWriter, r *http.Request, status int, terms store.RegradeTerms, mark store.ReturnedMark, key, text string, errs []views.FieldError) error {
	v, now, loc := visitOf(r), s.Now(), visitOf(r).course.Location()
	c, a := v.course.Slug, v.assignment.Slug
	page := s.coursePage(r, "Ask for a regrade", "")
	page.Width = "narrow"
	page.Crumbs = append(page.Crumbs[:len(page.Crumbs)-1], views.Crumb{Text: v.assignment.Title, URL: assignmentPath(c, a)}, views.Crumb{Text: "Ask for a regrade"})
	ask := views.RegradeAskView{Page: page, Question: mark.Question, Notebook: mark.Notebook, Points: pointsOutOf(mark.Shown(), mark.Excused, mark.Max),
		Action: askRegradePath(c, a, mark.Key()), Key: key, Errors: errs, Back: assignmentPath(c, a) + "#regrades",
		Reason: views.FieldView{Name: "reason", Label: "What should be looked at again?", Value: text, Rows: 8, Error: errorOf(errs, "reason"),
			Hint: fmt.Sprintf("Say which part of your answer you think was misjudged, and why. Plain text, at most %d characters.", course.MaxRegradeText)}}
	if terms.Open(terms.ReturnedAt, now, loc) {
		ask.Closes = when(terms.ClosesAt(*terms.ReturnedAt, loc), now, loc)
	} else {
		ask.Closed = regradeClosed(terms, v)
	}
	return s.showStatus(w, r, status, views.RegradeAsk(ask))
}

// askRegrade sends a request. However often the same form is sent, it is one.
func (s *Site) askRegrade(w http.ResponseWriter, r *http.Request) error {
	v, ctx, now := visitOf(r), r.Context(), s.Now()
	r.Body = http.MaxBytesReader(w, r.Body, maxGradeForm)
	terms, mark, err := s.regradable(r)
	if err != nil {
		return err
	}
	form, err := uuid.Parse(r.PostFormValue("key"))
	if err != nil {
		return course.Problemf(course.Invalid, "This form was not complete. Go back, reload the page and ask again.")
	}
	text, why := course.RegradeText(r.PostFormValue("reason"), "Say what should be looked at again.")
	if why == "" && !terms.Open(terms.ReturnedAt, now, v.course.Location()) {
		return s.showAskRegrade(w, r, http.StatusUnprocessableEntity, terms, mark, form.String(), text, nil)
	}
	var id course.RegradeID
	if why != "" {
		err = course.Fieldf("reason", "%s", why)
	} else {
		err = s.Store.InTx(ctx, func(tx *store.Store) (err error) {
			var fresh bool
			if id, fresh, err = tx.AskRegrade(ctx, v.assignment, v.member.ID, v.user.ID, form, mark, text, now); err != nil || !fresh {
				return err
			}
			return tx.Record(ctx, course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: v.assignment.ID, MemberID: v.member.ID,
				Verb: "asked for a regrade", Detail: mark.Key().String()})
		})
	}
	if errs, ok := formErrors(err); ok {
		status := pick(course.IsKind(err, course.Conflict), http.StatusConflict, http.StatusUnprocessableEntity)
		return s.showAskRegrade(w, r, status, terms, mark, form.String(), text, errs)
	}
	if err != nil {
		return err
	}
	s.flash(r, "good", "Your request was sent. The answer shows here and on the assignment's page.")
	return seeOther(w, r, myRegradePath(v.course.Slug, v.assignment.Slug, id))
}
