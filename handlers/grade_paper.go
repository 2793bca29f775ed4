package handlers

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// The queue shows so many papers before and after the present one.
const (
	queueBefore = 12
	queueAfter  = 30
)

// reading is one question of one paper, loaded.
type reading struct {
	paper     store.Paper
	key       course.QuestionKey
	by        string
	anonymous bool
	mark      store.CellMark
	cells     []store.GradeCell // all questions of the paper
}

// paper is the paper that the pattern names: NotFound for another assignment's.
func (s *Site) paper(r *http.Request) (store.Paper, error) {
	v := visitOf(r)
	n, err := strconv.Atoi(chi.URLParam(r, "paper"))
	if err != nil || n < 1 || n > 1_000_000 {
		return store.Paper{}, course.Problemf(course.NotFound, "There is no such paper.")
	}
	return s.Store.Paper(r.Context(), v.assignment.ID, n)
}

// read loads the paper and the question that the address or the form names; the
// first question if it names none.
func (s *Site) read(r *http.Request) (*reading, error) {
	v := visitOf(r)
	p, err := s.paper(r)
	if err != nil {
		return nil, err
	}
	rd := &reading{paper: p, by: byStudent(r.FormValue("by")), anonymous: s.anonymous(r)}
	if rd.cells, err = s.Store.GradeCells(r.Context(), v.assignment.ID, []course.MemberID{p.MemberID}); err != nil {
		return nil, err
	}
	if len(rd.cells) == 0 {
		return nil, course.Problemf(course.NotFound, "No question of this assignment gives points.")
	}
	rd.key = rd.cells[0].QuestionKey
	if asked := r.FormValue("question"); asked != "" {
		var ok bool
		if rd.key, ok = course.ParseQuestion(asked); !ok {
			return nil, course.Problemf(course.NotFound, "There is no such question.")
		}
	}
	rd.mark, err = s.Store.CellMark(r.Context(), v.assignment.ID, rd.key, p.MemberID, v.user.ID)
	return rd, err
}

// gradePaper is one question of one paper, to be read and marked.
func (s *Site) gradePaper(w http.ResponseWriter, r *http.Request) error {
	rd, err := s.read(r)
	if err != nil {
		return err
	}
	return s.showPaper(w, r, http.StatusOK, rd, nil)
}

// showPaper shows the page; typed is a form that came back.
func (s *Site) showPaper(w http.ResponseWriter, r *http.Request, status int, rd *reading, typed *gradeEntry) error {
	v, ctx := visitOf(r), r.Context()
	c, a, p := v.course.Slug, v.assignment.Slug, rd.paper
	page := views.GradeView{Page: s.gradeFrame(r, rd), Title: rd.key.Question, Sub: joined(rd.key.Notebook, kindWords[rd.mark.Kind]),
		Who: paperName(&p.Number, p.Login, p.Name, rd.anonymous), ByStudent: rd.by != "", Grid: gradePath(c, a), Question: rd.key.String(), By: rd.by,
		NextOpen: gradeNextPath(c, a), Hold: paperPath(c, a, p.Number) + "/hold", Apart: paperPath(c, a, p.Number) + "/apart",
		Number: strconv.Itoa(p.Number), Rubric: rubricAt(c, a, rd.key, p.Number, rd.by)}
	if v.member.ID != 0 {
		page.Running = paperRunningPath(c, a, p.Number)
	}
	if !rd.anonymous {
		page.History = markPath(c, a, p.Login)
	}
	page.Other = views.LinkView{Text: pick(rd.by == "", "By student", "By question"), Size: "small", Icon: "arrow-up-down",
		URL: gradeAt(c, a, p.Number, rd.key, pick(rd.by == "", "student", ""))}
	if err := s.fillQueue(r, rd, &page); err != nil {
		return err
	}
	if err := s.fillAnswer(r, rd, &page); err != nil {
		return err
	}
	rubric, err := s.Store.Rubric(ctx, v.assignment.ID, rd.key)
	if err != nil {
		return err
	}
	saved, err := s.Store.SavedComments(ctx, v.assignment.ID, rd.key)
	if err != nil {
		return err
	}
	group, err := s.Store.Identical(ctx, v.assignment.ID, rd.key, p.MemberID)
	if err != nil {
		return err
	}
	page.Form = s.gradeForm(v, rd, rubric, saved)
	fillGroup(v, rd, group, &page)
	if page.Regrade, err = s.regradePanel(r, rd); err != nil {
		return err
	}
	if rd.mark.AnswerHash == nil {
		page.Find = gradeFindPath(c, a)
	}
	if typed != nil {
		typed.fill(&page)
	}
	return s.showStatus(w, r, status, views.Grade(page))
}

// gradeFrame leaves the room to the work: no rail, no tabs.
func (s *Site) gradeFrame(r *http.Request, rd *reading) views.PageView {
	v := visitOf(r)
	page := s.coursePage(r, rd.key.Question+" · "+v.assignment.Title, "assignments")
	page.Tabs, page.Width = nil, "wide"
	page.Crumbs = append(page.Crumbs[:len(page.Crumbs)-1], views.Crumb{Text: v.assignment.Title, URL: gradePath(v.course.Slug, v.assignment.Slug)}, views.Crumb{Text: "Grade"})
	page.Styles, page.Scripts = append(page.Styles, "notebook.css"), append(page.Scripts, "grade.js")
	return page
}

// fillQueue lists the papers around this one, or the questions of this paper.
func (s *Site) fillQueue(r *http.Request, rd *reading, page *views.GradeView) error {
	v := visitOf(r)
	c, a := v.course.Slug, v.assignment.Slug
	progress, err := s.Store.QuestionProgress(r.Context(), v.assignment.ID, rd.key)
	if err != nil {
		return err
	}
	page.Done, page.Of = progress.Papers-progress.Needs-progress.Waiting, progress.Papers
	if page.Left, err = s.leftText(r, rd); err != nil {
		return err
	}
	queue, err := s.Store.Queue(r.Context(), v.assignment.ID, rd.key, rd.paper.Number, queueBefore, queueAfter, v.user.ID)
	if err != nil {
		return err
	}
	page.QueueTitle = "Papers"
	at := slices.IndexFunc(queue, func(q store.QueueItem) bool { return q.Number == rd.paper.Number })
	if at > 0 {
		page.Prev = gradeAt(c, a, queue[at-1].Number, rd.key, rd.by)
	}
	if at >= 0 && at < len(queue)-1 {
		page.Next = gradeAt(c, a, queue[at+1].Number, rd.key, rd.by)
	}
	if rd.by == "" {
		for _, q := range queue {
			page.Queue = append(page.Queue, views.GradeQueueRow{GradeState: gradeState(q.State, rd.mark.Kind), Text: paperName(&q.Number, q.Login, q.Name, rd.anonymous),
				Mark: formatRounded(q.Points), URL: gradeAt(c, a, q.Number, rd.key, ""), Current: q.Number == rd.paper.Number, Held: q.Held})
		}
		return nil
	}
	// By student the queue is this paper's questions, and the neighbours are theirs
	// before they are the next paper's.
	page.QueueTitle = "Questions"
	i := slices.IndexFunc(rd.cells, func(cell store.GradeCell) bool { return cell.QuestionKey == rd.key })
	page.Done, page.Of = 0, len(rd.cells)
	for _, cell := range rd.cells {
		if cell.State != "needs" && cell.State != "stale" && cell.State != "waiting" {
			page.Done++
		}
		page.Queue = append(page.Queue, views.GradeQueueRow{GradeState: gradeState(cell.State, cell.Kind), Text: cell.Question, Sub: cell.Notebook, Mark: formatRounded(cell.Points),
			URL: gradeAt(c, a, rd.paper.Number, cell.QuestionKey, rd.by), Current: cell.QuestionKey == rd.key})
	}
	last := len(rd.cells) - 1
	if i > 0 {
		page.Prev = gradeAt(c, a, rd.paper.Number, rd.cells[i-1].QuestionKey, rd.by)
	} else if at > 0 {
		page.Prev = gradeAt(c, a, queue[at-1].Number, rd.cells[last].QuestionKey, rd.by)
	}
	if i < last {
		page.Next = gradeAt(c, a, rd.paper.Number, rd.cells[i+1].QuestionKey, rd.by)
	} else if page.Next != "" {
		page.Next = gradeAt(c, a, queue[at+1].Number, rd.cells[0].QuestionKey, rd.by)
	}
	return nil
}

// leftText says how many answers wait: to the question, or of everybody.
func (s *Site) leftText(r *http.Request, rd *reading) (string, error) {
	n, err := s.Store.OpenAnswers(r.Context(), visitOf(r).assignment.ID, pick(rd.by == "", rd.key, course.QuestionKey{}))
	return fmt.Sprintf("%d left", n), err
}

// fillAnswer finds the frame with the question's cells, and what to know of them.
func (s *Site) fillAnswer(r *http.Request, rd *reading, page *views.GradeView) error {
	v := visitOf(r)
	c, a, p := v.course.Slug, v.assignment.Slug, rd.paper
	ref := s.paperRef(v, p, rd.key)
	whole := r.URL.Query().Get("show") == "all"
	page.Whole = views.LinkView{Text: "Whole notebook", URL: gradeAt(c, a, p.Number, rd.key, rd.by, "show", "all")}
	if whole {
		page.Whole = views.LinkView{Text: "This question only", URL: gradeAt(c, a, p.Number, rd.key, rd.by)}
	} else {
		cells, err := s.sourceCells(r.Context(), v.assignment.ID, rd.key.Notebook)
		if err != nil {
			return err
		}
		answers, _ := course.CellsOf(cells, rd.key.Question)
		ref.Cells = append(answers, rd.key.Question)
	}
	if f, err := s.content.open(ref); err == nil {
		f.Close()
		if page.Frame, err = s.content.address(r.Context(), ref); err != nil {
			return err
		}
		page.FrameTitle = "The answer to " + rd.key.Question
	} else if !course.IsKind(err, course.NotFound) {
		return err
	}
	note := func(kind, text string) { page.Notices = append(page.Notices, views.Flash{Kind: kind, Text: text}) }
	if rd.mark.HeldBy != nil {
		note("warn", *rd.mark.HeldBy+" is reading this paper just now.")
	}
	if rd.mark.State == "stale" {
		note("warn", "This mark was given to earlier work. What is shown now came in later.")
	}
	if rd.mark.State == "waiting" {
		note("info", "The tests of this question have not run for this paper.")
	}
	if p.LateSeconds > 0 {
		note("info", "Handed in late. The late rule is applied to the total, not here.")
	}
	if rd.mark.NoResponse {
		note("info", "No response: the answer is as it was given out.")
	}
	for _, f := range append(slices.Clone(p.RunFlags), rd.mark.TestFlags...) {
		note("warn", f)
	}
	if p.Repairs > 0 {
		note("info", plural(p.Repairs, "cell")+" of this paper had to be put back in place before its tests could run.")
	}
	return nil
}

// gradeForm is the mark as it is, ready to be changed.
func (s *Site) gradeForm(v *visit, rd *reading, rubric course.Rubric, saved []store.SavedComment) views.GradeForm {
	m := rd.mark
	f := views.GradeForm{GradeState: gradeState(m.State, m.Kind), Action: paperPath(v.course.Slug, v.assignment.Slug, rd.paper.Number), Event: strconv.FormatInt(m.Event(), 10),
		Mark: formatRounded(m.Points), Max: pointsText(m.Max), Auto: formatRounded(m.Auto), Mode: rubric.Mode, AskReason: m.Auto != nil,
		Excused: m.Excused(), Flagged: m.Flagged, Errs: map[string]string{}}
	if m.TestReason != nil {
		f.TestReason = *m.TestReason
	}
	if !m.ByRubric {
		f.Points = formatPoints(m.Given)
	}
	f.Placeholder = pick(len(rubric.Items) > 0, "by rubric", pick(m.Auto != nil, formatRounded(m.Auto), "–"))
	if m.Extra > 0 {
		f.Extra = formatPoints(&m.Extra)
	}
	if m.Comment != nil {
		f.Comment = *m.Comment
	}
	if m.Reason != nil {
		f.Reason = *m.Reason
	}
	if strings.TrimSpace(f.Comment) != "" {
		f.CommentHTML = string(s.Render.Markdown(f.Comment))
	}
	for i, it := range rubric.Items {
		item := views.GradeItem{ID: strconv.FormatInt(it.ID, 10), Text: it.Text, Value: formatPoints(&it.Points), Points: itemPoints(rubric.Mode, it.Points),
			Checked: slices.Contains(m.Rubric, it.ID)}
		if i < 9 {
			item.Key = strconv.Itoa(i + 1)
		}
		f.Items = append(f.Items, item)
	}
	for _, c := range saved {
		f.Saved = append(f.Saved, views.GradeSaved{ID: strconv.FormatInt(c.ID, 10), Text: c.Text})
	}
	if m.By != nil {
		f.Status = "Marked by " + *m.By + ", " + inWords(*m.At, s.Now()) + "."
	} else if m.EventID == nil {
		f.Status = "Not marked by hand yet."
	}
	return f
}

// itemPoints is what an item does to the points, with its sign.
func itemPoints(mode string, p float64) string {
	if mode == course.RubricDeducts {
		p = -p
	}
	switch {
	case p > 0:
		return "+" + pointsText(p)
	case p < 0:
		return "−" + pointsText(-p)
	}
	return "0"
}

// fillGroup lists the identical answers. A mark is for all of them, unless this
// paper has one of its own already.
func fillGroup(v *visit, rd *reading, group []store.GroupMember, page *views.GradeView) {
	for _, g := range group {
		page.Group = append(page.Group, views.GradeGroupRow{GradeState: gradeState(g.State, rd.mark.Kind), Text: paperName(&g.Number, g.Login, g.Name, rd.anonymous), Mark: formatRounded(g.Points),
			URL: gradeAt(v.course.Slug, v.assignment.Slug, g.Number, rd.key, rd.by), Number: strconv.Itoa(g.Number), Together: g.Together, Own: !g.Follows()})
		if g.Follows() {
			page.Form.Together++
		}
		if g.Together {
			page.Form.TogetherOn = true
		}
	}
	if rd.mark.EventID == nil {
		page.Form.TogetherOn = true
	}
	if rd.mark.Apart {
		page.Form.TogetherOn = false
	}
}
