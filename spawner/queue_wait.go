package spawner

import "time"

// flow is when slots of the queue became free lately, while somebody waited for
// one: how fast the line moves on this machine, now.
type flow struct{ freed []time.Time }

// flowKept is how many moments are remembered: enough to be steady, few enough
// to notice that the machine has become slower.
const flowKept = 20

func (f *flow) note(at time.Time) {
	f.freed = append(f.freed, at)
	if n := len(f.freed); n > flowKept {
		f.freed = f.freed[n-flowKept:]
	}
}

// every is the time between two slots. A line that has not moved for longer than
// that is as slow as it looks. Until as many slots as there are have become free
// more than once, it is what a usual start takes; 0 is unknown.
func (f *flow) every(now time.Time, slots int, usual time.Duration) time.Duration {
	n := len(f.freed)
	if n <= slots {
		return usual / time.Duration(slots)
	}
	first := f.freed[0]
	return max(f.freed[n-1].Sub(first)/time.Duration(n-1), now.Sub(first)/time.Duration(n))
}

// wait is about how long it takes until one who is in line has started, if a
// start takes as long as usual; 0 for one who does not wait, if nothing is known
// yet, and if the line waits for memory: nobody knows when others stop.
func (q *queue) wait(id string, now time.Time, usual time.Duration) time.Duration {
	at := q.position(id)
	q.mu.Lock()
	defer q.mu.Unlock()
	each := q.flow.every(now, q.slots, usual)
	if at == 0 || each == 0 || q.short {
		return 0
	}
	return time.Duration(at)*each + usual
}
