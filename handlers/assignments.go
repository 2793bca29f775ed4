package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// staffCourse is the course as the people who teach it see it: the life of each
// assignment, and what to do next about it.
func (s *Site) staffCourse(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	table, err := s.Store.AssignmentTable(r.Context(), v.course.ID)
	if err != nil {
		return err
	}
	page := views.StaffCourseView{Page: s.coursePage(r, v.course.Title, "assignments"), Term: v.course.Term, MayEdit: v.teaches(), NewURL: newAssignmentPath(v.course.Slug)}
	page.Page.Width = "wide"
	waiting, err := s.Store.RegradesWaiting(r.Context(), v.user.ID)
	if err != nil {
		return err
	}
	page.Regrades, page.RegradesURL = regradesWait(waiting[v.course.ID]), regradesPath(v.course.Slug)
	for _, a := range table {
		page.Rows = append(page.Rows, s.assignmentRow(v, a))
	}
	return s.show(w, r, views.StaffCourse(page))
}

// assignmentRow says how far an assignment is and what comes next.
func (s *Site) assignmentRow(v *visit, a store.AssignmentRow) views.AssignmentRow {
	now, loc := s.Now(), v.course.Location()
	part := func(p string) string { return assignmentPart(v.course.Slug, a.Slug, p) }
	row := views.AssignmentRow{Title: a.Title, URL: part("source"), Points: pointsText(a.Points),
		Due: whenIf(a.DueAt, now, loc, "No deadline"), Opened: fmt.Sprintf("%d/%d", a.Opened, a.Students),
		Handed: fmt.Sprintf("%d/%d", a.Handed, a.Students), Marked: fmt.Sprintf("%d/%d", a.Marked, a.Handed),
		Returned: fmt.Sprintf("%d/%d", a.Returned, a.Handed), Extended: a.Extended}
	if a.Late > 0 {
		row.Late = fmt.Sprintf("%d late", a.Late)
	}
	switch phase := a.Phase(now, a.Returned > 0); phase {
	case course.Draft:
		row.State, row.StateText, row.Next, row.NextURL = "draft", "Draft", "Add files", part("source")
		if a.SourceVersion > 0 {
			row.StateText, row.State, row.Next = "Needs mending", "warn", "Read the check report"
		}
	case course.Checked:
		row.State, row.StateText, row.Next, row.NextURL = "checked", "Checked", "Release", part("release")
	case course.Scheduled:
		row.State, row.StateText, row.Next, row.NextURL = "scheduled", "Scheduled", "Change", part("release")
	case course.Released:
		row.State, row.StateText, row.Next, row.NextURL = "released", "Released", "See submissions", part("submissions")
	case course.Collected:
		row.State, row.StateText, row.Next, row.NextURL = "collected", "Collected", "Grade", part("grade")
	case course.Returned:
		row.State, row.StateText, row.Next, row.NextURL = "returned", "Returned", "See feedback", part("feedback")
	}
	return row
}

// newAssignment is the form for one more assignment.
func (s *Site) newAssignment(w http.ResponseWriter, r *http.Request) error {
	return s.newAssignmentForm(w, r, http.StatusOK, nil, course.Assignment{})
}

func (s *Site) newAssignmentForm(w http.ResponseWriter, r *http.Request, status int, errs []views.FieldError, a course.Assignment) error {
	v := visitOf(r)
	page := s.coursePage(r, "New assignment", "assignments")
	return s.showStatus(w, r, status, views.NewAssignment(views.NewAssignmentView{Page: page, Errors: errs, Action: newAssignmentPath(v.course.Slug),
		Title: a.Title, Slug: a.Slug, Due: formatLocal(a.DueAt, v.course.Location()), Zone: v.course.Zone,
		TitleError: errorOf(errs, "title"), SlugError: errorOf(errs, "slug"), DueError: errorOf(errs, "due_at"), FilesError: errorOf(errs, "files")}))
}

// createAssignment makes an assignment out of its title and, usually, its files.
// If anything is wrong with either, nothing is made.
func (s *Site) createAssignment(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	up, err := s.receive(w, r, v.course.Slug)
	if err != nil {
		return err
	}
	defer up.Discard()
	a := course.Assignment{CourseID: v.course.ID, Title: strings.TrimSpace(up.values.Get("title")), Slug: strings.TrimSpace(up.values.Get("slug"))}
	if a.Slug == "" {
		a.Slug = slugOf(a.Title)
	}
	var problems course.Problems
	if a.DueAt, err = parseLocal("due_at", up.values.Get("due_at"), v.course.Location()); err != nil {
		p, _ := course.AsProblem(err)
		problems = append(problems, p)
	}
	problems = append(problems, checkNames(a)...)
	if up.files > 0 {
		if errs, ok := formErrors(up.Problems()); ok {
			for _, e := range errs {
				problems = append(problems, course.Fieldf(e.Field, "%s", e.Text))
			}
		}
	}
	err = problems.OrNil()
	if err == nil {
		err = s.Store.AddAssignment(r.Context(), &a)
	}
	if errs, ok := formErrors(err); ok {
		return s.newAssignmentForm(w, r, http.StatusUnprocessableEntity, errs, a)
	}
	if err != nil {
		return err
	}
	if err := s.record(r, "created assignment", a, ""); err != nil {
		return err
	}
	if up.files > 0 {
		if err := s.importSource(r, up, v.course, a, false); err != nil {
			return err
		}
	}
	return seeOther(w, r, assignmentPart(v.course.Slug, a.Slug, "source"))
}

// checkNames finds what is wrong with an assignment's title and short name.
func checkNames(a course.Assignment) (problems course.Problems) {
	if a.Title == "" || len(a.Title) > 200 {
		problems = append(problems, course.Fieldf("title", "Give the assignment a title of at most 200 characters."))
	}
	if a.Title != "" && !course.ValidSlug(a.Slug) {
		problems = append(problems, course.Fieldf("slug", "A short name has lower-case letters, digits and hyphens, and is not “release”, “feedback” or “new”."))
	}
	return problems
}

// slugOf makes a short name out of a title: "Problem Set 1" becomes "problem-set-1".
func slugOf(title string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(title) {
		switch {
		case c < unicode.MaxASCII && (unicode.IsLetter(c) || unicode.IsDigit(c)):
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == 60 {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}

// assignmentSettings is the form for what can be changed at any time.
func (s *Site) assignmentSettings(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	grading, err := s.Store.RunSettings(r.Context(), v.assignment.ID)
	if err != nil {
		return err
	}
	regrades, err := s.Store.RegradeRule(r.Context(), v.assignment.ID)
	if err != nil {
		return err
	}
	return s.settingsForm(w, r, http.StatusOK, nil, v.assignment, grading, regrades)
}

func (s *Site) settingsForm(w http.ResponseWriter, r *http.Request, status int, errs []views.FieldError, a course.Assignment, grading store.RunSettings, regrades course.RegradeRule) error {
	view := s.settingsView(r, errs, a)
	var err error
	if view.Image, err = s.imageChoice(r, a.Image, visitOf(r).assignment.Image, visitOf(r).course.Image, errs); err != nil {
		return err
	}
	fillRunSettings(&view, grading, errs)
	fillRegradeRule(&view, regrades, errs)
	return s.showStatus(w, r, status, views.AssignmentSettings(view))
}

// confirmArchive asks first, for those without scripts.
func (s *Site) confirmArchive(w http.ResponseWriter, r *http.Request) error {
	return s.show(w, r, views.ArchiveAssignment(s.settingsView(r, nil, visitOf(r).assignment)))
}

func (s *Site) settingsView(r *http.Request, errs []views.FieldError, a course.Assignment) views.AssignmentSettingsView {
	v := visitOf(r)
	return views.AssignmentSettingsView{Page: s.assignmentFrame(r, "Settings", "settings"), Errors: errs,
		Title: a.Title, TitleError: errorOf(errs, "title"),
		Slug: v.assignment.Slug, Action: assignmentPart(v.course.Slug, v.assignment.Slug, "settings"),
		ArchiveURL: assignmentPart(v.course.Slug, v.assignment.Slug, "archive"), LimitsURL: assignmentPart(v.course.Slug, v.assignment.Slug, "limits"), Released: v.assignment.ReleasedAt != nil}
}

// saveSettings changes title and image, and how it is autograded.
func (s *Site) saveSettings(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	a := v.assignment
	a.Title, a.Image = strings.TrimSpace(r.FormValue("title")), chosenImage(r)
	problems := checkNames(a)
	if a.Image != "" {
		err := s.checkImage(r, a.Image, v.assignment.Image)
		if p, ok := course.AsProblem(err); ok {
			problems = append(problems, p)
		} else if err != nil {
			return err
		}
	}
	grading, bad := readRunSettings(r)
	problems = append(problems, bad...)
	regrades, err := s.Store.RegradeRule(r.Context(), a.ID)
	if err != nil {
		return err
	}
	regrades, bad = readRegradeRule(r, regrades)
	problems = append(problems, bad...)
	if errs, ok := formErrors(problems.OrNil()); ok && len(problems) > 0 {
		return s.settingsForm(w, r, http.StatusUnprocessableEntity, errs, a, grading, regrades)
	}
	err = s.Store.InTx(r.Context(), func(tx *store.Store) error {
		if err := tx.SaveAssignment(r.Context(), a); err != nil {
			return err
		}
		if err := tx.SaveRegradeRule(r.Context(), a.ID, regrades); err != nil {
			return err
		}
		return tx.SaveRunSettings(r.Context(), a.ID, grading)
	})
	if err != nil {
		return err
	}
	if a.Image != v.assignment.Image {
		if err := s.fetchChosen(r, cmp.Or(a.Image, v.course.Image)); err != nil {
			return err
		}
	}
	if err := s.record(r, "changed assignment", a, ""); err != nil {
		return err
	}
	s.flash(r, "good", "Saved.")
	return seeOther(w, r, assignmentPart(v.course.Slug, a.Slug, "settings"))
}

// archiveAssignment takes an assignment out of the lists. Everything handed in is kept.
func (s *Site) archiveAssignment(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	now := s.Now()
	if err := s.Store.ArchiveAssignment(r.Context(), v.assignment.ID, &now); err != nil {
		return err
	}
	if err := s.record(r, "archived assignment", v.assignment, ""); err != nil {
		return err
	}
	s.flash(r, "good", fmt.Sprintf("%s is archived. Everything handed in is kept.", v.assignment.Title))
	return seeOther(w, r, coursePath(v.course.Slug))
}

// record writes an act on an assignment into the activity log.
func (s *Site) record(r *http.Request, verb string, a course.Assignment, detail string) error {
	v := visitOf(r)
	return s.Store.Record(r.Context(), course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: a.ID, Verb: verb, Detail: detail})
}

// assignmentFrame is the frame of the staff's pages of an assignment: the rail
// is navigation and progress in one.
func (s *Site) assignmentFrame(r *http.Request, title, part string) views.PageView {
	v := visitOf(r)
	a, now := v.assignment, s.Now()
	page := s.coursePage(r, title+" · "+a.Title, "assignments")
	page.Crumbs = append(page.Crumbs[:len(page.Crumbs)-1], views.Crumb{Text: a.Title})
	page.Width, page.RailTitle = "wide", a.Title
	item := func(text, p, state string) {
		page.Rail = append(page.Rail, views.NavItem{Text: text, URL: assignmentPart(v.course.Slug, a.Slug, p), Current: p == part, State: state})
	}
	item("Source", "source", sourceState(a))
	item("Dates & access", "dates", pick(a.DueAt != nil, "done", "todo"))
	item("Release", "release", releaseState(a))
	item("Environment", "image", "")
	if v.member.ID != 0 {
		item("Try it", "try", "")
	}
	item("Submissions", "submissions", pick(a.ReleasedAt != nil, pick(a.DueAt != nil && now.After(*a.DueAt), "done", "now"), "todo"))
	item("Autograde", "runs", "")
	item("Grade", "grade", "")
	item("Marks", "marks", "")
	item("Feedback", "feedback", "")
	item("Statistics", "statistics", "")
	if v.teaches() {
		item("Settings", "settings", "")
	}
	return page
}

func sourceState(a course.Assignment) string {
	switch {
	case a.SourceVersion == 0:
		return "now"
	case a.CheckedVersion != a.SourceVersion:
		return "warn"
	}
	return "done"
}

func releaseState(a course.Assignment) string {
	switch {
	case a.ReleasedAt != nil && a.CheckedVersion > a.ReleaseVersion:
		return "warn"
	case a.ReleasedAt != nil:
		return "done"
	case a.CheckedVersion > 0 && a.CheckedVersion == a.SourceVersion:
		return "now"
	}
	return "todo"
}
