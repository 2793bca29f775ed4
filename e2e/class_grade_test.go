package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// grader is a person who marks by keys, in a profile of their own.
type grader struct {
	*person
	r      *realClass
	handed map[question][]int // papers, in the order they were handed out
	turns  []time.Duration    // from key to next paper
}

// markByTwo makes the rubric, finds identical answers, and lets two graders mark
// until nothing is left.
func (r *realClass) markByTwo() {
	t := r.p.t
	papers := r.papers()
	p := r.teacher
	p.goTo(projectPath + "/grade/rubric?question=" + whyQ.notebook + "/" + whyQ.id)
	for _, item := range whyRubric {
		p.see(`input[name="text.new"]`)
		p.fill(`input[name="text.new"]`, item.text)
		p.fill(`input[name="points.new"]`, fmt.Sprint(item.points))
		p.click(`//button[contains(., "Save the rubric")]`)
		p.seeText("The rubric is saved")
		p.goTo(projectPath + "/grade/rubric?question=" + whyQ.notebook + "/" + whyQ.id)
	}
	p.looks("c10-rubric")
	p.goTo(projectPath + "/grade")
	p.looks("c11-grid")
	p.calm()
	graders := []*grader{{person: visitor(r.t(), r.browser, r.p.url(), "grader"), r: r}, {person: visitor(r.t(), r.browser, r.p.url(), "grader2"), r: r}}
	for _, g := range graders {
		g.handed = map[question][]int{}
		g.enter()
	}
	for _, q := range []question{whyQ, figureQ} {
		graders[0].begin(q)
		if graders[0].eval(`document.body.innerText.includes("Find identical answers") ? "yes" : ""`) != "" {
			graders[0].click(`//button[contains(., "Find identical answers")]`)
			graders[0].seeText("All answers are compared.")
		}
		graders[0].looks("c12-grade-" + q.id)
		var both sync.WaitGroup
		for _, g := range graders {
			both.Go(func() { g.markAll(q, papers) })
		}
		both.Wait()
		mine := map[int]bool{}
		for _, n := range graders[0].handed[q] {
			mine[n] = true
		}
		for _, n := range graders[1].handed[q] {
			if mine[n] {
				t.Errorf("%s: paper %d was handed to both", q.id, n)
			}
		}
		t.Logf("%s: %d and %d papers read for %d marks", q.id, len(graders[0].handed[q]), len(graders[1].handed[q]), r.marksOf(q))
	}
	turns := slices.Sorted(slices.Values(append(slices.Clone(graders[0].turns), graders[1].turns...)))
	if len(turns) > 0 {
		t.Logf("from the last key to the next paper with two graders: median %v, slowest %v", turns[len(turns)/2].Round(time.Millisecond), turns[len(turns)-1].Round(time.Millisecond))
	}
}

// marksOf is how many marks a person has to give in a question.
func (r *realClass) marksOf(q question) (n int) {
	for _, p := range r.pupils {
		if _, ok := p.hand()[q]; ok {
			n++
		}
	}
	return n
}

// papers are the class by the numbers that hide their names.
func (r *realClass) papers() map[int]*pupil {
	rows, err := r.Pool().Query(context.Background(), `select p.number, u.login from papers p join members m on m.id = p.member_id join users u on u.id = m.user_id
		where p.assignment_id = $1`, r.assignment.ID)
	must(r.p.t, err)
	out := map[int]*pupil{}
	for rows.Next() {
		var n int
		var login string
		must(r.p.t, rows.Scan(&n, &login))
		out[n] = r.byLogin[login]
	}
	must(r.p.t, rows.Err())
	return out
}

// enter signs in somebody whom the demo's sign-in page does not list.
func (p *person) enter() {
	p.t.Helper()
	p.goTo("/sign-in")
	p.eval(`(() => { const f = document.createElement("form"); f.method = "post"; f.action = "/sign-in/demo"; const i = document.createElement("input");
		i.name = "login"; i.value = ` + quote(p.name) + `; f.append(i); document.body.append(f); f.submit(); return "" })()`)
	p.wait("the sign-in", `location.pathname === "/"`)
	p.seeText("Demo course")
}

// begin asks for a question's first paper.
func (g *grader) begin(q question) {
	g.goTo(projectPath + "/grade")
	g.click(fmt.Sprintf(`//th[contains(@class, "question")]//form[input[@value="%s/%s"]]//button`, q.notebook, q.id))
	g.quickly("the first paper", paperReady)
}

// paperReady is the number of the paper shown, once keys work on it; "done" when
// there was none left.
const paperReady = `(() => {
	if (document.readyState !== "complete" || window.left) return "";
	if (!document.querySelector("[data-grading]")) return document.body.innerText.includes("Nothing is left") ? "done" : "";
	const f = document.querySelector("[data-fill]");
	return f && !f.hidden ? location.pathname.split("/").pop() : "";
})()`

// quickly polls for something to be said, often: it is part of what is measured.
func (g *grader) quickly(what, script string) string {
	g.t.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if v := g.eval(script); v != "" {
			return v
		}
	}
	g.shoot("failed")
	g.t.Errorf("%s: waited in vain for %s at %s", g.name, what, g.where())
	return ""
}

// markAll marks by keys until nothing is left in the question.
func (g *grader) markAll(q question, papers map[int]*pupil) {
	g.begin(q)
	for at := g.quickly("a paper", paperReady); at != "" && at != "done"; {
		number := atoi(at)
		p := papers[number]
		if p == nil {
			g.t.Errorf("%s was handed paper %q, which is nobody's", g.name, at)
			return
		}
		g.handed[q] = append(g.handed[q], number)
		if q == whyQ {
			g.byRubric(p)
		} else {
			g.byPoints(p)
		}
		began := time.Now()
		g.eval(`String(window.left = true)`)
		g.key("u")
		at = g.quickly("the next paper", paperReady)
		g.turns = append(g.turns, time.Since(began))
	}
}

func (g *grader) key(k string) { g.do("press "+k, strike(k)) }

// saved waits until the page says that it saved this mark.
func (g *grader) saved(want float64) {
	g.quickly(fmt.Sprintf("%v to be saved", want), fmt.Sprintf(`document.querySelector("[data-status]").dataset.kind === "saved" && document.querySelector("[data-mark]").textContent === "%v" ? "yes" : ""`, want))
}

// byRubric presses the numbers of the items the answer earns.
func (g *grader) byRubric(p *pupil) {
	sum := 0.0
	for i, item := range whyRubric {
		if p.why>>i&1 == 1 {
			g.key(fmt.Sprint(i + 1))
			sum += item.points
			g.saved(sum)
		}
	}
	if sum == 0 {
		g.key("0")
		g.saved(0)
	}
}

// byPoints gives full points, none, or types them; and now and then says why.
func (g *grader) byPoints(p *pupil) {
	switch points := figurePoints(p.figure); points {
	case 3:
		g.key("f")
		g.saved(3)
	case 0:
		g.key("0")
		g.saved(0)
	default:
		g.key("m")
		g.key(fmt.Sprint(points))
		g.key(kb.Enter)
		g.saved(points)
	}
	if remarked(p.figure) {
		g.key("c")
		g.key(remark)
		g.key(kb.Escape)
		g.quickly("the comment", `document.querySelector("[data-comment] strong") && document.querySelector("[data-status]").dataset.kind === "saved" ? "yes" : ""`)
	}
}

// checkMarks holds everybody's marks against what the answers earn: none is lost,
// none is left.
func (r *realClass) checkMarks() {
	t, p := r.p.t, r.teacher
	cells := r.cells()
	for _, x := range r.pupils {
		for q, want := range x.hand() {
			c := cells[x.login][q]
			if c.state != "marked" || c.points == nil || *c.points != want {
				t.Errorf("%s (%s): %s is %q with %v points, want %v by hand", x.login, x.kind.name, q.id, c.state, show(c.points), want)
			}
		}
	}
	p.goTo(projectPath + "/grade")
	p.seeText("Need grading")
	if left := p.eval(`String(document.querySelectorAll("th.question button").length)`); left != "0" {
		t.Errorf("%s questions still say that papers are left", left)
	}
	p.looks("c13-grid-marked")
	p.calm()
}

func atoi(s string) (n int) {
	_, _ = fmt.Sscan(s, &n)
	return n
}

// strike presses keys one after the other as a keyboard does: what a key types does
// not come when the page has made something else of it. [chromedp.KeyEvent] types it
// all the same.
func strike(keys string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for _, r := range keys {
			events := kb.Encode(r)
			if len(events) == 3 {
				events[0].Text, events[0].UnmodifiedText = events[1].Text, events[1].UnmodifiedText
				events = slices.Delete(events, 1, 2)
			}
			for _, e := range events {
				if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, *e); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
