package handlers

import (
	"sync"
	"time"
)

// limits counts attempts that may be guesses: so many a key in a window. It
// forgets when the program ends; a guesser gains one window by that.
type limits struct {
	mu    sync.Mutex
	now   func() time.Time
	count map[string]*attempts
}

type attempts struct {
	n     int
	since time.Time
}

const (
	limitWindow = 15 * time.Minute
	limitKeys   = 100_000 // more than these are not remembered at once
)

func newLimits(now func() time.Time) *limits {
	return &limits{now: now, count: map[string]*attempts{}}
}

// take counts one attempt before it is made, and reports whether it may be: so
// that many at once cannot all pass. A success gives it back.
func (l *limits) take(key string, most int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	a := l.count[key]
	if a == nil || now.Sub(a.since) > limitWindow {
		if len(l.count) >= limitKeys {
			l.forget(now)
		}
		a = &attempts{since: now}
		l.count[key] = a
	}
	if a.n >= most {
		return false
	}
	a.n++
	return true
}

// give takes one counted attempt back.
func (l *limits) give(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.count[key]; a != nil && a.n > 0 {
		a.n--
	}
}

// forget drops what has run out, and everything if that is not enough: memory
// stays bounded under a flood of keys.
func (l *limits) forget(now time.Time) {
	for k, a := range l.count {
		if now.Sub(a.since) > limitWindow {
			delete(l.count, k)
		}
	}
	if len(l.count) >= limitKeys {
		clear(l.count)
	}
}

// guess is the attempts of one sign-in: by account and address, by account
// alone, and by address alone. A lecture hall shares one address, so only
// failures stay counted.
type guess struct {
	limits *limits
	keys   []string
}

// takeGuess counts a sign-in; nil if there were too many.
func (l *limits) takeGuess(login, address string) *guess {
	near := neighbourhood(address)
	g := &guess{limits: l}
	for _, k := range []struct {
		key  string
		most int
	}{{"both " + login + " " + near, 10}, {"login " + login, 100}, {"address " + near, 300}} {
		if !l.take(k.key, k.most) {
			g.giveBack()
			return nil
		}
		g.keys = append(g.keys, k.key)
	}
	return g
}

func (g *guess) giveBack() {
	for _, k := range g.keys {
		g.limits.give(k)
	}
}
