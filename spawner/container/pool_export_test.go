package container

import "context"

// OnStep has f called between the steps of a claim.
func (p *Pool) OnStep(f func(step string)) { p.step = f }

// Keep is one look of Run.
func (p *Pool) Keep(ctx context.Context) error { return p.keep(ctx) }

// Waiting is how many containers could be given.
func (p *Pool) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ready)
}
