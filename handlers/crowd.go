package handlers

import (
	"net/http"
	"sync"

	"lectern/course"
)

// atOnce is how many requests of one person the site works on: far more than
// anybody's tabs have, each with its stream of events.
const atOnce = 64

// crowd counts what is under way by person.
type crowd struct {
	mu sync.Mutex
	by map[course.UserID]int
}

// enter reports whether one more of u's may come in; whoever did must leave.
func (c *crowd) enter(u course.UserID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[u] >= atOnce {
		return false
	}
	if c.by == nil {
		c.by = map[course.UserID]int{}
	}
	c.by[u]++
	return true
}

func (c *crowd) leave(u course.UserID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[u]--; c.by[u] == 0 {
		delete(c.by, u)
	}
}

// notCrowded bounds what one signed-in person can keep open: event streams above
// all, which would otherwise each hold memory for as long as it pleases them.
func (s *Site) notCrowded(next http.Handler) http.Handler {
	c := &crowd{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := visitOf(r)
		if !v.signedIn() {
			next.ServeHTTP(w, r)
			return
		}
		if !c.enter(v.user.ID) {
			w.Header().Set("Retry-After", "5")
			s.errorPage(w, r, http.StatusTooManyRequests, "You have more than 60 pages loading at once. Close some tabs, then reload this one.")
			return
		}
		defer c.leave(v.user.ID)
		next.ServeHTTP(w, r)
	})
}
