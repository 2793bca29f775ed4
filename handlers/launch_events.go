package handlers

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"lectern/course"
	"lectern/spawner"
	"lectern/store"
	"lectern/views"
)

// launchSteps are the steps of a start as people read them, with the share of
// the bar that is full when each begins.
var launchSteps = []struct {
	step    spawner.Step
	name    string
	percent int
}{
	{spawner.StepQueued, "Waiting for a place", 2},
	{spawner.StepImage, "Finding the environment", 8},
	{spawner.StepContainer, "Making your container", 15},
	{spawner.StepJupyter, "Starting JupyterLab", 35},
	{spawner.StepReady, "Ready", 100},
}

// launchView is a start as the page first shows it.
func (s *Site) launchView(r *http.Request, row store.Workspace, next string, p spawner.Progress) views.LaunchPageView {
	v, id := visitOf(r), row.ID
	self := launchPath(v.course.Slug, id, next)
	query := "?" + url.Values{"next": {next}}.Encode()
	out := views.LaunchPageView{
		Page:  s.page(r, "Starting"),
		Title: "Starting your workspace",
		Sub:   "You can leave this page; the workspace goes on starting.",
		Launch: views.LaunchView{
			Events:  workspacePath(v.course.Slug, id) + "/events" + query,
			Elapsed: secondsText(p.Elapsed),
			Retry:   self,
		},
		Back: coursePath(v.course.Slug), BackText: v.course.Title,
	}
	out.Page.Scripts = append(out.Page.Scripts, "launch.js")
	if p.Usual > 0 && p.Position == 0 {
		out.Launch.Usual = "usually " + secondsText(p.Usual)
	}
	if slug := assignmentIn(next); slug != "" {
		out.Launch.Download = myFilesPath(v.course.Slug, slug)
		out.Back, out.BackText = assignmentPath(v.course.Slug, slug), "the assignment"
	}
	switch {
	case p.State == spawner.Stopped, p.State == spawner.Failed && !row.ReadyAt.IsZero(): // it had been up
		out.Title, out.Sub = "Your workspace is not running", p.Text
		out.Start, out.Launch.Events = self, ""
	case p.State == spawner.Failed:
		out.Title, out.Sub = "Your workspace is not running", ""
		out.Launch.Failed, out.Launch.Events = p.Text, ""
		out.Launch.Elapsed = secondsText(max(0, row.UpdatedAt.Sub(row.QueuedAt)))
	case p.State == spawner.Running: // its machine does not answer
		out.Title, out.Sub = "Your workspace is out of reach", p.Text
		out.Start, out.StartText, out.Launch.Events = self, "Try again", ""
	default:
		out.Refresh = true
	}
	if row.SubmissionID != 0 {
		launchCopy(v.course.Slug, &out, p)
	}
	now := true
	for _, st := range launchSteps {
		state := "todo"
		switch {
		case p.Step == st.step:
			state, now = "now", false
			out.Launch.Percent = st.percent
		case now && p.Step != "":
			state = "done"
		}
		view := views.StepView{Step: string(st.step), Name: st.name, State: state}
		if state == "now" {
			view.Text = stepText(p)
		}
		out.Launch.Steps = append(out.Launch.Steps, view)
	}
	return out
}

// launchEvents tells the page of each step, and where to go in the end.
func (s *Site) launchEvents(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r)
	row, err := s.ownWorkspace(r)
	if err != nil {
		return err
	}
	next := safePath(r.URL.Query().Get("next"))
	progress := s.Workspaces.Watch(r.Context(), row.ID)
	out := startEvents(w)
	for p := range progress {
		switch {
		case p.State == spawner.Running:
			// The page goes there by itself: a ticket made now would be a minute old
			// for whoever comes back to a page left open.
			_ = out.json("ready", map[string]string{"url": launchPath(v.course.Slug, row.ID, next)})
			return nil
		case p.State.Resting():
			text := p.Text
			if row.SubmissionID != 0 {
				text = copyText(p)
			}
			_ = out.json("failed", map[string]string{"text": text, "retry": launchPath(v.course.Slug, row.ID, next)})
			return nil
		}
		if err := out.json("step", stepEvent(p)); err != nil {
			return nil // the visitor has left
		}
	}
	return nil
}

// step is what static/launch.js reads.
type step struct {
	Step     spawner.Step `json:"step"`
	State    string       `json:"state"`
	Text     string       `json:"text"`
	Position int          `json:"position"`
	Elapsed  int64        `json:"elapsed_ms"`
	Usual    int64        `json:"usual_ms"`
	Wait     int64        `json:"wait_ms"`
	Percent  int          `json:"percent"`
}

func stepEvent(p spawner.Progress) step {
	e := step{Step: p.Step, State: "now", Text: stepText(p), Position: p.Position,
		Elapsed: p.Elapsed.Milliseconds(), Usual: p.Usual.Milliseconds(), Wait: p.Wait.Milliseconds()}
	for _, st := range launchSteps {
		if st.step == p.Step {
			e.Percent = st.percent
		}
	}
	return e
}

func stepText(p spawner.Progress) string {
	text := ""
	switch {
	case p.Reason == spawner.OldAway:
		return p.Text
	case p.Position == 1:
		text = "You are next."
	case p.Position > 1:
		text = fmt.Sprintf("%d are before you.", p.Position-1)
	}
	if p.Memory {
		text = strings.TrimSpace(spawner.NoRoom.Text() + " " + text)
	}
	if p.Wait > 0 {
		text += " Ready in " + aboutText(p.Wait) + "."
	}
	return text
}

// aboutText is a guess at how long, no finer than a guess is and never short.
func aboutText(d time.Duration) string {
	up := func(unit time.Duration) int { return int((d + unit - 1) / unit) }
	switch {
	case d <= 50*time.Second:
		return fmt.Sprintf("about %d s", 10*up(10*time.Second))
	case d <= time.Minute:
		return "about a minute"
	case d <= 10*time.Minute:
		return fmt.Sprintf("about %d minutes", up(time.Minute))
	}
	return fmt.Sprintf("about %d minutes", 5*up(5*time.Minute))
}

// secondsText is how long a start takes, as the page's script writes it too.
func secondsText(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// assignmentIn is the assignment that a path inside JupyterLab lies in, or "".
func assignmentIn(next string) string {
	rest, ok := strings.CutPrefix(next, "/lab/tree/")
	if !ok {
		return ""
	}
	slug, _, _ := strings.Cut(rest, "/")
	if !course.ValidSlug(slug) {
		return ""
	}
	return slug
}
