package handlers

import (
	"fmt"
	"strings"
	"time"

	"lectern/views"
)

// when is an instant in the course's zone, with words for how far away it is.
func when(t, now time.Time, loc *time.Location) views.TimeView {
	away := t.Sub(now)
	return views.TimeView{At: t, Text: wallTime(t, loc), Away: inWords(t, now), Soon: away > 0 && away <= 24*time.Hour}
}

// whenIf is when for an instant that may be missing.
func whenIf(t *time.Time, now time.Time, loc *time.Location, none string) views.TimeView {
	if t == nil {
		return views.TimeView{Text: none}
	}
	return when(*t, now, loc)
}

// sizeText is a number of bytes as people read it.
func sizeText(n int64) string {
	switch {
	case n < 1000:
		return plural(int(n), "byte")
	case n < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1000*1000*1000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// pointsText is a number of points without needless zeros.
func pointsText(p float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", p), "0"), ".")
}

func pick[T any](yes bool, a, b T) T {
	if yes {
		return a
	}
	return b
}
