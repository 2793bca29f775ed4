package handlers

import (
	"strings"
	"testing"
	"time"

	"lectern/store"
)

func TestPercentilesComeFromTheHistogram(t *testing.T) {
	t.Parallel()
	day := []store.StartDay{{Bucket: 100, Starts: 50}, {Bucket: 150, Starts: 45}, {Bucket: 200, Starts: 5}} // 0.13 s, 1.5 s, 17.7 s
	for share, want := range map[float64]string{0.01: "0.1 s", 0.5: "0.1 s", 0.51: "1.5 s", 0.95: "1.5 s", 0.96: "18 s", 1: "18 s"} {
		if got := seconds(percentile(day, 100, share)); got != want {
			t.Errorf("%v of 100 within %s, want %s", share, got, want)
		}
	}
}

func TestChartsReachTheirEdges(t *testing.T) {
	t.Parallel()
	for most, want := range map[float64]float64{0: 1.2, 1: 1.2, 4: 4, 5: 8, 220: 400, 3000: 4000} {
		if got := niceTop(most); got < most || want > 1.2 && got != want {
			t.Errorf("an axis up to %v ends at %v, want %v", most, got, want)
		}
	}
	now := time.Date(2026, 9, 1, 13, 7, 0, 0, time.UTC)
	from := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	c := crowdChart(spans[0], from, now, time.UTC, []store.Crowd{{At: from.Add(13 * time.Hour), People: 4, Active: 2}})
	line := strings.Fields(c.Lines[0].Points[0])
	if len(line) != 13*4+1 || line[0] != "44.0,180.0" || !strings.HasSuffix(line[len(line)-1], ",12.0") || len(c.Rows) != 1 || c.Rows[0][0] != "13:00" {
		t.Errorf("%d points from %s to %s, rows %v; want one each quarter up to 13:00, at the top", len(line), line[0], line[len(line)-1], c.Rows)
	}
	starts := startChart(from, now.AddDate(0, 0, 2), []store.StartDay{{Day: from, Bucket: 150, Starts: 3}, {Day: from.AddDate(0, 0, 2), Bucket: 150, Starts: 1}})
	if n := len(starts.Lines[0].Points); n != 2 || len(starts.Rows) != 2 {
		t.Errorf("%d pieces and %d rows, want two: nothing is known of the day between", n, len(starts.Rows))
	}
}
