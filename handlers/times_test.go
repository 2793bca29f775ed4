package handlers

import (
	"testing"
	"time"

	"lectern/course"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestAFormsWallTimeIsReadInTheCoursesZone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ zone, in, want string }{
		{"Europe/Berlin", "2026-11-20T23:59", "2026-11-20T22:59:00Z"},
		{"Europe/Berlin", "2026-07-01T12:00", "2026-07-01T10:00:00Z"},
		{"Europe/Berlin", "2026-11-20T23:59:30", "2026-11-20T22:59:00Z"},
		{"Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00Z"}, // passed twice: the first
		{"Europe/Berlin", "2026-03-29T02:30", ""},                     // skipped
		{"America/New_York", "2026-11-01T01:30", "2026-11-01T05:30:00Z"},
		{"America/New_York", "2026-03-08T02:15", ""},
		{"Asia/Kathmandu", "2028-02-29T10:00", "2028-02-29T04:15:00Z"},
		{"Asia/Kathmandu", "2027-02-29T10:00", ""},
		{"Africa/Casablanca", "2026-06-01T10:00", "2026-06-01T09:00:00Z"},
		{"Pacific/Apia", "2026-01-01T10:00", "2025-12-31T21:00:00Z"},
		{"UTC", "never", ""},
		{"UTC", "0001-01-01T00:00", ""},
	} {
		got, err := parseLocal("due_at", tc.in, zone(t, tc.zone))
		if tc.want == "" {
			if p, ok := course.AsProblem(err); !ok || p.Field != "due_at" {
				t.Errorf("%s in %s: %v, %v; want a problem with the field", tc.in, tc.zone, got, err)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339) != tc.want {
			t.Errorf("%s in %s: %v, %v; want %s", tc.in, tc.zone, got, err, tc.want)
			continue
		}
		if back := formatLocal(got, zone(t, tc.zone)); back != tc.in[:len(localForm)] {
			t.Errorf("%s in %s comes back as %s", tc.in, tc.zone, back)
		}
	}
	if got, err := parseLocal("due_at", "", time.UTC); got != nil || err != nil {
		t.Errorf("empty: %v, %v; want nothing", got, err)
	}
}

func TestSpansInWords(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 20, 0, 0, 0, time.UTC)
	for want, d := range map[string]time.Duration{
		"now":            30 * time.Second,
		"in 3 h 20 min":  3*time.Hour + 20*time.Minute,
		"in 3 h":         3 * time.Hour,
		"in 5 min 10 s":  5*time.Minute + 10*time.Second,
		"in 45 min":      45*time.Minute + 10*time.Second,
		"in 1 day 4 h":   28 * time.Hour,
		"in 2 days":      48 * time.Hour,
		"in 9 days":      9*24*time.Hour + time.Hour,
		"in 3 weeks":     22 * 24 * time.Hour,
		"2 days 1 h ago": -49 * time.Hour,
		"1 min 30 s ago": -90 * time.Second,
		"59 min ago":     -59 * time.Minute,
		"1 h ago":        -time.Hour,
	} {
		if got := inWords(now.Add(d), now); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	berlin := zone(t, "Europe/Berlin")
	if got := wallTime(now, berlin); got != "Fri 20 Nov 2026, 21:00 CET" {
		t.Errorf("wallTime = %q", got)
	}
	if got := shortTime(now.Add(3*time.Hour), now, berlin); got != "21 Nov, 00:00" {
		t.Errorf("shortTime of tomorrow = %q", got)
	}
	if got := shortTime(now, now, berlin); got != "21:00" {
		t.Errorf("shortTime of today = %q", got)
	}
}
