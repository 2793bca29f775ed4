package handlers

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"lectern/exchange"
	"lectern/store"
	"lectern/views"
)

// compareRuns shows what a dry run would change, by student and question.
func (s *Site) compareRuns(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	c, a := v.course.Slug, v.assignment.Slug
	if r.URL.Query().Get("events") != "" {
		return s.compareEvents(w, r)
	}
	counts, err := s.Store.RunCounts(r.Context(), v.assignment.ID, true)
	if err != nil {
		return err
	}
	n := min(max(1, atoi(r.URL.Query().Get("page"))), 1_000_000)
	changes, err := s.Store.TrialChanges(r.Context(), v.assignment.ID, rowsPerPage, (n-1)*rowsPerPage)
	if err != nil {
		return err
	}
	asked := counts.Submissions - counts.None
	moving := counts.Queued + counts.Running
	page := views.CompareView{Page: s.assignmentFrame(r, "Dry run", "runs"), Apply: applyTrialPath(c, a), Discard: dropTrialPath(c, a), Back: runsPath(c, a),
		None: asked == 0, Failed: counts.Failed, Progress: runProgress("dry-run", "Dry run", counts)}
	if moving > 0 {
		page.Events = comparePath(c, a) + "?events=on"
	}
	students, total := 0, 0
	last := ""
	for _, ch := range changes {
		students, total = ch.Students, ch.Changes
		page.Rows = append(page.Rows, compareRow(ch, ch.Login == last))
		last = ch.Login
	}
	page.Same = moving == 0 && counts.Done > 0 && total == 0
	page.MayApply = v.teaches() && moving == 0 && counts.Done > 0
	page.Figures = []views.Figure{{Label: "Graded", Value: strconv.Itoa(counts.Done), Of: fmt.Sprintf("of %d", asked)},
		{Label: "Students with a change", Value: strconv.Itoa(students)}, {Label: "Changes", Value: strconv.Itoa(total)}}
	page.Pages = tableQuery{base: comparePath(c, a), values: keptQuery(r.URL.Query())}.pages(n, total)
	return s.show(w, r, views.Compare(page))
}

func compareRow(ch store.TrialChange, same bool) views.CompareRow {
	row := views.CompareRow{Login: ch.Login, Question: ch.Notebook + ", " + ch.Question, Old: pointsOf(ch.Old, ch.OldMax), New: pointsOf(ch.New, ch.NewMax), Reason: ch.Reason}
	if !same {
		row.Name, row.Total = cmp.Or(ch.Name, ch.Login), pointsOr(ch.OldTotal, "–")+" → "+pointsOr(ch.NewTotal, "–")
	}
	switch {
	case ch.NewMax == nil:
		row.Tone, row.ToneText = "warn", "Gone"
	case ch.OldMax == nil:
		row.Tone, row.ToneText = "checked", "New"
	case ch.Old != nil && ch.New != nil && *ch.New > *ch.Old:
		row.Tone, row.ToneText = "ok", "Up "+pointsText(*ch.New-*ch.Old)
	case ch.Old != nil && ch.New != nil && *ch.New < *ch.Old:
		row.Tone, row.ToneText = "failed", "Down "+pointsText(*ch.Old-*ch.New)
	case ch.New == nil:
		row.Tone, row.ToneText = "grading", "By hand"
	default:
		row.Tone, row.ToneText = "progress", "Changed"
	}
	if ch.Given != nil {
		row.Given = "A person gave " + pointsText(*ch.Given) + ": that stays."
	}
	return row
}

// pointsOf is points out of a maximum; a question that is not there has none.
func pointsOf(p, max *float64) string {
	if max == nil {
		return "–"
	}
	return pointsOr(p, "by hand") + " of " + pointsText(*max)
}

func pointsOr(p *float64, none string) string {
	if p == nil {
		return none
	}
	return pointsText(*p)
}

// compareEvents moves the bar of a dry run and reloads the page at its end.
func (s *Site) compareEvents(w http.ResponseWriter, r *http.Request) error {
	ev := startEvents(w)
	for {
		counts, err := s.Store.RunCounts(r.Context(), visitOf(r).assignment.ID, true)
		if err != nil {
			return nil // the stream has begun; the browser asks again
		}
		p := runProgress("dry-run", "Dry run", counts)
		if p.Label == "" {
			_ = ev.text("reload", "") // whoever has left does not need it
			return nil
		}
		if err := ev.json("progress", map[string]any{"id": p.ID, "value": p.Value, "max": p.Max, "text": p.Text}); err != nil {
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// applyTrial brings a dry run's results into effect.
func (s *Site) applyTrial(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	var works []store.RunWork
	err := s.Store.InTx(r.Context(), func(tx *store.Store) (err error) {
		if works, err = tx.ApplyTrial(r.Context(), v.assignment.ID); err != nil || len(works) == 0 {
			return err
		}
		return s.recordIn(r, tx, "applied a dry run", plural(len(works), "submission"))
	})
	if err != nil {
		return err
	}
	for _, work := range works {
		// Whoever needs the graded files makes up for it, should this not get through.
		if _, err := s.Exchange.Autograded(exchange.Work{Course: work.CourseSlug, Login: work.Login, Assignment: work.Slug}, int64(work.ID)); err != nil {
			s.Log.Warn("graded files not in place yet", "run", work.ID, "error", err)
		}
	}
	s.flash(r, "good", fmt.Sprintf("Applied to %s. Marks that people gave stay as they are.", plural(len(works), "submission")))
	return seeOther(w, r, runsPath(v.course.Slug, v.assignment.Slug))
}

// dropTrial forgets a dry run.
func (s *Site) dropTrial(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	works, err := s.Store.TrialLogins(r.Context(), v.assignment.ID)
	if err != nil {
		return err
	}
	if err := s.Store.DropTrial(r.Context(), v.assignment.ID); err != nil {
		return err
	}
	for _, login := range works {
		if err := s.Exchange.DropStaged(r.Context(), exchange.Work{Course: v.course.Slug, Login: login, Assignment: v.assignment.Slug}); err != nil {
			s.Log.Warn("files of a dry run not removed", "assignment", v.assignment.ID, "error", err)
		}
	}
	s.flash(r, "info", "The dry run is discarded. Nothing was changed.")
	return seeOther(w, r, runsPath(v.course.Slug, v.assignment.Slug))
}
