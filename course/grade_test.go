package course

import (
	"math"
	"strings"
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func TestLatenessIsCountedByTheCalendarOfTheCourse(t *testing.T) {
	t.Parallel()
	day, hour := LateRule{Unit: "day"}, LateRule{Unit: "hour"}
	graced := LateRule{Unit: "day", Grace: 15 * time.Minute}
	for _, c := range []struct {
		name, zone, due, taken string
		rule                   LateRule
		want                   int
	}{
		{"in time to the second", "Europe/Berlin", "2026-03-28T23:59:00", "2026-03-28T23:59:00", day, 0},
		{"a second late is a day", "Europe/Berlin", "2026-03-28T23:59:00", "2026-03-28T23:59:01", day, 1},
		{"the day that loses an hour is one day", "Europe/Berlin", "2026-03-28T23:59:00", "2026-03-29T23:59:00", day, 1},
		{"and a second more is two", "Europe/Berlin", "2026-03-28T23:59:00", "2026-03-29T23:59:01", day, 2},
		{"of that day 23 hours have passed", "Europe/Berlin", "2026-03-28T23:59:00", "2026-03-29T23:59:00", hour, 23},
		{"the day that gains an hour is one day", "Europe/Berlin", "2026-10-24T23:59:00", "2026-10-25T23:59:00", day, 1},
		{"of that day 25 hours have passed", "Europe/Berlin", "2026-10-24T23:59:00", "2026-10-25T23:59:00", hour, 25},
		{"New York loses its hour on another day", "America/New_York", "2026-03-07T17:00:00", "2026-03-08T17:00:00", day, 1},
		{"in hours it is 23", "America/New_York", "2026-03-07T17:00:00", "2026-03-08T17:00:00", hour, 23},
		{"New York gains it in November", "America/New_York", "2026-10-31T17:00:00", "2026-11-02T17:00:00", day, 2},
		{"in hours it is 49", "America/New_York", "2026-10-31T17:00:00", "2026-11-02T17:00:00", hour, 49},
		{"Lord Howe moves half an hour", "Australia/Lord_Howe", "2026-04-04T12:00:00", "2026-04-05T12:00:00", day, 1},
		{"so 24 and a half hours are 25", "Australia/Lord_Howe", "2026-04-04T12:00:00", "2026-04-05T12:00:00", hour, 25},
		{"spring is in autumn in Auckland", "Pacific/Auckland", "2026-09-26T09:00:00", "2026-09-27T09:00:00", day, 1},
		{"23 hours there", "Pacific/Auckland", "2026-09-26T09:00:00", "2026-09-27T09:00:00", hour, 23},
		{"Kolkata never moves", "Asia/Kolkata", "2026-03-28T23:59:00", "2026-03-29T23:59:01", day, 2},
		{"nor in hours", "Asia/Kolkata", "2026-03-28T23:59:00", "2026-03-29T23:59:00", hour, 24},
		{"within the grace period", "Europe/Berlin", "2026-03-28T23:59:00", "2026-03-29T00:14:00", graced, 0},
		{"after it the count begins at its end", "Europe/Berlin", "2026-03-28T23:59:00", "2026-03-30T00:14:00", graced, 1},
		{"no rule", "Europe/Berlin", "2026-03-28T23:59:00", "2026-04-28T23:59:00", LateRule{}, 0},
	} {
		loc := zone(t, c.zone)
		due, err1 := time.ParseInLocation("2006-01-02T15:04:05", c.due, loc)
		taken, err2 := time.ParseInLocation("2006-01-02T15:04:05", c.taken, loc)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if got := c.rule.Units(&due, taken.UTC(), loc); got != c.want {
			t.Errorf("%s: due %s, taken %s in %s by the %s: %d, want %d", c.name, c.due, c.taken, c.zone, c.rule.Unit, got, c.want)
		}
	}
	if n := day.Units(nil, time.Now(), time.UTC); n != 0 {
		t.Errorf("without a due time: %d, want 0", n)
	}
	// 02:50 in summer time, then 02:10 in winter time: 20 minutes later, though the clocks went back.
	due := time.Date(2026, 10, 25, 0, 50, 0, 0, time.UTC)
	if n := day.Units(&due, due.Add(20*time.Minute), zone(t, "Europe/Berlin")); n != 1 {
		t.Errorf("late within the hour that comes twice: %d, want 1", n)
	}
}

func TestWhatLatenessCosts(t *testing.T) {
	t.Parallel()
	two, none := 2, 0
	due := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		rule LateRule
		late time.Duration
		want float64
	}{
		{"ten percent a day", LateRule{Unit: "day", Percent: 10, Cap: 100}, 30 * time.Hour, 0.2},
		{"capped", LateRule{Unit: "day", Percent: 10, Cap: 30}, 300 * time.Hour, 0.3},
		{"nothing after two days", LateRule{Unit: "day", Percent: 10, Cap: 30, ZeroAfter: &two}, 49 * time.Hour, 1},
		{"two days are not more than two", LateRule{Unit: "day", Percent: 10, Cap: 30, ZeroAfter: &two}, 48 * time.Hour, 0.2},
		{"zero at once", LateRule{Unit: "hour", Cap: 100, ZeroAfter: &none}, time.Second, 1},
		{"never more than all", LateRule{Unit: "hour", Percent: 60, Cap: 100}, 5 * time.Hour, 1},
		{"in time", LateRule{Unit: "hour", Percent: 60, Cap: 100, ZeroAfter: &none}, 0, 0},
	} {
		if got := c.rule.Lost(&due, due.Add(c.late), time.UTC); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for _, c := range []struct{ want, got string }{
		{"Late work is marked like any other.", LateRule{}.Words()},
		{"Each day that has begun after the due time costs 10 % of what was earned, at most 50 %. Work more than 2 days late counts for nothing.",
			LateRule{Unit: "day", Percent: 10, Cap: 50, ZeroAfter: &two}.Words()},
		{"The first 15 minutes are free. Late work counts for nothing.", LateRule{Unit: "hour", Cap: 100, Grace: 15 * time.Minute, ZeroAfter: &none}.Words()},
	} {
		if c.got != c.want {
			t.Errorf("said %q, want %q", c.got, c.want)
		}
	}
}

func TestTotals(t *testing.T) {
	t.Parallel()
	p := func(f float64) *float64 { return &f }
	given, auto := QuestionMark{Max: 4, Given: p(3), Auto: p(1)}, QuestionMark{Max: 6, Auto: p(5)}
	open := QuestionMark{Max: 10, Extra: 2}
	for _, c := range []struct {
		name   string
		of     []QuestionMark
		change func(*Total)
		want   *float64
		most   float64
	}{
		{"nothing marked is no total", []QuestionMark{open}, nil, nil, 10},
		{"a person's word before the tests'", []QuestionMark{given, auto}, nil, p(8), 10},
		{"what is open counts nothing yet, its extra credit too", []QuestionMark{given, open}, nil, p(3), 14},
		{"extra credit goes beyond the full points", []QuestionMark{{Max: 4, Given: p(4), Extra: 1.5}}, nil, p(5.5), 4},
		{"extra credit to what the tests gave", []QuestionMark{{Max: 4, Auto: p(2), Extra: 1}}, nil, p(3), 4},
		{"an excused question counts neither way", []QuestionMark{given, {Max: 6, Auto: p(0), Excused: true}}, nil, p(3), 4},
		{"late", []QuestionMark{given, auto}, func(t *Total) { t.Lost = 0.25 }, p(6), 10},
		{"late to the hundredth", []QuestionMark{{Max: 1, Auto: p(0.333)}}, func(t *Total) { t.Lost = 0.1 }, p(0.303), 1},
		{"a whole mark is the total, late or not", []QuestionMark{given}, func(t *Total) { t.Lost, t.Whole = 0.5, p(9) }, p(9), 4},
		{"excused as a whole", []QuestionMark{given}, func(t *Total) { t.Whole, t.Excused = p(9), true }, nil, 4},
		{"zero is a mark", []QuestionMark{{Max: 4, Given: p(0), Auto: p(4)}}, nil, p(0), 4},
	} {
		total := Sum(c.of)
		if c.change != nil {
			c.change(&total)
		}
		got := total.Points()
		if (got == nil) != (c.want == nil) || got != nil && math.Abs(*got-*c.want) > 1e-9 || total.Most != c.most {
			t.Errorf("%s: %s of %v, want %s of %v", c.name, FormatPoints(got), total.Most, FormatPoints(c.want), c.most)
		}
	}
}

func TestARubricMakesPoints(t *testing.T) {
	t.Parallel()
	items := []RubricItem{{1, "right", 2}, {2, "units", 0.1}, {3, "plot", 0.2}, {4, "copied", -5}}
	for _, c := range []struct {
		name, mode string
		chosen     []int64
		want       float64
		ok         bool
	}{
		{"nothing chosen says nothing", RubricAdds, nil, 0, false},
		{"adding", RubricAdds, []int64{1, 2}, 2.1, true},
		{"tenths add up", RubricAdds, []int64{2, 3}, 0.3, true},
		{"not below zero", RubricAdds, []int64{4}, 0, true},
		{"deducting from the full points", RubricDeducts, []int64{1}, 1, true},
		{"not above the full points", RubricDeducts, []int64{4}, 3, true},
		{"an item that is gone", RubricAdds, []int64{99}, 0, false},
	} {
		got, ok := Rubric{c.mode, items}.Score(c.chosen, 3)
		if got != c.want || ok != c.ok {
			t.Errorf("%s: %v, %v; want %v, %v", c.name, got, ok, c.want, c.ok)
		}
	}
}

func TestIdenticalAnswersHaveOneHash(t *testing.T) {
	t.Parallel()
	base := AnswerHash("def f(x):\n    return x\n")
	for _, same := range []string{"def f(x):  \n\n    return x", "def f(x):\r\n    return x\r\n", "\n\ndef f(x):\n    return x\n\n"} {
		if AnswerHash(same) != base {
			t.Errorf("%q is hashed differently", same)
		}
	}
	for _, other := range []string{"def f(x):\nreturn x", "def f(x):\n    return X", "", strings.ToUpper("def f(x):\n    return x")} {
		if AnswerHash(other) == base {
			t.Errorf("%q has the same hash", other)
		}
	}
	if AnswerHash("a", "b") == AnswerHash("a\nb") {
		t.Error("two cells are as one")
	}
}

func TestWhichCellsBelongToAQuestion(t *testing.T) {
	t.Parallel()
	cells := []MarkedCell{{"intro", "readonly"}, {"f", "answer"}, {"f-1", "tests"}, {"f-2", "tests"}, {"essay", "manual"},
		{"g-a", "answer"}, {"note", "readonly"}, {"g-b", "answer"}, {"g", "tests"}, {"work", "task"}, {"alone", "tests"}}
	for question, want := range map[string]string{"f-1": "f", "f-2": "f", "essay": "essay", "g": "g-a g-b", "work": "work", "alone": "", "nothing": ""} {
		got, _ := CellsOf(cells, question)
		if strings.Join(got, " ") != want {
			t.Errorf("%s is answered by %v, want %q", question, got, want)
		}
	}
}
