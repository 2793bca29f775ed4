package spawner

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"lectern/course"
)

// queue admits a few starts at a time. Twenty starts at once on two cores do not
// finish sooner than two at a time: they only all finish last. Courses take
// turns, and within one it is first come, first served. Somebody's own workspace
// comes before throw-away copies, and a start that nobody asked for yet stands
// behind all others and takes no slot from them.
type queue struct {
	mu      sync.Mutex
	slots   int
	waiting []place // in the order in which they will go
	holding map[string]place
	turns   map[course.ID]int // when each course had its last turn, while there is a line
	turn    int
	flow    flow
	now     func() time.Time
	wake    func(id string) // called without mu for whoever may go

	gated bool // what the machine has left is measured
	room  room
	full  time.Time // until then the engine has no room, whatever was measured
	short bool      // the first in line waits for memory
}

type place struct {
	id     string
	course course.ID
	rank   rank
	at     time.Time
	need   need
	lacks  time.Time // since then there is no memory for it, zero if there is
}

// rank is who goes before whom.
type rank int

const (
	asked rank = iota // somebody waits for it
	aside             // likewise, to look at a throw-away copy
	ahead             // nobody asked for it yet
)

func newQueue(slots int, now func() time.Time, wake func(id string)) *queue {
	return &queue{slots: slots, holding: map[string]place{}, turns: map[course.ID]int{}, now: now, wake: wake}
}

// join takes a place by the time of asking, so that order survives a restart,
// and reports whether p may go at once. One that was ahead and is no longer
// takes the place of its click.
func (q *queue) join(p place) bool {
	q.mu.Lock()
	if was, holds := q.holding[p.id]; holds {
		was.rank = min(was.rank, p.rank)
		q.holding[p.id] = was
	} else if i := slices.IndexFunc(q.waiting, func(w place) bool { return w.id == p.id }); i < 0 || p.rank < q.waiting[i].rank {
		if i >= 0 {
			q.waiting = slices.Delete(q.waiting, i, i+1)
		}
		q.waiting = append(q.waiting, p)
		q.line()
	}
	admitted := q.admit()
	_, may := q.holding[p.id]
	q.mu.Unlock()
	q.tell(admitted, p.id)
	return may
}

// stands reports whether id waits with at least this rank already. Who fits by
// now goes.
func (q *queue) stands(id string, r rank) bool {
	q.mu.Lock()
	waits := slices.ContainsFunc(q.waiting, func(p place) bool { return p.id == id && p.rank <= r })
	var admitted []string
	if waits {
		admitted = q.admit()
	}
	q.mu.Unlock()
	q.tell(admitted, id)
	return waits
}

// hold takes a slot even if there is none: for a start that had begun before
// Lectern was restarted.
func (q *queue) hold(p place) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if was, holds := q.holding[p.id]; holds {
		p.need = was.need
	}
	q.holding[p.id] = p
	q.drop(p.id)
}

// leave gives back a slot or a place; it may be called by one who has neither.
func (q *queue) leave(id string) {
	q.mu.Lock()
	switch p, holds := q.holding[id]; {
	case len(q.waiting) == 0 || q.waiting[0].rank == ahead:
		q.flow = flow{} // nobody was kept waiting: the next line is another
	case holds && p.rank != ahead:
		q.flow.note(q.now())
	}
	delete(q.holding, id)
	q.drop(id)
	admitted := q.admit()
	q.mu.Unlock()
	q.tell(admitted, id)
}

func (q *queue) drop(id string) {
	if i := slices.IndexFunc(q.waiting, func(p place) bool { return p.id == id }); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		q.line()
	}
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

// line puts who waits into the order in which they will go: by rank, then the
// courses in turn, the one whose last turn is longest ago first.
func (q *queue) line() {
	slices.SortStableFunc(q.waiting, func(a, b place) int {
		return cmp.Or(int(a.rank-b.rank), a.at.Compare(b.at))
	})
	type group struct {
		last int // its last turn
		of   []place
	}
	turn, sorted := q.turn, make([]place, 0, len(q.waiting))
	last := maps.Clone(q.turns)
	for _, r := range []rank{asked, aside, ahead} {
		var groups []*group
		by := map[course.ID]*group{}
		for _, p := range q.waiting {
			if p.rank != r {
				continue
			}
			if by[p.course] == nil {
				by[p.course] = &group{last: last[p.course]}
				groups = append(groups, by[p.course])
			}
			by[p.course].of = append(by[p.course].of, p)
		}
		for len(groups) > 0 {
			i := 0
			for j, g := range groups {
				if g.last < groups[i].last {
					i = j
				}
			}
			g, p := groups[i], groups[i].of[0]
			turn++
			g.last, g.of, last[p.course] = turn, g.of[1:], turn
			sorted = append(sorted, p)
			if len(g.of) == 0 {
				groups = slices.Delete(groups, i, i+1)
			}
		}
	}
	q.waiting = sorted
}

// passAfter is how long the first in line keeps the memory that becomes free for
// itself. Then those of its rank who need less may pass.
const passAfter = time.Minute

func (q *queue) admit() (ids []string) {
	if len(q.waiting) == 0 {
		q.short = false
		clear(q.turns)
		return nil
	}
	now := q.now()
	if !q.measured(now) {
		return nil
	}
	q.short = false
	for i := 0; i < len(q.waiting) && q.free(q.waiting[i].rank); {
		p := &q.waiting[i]
		if q.fits(p.need, now) {
			ids = append(ids, p.id)
			q.take(i)
			continue
		}
		if p.lacks.IsZero() {
			p.lacks = now
		}
		first := q.waiting[0]
		q.short = true
		if now.Sub(first.lacks) < passAfter || p.rank != first.rank {
			break
		}
		i++
	}
	return ids
}

// take lets the i-th in line go.
func (q *queue) take(i int) {
	p := q.waiting[i]
	q.waiting = slices.Delete(q.waiting, i, i+1)
	q.holding[p.id] = p
	q.room.take(p.need)
	q.turn++
	q.turns[p.course] = q.turn
	if i > 0 {
		q.line()
	}
}

// free reports whether one more may start. What nobody asked for yet counts as
// nothing to those who did, and has at most half of the slots.
func (q *queue) free(r rank) bool {
	early, slots := 0, q.starts()
	for _, p := range q.holding {
		if p.rank == ahead {
			early++
		}
	}
	if r == ahead {
		return early < max(1, slots/2) && len(q.holding) < slots
	}
	return len(q.holding)-early < slots
}

// spare reports whether one who asks now would start at once, with nobody in
// line.
func (q *queue) spare() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.free(asked) && (len(q.waiting) == 0 || q.waiting[0].rank == ahead)
}

func (q *queue) tell(ids []string, except string) {
	for _, id := range ids {
		if id != except {
			q.wake(id)
		}
	}
}
