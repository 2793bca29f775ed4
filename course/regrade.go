package course

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// RegradeID keys a student's request to look at one mark again.
type RegradeID int64

// MaxRegradeText is how long a reason or an answer may be, in characters.
const MaxRegradeText = 4_000

// RegradeRule is whether and how long students may ask for a regrade.
type RegradeRule struct {
	Regrades    bool // they may ask
	RegradeDays int  // for so many days after their feedback was returned
}

// ClosesAt is when the window ends for whom feedback was returned: so many days
// of the course's calendar later, at the same time of day, however long those
// days are. A time that the clocks skip is moved by the hour that is missing.
func (r RegradeRule) ClosesAt(returned time.Time, zone *time.Location) time.Time {
	return returned.In(zone).AddDate(0, 0, r.RegradeDays)
}

// Open reports whether one may ask at now; returned is nil without feedback.
func (r RegradeRule) Open(returned *time.Time, now time.Time, zone *time.Location) bool {
	return r.Regrades && returned != nil && now.Before(r.ClosesAt(*returned, zone))
}

// RegradeText tidies a reason or an answer. why is a sentence if it cannot be taken.
func RegradeText(s, empty string) (text, why string) {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	text = strings.TrimSpace(strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD"))
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return text, empty
	case n > MaxRegradeText:
		return text, fmt.Sprintf("Write at most %d characters; these are %d.", MaxRegradeText, n)
	}
	return text, ""
}
