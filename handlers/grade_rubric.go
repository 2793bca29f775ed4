package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// maxItems bounds a rubric.
const maxItems = 100

// rubricQuestion is the question whose rubric an address or a form names.
func (s *Site) rubricQuestion(r *http.Request) (store.GradeQuestion, error) {
	k, ok := course.ParseQuestion(r.FormValue("question"))
	questions, err := s.Store.GradeQuestions(r.Context(), visitOf(r).assignment.ID)
	if err != nil {
		return store.GradeQuestion{}, err
	}
	for _, q := range questions {
		if ok && q.QuestionKey == k {
			return q, nil
		}
	}
	return store.GradeQuestion{}, course.Problemf(course.NotFound, "There is no such question.")
}

// rubricBack is where the grader came from.
func rubricBack(r *http.Request, k course.QuestionKey) string {
	v := visitOf(r)
	if number := atoi(r.FormValue("paper")); number > 0 {
		return gradeAt(v.course.Slug, v.assignment.Slug, number, k, byStudent(r.FormValue("by")))
	}
	return gradePath(v.course.Slug, v.assignment.Slug)
}

// rubricPage is how a question is marked, to be changed.
func (s *Site) rubricPage(w http.ResponseWriter, r *http.Request) error {
	return s.showRubric(w, r, http.StatusOK, nil)
}

// showRubric shows the form; errs by field are of one that came back.
func (s *Site) showRubric(w http.ResponseWriter, r *http.Request, status int, errs map[string]string) error {
	v := visitOf(r)
	q, err := s.rubricQuestion(r)
	if err != nil {
		return err
	}
	rubric, err := s.Store.Rubric(r.Context(), v.assignment.ID, q.QuestionKey)
	if err != nil {
		return err
	}
	used, _, err := s.Store.RubricUse(r.Context(), v.assignment.ID, q.QuestionKey)
	if err != nil {
		return err
	}
	c, a, number, by := v.course.Slug, v.assignment.Slug, atoi(r.FormValue("paper")), byStudent(r.FormValue("by"))
	page := views.RubricView{Page: s.assignmentFrame(r, "Rubric", "grade"), Title: q.Notebook + ": " + q.Question, Action: rubricPath(c, a), Back: rubricBack(r, q.QuestionKey),
		Question: q.QuestionKey.String(), By: by, Max: pointsText(q.Max), Mode: rubric.Mode, New: views.RubricItemView{ID: "new"}}
	if number > 0 {
		page.Paper = strconv.Itoa(number)
	}
	// What came from the marking screen is one new item: the others stand as they are.
	adding := r.PostFormValue("act") == "add"
	fill := func(it *views.RubricItemView) {
		if errs != nil && (it.ID == "new" || !adding) {
			it.Text, it.Points = r.PostFormValue("text."+it.ID), r.PostFormValue("points."+it.ID)
			it.TextError, it.PointsError = errs["text-"+it.ID], errs["points-"+it.ID]
			for _, f := range []string{"text-" + it.ID, "points-" + it.ID} {
				if errs[f] != "" {
					page.Errors = append(page.Errors, views.FieldError{Field: f, Text: errs[f]})
				}
			}
		}
	}
	for _, it := range rubric.Items {
		id := strconv.FormatInt(it.ID, 10)
		item := views.RubricItemView{ID: id, Text: it.Text, Points: formatSigned(it.Points), Used: plural(used[it.ID], "mark"),
			Delete: views.LinkView{Text: "Delete", Kind: "quiet", Size: "small", Icon: "trash-2", URL: rubricPath(c, a) + "/delete?" + rubricQuery(q.QuestionKey, number, by) + "&item=" + id}}
		fill(&item)
		page.Items = append(page.Items, item)
	}
	fill(&page.New)
	return s.showStatus(w, r, status, views.Rubric(page))
}

func rubricQuery(k course.QuestionKey, number int, by string) string {
	_, q, _ := strings.Cut(rubricAt("c", "a", k, number, by), "?")
	return q
}

func formatSigned(p float64) string { return strconv.FormatFloat(p, 'f', -1, 64) }

// parseItem reads points that may be negative.
func parseItem(s string) (float64, string) {
	s = strings.TrimSpace(s)
	rest, minus := strings.CutPrefix(strings.Replace(s, "−", "-", 1), "-")
	p, why := course.ParsePoints(rest)
	switch {
	case why != "":
		return 0, fmt.Sprintf("“%s” is not a number of points.", clip(s, 20))
	case p == nil:
		return 0, "How many points?"
	case minus:
		return -*p, ""
	}
	return *p, ""
}

func parseItemText(s string) (string, string) {
	s = clip(strings.Join(strings.Fields(cleanComment(s)), " "), 500)
	if s == "" {
		return "", "What is to be looked for?"
	}
	return s, ""
}

// errItem stops a change whose form comes back.
var errItem = errors.New("the form comes back")

// saveRubric changes the rubric as the form says; the marks made with it follow.
// act "add" only adds one item, while grading.
func (s *Site) saveRubric(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	r.Body = http.MaxBytesReader(w, r.Body, maxGradeForm)
	q, err := s.rubricQuestion(r)
	if err != nil {
		return err
	}
	adding := r.PostFormValue("act") == "add"
	if adding {
		r.PostForm.Set("text.new", r.PostFormValue("item"))
		r.PostForm.Set("points.new", r.PostFormValue("item_points"))
	}
	errs := map[string]string{}
	marked, err := s.Store.ChangeRubric(r.Context(), v.assignment.ID, q.QuestionKey, q.Max, "the rubric was changed", v.user.ID, func(was course.Rubric) (course.Rubric, error) {
		to := readRubric(r, was, adding, errs)
		if len(errs) > 0 {
			return was, errItem
		}
		return to, nil
	})
	if errors.Is(err, errItem) {
		return s.showRubric(w, r, http.StatusUnprocessableEntity, errs)
	}
	if err != nil {
		return err
	}
	if err := s.record(r, "changed rubric", v.assignment, q.Notebook+", "+q.Question); err != nil {
		return err
	}
	if !adding { // while grading the item itself says it
		s.flash(r, "good", rubricSaved(marked))
	}
	return seeOther(w, r, pick(adding || r.PostFormValue("paper") != "", rubricBack(r, q.QuestionKey), rubricAt(v.course.Slug, v.assignment.Slug, q.QuestionKey, 0, "")))
}

func rubricSaved(marked int) string {
	if marked == 0 {
		return "The rubric is saved. No mark changed."
	}
	return fmt.Sprintf("The rubric is saved, and %s followed.", plural(marked, "mark"))
}

// readRubric makes of the present rubric what the form asks for.
func readRubric(r *http.Request, was course.Rubric, adding bool, errs map[string]string) course.Rubric {
	to := course.Rubric{Mode: was.Mode}
	if mode := r.PostFormValue("mode"); mode == course.RubricAdds || mode == course.RubricDeducts {
		to.Mode = mode
	}
	read := func(id string) (it course.RubricItem) {
		var why string
		if it.Text, why = parseItemText(r.PostFormValue("text." + id)); why != "" {
			errs["text-"+id] = why
		}
		if it.Points, why = parseItem(r.PostFormValue("points." + id)); why != "" {
			errs["points-"+id] = why
		}
		return it
	}
	for _, it := range was.Items {
		id := strconv.FormatInt(it.ID, 10)
		if !adding && r.PostForm.Has("text."+id) { // an item that the form did not know stays
			change := read(id)
			it.Text, it.Points = change.Text, change.Points
		}
		to.Items = append(to.Items, it)
	}
	if adding || strings.TrimSpace(r.PostFormValue("text.new")+r.PostFormValue("points.new")) != "" {
		if len(to.Items) >= maxItems {
			errs["text-new"] = fmt.Sprintf("A rubric has at most %d items.", maxItems)
		}
		to.Items = append(to.Items, read("new"))
	}
	return to
}

// rubricItem is the item that an address or a form names.
func (s *Site) rubricItem(r *http.Request) (q store.GradeQuestion, it course.RubricItem, err error) {
	if q, err = s.rubricQuestion(r); err != nil {
		return q, it, err
	}
	rubric, err := s.Store.Rubric(r.Context(), visitOf(r).assignment.ID, q.QuestionKey)
	if err != nil {
		return q, it, err
	}
	for _, it := range rubric.Items {
		if strconv.FormatInt(it.ID, 10) == r.FormValue("item") {
			return q, it, nil
		}
	}
	return q, it, course.Problemf(course.NotFound, "There is no such item.")
}

// confirmDeleteItem says first which marks an item has made.
func (s *Site) confirmDeleteItem(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	q, it, err := s.rubricItem(r)
	if err != nil {
		return err
	}
	used, alone, err := s.Store.RubricUse(r.Context(), v.assignment.ID, q.QuestionKey)
	if err != nil {
		return err
	}
	number, by := atoi(r.FormValue("paper")), byStudent(r.FormValue("by"))
	confirm := views.ConfirmView{Title: "Delete “" + it.Text + "”?", Action: rubricPath(v.course.Slug, v.assignment.Slug) + "/delete", Button: "Delete the item", Kind: "danger",
		Back: rubricAt(v.course.Slug, v.assignment.Slug, q.QuestionKey, number, by), Keeps: "The history of every mark, and all comments.",
		Text:   fmt.Sprintf("It is part of %s, which will be counted anew without it.", plural(used[it.ID], "mark")),
		Fields: []views.Option{{Value: "question", Text: q.QuestionKey.String()}, {Value: "item", Text: strconv.FormatInt(it.ID, 10)}, {Value: "paper", Text: strconv.Itoa(number)}, {Value: "by", Text: by}}}
	if alone[it.ID] > 0 {
		confirm.Loses = fmt.Sprintf("%s nothing else to go by and will need grading again.", pick(alone[it.ID] == 1, "1 mark has", fmt.Sprintf("%d marks have", alone[it.ID])))
	}
	return s.show(w, r, views.RubricConfirm(s.assignmentFrame(r, "Delete item", "grade"), confirm))
}

// deleteItem takes an item out of a rubric.
func (s *Site) deleteItem(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	q, it, err := s.rubricItem(r)
	if err != nil {
		return err
	}
	marked, err := s.Store.ChangeRubric(r.Context(), v.assignment.ID, q.QuestionKey, q.Max, "the rubric lost “"+it.Text+"”", v.user.ID, func(was course.Rubric) (course.Rubric, error) {
		to := course.Rubric{Mode: was.Mode}
		for _, o := range was.Items {
			if o.ID != it.ID {
				to.Items = append(to.Items, o)
			}
		}
		return to, nil
	})
	if err != nil {
		return err
	}
	if err := s.record(r, "changed rubric", v.assignment, q.Notebook+", "+q.Question); err != nil {
		return err
	}
	s.flash(r, "good", rubricSaved(marked))
	return seeOther(w, r, rubricAt(v.course.Slug, v.assignment.Slug, q.QuestionKey, atoi(r.FormValue("paper")), byStudent(r.FormValue("by"))))
}
