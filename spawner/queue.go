package spawner

import (
	"slices"
	"sync"
	"time"
)

// queue admits a few starts at a time, first come, first served. Twenty starts
// at once on two cores do not finish sooner than two at a time: they only all
// finish last.
type queue struct {
	mu      sync.Mutex
	slots   int
	waiting []place
	holding map[string]bool
	flow    flow
	now     func() time.Time
	wake    func(id string) // called without mu for whoever may go
}

type place struct {
	id string
	at time.Time
}

func newQueue(slots int, now func() time.Time, wake func(id string)) *queue {
	return &queue{slots: slots, holding: map[string]bool{}, now: now, wake: wake}
}

// join takes a place by the time of asking, so that order survives a restart,
// and reports whether id may go at once.
func (q *queue) join(id string, at time.Time) bool {
	q.mu.Lock()
	if !q.holding[id] && !slices.ContainsFunc(q.waiting, func(p place) bool { return p.id == id }) {
		i, _ := slices.BinarySearchFunc(q.waiting, at, func(p place, at time.Time) int {
			if p.at.After(at) {
				return 1
			}
			return -1 // after those of the same instant
		})
		q.waiting = slices.Insert(q.waiting, i, place{id, at})
	}
	admitted := q.admit()
	may := q.holding[id]
	q.mu.Unlock()
	q.tell(admitted, id)
	return may
}

// hold takes a slot even if there is none: for a start that had begun before
// Lectern was restarted.
func (q *queue) hold(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.holding[id] = true
	q.waiting = slices.DeleteFunc(q.waiting, func(p place) bool { return p.id == id })
}

// leave gives back a slot or a place; it may be called by one who has neither.
func (q *queue) leave(id string) {
	q.mu.Lock()
	switch {
	case len(q.waiting) == 0:
		q.flow = flow{} // nobody was kept waiting: the next line is another
	case q.holding[id]:
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
	return q.holding[id]
}

// position is 1 for the next in line, 0 for one who does not wait.
func (q *queue) position(id string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return 1 + slices.IndexFunc(q.waiting, func(p place) bool { return p.id == id })
}

func (q *queue) admit() (ids []string) {
	for len(q.holding) < q.slots && len(q.waiting) > 0 {
		id := q.waiting[0].id
		q.waiting = q.waiting[1:]
		q.holding[id] = true
		ids = append(ids, id)
	}
	return ids
}

func (q *queue) tell(ids []string, except string) {
	for _, id := range ids {
		if id != except {
			q.wake(id)
		}
	}
}
