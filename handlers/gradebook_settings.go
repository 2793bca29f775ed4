package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// bookSettings is the form for how the total is made.
func (s *Site) bookSettings(w http.ResponseWriter, r *http.Request) error {
	b, exact, err := s.Store.Book(r.Context(), visitOf(r).course.ID)
	if err != nil {
		return err
	}
	return s.bookSettingsForm(w, r, http.StatusOK, b, course.FormatLetters(b.Letters), exact, nil)
}

func (s *Site) bookSettingsForm(w http.ResponseWriter, r *http.Request, status int, b course.Book, letters string, exact bool, errs []views.FieldError) error {
	v := visitOf(r)
	assignments, err := s.Store.BookAssignments(r.Context(), v.course.ID)
	if err != nil {
		return err
	}
	page := views.BookSettingsView{Page: s.coursePage(r, "How the total is made", "gradebook"), Errors: errs, Action: bookSettingsPath(v.course.Slug), Back: gradebookPath(v.course.Slug),
		Letters: views.FieldView{Name: "letters", Label: "Letter grades", Value: letters, Optional: true, Rows: 6, Error: errorOf(errs, "letters"), Placeholder: "A 90\nB 80\nC 70",
			Hint: "One a line: the grade and the percentage it begins at. Totals are rounded to the hundredth first."},
		Exact: views.FieldView{Name: "exact", Label: "Score exactly like nbgrader", Checked: exact,
			Hint: "Warnings on stderr fail a test, partial credit understands plain numbers only, and points above the maximum stop the grading. From the next autograding on."}}
	used := map[string]int{}
	var names []string
	for _, a := range assignments {
		if used[a.GradeGroup]++; used[a.GradeGroup] == 1 {
			names = append(names, a.GradeGroup)
		}
	}
	for _, g := range b.Groups {
		if used[g.Name] == 0 {
			used[g.Name] = -1
			names = append(names, g.Name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		g := views.BookGroupView{Name: name, Label: cmp.Or(name, "Assignments without a group"), Index: strconv.Itoa(i), Weight: "", Drop: "0", Count: plural(max(0, used[name]), "assignment")}
		for _, set := range b.Groups {
			if set.Name == name {
				g.Weight, g.Drop = course.FormatPoints(&set.Weight), strconv.Itoa(set.Drop)
			}
		}
		page.Groups = append(page.Groups, g)
	}
	return s.showStatus(w, r, status, views.BookSettings(page))
}

// saveBook changes how the total is made.
func (s *Site) saveBook(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		return course.Problemf(course.Invalid, "That form could not be read. Nothing was saved.")
	}
	var b course.Book
	var problems course.Problems
	for i := range 200 {
		index := strconv.Itoa(i)
		if !r.PostForm.Has("group." + index) {
			break
		}
		g := course.BookGroup{Name: clip(r.PostForm.Get("group."+index), 60)}
		weight, why := course.ParsePoints(r.PostForm.Get("weight." + index))
		drop, err := strconv.Atoi(cmp.Or(r.PostForm.Get("drop."+index), "0"))
		switch {
		case why != "":
			problems = append(problems, course.Fieldf("weight."+index, "%s: %s", cmp.Or(g.Name, "Without a group"), why))
		case err != nil || drop < 0 || drop > 100:
			problems = append(problems, course.Fieldf("drop."+index, "%s: say how many of the worst to drop, from 0 to 100.", cmp.Or(g.Name, "Without a group")))
		}
		if weight != nil {
			g.Weight, g.Drop = *weight, drop
			b.Groups = append(b.Groups, g)
		}
	}
	letters, err := course.ParseLetters(r.PostForm.Get("letters"))
	if p, ok := course.AsProblem(err); ok {
		problems = append(problems, p)
	}
	b.Letters = letters
	exact := r.PostForm.Get("exact") == "on"
	if errs, ok := formErrors(problems.OrNil()); ok && len(problems) > 0 {
		return s.bookSettingsForm(w, r, http.StatusUnprocessableEntity, b, r.PostForm.Get("letters"), exact, errs)
	}
	err = s.Store.InTx(r.Context(), func(tx *store.Store) error {
		if err := tx.SaveBook(r.Context(), v.course.ID, b, exact); err != nil {
			return err
		}
		return tx.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, Verb: "changed how the total is made",
			Detail: fmt.Sprintf("%s, %s", plural(len(b.Groups), "group"), plural(len(b.Letters), "grade"))})
	})
	if err != nil {
		return err
	}
	s.flash(r, "good", "Saved. All totals follow.")
	return seeOther(w, r, gradebookPath(v.course.Slug))
}
