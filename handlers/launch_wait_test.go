package handlers

import (
	"testing"
	"time"

	"lectern/spawner"
)

func TestAWaitIsToldAsTheGuessItIs(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		time.Millisecond:          "about 10 s",
		10 * time.Second:          "about 10 s",
		11 * time.Second:          "about 20 s",
		50 * time.Second:          "about 50 s",
		51 * time.Second:          "about a minute",
		61 * time.Second:          "about 2 minutes",
		10 * time.Minute:          "about 10 minutes",
		10*time.Minute + 1:        "about 15 minutes",
		23*time.Minute + 1:        "about 25 minutes",
		time.Hour + 1*time.Minute: "about 65 minutes",
	} {
		if got := aboutText(d); got != want {
			t.Errorf("%v is told as %q, want %q", d, got, want)
		}
	}
	for want, p := range map[string]spawner.Progress{
		"":                                   {},
		"You are next.":                      {Position: 1},
		"4 are before you.":                  {Position: 5},
		"You are next. Ready in about 10 s.": {Position: 1, Wait: 3 * time.Second},
	} {
		if got := stepText(p); got != want {
			t.Errorf("%+v is told as %q, want %q", p, got, want)
		}
	}
}
