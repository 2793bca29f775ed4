package handlers

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"lectern/store"
)

const (
	passFresh = 4 * time.Second // how long a grant is believed without asking
	passSweep = 2 * time.Second // how often grants in use are asked about
	// passGrace is how long a grant is believed while the database does not
	// answer: nobody can be signed out then either, and notebooks are being saved.
	passGrace = time.Minute
)

// errNoPass is a cookie that opens nothing, or no longer.
var errNoPass = errors.New("no standing grant")

// gate says which cookie opens which workspace without asking the database for
// each request, and ends what runs on a grant that has fallen, within passFresh
// and the time of one question.
type gate struct {
	standing func(ctx context.Context, hashes [][]byte) ([]store.Grant, error)
	now      func() time.Time
	log      *slog.Logger

	mu     sync.Mutex
	passes map[[sha256.Size]byte]*pass
	flight singleflight.Group
}

func newGate(standing func(context.Context, [][]byte) ([]store.Grant, error), now func() time.Time, log *slog.Logger) *gate {
	return &gate{standing: standing, now: now, log: log, passes: map[[sha256.Size]byte]*pass{}}
}

// hashOf is how the database knows a cookie.
func hashOf(cookie string) []byte {
	h := sha256.Sum256([]byte(cookie))
	return h[:]
}

// pass is one cookie's grant. Its context ends when the grant falls.
type pass struct {
	grant store.Grant
	ctx   context.Context
	end   context.CancelFunc

	checkedAt time.Time // last found standing
	triedAt   time.Time // last asked, with or without an answer
	usedAt    time.Time
	live      int // requests and sockets under way
}

// use admits one request of the cookie's bearer until done is called. ctx is
// parent, and ends too when the grant falls.
func (g *gate) use(parent context.Context, cookie string) (grant store.Grant, ctx context.Context, done func(), err error) {
	if cookie == "" || len(cookie) > 64 {
		return store.Grant{}, nil, nil, errNoPass
	}
	hash := sha256.Sum256([]byte(cookie))
	p := g.held(hash)
	if p == nil {
		if _, err, _ = g.flight.Do(string(hash[:]), func() (any, error) { return nil, g.ask(hash[:]) }); err != nil {
			return store.Grant{}, nil, nil, err
		}
		if p = g.held(hash); p == nil {
			return store.Grant{}, nil, nil, errNoPass
		}
	}
	ctx, cancel := context.WithCancel(parent)
	stop := context.AfterFunc(p.ctx, cancel)
	return p.grant, ctx, func() {
		stop()
		cancel()
		g.mu.Lock()
		p.live--
		p.usedAt = g.now()
		g.mu.Unlock()
	}, nil
}

// held is the cookie's pass if it may be believed now, counted as under way.
func (g *gate) held(hash [sha256.Size]byte) *pass {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, now := g.passes[hash], g.now()
	if p == nil {
		return nil
	}
	fresh := now.Sub(p.checkedAt) < passFresh
	unanswered := p.triedAt.After(p.checkedAt) && now.Sub(p.triedAt) < passFresh && now.Sub(p.checkedAt) < passGrace
	if !fresh && !unanswered {
		return nil
	}
	p.live++
	p.usedAt = now
	return p
}

// ask asks the database about grants and keeps the answer. Those that have
// fallen end at once, with all that runs on them.
func (g *gate) ask(hashes ...[]byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	asked := g.now()
	found, err := g.standing(ctx, hashes)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		known := len(hashes) > 0
		for _, h := range hashes {
			p := g.passes[[sha256.Size]byte(h)]
			if p == nil || g.now().Sub(p.checkedAt) >= passGrace {
				known = false
				continue
			}
			p.triedAt = g.now()
		}
		if known {
			return nil
		}
		return err
	}
	stands := make(map[[sha256.Size]byte]bool, len(found))
	for _, f := range found {
		h := [sha256.Size]byte(f.TokenHash)
		stands[h] = true
		p := g.passes[h]
		if p == nil {
			p = &pass{grant: f, usedAt: g.now()}
			p.ctx, p.end = context.WithCancel(context.Background())
			g.passes[h] = p
		}
		p.checkedAt, p.triedAt = asked, asked
	}
	for _, h := range hashes {
		if h := [sha256.Size]byte(h); !stands[h] && g.passes[h] != nil {
			g.passes[h].end()
			delete(g.passes, h)
		}
	}
	return nil
}

// run asks about all grants in use, in one question, until ctx ends.
func (g *gate) run(ctx context.Context) error {
	tick := time.NewTicker(passSweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if hashes := g.inUse(); len(hashes) > 0 {
				if err := g.ask(hashes...); err != nil {
					g.log.Error("workspace grants could not be checked", "error", err)
				}
			}
		}
	}
}

// inUse lists the passes worth asking about and forgets the others.
func (g *gate) inUse() [][]byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	var hashes [][]byte
	for h, p := range g.passes {
		if p.live == 0 && g.now().Sub(p.usedAt) > 2*passFresh {
			p.end()
			delete(g.passes, h)
			continue
		}
		hashes = append(hashes, h[:])
	}
	return hashes
}
