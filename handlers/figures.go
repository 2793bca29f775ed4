package handlers

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"lectern/store"
	"lectern/views"
)

// span is how far back the charts of a page of servers go.
type span struct {
	key, text string
	days      int // that are shown, today's included
	step      time.Duration
	mark      string // how a step is named
	every     int    // steps between two marks below the chart
}

var spans = []span{
	{"day", "Day", 1, 15 * time.Minute, "15:04", 16},
	{"week", "Week", 7, 2 * time.Hour, "Mon 2 Jan 15:04", 12},
	{"term", "Term", 126, 24 * time.Hour, "2 Jan 2006", 14},
}

// startDays is how many days of start times are shown at least.
const startDays = 7

// fillFigures adds the charts, over the span that the address asks for.
func (s *Site) fillFigures(r *http.Request, p *views.ServersView) error {
	v, ask := visitOf(r), r.URL.Query()
	over := spans[0]
	for _, sp := range spans {
		if sp.key == ask.Get("range") {
			over = sp
		}
	}
	q := tableQuery{serversBase(r), ask}
	for _, sp := range spans {
		p.Spans = append(p.Spans, views.NavItem{Text: sp.text, URL: q.with("range", sp.key) + "#figures", Current: sp.key == over.key})
	}
	loc := v.course.Location()
	now := s.Now().In(loc)
	midnight := time.Date(now.Year(), now.Month(), now.Day()-over.days+1, 0, 0, 0, 0, loc)
	crowds, err := s.Store.Crowds(r.Context(), v.course.ID, midnight, over.step)
	if err != nil {
		return err
	}
	p.People = crowdChart(over, midnight, now, loc, crowds)
	since := time.Date(now.Year(), now.Month(), now.Day()-max(over.days, startDays)+1, 0, 0, 0, 0, time.UTC)
	starts, err := s.Store.StartDays(r.Context(), v.course.ID, since)
	if err != nil {
		return err
	}
	p.Starts = startChart(since, now, starts)
	return nil
}

// crowdChart draws how many people had a workspace. A step that nobody had one
// in counts as none.
func crowdChart(over span, from, now time.Time, loc *time.Location, crowds []store.Crowd) views.ChartView {
	at := map[int64]store.Crowd{}
	for _, c := range crowds {
		at[c.At.Unix()] = c
	}
	c := views.ChartView{ID: "people", Title: "People with a workspace", Label: "Most at once, of each " + lasting(over.step), Columns: []string{"From", "With a workspace", "Active"}}
	var people, active []float64
	most := 0
	for t := from; !t.After(now); t = t.Add(over.step) {
		got := at[t.Unix()]
		people, active = append(people, float64(got.People)), append(active, float64(got.Active))
		most = max(most, got.People)
		if got.People > 0 {
			c.Rows = append(c.Rows, []string{t.In(loc).Format(over.mark), fmt.Sprint(got.People), fmt.Sprint(got.Active)})
		}
	}
	steps := over.days * int(24*time.Hour/over.step)
	for i := 0; i < steps; i += over.every {
		c.Below = append(c.Below, views.Mark{At: across(i, steps), Text: strings.TrimSuffix(from.Add(time.Duration(i)*over.step).In(loc).Format(shortMark(over.mark)), " 00:00")})
	}
	top := max(4, niceTop(float64(most))) // people are whole
	c.Lines = []views.ChartLine{{Name: "with a workspace", Kind: "first", Points: polyline(people, steps, top)}, {Name: "active within five minutes", Kind: "second", Points: polyline(active, steps, top)}}
	c.Beside = besides(top, func(n float64) string { return fmt.Sprintf("%.0f", n) })
	c.Empty = most == 0
	if !c.Empty {
		c.Sum = fmt.Sprintf("At most %s had a workspace at once.", pick(most == 1, "1 person", fmt.Sprintf("%d people", most)))
	}
	return c
}

// shortMark is a mark below a chart, where there is little room.
func shortMark(mark string) string {
	return map[string]string{"Mon 2 Jan 15:04": "Mon 2", "2 Jan 2006": "2 Jan"}[mark] + pick(mark == "15:04", mark, "")
}

// startChart draws, for each day, how long the median and the slowest twentieth
// of starts took, from the click to Jupyter's answer.
func startChart(since, now time.Time, starts []store.StartDay) views.ChartView {
	c := views.ChartView{ID: "starts", Title: "Start times", Label: "From the click to Jupyter's answer, by day", Columns: []string{"Day", "Starts", "Median", "95 of 100 within"}}
	days := map[string][]store.StartDay{}
	for _, d := range starts {
		key := d.Day.Format(time.DateOnly)
		days[key] = append(days[key], d)
	}
	var middle, most []float64
	slowest, all := 0.0, 0
	n := 0
	for t := since; t.Format(time.DateOnly) <= now.Format(time.DateOnly); t = t.AddDate(0, 0, 1) {
		n++
		day := days[t.Format(time.DateOnly)]
		if len(day) == 0 {
			middle, most = append(middle, math.NaN()), append(most, math.NaN())
			continue
		}
		total := 0
		for _, d := range day {
			total += d.Starts
		}
		p50, p95 := percentile(day, total, 0.5), percentile(day, total, 0.95)
		middle, most = append(middle, p50), append(most, p95)
		slowest, all = max(slowest, p95), all+total
		c.Rows = append(c.Rows, []string{t.Format("Mon 2 Jan"), fmt.Sprint(total), seconds(p50), seconds(p95)})
	}
	top := niceTop(slowest)
	c.Lines = []views.ChartLine{{Name: "median", Kind: "first", Points: polyline(middle, n, top), Dots: dots(middle, n, top)}, {Name: "95 of 100 within", Kind: "second", Points: polyline(most, n, top), Dots: dots(most, n, top)}}
	for i := 0; i < n; i += pick(n > 14, 14, 1) {
		c.Below = append(c.Below, views.Mark{At: across(i, n), Text: since.AddDate(0, 0, i).Format("2 Jan")})
	}
	c.Beside = besides(top, seconds)
	c.Empty = all == 0
	if !c.Empty {
		c.Sum = plural(all, "start") + "."
	}
	return c
}

// percentile is the time in seconds within which the share of a day's starts
// came to an end. Days come ordered by bucket; a bucket is 5 % wide, and its
// middle stands for it.
func percentile(day []store.StartDay, total int, share float64) float64 {
	wanted := int(math.Ceil(share * float64(total)))
	i := slices.IndexFunc(day, func(d store.StartDay) bool { wanted -= d.Starts; return wanted <= 0 })
	if i < 0 {
		i = len(day) - 1
	}
	return math.Pow(1.05, float64(day[i].Bucket)+0.5) / 1000
}

func seconds(s float64) string {
	if s < 10 {
		return fmt.Sprintf("%.1f s", s)
	}
	return fmt.Sprintf("%.0f s", s)
}

// The chart's inside, in the units of its viewBox.
const (
	chartLeft, chartRight = 44.0, 632.0
	chartTop, chartBottom = 12.0, 180.0
)

func across(i, n int) string {
	return fmt.Sprintf("%.1f", chartLeft+(chartRight-chartLeft)*float64(i)/float64(max(1, n-1)))
}

func up(value, top float64) float64 { return chartBottom - (chartBottom-chartTop)*value/top }

// polyline is a line's points, a piece for each stretch without NaN; n is how
// many the whole width has.
func polyline(values []float64, n int, top float64) (pieces []string) {
	var b strings.Builder
	for i, v := range values {
		if math.IsNaN(v) {
			if b.Len() > 0 {
				pieces = append(pieces, b.String())
			}
			b.Reset()
			continue
		}
		fmt.Fprintf(&b, "%s,%.1f ", across(i, n), up(v, top))
	}
	if b.Len() > 0 {
		pieces = append(pieces, b.String())
	}
	return pieces
}

func dots(values []float64, n int, top float64) (out []views.Dot) {
	for i, v := range values {
		if !math.IsNaN(v) {
			out = append(out, views.Dot{X: across(i, n), Y: fmt.Sprintf("%.1f", up(v, top))})
		}
	}
	return out
}

// niceTop is the end of an axis that values up to most fit below: four equal
// steps of 1, 2 or 5 times a power of ten.
func niceTop(most float64) float64 {
	for unit := 0.1; ; unit *= 10 {
		for _, n := range []float64{1, 2, 2.5, 5} {
			if top := 4 * n * unit; top >= most && (n != 2.5 || unit > 1) && top >= 1 {
				return top
			}
		}
	}
}

func besides(top float64, text func(float64) string) (out []views.Mark) {
	for i := range 5 {
		v := top * float64(i) / 4
		out = append(out, views.Mark{At: fmt.Sprintf("%.1f", up(v, top)), Text: text(v)})
	}
	return out
}
