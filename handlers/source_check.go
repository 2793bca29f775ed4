package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"lectern/course"
	"lectern/grading"
	"lectern/store"
	"lectern/views"
)

// checkLive is the part of the source page that changes while a check runs; nil
// before there was a check. moving says that more will come by itself.
func (s *Site) checkLive(r *http.Request) (live *views.CheckView, report grading.Report, moving bool, err error) {
	v := visitOf(r)
	_, checked, err := s.Store.Check(r.Context(), v.assignment.ID, &report)
	if err != nil {
		return nil, report, false, err
	}
	t, asked, err := s.Store.CheckTrial(r.Context(), v.assignment.ID)
	if err != nil || !checked {
		return nil, report, false, err
	}
	// The visit was loaded when the page or the stream began.
	now, err := s.Store.AssignmentByID(r.Context(), v.assignment.ID)
	if err != nil {
		return nil, report, false, err
	}
	live = &views.CheckView{Report: *reportView(report, now)}
	live.Report.Checking = asked && t.Moving() && t.SourceVersion == now.SourceVersion
	if asked && report.Errors() == 0 {
		if live.Trial, err = s.trialView(v, now, t, report.Waiting); err != nil {
			return nil, report, false, err
		}
	}
	return live, report, asked && t.Moving(), nil
}

// trialView prints what running the solution and the release has found out.
func (s *Site) trialView(v *visit, a course.Assignment, t store.CheckTrial, waiting bool) (*views.TrialView, error) {
	var found grading.Trial
	if err := json.Unmarshal(t.Result, &found); err != nil {
		return nil, fmt.Errorf("handlers: check: %w", err)
	}
	out := &views.TrialView{Waiting: waiting, Failed: t.State == "failed", Known: found.Version > 0, Stale: found.Version != a.SourceVersion, Notes: found.Notes}
	if v.teaches() && !t.Moving() {
		out.Again = checkPath(v.course.Slug, a.Slug)
	}
	if t.Moving() {
		out.Progress = views.ProgressView{ID: "check", Label: "Running in a sealed container", Text: pick(t.Step == "", "Waiting for its turn", t.Step)}
	}
	if t.Error != "" {
		out.Why, out.Log = t.Error, t.Log
		if t.Moving() && t.NotBefore.After(s.Now()) {
			out.Progress.Text = "Tried again soon"
		}
	}
	if !out.Known {
		return out, nil
	}
	out.At = when(found.At, s.Now(), v.course.Location())
	fillTrial(out, found)
	return out, nil
}

// fillTrial adds up what each question came to.
func fillTrial(out *views.TrialView, found grading.Trial) {
	var most, solved, free float64
	byHand := 0
	for _, q := range found.Questions {
		row := views.TrialRow{Notebook: q.Notebook, Question: q.Question, Max: pointsText(q.Max), Solution: "by hand", Untouched: "…", Why: q.Why, Output: q.Output}
		if q.ByHand {
			byHand++
		} else {
			most += q.Max
			row.Solution = "by hand" // tests in a text cell: a person reads them
			if q.Solution != nil {
				solved += *q.Solution
				row.Solution, row.Short = pointsText(*q.Solution), *q.Solution < q.Max
			}
		}
		if found.Untouched {
			row.Untouched = pointsText(0)
			if q.Untouched != nil {
				free += *q.Untouched
				row.Untouched, row.Free = pointsText(*q.Untouched), *q.Untouched > 0
			}
		}
		out.Rows = append(out.Rows, row)
	}
	of := fmt.Sprintf("%s of %s points", pointsText(solved), pointsText(most))
	if n := found.Short(); n == 0 {
		out.Solution, out.SolutionTone = "The solution earns full marks: "+of+" that tests give.", "good"
		if most == 0 {
			out.Solution = "No tests give points, so there is nothing for the solution to earn."
		}
	} else {
		out.Solution, out.SolutionTone = fmt.Sprintf("The solution earns only %s. It falls short in %s.", of, plural(n, "question")), "warn"
	}
	if byHand > 0 {
		out.Solution += fmt.Sprintf(" %s marked by hand.", plural(byHand, "question")+pick(byHand == 1, " is", " are"))
	}
	switch n := found.Free(); {
	case !found.Untouched:
	case n == 0:
		out.Untouched, out.UntouchedTone = "Work that was not touched earns nothing.", "good"
	default:
		out.Untouched, out.UntouchedTone = fmt.Sprintf("Work that was not touched earns %s, in %s.", plainPoints(free), plural(n, "question")), "warn"
	}
}

func plainPoints(p float64) string { return pointsText(p) + pick(p == 1, " point", " points") }

// checkEvents streams what a check finds out, until it ends.
func (s *Site) checkEvents(w http.ResponseWriter, r *http.Request) error {
	live, report, moving, err := s.checkLive(r)
	if err != nil {
		return err
	}
	if live == nil {
		return course.Problemf(course.NotFound, "Nothing has been checked yet.")
	}
	ev := startEvents(w)
	was := report.OK()
	var last []byte
	for quiet := 0; ; quiet++ {
		if report.OK() != was { // the rest of the page is another one now
			_ = ev.text("reload", "") // whoever has left does not need it
			return nil
		}
		var b bytes.Buffer
		if err := views.CheckLive(*live).Render(r.Context(), &b); err != nil {
			return nil
		}
		if !bytes.Equal(b.Bytes(), last) {
			if err := ev.text("fragment", b.String()); err != nil {
				return nil
			}
			last = b.Bytes()
		} else if quiet%30 == 29 {
			if err := ev.alive(); err != nil {
				return nil
			}
		}
		if !moving {
			_ = ev.text("done", "")
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-time.After(400 * time.Millisecond):
		}
		if live, report, moving, err = s.checkLive(r); err != nil || live == nil {
			return nil // the stream has begun; the browser asks again
		}
	}
}

// checkAgain has the solution and the release run once more.
func (s *Site) checkAgain(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	if v.assignment.SourceVersion == 0 {
		return course.Problemf(course.Conflict, "There is nothing to check yet: upload the files first.")
	}
	if err := s.Store.AskCheck(r.Context(), v.assignment.ID, s.Now()); err != nil {
		return err
	}
	return seeOther(w, r, assignmentPart(v.course.Slug, v.assignment.Slug, "source")+"#report")
}

// checkOnRelease says on the release page what running has found out.
func (s *Site) checkOnRelease(r *http.Request, page *views.ReleaseView) error {
	live, _, _, err := s.checkLive(r)
	if err != nil || live == nil || !page.Ready {
		return err
	}
	page.Trial = live.Trial
	return nil
}
