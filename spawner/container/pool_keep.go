package container

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
)

// Run keeps as many as there should be, until ctx ends. They stay, and the next
// Run takes them over.
func (p *Pool) Run(ctx context.Context) error {
	for failed := false; ctx.Err() == nil; {
		err := p.keep(ctx)
		if err != nil && ctx.Err() == nil && !failed {
			p.options.Log.Warn("pool of containers", "err", err)
		}
		failed = err != nil
		every := poolEvery
		if p.options.Size <= 0 {
			every *= 6
		}
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-time.After(every):
		}
	}
	return nil
}

// look has the pool looked at again soon.
func (p *Pool) look() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// keep looks at the pool, and boots a container if one is wanted.
func (p *Pool) keep(ctx context.Context) error {
	most := p.options.Size
	if most > 0 {
		if err := p.settle(ctx); err != nil {
			return err
		}
		if p.options.More != nil {
			most += max(0, p.options.More(ctx))
		}
	}
	p.mu.Lock()
	p.most = most
	p.mu.Unlock()
	have, err := p.scan(ctx)
	p.mu.Lock()
	off := p.off != "" && time.Since(p.offAt) < poolAgain
	p.mu.Unlock()
	if err != nil || p.options.Size <= 0 || off || !p.quiet() {
		return err
	}
	for _, key := range p.kinds() {
		if have[key] < most && p.bootOne(ctx, key) {
			p.look()
			return nil
		}
	}
	return nil
}

// scan looks at all of the pool's containers, removes those that nobody can be
// given, and says how many there are of each kind.
func (p *Pool) scan(ctx context.Context) (have map[string]int, err error) {
	p.scanning.Lock()
	defer p.scanning.Unlock()
	ctx, done := bounded(ctx, change)
	defer done()
	api, err := p.api(ctx)
	if err != nil {
		return nil, err
	}
	all, err := api.ContainerList(ctx, container.ListOptions{All: true, Filters: byLabel(map[string]string{poolLabel: p.owner})})
	if err != nil {
		return nil, p.wrap(ctx, "list", "pool", err)
	}
	found, have := map[string]bool{}, map[string]int{}
	var waiting []booted
	for _, c := range all {
		name := c.Labels[markLabel]
		found[name] = true
		at := booted{id: c.ID, mark: name, secrets: c.Labels[secretsLabel]}
		switch p.sort(ctx, &at, string(c.State) == "paused", have) {
		case waits:
			waiting = append(waiting, at)
			have[at.shape]++
		case coming:
			have[at.shape]++
		}
	}
	p.mu.Lock()
	p.ready, p.scanned = waiting, true
	for name := range p.claims {
		if !found[name] {
			delete(p.claims, name)
		}
	}
	p.mu.Unlock()
	return have, p.sweepMarks(found)
}

// place is where a container of the pool stands.
type place int

const (
	gone   place = iota // it was removed, or is a workspace's
	coming              // somebody is at it
	waits
)

// sort removes a container that can be given to nobody, and says where the others stand.
func (p *Pool) sort(ctx context.Context, c *booted, paused bool, have map[string]int) place {
	m := p.mark(c.mark)
	var kind Spec
	_ = m.read(kindMark, &kind) // without it it is of no kind, and goes
	c.shape = kind.key()
	if m.has(givenMark) {
		return gone
	}
	lock, err := m.lock()
	switch {
	case err == nil:
		defer lock.Close()
	case errors.Is(err, fs.ErrNotExist): // nobody can say what it is
	case m.has(claimMark):
		return gone
	default:
		return coming
	}
	if err == nil {
		if !paused { // when it was listed
			_, now, err := p.process(ctx, c.id)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return coming
			}
			paused = now
		}
		switch {
		case m.has(givenMark): // meanwhile
			return gone
		case m.has(readyMark) && !m.has(claimMark) && paused && p.wanted(c, kind, have):
			return waits
		}
	}
	p.options.Log.Info("a container of the pool is removed", "id", c.id, "claimed", m.has(claimMark))
	p.clear(c.id, c.secrets, m)
	return gone
}

// wanted reports whether a container that waits should go on waiting: its kind is
// still one of those that are kept, there are not too many, and there is memory.
func (p *Pool) wanted(c *booted, kind Spec, have map[string]int) bool {
	room := yes(p.options.Room)
	p.mu.Lock()
	if p.most <= have[c.shape] {
		p.mu.Unlock()
		return false
	}
	if !room {
		p.shortAt = time.Now()
	} else if p.shapes[c.shape] == nil { // kept by an earlier Lectern
		p.shapes[c.shape] = &shape{spec: kind, usedAt: p.mark(c.mark).since()}
	}
	p.mu.Unlock()
	return room && slices.Contains(p.kinds(), c.shape)
}

// bootOne reports whether there is one more now.
func (p *Pool) bootOne(ctx context.Context, key string) bool {
	p.mu.Lock()
	s, known := shape{}, p.shapes[key]
	if known != nil {
		s = *known
	}
	p.mu.Unlock()
	if !s.boots() || time.Since(s.failed) < poolRetry {
		return false
	}
	began := time.Now()
	err := p.boot(ctx, s.spec)
	if err == nil {
		p.mu.Lock()
		p.off = ""
		p.mu.Unlock()
		p.options.Log.Info("a container waits in the pool", "image", s.spec.Image, "took", time.Since(began).Round(time.Millisecond).String())
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	p.mu.Lock()
	if at := p.shapes[key]; at != nil {
		at.failed = time.Now()
	}
	if errors.Is(err, errOff) {
		p.off, p.offAt = err.Error(), time.Now()
	}
	p.mu.Unlock()
	level := slog.LevelWarn
	if errors.Is(err, errOff) { // nobody did anything wrong: it is a machine where starts take longer
		level = slog.LevelInfo
	}
	p.options.Log.Log(ctx, level, "no container waits in the pool", "image", s.spec.Image, "err", err)
	return false
}

func (m mark) name() string { return filepath.Base(string(m)) }
