package spawner

import "time"

// need is the memory that must be free for one workspace, in bytes.
type need struct {
	used   int64 // where what is in use counts
	booked int64 // where what is reserved counts
}

// room is what was measured of the machines where workspaces start.
type room struct {
	at      time.Time
	unknown bool    // it could not be measured: everything fits
	booked  bool    // free counts what is not reserved
	alone   bool    // no workspace is up: the first goes, however small the machine
	free    []int64 // bytes for further workspaces, of each machine
	starts  int     // at once, as far as the CPU bears it; 0 is not known
}

// roomAge is how long what was measured is gone by.
const roomAge = 3 * time.Second

func (r *room) of(n need) int64 {
	if r.booked {
		return n.booked
	}
	return n.used
}

// most is the machine with the most memory; -1 without any.
func (r *room) most() int {
	best := -1
	for i, free := range r.free {
		if best < 0 || free > r.free[best] {
			best = i
		}
	}
	return best
}

// take counts one more that goes, until the next look counts it.
func (r *room) take(n need) {
	r.alone = false
	if i := r.most(); i >= 0 {
		r.free[i] -= r.of(n)
	}
}

// measured reports whether it is known who fits.
func (q *queue) measured(now time.Time) bool { return !q.gated || now.Sub(q.room.at) < roomAge }

func (q *queue) fits(n need, now time.Time) bool {
	if now.Before(q.full) {
		return false
	}
	if !q.gated || q.room.unknown || q.room.alone {
		return true
	}
	i := q.room.most()
	return i >= 0 && q.room.free[i] >= q.room.of(n)
}

// starts is how many may start at once; one always may.
func (q *queue) starts() int {
	if q.gated && q.room.starts > 0 {
		return min(q.slots, q.room.starts)
	}
	return q.slots
}

// see takes over what was measured, and lets go who fits now. It reports whether
// somebody who asked lacks memory.
func (q *queue) see(r room) (short bool) {
	q.mu.Lock()
	q.gated, q.room = true, r
	admitted := q.admit()
	short = q.short && q.waiting[0].rank != ahead
	q.mu.Unlock()
	q.tell(admitted, "")
	return short
}

// seenAt is when the machines were last measured.
func (q *queue) seenAt() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.room.at
}

// refused gives the slot of one back that the engine had no room for after all,
// and has everybody wait a little. Its place in line is as it was.
func (q *queue) refused(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.holding, id)
	q.full = q.now().Add(5 * time.Second)
}

// lacks reports whether id waits, and memory is what the line waits for.
func (q *queue) lacks(id string) bool {
	if q.position(id) == 0 {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.short
}

// first is what the first in line needs, and who holds a slot.
func (q *queue) first() (n need, holding map[string]need) {
	q.mu.Lock()
	defer q.mu.Unlock()
	holding = map[string]need{}
	for id, p := range q.holding {
		holding[id] = p.need
	}
	if len(q.waiting) > 0 {
		n = q.waiting[0].need
	}
	return n, holding
}
