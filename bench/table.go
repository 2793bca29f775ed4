package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// row is a line of the table: a figure, what it is held against in the same run,
// and the goal, for the ratio if there is a rival and for the figure if not.
type row struct {
	name   string
	bench  string
	unit   string
	rival  string // unit; empty is none
	beside string // what the rival is
	goal   goal
}

// goal is a bound; the zero goal is none.
type goal struct {
	most  float64
	least float64
}

var rows = []row{
	{"Open, cold", "Open", "cold-ms", "floor-ms", "create + start + boot", goal{most: 1.15}},
	{"Open, running", "Open", "running-ms", "", "", goal{most: 100}},
	{"Open, started ahead", "Open", "ahead-ms", "", "", goal{most: 300}},
	{"Open, from the pool", "OpenPool", "pool-ms", "", "", goal{most: 300}},
	{"Open, four at once from the pool", "OpenPool", "four-ms", "", "", goal{most: 300}},
	{"Open, a second assignment", "Open", "second-ms", "", "", goal{most: 300}},
	{"Open, 20 at once, p50", "OpenCrowd", "cold-ms", "floor-ms", "20 bare starts, a core each", goal{}},
	{"Open, 20 at once, p95", "OpenCrowd", "cold-p95-ms", "", "", goal{}},
	{"Open, 20 at once, ahead, p50", "OpenCrowd", "ahead-ms", "", "", goal{most: 1000}},
	{"Open, 20 at once, ahead, p95", "OpenCrowd", "ahead-p95-ms", "", "", goal{}},
	{"Proxy, 1 KiB", "Proxies/1KiB", "lectern-req/s", "bare-req/s", "bare ReverseProxy", goal{least: 0.9}},
	{"Proxy, 1 KiB", "Proxies/1KiB", "lectern-req/s", "chp-req/s", "configurable-http-proxy", goal{least: 3.5}},
	{"Proxy, 1 MiB", "Proxies/1MiB", "lectern-req/s", "bare-req/s", "bare ReverseProxy", goal{least: 0.9}},
	{"Proxy, 1 MiB", "Proxies/1MiB", "lectern-req/s", "chp-req/s", "configurable-http-proxy", goal{least: 3.5}},
	{"Proxy, echo", "Proxies/echo", "lectern-msg/s", "bare-msg/s", "bare ReverseProxy", goal{least: 0.9}},
	{"Snapshot of 220 homes", "Snapshot220Homes", "s/class", "", "", goal{most: 5}},
	{"Student's course, p50", "Pages/student-course", "p50-ms", "", "", goal{}},
	{"Student's course, p99", "Pages/student-course", "p99-ms", "", "", goal{most: 50}},
	{"Student's course", "Pages/student-course", "statements", "", "", goal{}},
	{"Submissions, p50", "Pages/submissions", "p50-ms", "", "", goal{}},
	{"Submissions, p99", "Pages/submissions", "p99-ms", "", "", goal{most: 50}},
	{"Submissions", "Pages/submissions", "statements", "", "", goal{}},
	{"Submissions, last page, p50", "Pages/submissions-last-page", "p50-ms", "", "", goal{}},
	{"Submissions, search, p50", "Pages/submissions-search", "p50-ms", "", "", goal{}},
	{"Staff's course, p50", "Pages/staff-course", "p50-ms", "", "", goal{}},
	{"Marks, p50", "Pages/marks", "p50-ms", "", "", goal{}},
	{"Roster, p50", "Pages/roster", "p50-ms", "", "", goal{}},
	{"Gradebook, p50", "Books/gradebook", "p50-ms", "", "", goal{}},
	{"Gradebook, p99", "Books/gradebook", "p99-ms", "", "", goal{most: 100}},
	{"Gradebook", "Books/gradebook", "statements", "", "", goal{}},
	{"Gradebook by total, p50", "Books/gradebook-by-total", "p50-ms", "", "", goal{}},
	{"Gradebook by total, p99", "Books/gradebook-by-total", "p99-ms", "", "", goal{most: 100}},
	{"Gradebook by an assignment, p99", "Books/gradebook-by-assignment", "p99-ms", "", "", goal{most: 100}},
	{"Statistics, p50", "Books/statistics", "p50-ms", "", "", goal{}},
	{"Statistics, p99", "Books/statistics", "p99-ms", "", "", goal{most: 100}},
	{"Grade grid, p50", "Books/grade-grid", "p50-ms", "", "", goal{}},
	{"Grade grid, p99", "Books/grade-grid", "p99-ms", "", "", goal{most: 100}},
	{"Grade grid by points, p99", "Books/grade-grid-by-points", "p99-ms", "", "", goal{most: 100}},
	{"Next ungraded, 8 graders, p99", "GradingACrowd/next", "p99-ms/next", "", "", goal{most: 50}},
	{"Next ungraded at the end, p99", "GradingACrowd/next-at-the-end", "p99-ms/next-at-the-end", "", "", goal{most: 50}},
	{"Feedback of two notebooks", "FeedbackOfTwoNotebooks", "submissions/s/core", "", "", goal{least: 100}},
	{"Feedback of two notebooks, CPU", "FeedbackOfTwoNotebooks", "cpu-ms/submission", "", "", goal{most: 10}},
	{"Notebook of 40 cells, cold", "NotebookOf40CellsCold", "ns/op", "", "", goal{}},
	{"Notebook of 40 cells, warm", "NotebookOf40CellsWarm", "ns/op", "", "", goal{}},
}

// print writes the table of what was measured.
func print(to io.Writer, f figures) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	defer w.Flush()
	fmt.Fprintln(w, "what\tLectern\trival or floor\tratio\tgoal\tmet")
	for _, r := range rows {
		v, ok := f.of(r.bench, r.unit)
		if !ok {
			continue
		}
		rival, ratio, held := "", "", v
		if r.rival != "" {
			other, ok := f.of(r.bench, r.rival)
			if !ok || other == 0 {
				continue
			}
			held = v / other
			rival, ratio = text(other, r.rival)+" ("+r.beside+")", fmt.Sprintf("%.2f", held)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.name, text(v, r.unit), rival, ratio, r.goal, r.goal.met(held))
	}
}

func (g goal) String() string {
	switch {
	case g.most > 0:
		return fmt.Sprintf("≤ %g", g.most)
	case g.least > 0:
		return fmt.Sprintf("≥ %g", g.least)
	}
	return ""
}

func (g goal) met(v float64) string {
	switch {
	case g == goal{}:
		return ""
	case (g.most == 0 || v <= g.most) && v >= g.least:
		return "yes"
	}
	return "NO"
}

// text prints a figure with what people call its unit.
func text(v float64, unit string) string {
	switch {
	case unit == "ns/op":
		return fmt.Sprintf("%.3g ms", v/1e6)
	case strings.HasSuffix(unit, "ms") || strings.HasPrefix(unit, "p99-ms") || strings.HasPrefix(unit, "cpu-ms"):
		return fmt.Sprintf("%.4g ms", v)
	case strings.HasSuffix(unit, "req/s"):
		return fmt.Sprintf("%.0f req/s", v)
	case strings.HasSuffix(unit, "msg/s"):
		return fmt.Sprintf("%.0f msg/s", v)
	case unit == "submissions/s/core":
		return fmt.Sprintf("%.0f/s a core", v)
	case strings.HasPrefix(unit, "s/"):
		return fmt.Sprintf("%.2f s", v)
	}
	return fmt.Sprintf("%g %s", v, unit)
}
