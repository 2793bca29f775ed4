package handlers

import (
	"sync"
	"time"
)

// What a workspace may send through its websockets: any burst that a person
// could want to look at, and after that no more than a cell of endless output
// would need. Jupyter is held back by it, and so in the end is the cell.
const (
	flowBurst = 64 << 20 // bytes
	flowRate  = 4 << 20  // bytes a second
)

// outflow is one workspace's allowance, shared by its sockets.
type outflow struct {
	mu    sync.Mutex
	spent float64 // bytes beyond what time has given back
	at    time.Time
	users int // sockets; outflows.mu
}

// take waits until n bytes may pass.
func (f *outflow) take(n int) {
	if wait := f.owed(n, time.Now()); wait > 0 {
		time.Sleep(wait)
	}
}

// owed counts n bytes and gives how long they must wait.
func (f *outflow) owed(n int, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spent = max(0, f.spent-now.Sub(f.at).Seconds()*flowRate) + float64(n)
	f.at = now
	return max(0, time.Duration((f.spent-flowBurst)/flowRate*float64(time.Second)))
}

// rested reports whether the whole burst is there again.
func (f *outflow) rested(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.spent-now.Sub(f.at).Seconds()*flowRate <= 0
}

// outflows are those of all workspaces that have a socket, or had one lately: a new
// socket is no new allowance.
type outflows struct {
	mu   sync.Mutex
	byID map[string]*outflow
}

func (f *outflows) enter(id string) *outflow {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byID == nil {
		f.byID = map[string]*outflow{}
	}
	if f.byID[id] == nil {
		f.byID[id] = &outflow{at: time.Now()}
	}
	f.byID[id].users++
	return f.byID[id]
}

func (f *outflows) leave(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.byID[id].users--
	now := time.Now()
	for id, fl := range f.byID {
		if fl.users == 0 && fl.rested(now) {
			delete(f.byID, id)
		}
	}
}
