package handlers

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"

	"lectern/store"
	"lectern/views"
)

// bins of a histogram: a tenth of the points each, and one for what is above.
const bins = 10

// statistics is how the class did in an assignment, as a whole and question by question.
func (s *Site) statistics(w http.ResponseWriter, r *http.Request) error {
	v, ctx := visitOf(r), r.Context()
	column, questions, err := s.Store.BookStatistics(ctx, v.course.ID, v.assignment.ID)
	if err != nil {
		return err
	}
	rule, err := s.Store.LateRule(ctx, v.assignment.ID)
	if err != nil {
		return err
	}
	b := &book{zone: v.course.Location(), now: s.Now(), assignments: []store.BookAssignment{{Points: v.assignment.Points, DueAt: v.assignment.DueAt, Late: rule}},
		columns: []*store.BookColumn{column}}
	if b.members, err = s.Store.BookMembers(ctx, v.course.ID, store.BookQuery{}); err != nil {
		return err
	}
	b.fill()
	scores := b.scores()
	page := views.StatisticsView{Page: s.assignmentFrame(r, "Statistics", "statistics"), Title: v.assignment.Title, Students: len(scores), Submissions: assignmentPart(v.course.Slug, v.assignment.Slug, "submissions")}
	if len(scores) > 0 {
		page.Figures = scoreFigures(scores, v.assignment.Points)
		page.Histogram = histogram(scores, v.assignment.Points)
	}
	for _, q := range questions {
		page.Questions = append(page.Questions, questionRow(q))
	}
	return s.show(w, r, views.Statistics(page))
}

// scores are the points of those who have any in the book's only assignment, in order.
func (b *book) scores() []float64 {
	var out []float64
	for i := range b.members {
		c := b.cell(i, 0)
		if p := c.Points(); p != nil {
			out = append(out, *p)
		}
	}
	slices.Sort(out)
	return out
}

// scoreFigures sum up scores, which are in order.
func scoreFigures(scores []float64, most float64) []views.Figure {
	sum, squares := 0.0, 0.0
	for _, p := range scores {
		sum += p
	}
	n := float64(len(scores))
	mean := sum / n
	for _, p := range scores {
		squares += (p - mean) * (p - mean)
	}
	middle := (scores[(len(scores)-1)/2] + scores[len(scores)/2]) / 2
	of := ""
	if most > 0 {
		of = "of " + pointsText(most)
	}
	return []views.Figure{{Label: "Students with points", Value: strconv.Itoa(len(scores))}, {Label: "Mean", Value: pointsText(mean), Of: of}, {Label: "Median", Value: pointsText(middle), Of: of},
		{Label: "Spread", Value: pointsText(math.Sqrt(squares / n))}, {Label: "Lowest", Value: pointsText(scores[0])}, {Label: "Highest", Value: pointsText(scores[len(scores)-1])}}
}

// histogram counts scores by tenths of the points that can be had.
func histogram(scores []float64, most float64) views.HistogramView {
	if most <= 0 {
		most = max(1, scores[len(scores)-1])
	}
	count := make([]int, bins+1)
	for _, p := range scores {
		i := int(p / most * bins)
		if p <= most {
			i = min(i, bins-1) // full points are of the last tenth
		}
		count[max(0, min(i, bins))]++
	}
	if count[bins] == 0 {
		count = count[:bins]
	}
	top := 1
	for _, n := range count {
		top = max(top, n)
	}
	h := views.HistogramView{Label: "Students by points", Top: strconv.Itoa(top)}
	const width, height, step = 600, 160, 56
	for i, n := range count {
		tall := float64(n) / float64(top) * height
		text := fmt.Sprintf("%s to %s", pointsText(most*float64(i)/bins), pointsText(most*float64(i+1)/bins))
		if i == bins {
			text = "above " + pointsText(most)
		}
		h.Bars = append(h.Bars, views.Bar{X: strconv.Itoa(i * step), Y: strconv.FormatFloat(height-tall, 'f', 1, 64), Height: strconv.FormatFloat(tall, 'f', 1, 64),
			Middle: strconv.Itoa(i*step + step/2 - 3), From: pointsText(most * float64(i) / bins), Text: text, Count: strconv.Itoa(n)})
	}
	if len(count) == bins { // the column above begins there
		h.Edge, h.EdgeX = pointsText(most), strconv.Itoa(bins*step-6)
	}
	h.Width = strconv.Itoa(max(width, len(count)*step))
	return h
}

func questionRow(q store.QuestionStats) views.QuestionStatsRow {
	row := views.QuestionStatsRow{Question: q.Notebook + ", " + q.Question, Kind: kindText[q.Kind], Max: pointsText(q.Max), Marked: strconv.Itoa(q.Marked),
		Mean: pointsOr(q.Mean, "–"), Median: pointsOr(q.Median, "–"), Unanswered: strconv.Itoa(q.Unanswered), Full: "–", None: "–", Part: "–"}
	if q.Marked == 0 {
		return row
	}
	share := func(n int) float64 { return float64(n) / float64(q.Marked) * 100 }
	part := q.Marked - q.Full - q.None
	row.Full, row.Part, row.None = percent(share(q.Full)), percent(share(part)), percent(share(q.None))
	const wide = 120
	full, half := share(q.Full)/100*wide, share(part)/100*wide
	at := func(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }
	row.Bar = []views.BarPart{{Class: "full", X: "0", Width: at(full)}, {Class: "part", X: at(full), Width: at(half)}, {Class: "none", X: at(full + half), Width: at(wide - full - half)}}
	row.BarText = fmt.Sprintf("%s full points, %s some, %s none", row.Full, row.Part, row.None)
	return row
}

func percent(p float64) string { return strconv.FormatFloat(p, 'f', 0, 64) + " %" }

var kindText = map[string]string{"tests": "Tests", "manual": "By hand", "task": "Task"}
