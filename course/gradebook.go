package course

import (
	"math"
	"slices"
	"strings"
)

// Book is how a course's total is made of its assignments. The zero Book counts
// every point alike.
type Book struct {
	Groups  []BookGroup  `json:"groups,omitempty"` // none: all assignments together
	Letters []BookLetter `json:"letters,omitempty"`
}

// BookGroup is assignments that count together, by what share of the total.
type BookGroup struct {
	Name   string  `json:"name"`
	Weight float64 `json:"weight"` // relative to the other groups
	Drop   int     `json:"drop"`   // so many of a student's worst do not count
}

// BookLetter is a grade and the percentage it begins at.
type BookLetter struct {
	Letter string  `json:"letter"`
	From   float64 `json:"from"`
}

// BookEntry is one assignment of one student, as it counts.
type BookEntry struct {
	Group  string
	Points *float64 // nil does not count, unless it is Missing
	Most   float64
	// Missing work counts as 0. Neither it nor points are there for what is not due
	// yet, not marked whole, or excused.
	Missing bool
	Excused bool
}

// counts reports whether the entry has a say in the total, and its points.
func (e BookEntry) counts() (points float64, ok bool) {
	switch {
	case e.Excused:
		return 0, false
	case e.Points != nil:
		return *e.Points, true
	}
	return 0, e.Missing
}

// BookTotal is what a student's course comes to.
type BookTotal struct {
	Percent *float64 // nil: nothing counts yet
	Letter  string   // empty without a scale
	Dropped []bool   // by entry
}

// Total makes a student's total. In each group the worst are dropped, but never
// the last one; what remains counts by points. Groups without anything that counts
// leave their weight to the others. An assignment whose group is not in the book
// does not count, once there are groups.
func (b Book) Total(entries []BookEntry) BookTotal {
	t := BookTotal{Dropped: make([]bool, len(entries))}
	groups := b.Groups
	if len(groups) == 0 {
		groups = []BookGroup{{Weight: 1}}
	}
	sum, weight := 0.0, 0.0
	own := make([]int, 0, len(entries))
	for _, g := range groups {
		own = own[:0]
		for i, e := range entries {
			if _, ok := e.counts(); ok && (len(b.Groups) == 0 || e.Group == g.Name) {
				own = append(own, i)
			}
		}
		if share, ok := g.share(entries, own, t.Dropped); ok {
			sum, weight = sum+share*g.Weight, weight+g.Weight
		}
	}
	if weight > 0 {
		p := math.Round(sum/weight*10000) / 100
		t.Percent, t.Letter = &p, b.Letter(p)
	}
	return t
}

// share is what a student has of a group, 1 for all of it, after its drops.
func (g BookGroup) share(entries []BookEntry, own []int, dropped []bool) (float64, bool) {
	ratio := func(i int) float64 {
		p, _ := entries[i].counts()
		return p / entries[i].Most
	}
	var able []int
	if g.Drop > 0 {
		// Credit without a maximum is a gift: nothing would be won by dropping it.
		able = slices.DeleteFunc(slices.Clone(own), func(i int) bool { return entries[i].Most <= 0 })
	}
	slices.SortStableFunc(able, func(a, b int) int {
		switch ra, rb := ratio(a), ratio(b); {
		case ra < rb, ra == rb && entries[a].Most > entries[b].Most:
			return -1
		case ra == rb && entries[a].Most == entries[b].Most:
			return 0
		}
		return 1
	})
	for _, i := range able[:max(0, min(g.Drop, len(able)-1))] {
		dropped[i] = true
	}
	points, most := 0.0, 0.0
	for _, i := range own {
		if !dropped[i] {
			p, _ := entries[i].counts()
			points, most = points+p, most+entries[i].Most
		}
	}
	return points / most, most > 0
}

// Letter is the grade of a percentage; empty below the scale or without one.
func (b Book) Letter(percent float64) string {
	best := BookLetter{From: math.Inf(-1)}
	for _, l := range b.Letters {
		if percent >= l.From && l.From > best.From {
			best = l
		}
	}
	return best.Letter
}

// ParseLetters reads a scale as people write it: a line "A- 90" each, or with a
// comma between.
func ParseLetters(text string) ([]BookLetter, error) {
	var out []BookLetter
	seen := map[string]bool{}
	for line := range strings.Lines(strings.ReplaceAll(text, "%", "")) {
		f := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == ';' || r == '\n' || r == '\r' || r == ':' })
		if len(f) == 0 {
			continue
		}
		var from *float64
		why := "missing"
		if len(f) == 2 {
			from, why = ParsePoints(f[1])
		}
		switch {
		case why != "" || from == nil || *from > 1000 || len(f[0]) > 20:
			return nil, Fieldf("letters", "“%s” is not a grade and the percentage it begins at, such as “A- 90”.", clip(strings.TrimSpace(line)))
		case seen[f[0]]:
			return nil, Fieldf("letters", "The grade %s stands there twice.", f[0])
		}
		seen[f[0]] = true
		out = append(out, BookLetter{f[0], *from})
	}
	if len(out) > 40 {
		return nil, Fieldf("letters", "A scale has at most 40 grades.")
	}
	slices.SortStableFunc(out, func(a, b BookLetter) int {
		if a.From > b.From {
			return -1
		}
		return 1
	})
	return out, nil
}

// FormatLetters writes a scale so that ParseLetters reads the same.
func FormatLetters(ls []BookLetter) string {
	var b strings.Builder
	for _, l := range ls {
		b.WriteString(l.Letter + " " + FormatPoints(&l.From) + "\n")
	}
	return b.String()
}
