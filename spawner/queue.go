package spawner

import (
	"slices"
	"sync"
	"time"
)

// queue admits a few starts at a time, first come, first served. Twenty starts
// at once on two cores do not finish sooner than two at a time: they only all
// finish last. A start that nobody asked for yet stands behind all others and
// takes no slot from them: it goes when one is left over.
type queue struct {
	mu      sync.Mutex
	slots   int
	waiting []place
	holding map[string]bool // by id: whether nobody asked for it yet
	flow    flow
	now     func() time.Time
	wake    func(id string) // called without mu for whoever may go
}

type place struct {
	id    string
	at    time.Time
	ahead bool // nobody asked for it yet
}

// before reports whether p goes before somebody who comes now as o.
func (p place) before(o place) bool {
	if p.ahead != o.ahead {
		return o.ahead
	}
	return !p.at.After(o.at)
}

func newQueue(slots int, now func() time.Time, wake func(id string)) *queue {
	return &queue{slots: slots, holding: map[string]bool{}, now: now, wake: wake}
}

// join takes a place by the time of asking, so that order survives a restart,
// and reports whether id may go at once. One that was ahead and is no longer
// takes the place of its click.
func (q *queue) join(id string, at time.Time, ahead bool) bool {
	q.mu.Lock()
	if early, holds := q.holding[id]; holds {
		q.holding[id] = early && ahead
	} else {
		q.waiting = slices.DeleteFunc(q.waiting, func(p place) bool { return p.id == id && p.ahead && !ahead })
		if !slices.ContainsFunc(q.waiting, func(p place) bool { return p.id == id }) {
			came := place{id, at, ahead}
			i, _ := slices.BinarySearchFunc(q.waiting, came, func(p, came place) int {
				if p.before(came) {
					return -1
				}
				return 1
			})
			q.waiting = slices.Insert(q.waiting, i, came)
		}
	}
	admitted := q.admit()
	_, may := q.holding[id]
	q.mu.Unlock()
	q.tell(admitted, id)
	return may
}

// hold takes a slot even if there is none: for a start that had begun before
// Lectern was restarted.
func (q *queue) hold(id string, ahead bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.holding[id] = ahead
	q.waiting = slices.DeleteFunc(q.waiting, func(p place) bool { return p.id == id })
}

// leave gives back a slot or a place; it may be called by one who has neither.
func (q *queue) leave(id string) {
	q.mu.Lock()
	switch ahead, holds := q.holding[id]; {
	case len(q.waiting) == 0 || q.waiting[0].ahead:
		q.flow = flow{} // nobody was kept waiting: the next line is another
	case holds && !ahead:
		q.flow.note(q.now())
	}
	delete(q.holding, id)
	q.waiting = slices.DeleteFunc(q.waiting, func(p place) bool { return p.id == id })
	admitted := q.admit()
	q.mu.Unlock()
	q.tell(admitted, id)
}

func (q *queue) holds(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, holds := q.holding[id]
	return holds
}

// position is 1 for the next in line, 0 for one who does not wait.
func (q *queue) position(id string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return 1 + slices.IndexFunc(q.waiting, func(p place) bool { return p.id == id })
}

func (q *queue) admit() (ids []string) {
	for len(q.waiting) > 0 && q.free(q.waiting[0].ahead) {
		first := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.holding[first.id] = first.ahead
		ids = append(ids, first.id)
	}
	return ids
}

// free reports whether one more may start. What nobody asked for yet counts as
// nothing to those who did, and has at most half of the slots.
func (q *queue) free(ahead bool) bool {
	early := 0
	for _, a := range q.holding {
		if a {
			early++
		}
	}
	if ahead {
		return early < max(1, q.slots/2) && len(q.holding) < q.slots
	}
	return len(q.holding)-early < q.slots
}

// spare reports whether one who asks now would start at once, with nobody in
// line.
func (q *queue) spare() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.free(false) && (len(q.waiting) == 0 || q.waiting[0].ahead)
}

func (q *queue) tell(ids []string, except string) {
	for _, id := range ids {
		if id != except {
			q.wake(id)
		}
	}
}
