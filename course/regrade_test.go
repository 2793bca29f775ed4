package course

import (
	"strings"
	"testing"
	"time"
)

func TestTheRegradeWindowIsCountedByTheCalendarOfTheCourse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, returned string
		days           int
		closes         string
	}{
		{"UTC", "2026-11-23 14:00", 7, "2026-11-30 14:00"},
		{"Europe/Berlin", "2026-10-20 12:00", 7, "2026-10-27 12:00"},   // 169 hours
		{"Europe/Berlin", "2026-03-27 12:00", 7, "2026-04-03 12:00"},   // 167 hours
		{"Europe/Berlin", "2026-03-22 02:30", 7, "2026-03-29 03:30"},   // 02:30 is skipped
		{"America/Chicago", "2026-10-26 01:30", 6, "2026-11-01 01:30"}, // passes twice: the first
		{"Australia/Lord_Howe", "2026-10-01 23:59", 30, "2026-10-31 23:59"},
		{"Pacific/Apia", "2026-12-30 08:00", 365, "2027-12-30 08:00"},
	} {
		loc := zone(t, c.zone)
		at, err := time.ParseInLocation("2006-01-02 15:04", c.returned, loc)
		if err != nil {
			t.Fatal(err)
		}
		rule := RegradeRule{Regrades: true, RegradeDays: c.days}
		end := rule.ClosesAt(at.UTC(), loc)
		if got := end.Format("2006-01-02 15:04"); got != c.closes {
			t.Errorf("%s, returned %s: closes %s, want %s", c.zone, c.returned, got, c.closes)
		}
		for _, ask := range []struct {
			at   time.Time
			want bool
		}{{at, true}, {end.Add(-1), true}, {end, false}} {
			if got := rule.Open(&at, ask.at, loc); got != ask.want {
				t.Errorf("%s, returned %s: open at %s is %v", c.zone, c.returned, ask.at, got)
			}
		}
		if rule.Open(nil, at, loc) || (RegradeRule{RegradeDays: c.days}).Open(&at, at, loc) {
			t.Error("one may ask without feedback, or when it is switched off")
		}
	}
}

func TestRegradeTextIsTidied(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{" a\r\nb\rc \x00": "a\nb\nc", "\xff": "\uFFFD", strings.Repeat("é", MaxRegradeText): strings.Repeat("é", MaxRegradeText)} {
		if got, why := RegradeText(in, "empty"); got != want || why != "" {
			t.Errorf("%.20q became %.20q, %q", in, got, why)
		}
	}
	for in, want := range map[string]string{"": "empty", " \n\x00": "empty", strings.Repeat("é", MaxRegradeText+1): "Write at most 4000 characters; these are 4001."} {
		if _, why := RegradeText(in, "empty"); why != want {
			t.Errorf("%.20q is refused with %q, want %q", in, why, want)
		}
	}
}
