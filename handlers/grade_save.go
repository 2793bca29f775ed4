package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// maxGradeForm bounds the form of one mark, in bytes.
const maxGradeForm = 256 << 10

// gradeEntry is the form of one mark as it was typed.
type gradeEntry struct {
	input    store.MarkInput
	points   string
	extra    string
	together bool
	errs     map[string]string // by field
	conflict *views.GradeConflict
}

// readGrade reads the form. now is the mark as it stands, for what may be typed.
func readGrade(r *http.Request, now store.CellMark) gradeEntry {
	e := gradeEntry{points: r.PostFormValue("points"), extra: r.PostFormValue("extra"), together: r.PostFormValue("together") != "", errs: map[string]string{}}
	var why string
	if e.input.Points, why = course.ParsePoints(e.points); why != "" {
		e.errs["points"] = why
	} else if e.input.Points != nil && *e.input.Points > now.Max {
		e.errs["points"] = fmt.Sprintf("The question gives %s. Give more as extra credit.", pointsText(now.Max))
	}
	extra, why := course.ParsePoints(e.extra)
	if why != "" {
		e.errs["extra"] = why
	} else if extra != nil {
		e.input.Extra = *extra
	}
	e.input.Comment = cleanComment(r.PostFormValue("comment"))
	if utf8.RuneCountInString(e.input.Comment) > course.MaxComment {
		e.errs["comment"] = fmt.Sprintf("A comment has at most %d characters.", course.MaxComment)
	}
	e.input.Reason = clip(cleanComment(r.PostFormValue("reason")), 500)
	if p := e.input.Points; p != nil && now.Auto != nil && *p != *now.Auto && e.input.Reason == "" {
		e.errs["reason"] = "Say why this differs from what the tests gave."
	}
	e.input.Excused, e.input.Flagged = r.PostFormValue("excused") != "", r.PostFormValue("flagged") != ""
	for _, id := range r.PostForm["rubric"] {
		if n, err := strconv.ParseInt(id, 10, 64); err == nil {
			e.input.Rubric = append(e.input.Rubric, n)
		}
	}
	e.input.Seen, _ = strconv.ParseInt(r.PostFormValue("event"), 10, 64)
	return e
}

// fill puts what was typed back into the page.
func (e *gradeEntry) fill(page *views.GradeView) {
	f := &page.Form
	f.Points, f.Extra, f.Comment, f.Reason, f.Errs = e.points, e.extra, e.input.Comment, e.input.Reason, e.errs
	f.Excused, f.Flagged, f.TogetherOn, f.Status = e.input.Excused, e.input.Flagged, e.together, "Not saved."
	for i := range f.Items {
		id, _ := strconv.ParseInt(f.Items[i].ID, 10, 64)
		f.Items[i].Checked = slices.Contains(e.input.Rubric, id)
	}
	for _, field := range slices.Sorted(maps.Keys(e.errs)) {
		page.Errors = append(page.Errors, views.FieldError{Field: field, Text: e.errs[field]})
	}
	page.Conflict = e.conflict
}

// saveGrade gives a mark: by a form, or by the page's script, which asks for JSON.
func (s *Site) saveGrade(w http.ResponseWriter, r *http.Request) error {
	v, ctx := visitOf(r), r.Context()
	r.Body = http.MaxBytesReader(w, r.Body, maxGradeForm)
	rd, err := s.read(r)
	if err != nil {
		return err
	}
	e := readGrade(r, rd.mark)
	if err := s.useComment(r, rd, &e); err != nil {
		return err
	}
	if len(e.errs) > 0 {
		if wantsJSON(r) {
			return sendJSON(w, http.StatusUnprocessableEntity, map[string]any{"errors": e.errs})
		}
		return s.showPaper(w, r, http.StatusUnprocessableEntity, rd, &e)
	}
	now, together, err := s.Store.SaveMark(ctx, v.assignment.ID, rd.key, rd.paper, e.input, e.together, v.user.ID)
	if conflict, ok := store.AsMarkConflict(err); ok {
		if wantsJSON(r) {
			return sendJSON(w, http.StatusConflict, map[string]any{"conflict": true})
		}
		rd.mark, e.conflict = conflict.Theirs, s.conflictView(v, rd, conflict.Theirs, e, r)
		return s.showPaper(w, r, http.StatusConflict, rd, &e)
	}
	if err != nil {
		return err
	}
	if _, err := s.Store.Hold(ctx, v.assignment.ID, rd.key, rd.paper.MemberID, v.user.ID); err != nil {
		return err
	}
	rd.mark = now
	if wantsJSON(r) {
		return s.sendSaved(w, r, rd, together)
	}
	if r.PostFormValue("then") == "next" {
		r.PostForm.Set("after", strconv.Itoa(rd.paper.Number))
		if rd.by != "" {
			r.PostForm.Del("question")
		}
		return s.gradeNext(w, r)
	}
	s.flash(r, "good", savedText(together))
	return seeOther(w, r, gradeAt(v.course.Slug, v.assignment.Slug, rd.paper.Number, rd.key, rd.by))
}

func savedText(together int) string {
	if together > 0 {
		return fmt.Sprintf("Saved, and for %s.", plural(together, "identical answer"))
	}
	return "Saved."
}

// useComment does what the buttons of the reusable comments ask for.
func (s *Site) useComment(r *http.Request, rd *reading, e *gradeEntry) error {
	v, ctx := visitOf(r), r.Context()
	if r.PostFormValue("keep") != "" && e.input.Comment != "" && e.errs["comment"] == "" {
		return s.Store.KeepComment(ctx, v.assignment.ID, rd.key, e.input.Comment, v.user.ID)
	}
	if id, err := strconv.ParseInt(r.PostFormValue("forget"), 10, 64); err == nil {
		return s.Store.ForgetComment(ctx, v.assignment.ID, id)
	}
	if id := r.PostFormValue("insert"); id != "" {
		saved, err := s.Store.SavedComments(ctx, v.assignment.ID, rd.key)
		if err != nil {
			return err
		}
		for _, c := range saved {
			if strconv.FormatInt(c.ID, 10) == id {
				e.input.Comment = strings.TrimSpace(e.input.Comment + "\n\n" + c.Text)
			}
		}
	}
	return nil
}

// conflictView shows both marks. The form that takes one's own knows of the other.
func (s *Site) conflictView(v *visit, rd *reading, theirs store.CellMark, e gradeEntry, r *http.Request) *views.GradeConflict {
	say := func(p *float64, excused bool) string {
		if excused {
			return "excused"
		}
		return scoreText(course.Score{Points: p}) + " of " + pointsText(theirs.Max)
	}
	out := &views.GradeConflict{By: "Somebody", Theirs: say(theirs.Points, theirs.Excused()), Yours: say(e.input.Points, e.input.Excused), YourComment: e.input.Comment,
		Keep: gradeAt(v.course.Slug, v.assignment.Slug, rd.paper.Number, rd.key, rd.by)}
	if e.input.Points == nil && len(e.input.Rubric) > 0 {
		if rubric, err := s.Store.Rubric(r.Context(), v.assignment.ID, rd.key); err == nil {
			if p, ok := rubric.Score(e.input.Rubric, theirs.Max); ok {
				out.Yours = say(&p, e.input.Excused)
			}
		}
	}
	if theirs.By != nil {
		out.By, out.At = *theirs.By, wallTime(*theirs.At, v.course.Location())
	}
	if theirs.Comment != nil {
		out.TheirComment = *theirs.Comment
	}
	for _, name := range []string{"question", "by", "points", "extra", "comment", "reason", "excused", "flagged", "together", "rubric"} {
		for _, value := range r.PostForm[name] {
			out.Fields = append(out.Fields, views.Option{Value: name, Text: value})
		}
	}
	out.Fields = append(out.Fields, views.Option{Value: "event", Text: strconv.FormatInt(theirs.Event(), 10)})
	return out
}

func wantsJSON(r *http.Request) bool { return r.Header.Get("Accept") == "application/json" }

func sendJSON(w http.ResponseWriter, status int, answer any) error {
	b, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err = w.Write(b)
	return err
}

// sendSaved tells the page what is now, so that it can say so.
func (s *Site) sendSaved(w http.ResponseWriter, r *http.Request, rd *reading, together int) error {
	v, ctx, m := visitOf(r), r.Context(), rd.mark
	group, err := s.Store.Identical(ctx, v.assignment.ID, rd.key, rd.paper.MemberID)
	if err != nil {
		return err
	}
	page := views.GradeView{Question: rd.key.String(), By: rd.by, Apart: paperPath(v.course.Slug, v.assignment.Slug, rd.paper.Number) + "/apart"}
	fillGroup(v, rd, group, &page)
	left, err := s.leftText(r, rd)
	if err != nil {
		return err
	}
	var sign, list, comment strings.Builder
	if err := errors.Join(views.GradeMark(gradeState(m.State, m.Kind)).Render(ctx, &sign), views.GradeGroup(page).Render(ctx, &list)); err != nil {
		return err
	}
	if m.Comment != nil && strings.TrimSpace(*m.Comment) != "" {
		comment.Write(s.Render.Markdown(*m.Comment))
	}
	return sendJSON(w, http.StatusOK, map[string]any{"event": strconv.FormatInt(m.Event(), 10), "word": gradeState(m.State, m.Kind).Word, "sign": sign.String(),
		"mark": formatRounded(m.Points), "comment": comment.String(), "group": list.String(), "left": left,
		"status": strings.TrimSuffix(savedText(together), ".") + ", " + s.Now().In(v.course.Location()).Format(time.TimeOnly)})
}

// holdPaper is a sign of life of who reads a paper.
func (s *Site) holdPaper(w http.ResponseWriter, r *http.Request) error {
	rd, err := s.read(r)
	if err != nil {
		return err
	}
	v := visitOf(r)
	other, err := s.Store.Hold(r.Context(), v.assignment.ID, rd.key, rd.paper.MemberID, v.user.ID)
	if err != nil {
		return err
	}
	if wantsJSON(r) {
		return sendJSON(w, http.StatusOK, map[string]any{"other": other})
	}
	return seeOther(w, r, gradeAt(v.course.Slug, v.assignment.Slug, rd.paper.Number, rd.key, rd.by))
}

// takeApart undoes, for one paper, what was given to it with identical answers.
func (s *Site) takeApart(w http.ResponseWriter, r *http.Request) error {
	rd, err := s.read(r)
	if err != nil {
		return err
	}
	v := visitOf(r)
	number := atoi(r.PostFormValue("paper"))
	if _, err := s.Store.Paper(r.Context(), v.assignment.ID, number); err != nil {
		return err
	}
	if err := s.Store.TakeApart(r.Context(), v.assignment.ID, rd.key, number, v.user.ID); err != nil {
		return err
	}
	s.flash(r, "good", fmt.Sprintf("Undone for paper %d: it is marked on its own from now on.", number))
	return seeOther(w, r, gradeAt(v.course.Slug, v.assignment.Slug, rd.paper.Number, rd.key, rd.by))
}

// findIdentical reads the answers that no run has hashed. It stops after a while;
// pressed again, it goes on.
func (s *Site) findIdentical(w http.ResponseWriter, r *http.Request) error {
	v, ctx := visitOf(r), r.Context()
	k, ok := course.ParseQuestion(r.PostFormValue("question"))
	if !ok {
		return course.Problemf(course.NotFound, "There is no such question.")
	}
	cells, err := s.sourceCells(ctx, v.assignment.ID, k.Notebook)
	if err != nil {
		return err
	}
	answers, kind := course.CellsOf(cells, k.Question)
	if kind == "" {
		return course.Problemf(course.NotFound, "There is no such question.")
	}
	todo, err := s.Store.Unhashed(ctx, v.assignment.ID, k)
	if err != nil {
		return err
	}
	hashes, stop := map[course.SubmissionID]string{}, time.Now().Add(20*time.Second)
	for _, u := range todo {
		if time.Now().After(stop) || ctx.Err() != nil {
			break
		}
		h := s.answerHash(v, u, k, answers)
		if h == "" {
			h = fmt.Sprintf("alone-%d", u.SubmissionID) // like no other
		}
		hashes[u.SubmissionID] = h
	}
	if err := s.Store.SaveHashes(ctx, k, hashes); err != nil {
		return err
	}
	if left := len(todo) - len(hashes); left > 0 {
		s.flash(r, "info", fmt.Sprintf("%s read; %d are left. Press again to go on.", plural(len(hashes), "answer"), left))
	} else {
		s.flash(r, "good", "All answers are compared.")
	}
	if number := atoi(r.PostFormValue("paper")); number > 0 {
		return seeOther(w, r, gradeAt(v.course.Slug, v.assignment.Slug, number, k, byStudent(r.PostFormValue("by"))))
	}
	return seeOther(w, r, gradePath(v.course.Slug, v.assignment.Slug))
}
