package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lectern/store"
)

// autograde asks for everybody's tests on the page, and watches it move.
func (r *realClass) autograde() {
	p, t := r.teacher, r.p.t
	p.goTo(projectPath + "/runs")
	p.seeText("Only when somebody asks.")
	began := time.Now()
	p.click(`//button[contains(., "Autograde all")]`)
	handed := r.countOf(func(k kind) bool { return !k.never })
	seen := map[string]bool{}
	patient(t, "autograding", 15*time.Minute, func() bool {
		if v := p.eval(`String(document.querySelector("#runs-live progress")?.value ?? "")`); v != "" {
			seen[v] = true
			if len(seen) == 20 {
				p.looks("c06-autograding")
			}
		}
		time.Sleep(200 * time.Millisecond)
		return r.runCounts().Done == handed
	})
	took := time.Since(began)
	t.Logf("autograding: %d submissions of two notebooks in %v, %.0f a minute; %s", handed, took.Round(time.Second), float64(handed)/took.Minutes(), load())
	if len(seen) < 10 {
		t.Errorf("the page showed %d stages of its progress without a reload, want many", len(seen))
	}
	p.seeText("To look at")
	p.wait("the bar to go", `document.querySelector("#runs-live progress") === null`)
	p.looks("c07-autograded")
	p.goTo(projectPath + "/runs?state=flagged")
	p.looks("c08-flagged")
	p.goTo(projectPath + "/runs?state=repaired")
	p.looks("c09-repaired")
	for _, one := range r.pupils {
		if one.kind.flags != "" && !one.kind.never {
			p.goTo(projectPath + "/submissions/" + one.login)
			p.seeText("Tests")
			p.seeText(one.kind.flags)
			p.looks("c09-submission")
			break
		}
	}
	p.calm()
}

func (r *realClass) runCounts() store.RunCounts {
	counts, err := r.RunCounts(context.Background(), r.assignment.ID, false)
	must(r.p.t, err)
	return counts
}

// checkRuns holds every student's tests, and what staff are told about the work,
// against what the student did.
func (r *realClass) checkRuns() {
	t := r.p.t
	runs, err := r.RunTable(context.Background(), r.assignment.ID, store.RunQuery{})
	must(t, err)
	seen := map[string]store.RunRow{}
	for _, run := range runs {
		seen[run.Login] = run
	}
	cells := r.cells()
	for _, p := range r.pupils {
		run, ok := seen[p.login]
		if ok == p.kind.never {
			t.Errorf("%s (%s): there is a run: %v", p.login, p.kind.name, ok)
		}
		if p.kind.never {
			continue
		}
		told := []string{}
		for _, f := range run.Repairs {
			told = append(told, f.Text)
		}
		for what, list := range map[string][2]any{"flags": {run.Flags, p.kind.flags}, "repairs": {told, p.kind.repairs}} {
			have, want := list[0].([]string), list[1].(string)
			if want == "" && len(have) > 0 || want != "" && !slices.ContainsFunc(have, func(s string) bool { return strings.Contains(s, want) }) {
				t.Errorf("%s (%s): %s are %q, want one with %q", p.login, p.kind.name, what, have, want)
			}
		}
		hand := p.hand()
		for q, want := range p.auto() {
			c := cells[p.login][q]
			if c.auto == nil || *c.auto != want || c.points == nil || *c.points != want {
				t.Errorf("%s (%s): %s came to %v (%s), want %v", p.login, p.kind.name, q.id, show(c.auto), c.state, want)
			}
		}
		for _, q := range []question{whyQ, figureQ} {
			c := cells[p.login][q]
			if _, person := hand[q]; person != (c.state == "needs") || !person && (c.points == nil || *c.points != 0) {
				t.Errorf("%s (%s): %s is %q with %v points; a person has to read it: %v", p.login, p.kind.name, q.id, c.state, show(c.points), person)
			}
		}
	}
}

// gradeCell is one question of one student, as the database has it.
type gradeCell struct {
	state        string
	auto, points *float64
}

func show(p *float64) string {
	if p == nil {
		return "nothing"
	}
	return fmt.Sprint(*p)
}

func (r *realClass) cells() map[string]map[question]gradeCell {
	rows, err := r.Pool().Query(context.Background(), `select u.login, c.notebook, c.question, c.state, c.auto, c.points
		from grade_cells c join members m on m.id = c.member_id join users u on u.id = m.user_id where c.assignment_id = $1`, r.assignment.ID)
	must(r.p.t, err)
	out := map[string]map[question]gradeCell{}
	for rows.Next() {
		var login string
		var q question
		var c gradeCell
		must(r.p.t, rows.Scan(&login, &q.notebook, &q.id, &c.state, &c.auto, &c.points))
		if out[login] == nil {
			out[login] = map[question]gradeCell{}
		}
		out[login][q] = c
	}
	must(r.p.t, rows.Err())
	return out
}
