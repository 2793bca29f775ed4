package course

import (
	"fmt"
	"strings"
	"testing"
)

// entry reads "hw 7/10", "hw -/10" (nothing yet), "hw miss/10" or "hw ex/10".
func entry(t *testing.T, s string) BookEntry {
	t.Helper()
	var e BookEntry
	group, rest, _ := strings.Cut(s, " ")
	got, most, _ := strings.Cut(rest, "/")
	e.Group = group
	if _, err := fmt.Sscan(most, &e.Most); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	switch got {
	case "-":
	case "miss":
		e.Missing = true
	case "ex":
		e.Excused, e.Points = true, new(1.0)
	default:
		e.Points = new(float64)
		if _, err := fmt.Sscan(got, e.Points); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
	}
	return e
}

func TestTheTotalOfACourse(t *testing.T) {
	t.Parallel()
	weighted := Book{Groups: []BookGroup{{"hw", 40, 1}, {"exam", 60, 0}}, Letters: []BookLetter{{"A", 90}, {"B", 80}, {"F", 0}}}
	for name, tc := range map[string]struct {
		book    Book
		entries []string
		want    string // percent, letter, what was dropped
	}{
		"nothing counts yet":                         {Book{}, []string{"hw -/10"}, "none  [false]"},
		"no groups count every point alike":          {Book{}, []string{"hw 10/10", "exam 0/30"}, "25  [false false]"},
		"missing work counts as 0":                   {Book{}, []string{"hw 10/10", "hw miss/10"}, "50  [false false]"},
		"what is not due does not":                   {Book{}, []string{"hw 10/10", "hw -/10"}, "100  [false false]"},
		"excused work does not, whatever its points": {Book{}, []string{"hw 10/10", "hw ex/10"}, "100  [false false]"},
		"weights": {weighted, []string{"hw 10/10", "exam 50/100"}, "70 F [false false]"},
		"a group without anything leaves its weight": {weighted, []string{"hw 9/10", "exam -/100"}, "90 A [false false]"},
		"the worst is dropped":                       {weighted, []string{"hw 10/10", "hw 2/10", "exam 85/100"}, "91 A [false true false]"},
		"missing work is dropped first":              {weighted, []string{"hw 8/10", "hw miss/10", "exam 80/100"}, "80 B [false true false]"},
		"never the last one":                         {weighted, []string{"hw 5/10", "exam 80/100"}, "68 F [false false]"},
		"of equals the one that weighs more":         {weighted, []string{"hw 5/10", "hw 10/20", "hw 10/10", "exam 100/100"}, "90 A [false true false false]"},
		"extra credit has no maximum":                {weighted, []string{"hw 8/10", "hw 1/0", "exam 100/100"}, "96 A [false false false]"},
		"above the maximum":                          {Book{}, []string{"hw 12/10"}, "120  [false]"},
		"a group that is not in the book":            {weighted, []string{"lab 10/10", "exam 50/100"}, "50 F [false false]"},
		"rounded to the hundredth, then a letter":    {Book{Letters: []BookLetter{{"A", 66.67}}}, []string{"x 2/3"}, "66.67 A [false]"},
		"below the scale":                            {Book{Letters: []BookLetter{{"A", 90}}}, []string{"x 1/2"}, "50  [false]"},
		"only weight 0":                              {Book{Groups: []BookGroup{{"x", 0, 0}}}, []string{"x 1/2"}, "none  [false]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var entries []BookEntry
			for _, s := range tc.entries {
				entries = append(entries, entry(t, s))
			}
			got := tc.book.Total(entries)
			percent := "none"
			if got.Percent != nil {
				percent = FormatPoints(got.Percent)
			}
			if s := fmt.Sprintf("%s %s %v", percent, got.Letter, got.Dropped); s != tc.want {
				t.Errorf("%v come to %q, want %q", tc.entries, s, tc.want)
			}
		})
	}
}

func TestAScaleIsReadAsPeopleWriteIt(t *testing.T) {
	t.Parallel()
	got, err := ParseLetters("F 0\nA- 90 %\r\n\nA: 93,5\n")
	if err != nil {
		t.Fatal(err)
	}
	if s := FormatLetters(got); s != "A 93.5\nA- 90\nF 0\n" {
		t.Errorf("read as %q", s)
	}
	again, err := ParseLetters(FormatLetters(got))
	if err != nil || FormatLetters(again) != FormatLetters(got) {
		t.Errorf("its own form is read as %v, %v", again, err)
	}
	for _, bad := range []string{"A", "A ninety", "A 1 2", "A 1\nA 2", "A -5", strings.Repeat("x", 30) + " 5"} {
		if got, err := ParseLetters(bad); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}
