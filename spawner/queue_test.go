package spawner

import (
	"fmt"
	"testing"
	"time"
)

// A line of twenty, two at a time, each start of four seconds: one slot becomes
// free every two seconds.
func TestTheWaitInLineIsWhatTheLineTakes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)
	q := newQueue(2, func() time.Time { return now }, func(string) {})
	id := func(n int) string { return fmt.Sprintf("w%02d", n) }
	for n := range 20 {
		q.join(place{id: id(n), at: now.Add(time.Duration(n) * time.Millisecond)})
	}
	const usual = 4 * time.Second
	want := func(what, id string, d time.Duration) {
		t.Helper()
		if got := q.wait(id, now, usual); got != d {
			t.Errorf("%s: %v, want %v", what, got, d)
		}
	}
	want("one who starts does not wait", id(0), 0)
	want("one who is not there", "nobody", 0)
	want("next, from what is usual", id(2), 2*time.Second+usual)
	want("the last, from what is usual", id(19), 18*2*time.Second+usual)
	if got := q.wait(id(2), now, 0); got != 0 {
		t.Errorf("with nothing known a wait of %v is shown", got)
	}
	// The machine turns out to be half as fast.
	for n := range 6 {
		now = now.Add(4 * time.Second)
		q.leave(id(n))
	}
	want("after six slots", id(19), 12*4*time.Second+usual)
	now = now.Add(24 * time.Second)
	if got := q.wait(id(19), now, usual); got < 12*7*time.Second {
		t.Errorf("after 24 s of nothing the wait is shown as %v", got)
	}
	for n := 6; n < 20; n++ {
		q.leave(id(n))
	}
	if !q.join(place{id: "first", at: now}) {
		t.Error("nobody is in line, and the first has to wait")
	}
	for _, late := range []string{"second", "third", "fourth"} {
		q.join(place{id: late, at: now.Add(time.Second)})
	}
	want("a new line begins with what is usual", "fourth", 2*2*time.Second+usual)
}

// Whoever gives up a place in line frees no slot.
func TestALeaverInLineIsNoSlot(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)
	q := newQueue(1, func() time.Time { return now }, func(string) {})
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		q.join(place{id: id, at: now})
	}
	for _, id := range []string{"b", "c", "d"} {
		now = now.Add(time.Millisecond)
		q.leave(id)
	}
	if got := q.wait("e", now, 3*time.Second); got != 6*time.Second {
		t.Errorf("the next in line waits %v, want one start and its own", got)
	}
}
