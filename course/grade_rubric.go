package course

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strings"
)

// How the items of a rubric make points.
const (
	RubricAdds    = "add"    // from 0 up
	RubricDeducts = "deduct" // from the full points down
)

// RubricItem is one thing to look for in an answer. Points are added or taken
// off, as the rubric goes; either may be negative.
type RubricItem struct {
	ID     int64
	Text   string
	Points float64
}

// Rubric is how a question is marked.
type Rubric struct {
	Mode  string // RubricAdds or RubricDeducts
	Items []RubricItem
}

// Score is the points of the chosen items, between 0 and max. Items that are no
// longer there count nothing. ok is false if none is chosen: then the rubric
// says nothing.
func (r Rubric) Score(chosen []int64, max float64) (points float64, ok bool) {
	sum := 0.0
	for _, it := range r.Items {
		if slices.Contains(chosen, it.ID) {
			sum, ok = sum+it.Points, true
		}
	}
	if r.Mode == RubricDeducts {
		sum = max - sum
	}
	// Tenths do not add up in binary; the hundred-thousandth is fine enough.
	sum = math.Round(sum*1e5) / 1e5
	return math.Min(math.Max(sum, 0), max), ok
}

// Keep is those of chosen that the rubric still has, in its order.
func (r Rubric) Keep(chosen []int64) (out []int64) {
	for _, it := range r.Items {
		if slices.Contains(chosen, it.ID) {
			out = append(out, it.ID)
		}
	}
	return out
}

// AnswerHash is the same for answers that say the same: it looks at neither
// space at the ends of lines nor empty lines.
func AnswerHash(cells ...string) string {
	h := sha256.New()
	for _, c := range cells {
		for l := range strings.Lines(c) {
			if l = strings.TrimRight(l, " \t\r\n\f\u00a0"); l != "" {
				h.Write([]byte(l + "\n"))
			}
		}
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
