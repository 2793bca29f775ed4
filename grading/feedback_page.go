package grading

import (
	"bytes"
	"fmt"
	"html"
	"strconv"
	"strings"
	"time"

	"lectern/course/notebook"
	"lectern/course/notebook/render"
	"lectern/store"
)

// feedbackPage is one notebook with its marks, as a page that stands alone.
type feedbackPage struct {
	*Feedback
	target store.FeedbackTarget
	name   string
	nb     *notebook.Notebook
	marks  []store.FeedbackMark
	dir    string
}

func (p *feedbackPage) html() ([]byte, error) {
	shown := p.nb
	if !p.target.Reveal {
		shown = ForStudent(p.nb)
	}
	at := map[string]int{}
	marked := map[int]*store.FeedbackMark{}
	for i := range shown.Cells {
		if m, ok := shown.Cells[i].Meta(); ok && m.GradeID != "" {
			if _, twice := at[m.GradeID]; !twice {
				at[m.GradeID] = i
			}
		}
	}
	for i := range p.marks {
		if cell, ok := at[p.marks[i].Question]; ok {
			marked[cell] = &p.marks[i]
		}
	}
	var b bytes.Buffer
	b.Grow(len(p.Style) + 64<<10)
	fmt.Fprintf(&b, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"+
		"<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"+
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n<title>%s · %s</title>\n<style>", esc(p.name), esc(p.target.Title))
	b.Write(p.Style)
	b.WriteString("</style>\n</head>\n<body>\n<main>\n")
	p.head(&b)
	p.table(&b, at)
	err := p.Render.Notebook(&b, shown, render.Options{
		After: func(cell int) []byte { return p.mark(marked[cell]) },
		File:  func(name string) []byte { return p.picture(p.dir, name) },
	})
	b.WriteString("</main>\n</body>\n</html>\n")
	return b.Bytes(), err
}

func esc(s string) string { return html.EscapeString(s) }

// points without needless zeros.
func points(p float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(p, 'f', 2, 64), "0"), ".")
}

// head says whose work this is and what it comes to.
func (p *feedbackPage) head(b *bytes.Buffer) {
	t := &p.target
	who := t.Login
	if t.Name != "" && t.Name != t.Login {
		who = t.Name + " (" + t.Login + ")"
	}
	loc, err := time.LoadLocation(t.Zone)
	if err != nil {
		loc = time.UTC
	}
	fmt.Fprintf(b, "<header class=\"fb-head\">\n<p>%s · %s</p>\n<h1>%s</h1>\n<p>%s, handed in %s</p>\n", esc(t.CourseTitle), esc(t.Title), esc(p.name), esc(who),
		esc(t.TakenAt.In(loc).Format("2 January 2006, 15:04 MST")))
	switch total := t.Points(); {
	case t.Excused:
		b.WriteString("<p class=\"fb-total\">Excused: this assignment does not count for you.</p>\n")
	case total == nil:
		b.WriteString("<p class=\"fb-total\">Not marked yet.</p>\n")
	default:
		fmt.Fprintf(b, "<p class=\"fb-total\"><b>%s</b> of %s points", points(*total), points(t.Most))
		if t.Needs+t.Waiting > 0 {
			fmt.Fprintf(b, ", with %d not marked yet", t.Needs+t.Waiting)
		}
		b.WriteString("</p>\n")
		if late := t.Penalty(); late > 0 {
			fmt.Fprintf(b, "<p>Late: %s points were taken off.</p>\n", points(late))
		}
	}
	if t.Comment != "" {
		b.WriteString("<div class=\"fb-comment\">")
		b.Write(p.Render.Markdown(t.Comment))
		b.WriteString("</div>\n")
	}
	b.WriteString("</header>\n")
}

// table lists the notebook's questions, each a link to its cell.
func (p *feedbackPage) table(b *bytes.Buffer, at map[string]int) {
	if len(p.marks) == 0 {
		return
	}
	b.WriteString("<table class=\"fb-table\">\n<thead><tr><th scope=\"col\">Question</th><th scope=\"col\">Result</th><th scope=\"col\" class=\"num\">Points</th></tr></thead>\n<tbody>\n")
	for i := range p.marks {
		m := &p.marks[i]
		name := esc(m.Question)
		if cell, ok := at[m.Question]; ok {
			name = fmt.Sprintf("<a href=\"#cell-%d\">%s</a>", cell+1, name)
		}
		said := standing(m)
		fmt.Fprintf(b, "<tr><th scope=\"row\">%s</th><td>%s</td><td class=\"num\">%s of %s</td></tr>\n", name, esc(said.text), said.points, points(m.Max))
	}
	b.WriteString("</tbody>\n</table>\n")
}

// stand is a mark in words.
type stand struct{ class, text, points string }

func standing(m *store.FeedbackMark) stand {
	got := m.Given
	if got == nil {
		got = m.Auto
	}
	switch {
	case m.State == "excused":
		return stand{"", "Excused: does not count", "–"}
	case got == nil || m.State == "stale":
		return stand{"", "Not marked yet", "–"}
	}
	sum := *got + m.Extra
	s := stand{"part", "Partly right", points(sum)}
	switch {
	case sum >= m.Max:
		s.class, s.text = "full", "Full points"
	case sum <= 0:
		s.class, s.text = "none", "No points"
	}
	if m.Kind == "tests" && m.Given == nil {
		s.text = map[string]string{"full": "All tests passed", "part": "Some tests passed", "none": "The tests failed"}[s.class]
	}
	if m.Extra > 0 {
		s.text += ", " + points(m.Extra) + " extra"
	}
	return s
}

// mark stands below the cell of a question.
func (p *feedbackPage) mark(m *store.FeedbackMark) []byte {
	if m == nil {
		return nil
	}
	var b bytes.Buffer
	said := standing(m)
	fmt.Fprintf(&b, "<aside class=\"fb-mark %s\" aria-label=\"Mark of %s\">\n<p><strong>%s of %s</strong> %s</p>\n", said.class, esc(m.Question), said.points, points(m.Max), esc(said.text))
	if m.Given == nil && m.Auto != nil && m.Reason != "" && *m.Auto < m.Max {
		fmt.Fprintf(&b, "<p>%s</p>\n", esc(m.Reason))
	}
	if len(m.Items) > 0 {
		b.WriteString("<ul>\n")
		for _, i := range m.Items {
			sign := "+"
			if i.Deduct {
				sign = "−"
			}
			fmt.Fprintf(&b, "<li>%s%s %s</li>\n", sign, points(i.Points), esc(i.Text))
		}
		b.WriteString("</ul>\n")
	}
	if m.Comment != "" {
		b.Write(p.Render.Markdown(m.Comment))
	}
	b.WriteString("</aside>\n")
	return b.Bytes()
}
