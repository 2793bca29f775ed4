package handlers

import (
	"fmt"
	"time"

	"lectern/course"
)

// localForm is how a datetime-local input sends a wall time.
const localForm = "2006-01-02T15:04"

// parseLocal reads a datetime-local input in a course's zone. A time that the
// clocks skip is refused; of one that they pass twice the first is taken, which
// is what a person without a second clock would call it. Empty is nil.
func parseLocal(field, s string, loc *time.Location) (*time.Time, error) {
	if s == "" {
		return nil, nil
	}
	if len(s) == len(localForm)+3 { // some browsers send seconds
		s = s[:len(localForm)]
	}
	t, err := time.ParseInLocation(localForm, s, loc)
	if err != nil || t.Year() < 2000 || t.Year() > 2100 {
		return nil, course.Fieldf(field, "This is not a date and time such as 2026-11-30 23:59.")
	}
	if t.Format(localForm) != s {
		return nil, course.Fieldf(field, "The clocks in %s skip this time when they are put forward. Choose one before or after.", loc)
	}
	if earlier := t.Add(-time.Hour); earlier.Format(localForm) == s {
		t = earlier
	}
	t = t.UTC()
	return &t, nil
}

// formatLocal is the value of a datetime-local input; empty for nil.
func formatLocal(t *time.Time, loc *time.Location) string {
	if t == nil {
		return ""
	}
	return t.In(loc).Format(localForm)
}

// wallTime shows an instant in a zone, with the zone's name: "Fri 20 Nov 2026, 23:59 CET".
func wallTime(t time.Time, loc *time.Location) string {
	return t.In(loc).Format("Mon 2 Jan 2006, 15:04 MST")
}

// shortTime leaves out what the reader knows: the year if it is now's, and the
// date if it is today.
func shortTime(t, now time.Time, loc *time.Location) string {
	t, now = t.In(loc), now.In(loc)
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		return t.Format("15:04")
	case t.Year() == now.Year():
		return t.Format("2 Jan, 15:04")
	}
	return t.Format("2 Jan 2006, 15:04")
}

// inWords says how far an instant is from now: "in 3 h 20 min", "2 days ago".
func inWords(t, now time.Time) string {
	d := t.Sub(now)
	switch {
	case d > -time.Minute && d < time.Minute:
		return "now"
	case d > 0:
		return "in " + lasting(d)
	}
	return lasting(-d) + " ago"
}

// lasting names a span with its two largest units: "3 h 20 min", "2 days 4 h".
func lasting(d time.Duration) string {
	d = d.Round(time.Second)
	days, h, m, s := int(d/(24*time.Hour)), int(d/time.Hour)%24, int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case days >= 14:
		return plural(days/7, "week")
	case days >= 7:
		return plural(days, "day")
	case days > 0:
		return two(plural(days, "day"), h, "h")
	case h > 0:
		return two(fmt.Sprintf("%d h", h), m, "min")
	case m >= 10:
		return fmt.Sprintf("%d min", m)
	case m > 0:
		return two(fmt.Sprintf("%d min", m), s, "s")
	}
	return fmt.Sprintf("%d s", s)
}

func two(first string, n int, unit string) string {
	if n == 0 {
		return first
	}
	return fmt.Sprintf("%s %d %s", first, n, unit)
}

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// exactTime is wallTime to the second, for a receipt.
func exactTime(t time.Time, loc *time.Location) string {
	return t.In(loc).Format("Mon 2 Jan 2006, 15:04:05 MST")
}
