package course

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// LateRule is what lateness costs. The zero rule costs nothing.
type LateRule struct {
	Unit      string        // "" costs nothing; "hour" or "day": what is counted, begun ones in full
	Percent   float64       // of what was earned, for each unit
	Cap       float64       // at most so many percent, until ZeroAfter
	Grace     time.Duration // free, and not counted
	ZeroAfter *int          // more units than this, and nothing counts; nil is never
}

// Units is how many hours or days too late work is, each begun one counted, after
// the grace period. Hours are hours; days are days of the calendar in loc: what
// was due at midnight is one day late until the next, though the clocks change.
func (r LateRule) Units(due *time.Time, taken time.Time, loc *time.Location) int {
	if r.Unit == "" || due == nil {
		return 0
	}
	from := due.Add(r.Grace)
	if !taken.After(from) {
		return 0
	}
	late, unit := taken.Sub(from), time.Hour
	if r.Unit == "day" {
		late, unit = wall(taken, loc).Sub(wall(from, loc)), 24*time.Hour
	}
	// In the hour that the clocks pass twice the calendar may even go back.
	return max(1, int((late+unit-1)/unit))
}

// wall is what the clocks in loc show at t, as if no clock was ever changed.
func wall(t time.Time, loc *time.Location) time.Time {
	t = t.In(loc)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// Lost is the share of what was earned that lateness costs, from 0 to 1.
func (r LateRule) Lost(due *time.Time, taken time.Time, loc *time.Location) float64 {
	n := r.Units(due, taken, loc)
	switch {
	case n == 0:
		return 0
	case r.ZeroAfter != nil && n > *r.ZeroAfter:
		return 1
	}
	return min(r.Cap, float64(n)*r.Percent) / 100
}

// Words says the rule to students and staff; never empty.
func (r LateRule) Words() string {
	if r.Unit == "" || r.Percent == 0 && r.ZeroAfter == nil {
		return "Late work is marked like any other."
	}
	out := ""
	if r.Grace > 0 {
		out = fmt.Sprintf("The first %s are free. ", graceWords(r.Grace))
	}
	nothing := "counts for nothing."
	if r.ZeroAfter != nil && *r.ZeroAfter == 0 || r.Percent >= 100 && r.Cap >= 100 {
		return out + "Late work " + nothing
	}
	if r.Percent > 0 {
		out += fmt.Sprintf("Each %s that has begun after the due time costs %s %% of what was earned", r.Unit, number(r.Percent))
		if r.Cap < 100 {
			out += fmt.Sprintf(", at most %s %%", number(r.Cap))
		}
		out += ". "
	}
	if r.ZeroAfter != nil {
		out += fmt.Sprintf("Work more than %d %s late %s", *r.ZeroAfter, plurals(*r.ZeroAfter, r.Unit), nothing)
	}
	return strings.TrimSpace(out)
}

func graceWords(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%d %s", int(d/time.Hour), plurals(int(d/time.Hour), "hour"))
	}
	return fmt.Sprintf("%d %s", int(d/time.Minute), plurals(int(d/time.Minute), "minute"))
}

func plurals(n int, unit string) string {
	if n == 1 {
		return unit
	}
	return unit + "s"
}

func number(p float64) string { return FormatPoints(&p) }

// Check finds what is wrong with a rule, by the fields of its form.
func (r LateRule) Check() error {
	var ps Problems
	if r.Unit != "" && r.Unit != "hour" && r.Unit != "day" {
		ps = append(ps, Fieldf("late_unit", "Choose whether late work costs something."))
	}
	for field, p := range map[string]float64{"late_percent": r.Percent, "late_cap": r.Cap} {
		if p < 0 || p > 100 || p != p {
			ps = append(ps, Fieldf(field, "A percentage is from 0 to 100."))
		}
	}
	if r.Grace < 0 || r.Grace > 100_000*time.Minute {
		ps = append(ps, Fieldf("late_grace", "A grace period is a number of minutes."))
	}
	if r.ZeroAfter != nil && (*r.ZeroAfter < 0 || *r.ZeroAfter > 100_000) {
		ps = append(ps, Fieldf("late_zero_after", "This is a number of hours or days."))
	}
	slices.SortFunc(ps, func(a, b *Problem) int { return len(a.Field) - len(b.Field) })
	return ps.OrNil()
}

// QuestionKey names a question within an assignment.
type QuestionKey struct {
	Notebook string // without .ipynb
	Question string // grade_id
}

// String is the question in an address; ParseQuestion reads it.
func (k QuestionKey) String() string { return k.Notebook + "/" + k.Question }

// ParseQuestion reads what String wrote. A notebook may lie in a folder, a
// grade_id has no slash.
func ParseQuestion(s string) (k QuestionKey, ok bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 1 || i == len(s)-1 {
		return k, false
	}
	return QuestionKey{s[:i], s[i+1:]}, true
}

// QuestionMark is one question of one student, as it counts.
type QuestionMark struct {
	Max     float64
	Given   *float64 // by a person; nil is none
	Auto    *float64 // by the tests; nil is none
	Extra   float64  // credit beyond Max, only where there are points
	Excused bool     // does not count, neither for nor against
}

// Points is what the question is worth without extra credit: a person's word
// before the tests'. nil is not marked yet.
func (q QuestionMark) Points() *float64 {
	if q.Given != nil {
		return q.Given
	}
	return q.Auto
}

// Total is what an assignment comes to for one student.
type Total struct {
	Whole   *float64 // a mark for the whole: the total as it stands; nil is none
	Earned  *float64 // of the questions, extra credit included, before lateness; nil if none has a mark
	Extra   float64  // of Earned
	Most    float64  // what the questions that count can give
	Lost    float64  // the share that lateness costs, 0 to 1
	Excused bool     // the whole assignment
	Needs   int      // questions that wait for a person
	Waiting int      // questions whose tests have not run
}

// Sum adds up questions. Rules that concern the whole (Whole, Lost, Excused) are
// for the caller to set.
func Sum(questions []QuestionMark) (t Total) {
	for _, q := range questions {
		if q.Excused {
			continue
		}
		t.Most += q.Max
		if p := q.Points(); p != nil {
			sum := *p + q.Extra
			if t.Earned != nil {
				sum += *t.Earned
			}
			t.Earned, t.Extra = &sum, t.Extra+q.Extra
		}
	}
	return t
}

// Penalty is what lateness takes off, to the hundredth of a point. A mark for the
// whole was given by somebody who knew; nothing is taken off it.
func (t Total) Penalty() float64 {
	if t.Excused || t.Whole != nil || t.Earned == nil {
		return 0
	}
	return math.RoundToEven(*t.Earned*t.Lost*100) / 100
}

// Points is the total; nil if nothing is marked, or everything excused.
func (t Total) Points() *float64 {
	switch {
	case t.Excused:
		return nil
	case t.Whole != nil:
		return t.Whole
	case t.Earned == nil || t.Lost == 0:
		return t.Earned
	}
	p := *t.Earned - t.Penalty()
	return &p
}
