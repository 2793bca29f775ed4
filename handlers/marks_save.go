package handlers

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"lectern/course"
	"lectern/store"
	"lectern/views"
)

// maxMarkForm bounds a page of marks with long comments, in bytes.
const maxMarkForm = 4 << 20

// markEntry is a row of the form: what somebody typed, and which mark they saw.
type markEntry struct {
	points  string // as typed
	score   course.Score
	event   int64 // of the mark the row was made from; 0 without one
	badText string
	badNote string
}

// fill puts what was typed back into a row.
func (e markEntry) fill(row *views.MarkRow) {
	row.Points, row.Comment, row.Event = e.points, e.score.Comment, strconv.FormatInt(e.event, 10)
	row.PointsError, row.CommentError = e.badText, e.badNote
}

func (e markEntry) errors(login string) (errs []views.FieldError) {
	if e.badText != "" {
		errs = append(errs, views.FieldError{Field: "points-" + login, Text: login + ": " + e.badText})
	}
	if e.badNote != "" {
		errs = append(errs, views.FieldError{Field: "comment-" + login, Text: login + ": " + e.badNote})
	}
	return errs
}

// markConflict is a row that somebody else changed in between.
type markConflict struct {
	theirs store.MarkRow
	yours  course.Score
}

// saved is what became of a form of marks.
type saved struct {
	marks     []course.Mark
	above     []string // logins with more than the assignment gives
	conflicts []markConflict
}

// saveMarks gives every mark that was changed in the form. A mark that somebody
// else gave meanwhile is not overwritten; both are shown, and the rest is saved.
func (s *Site) saveMarks(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	entries, err := readMarkForm(w, r)
	if err != nil {
		return err
	}
	bad := false
	logins, events := make([]string, 0, len(entries)), []int64{}
	for login, e := range entries {
		bad = bad || e.badText != "" || e.badNote != ""
		logins, events = append(logins, login), append(events, e.event)
	}
	if bad {
		return s.marksPage(w, r, http.StatusUnprocessableEntity, entries)
	}
	if len(entries) == 0 {
		return seeOther(w, r, marksAddress(r, v))
	}
	var done saved
	err = s.Store.ChangeMarks(r.Context(), v.assignment.ID, logins, v.user.ID, "", func(tx *store.Store, now []store.MarkRow) ([]course.Mark, error) {
		seen, err := tx.MarkEvents(r.Context(), v.assignment.ID, events)
		if err != nil {
			return nil, err
		}
		done = decideMarks(now, entries, seen, v.assignment.Points)
		return done.marks, s.recordMarks(r, tx, done.marks, "gave marks")
	})
	if err != nil {
		return err
	}
	if len(done.conflicts) > 0 {
		return s.showConflicts(w, r, done)
	}
	s.flashSaved(r, done, v.assignment.Points)
	return seeOther(w, r, marksAddress(r, v))
}

// decideMarks compares what was typed with the marks as they are now, and with
// those that the form was made from.
func decideMarks(now []store.MarkRow, entries map[string]markEntry, seen map[int64]store.MarkEvent, most float64) (done saved) {
	for _, row := range now {
		e := entries[row.Login]
		was, known := seen[e.event]
		untouched := (known || e.event == 0) && e.score.Equal(course.Score{Points: was.Points, Comment: was.Comment})
		// What nobody touched is not a wish; what is so already needs no event.
		if untouched || e.score.Equal(scoreOf(row)) {
			continue
		}
		if row.EventID != nil && *row.EventID != e.event || row.EventID == nil && e.event != 0 {
			done.conflicts = append(done.conflicts, markConflict{row, e.score})
			continue
		}
		done.marks = append(done.marks, course.Mark{MemberID: row.MemberID, Points: e.score.Points, Comment: e.score.Comment, Source: "hand"})
		if e.score.Above(most) {
			done.above = append(done.above, row.Login)
		}
	}
	return done
}

// readMarkForm reads the fields points.<login>, comment.<login> and
// event.<login>. A row with take.<login> is taken only if that says "mine".
func readMarkForm(w http.ResponseWriter, r *http.Request) (map[string]markEntry, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxMarkForm)
	if err := r.ParseForm(); err != nil {
		return nil, course.Problemf(course.Invalid, "That form could not be read. Nothing was saved.")
	}
	entries := map[string]markEntry{}
	for name := range r.PostForm {
		login, ok := strings.CutPrefix(name, "points.")
		if !ok || r.PostForm.Has("take."+login) && r.PostForm.Get("take."+login) != "mine" {
			continue
		}
		entries[login] = readMark(r.PostForm.Get(name), r.PostForm.Get("comment."+login), r.PostForm.Get("event."+login))
	}
	return entries, nil
}

// readMark reads one mark as it was typed.
func readMark(points, comment, event string) markEntry {
	e := markEntry{points: points}
	e.score.Points, e.badText = course.ParsePoints(points)
	e.score.Comment = cleanComment(comment)
	if utf8.RuneCountInString(e.score.Comment) > course.MaxComment {
		e.badNote = fmt.Sprintf("A comment has at most %d characters.", course.MaxComment)
	}
	e.event, _ = strconv.ParseInt(event, 10, 64)
	return e
}

// cleanComment makes what a browser sends into text that Postgres keeps.
func cleanComment(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	return strings.TrimSpace(strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD"))
}

func scoreOf(m store.MarkRow) (score course.Score) {
	score.Points = m.Points
	if m.Comment != nil {
		score.Comment = *m.Comment
	}
	return score
}

func formatPoints(p *float64) string { return course.FormatPoints(p) }

// recordMarks notes in the activity that marks were given: whose, if it is one.
func (s *Site) recordMarks(r *http.Request, tx *store.Store, marks []course.Mark, verb string) error {
	v := visitOf(r)
	if len(marks) == 0 {
		return nil
	}
	a := course.Activity{Actor: v.user.ID, CourseID: v.course.ID, AssignmentID: v.assignment.ID, Verb: verb, Detail: plural(len(marks), "mark")}
	if len(marks) == 1 {
		a.MemberID = marks[0].MemberID
	}
	return tx.Record(r.Context(), a)
}

// flashSaved says what was saved, and warns of marks above the full ones.
func (s *Site) flashSaved(r *http.Request, done saved, most float64) {
	switch text := plural(len(done.marks), "mark") + " saved."; {
	case len(done.above) > 0:
		s.flash(r, "warn", text+" Above the assignment's "+pointsText(most)+" points: "+someOf(done.above)+".")
	case len(done.marks) > 0:
		s.flash(r, "good", text)
	default:
		s.flash(r, "info", "Nothing was changed.")
	}
}

// someOf lists names, and only counts them after the tenth.
func someOf(names []string) string {
	slices.Sort(names)
	if len(names) > 10 {
		return strings.Join(names[:10], ", ") + fmt.Sprintf(" and %d more", len(names)-10)
	}
	return strings.Join(names, ", ")
}

// showConflicts shows both marks of each student whom two people marked at once.
func (s *Site) showConflicts(w http.ResponseWriter, r *http.Request, done saved) error {
	v := visitOf(r)
	back := marksAddress(r, v)
	page := views.MarkConflictsView{Page: s.assignmentFrame(r, "Marks", "marks"), Save: back, Back: back}
	if len(done.marks) > 0 {
		page.Saved = "All other marks are saved (" + strconv.Itoa(len(done.marks)) + ")."
	}
	for _, c := range done.conflicts {
		row := s.markRow(v, c.theirs)
		page.Rows = append(page.Rows, views.MarkConflictRow{Login: row.Login, Name: row.Name, Event: row.Event, By: row.By, At: row.At,
			Theirs: scoreText(scoreOf(c.theirs)), TheirComment: row.Comment,
			Yours: scoreText(c.yours), YourComment: c.yours.Comment, YourPoints: formatPoints(c.yours.Points)})
	}
	return s.showStatus(w, r, http.StatusConflict, views.MarkConflicts(page))
}

// scoreText is a mark in a word or two.
func scoreText(s course.Score) string {
	if s.Points == nil {
		return "no mark"
	}
	return formatPoints(s.Points)
}
