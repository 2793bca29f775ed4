package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
)

// claimOf is whose one of the pool's containers is, by its labels; ok is false
// if it is nobody's. An error says that this is not known now.
func (p *Pool) claimOf(labels map[string]string) (c claim, ok bool, err error) {
	name := labels[markLabel]
	if labels[poolLabel] != p.owner || name == "" {
		return claim{}, false, nil
	}
	p.mu.Lock()
	c, ok = p.claims[name]
	p.mu.Unlock()
	if ok {
		return c, true, nil // for ever
	}
	switch err := p.mark(name).read(claimMark, &c); {
	case errors.Is(err, fs.ErrNotExist):
		return claim{}, false, nil
	case err != nil:
		return claim{}, false, fmt.Errorf("container: pool: %w", errors.Join(ErrEngineDown, err))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims[name] = c
	return c, true, nil
}

// dress makes of one of the pool's containers what it is now: a workspace's, or,
// if it is not given to its end, one that is made and does not run yet. ok is
// false for one that is nobody's.
func (p *Pool) dress(s Status) (_ Status, ok bool, err error) {
	if !pooled(s) {
		return s, true, nil
	}
	c, ok, err := p.claimOf(s.Labels)
	if !ok || s.Name != c.Name { // not yet, or never
		return s, false, err
	}
	if !p.mark(s.Labels[markLabel]).has(givenMark) {
		s.Phase, s.Addr = Created, ""
	}
	s.Labels = p.labels(s.Labels, c)
	return s, true, nil
}

func pooled(s Status) bool { return s.Labels[poolLabel] != "" }

// labels are those of the workspace beside the container's own.
func (p *Pool) labels(own map[string]string, c claim) map[string]string {
	all := maps.Clone(own)
	maps.Copy(all, c.Labels)
	return all
}

// List implements [Engine]. The pool's own containers are not in it.
func (p *Pool) List(ctx context.Context, labels map[string]string) ([]Status, error) {
	list, err := p.Docker.List(ctx, labels)
	if err != nil {
		return nil, err
	}
	pool, err := p.Docker.List(ctx, map[string]string{poolLabel: p.owner})
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, pooled)
	for _, c := range pool {
		c, ok, err := p.dress(c)
		if err != nil {
			return nil, err
		}
		if ok && has(c.Labels, labels) {
			list = append(list, c)
		}
	}
	return list, nil
}

// Inspect implements [Engine].
func (p *Pool) Inspect(ctx context.Context, name string) (Status, error) {
	c, err := p.Docker.Inspect(ctx, name)
	if err != nil {
		return Status{}, err
	}
	c, ok, err := p.dress(c)
	if err != nil {
		return Status{}, err
	}
	if !ok {
		return Status{}, fmt.Errorf("container: inspect %s: %w", name, ErrNotFound)
	}
	return c, nil
}

// Remove implements [Engine].
func (p *Pool) Remove(ctx context.Context, name string) error {
	c, err := p.Docker.Inspect(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := p.Docker.Remove(ctx, c.ID); err != nil || c.Labels[poolLabel] != p.owner {
		return err
	}
	// Whoever is giving it at this moment finds it gone.
	return p.mark(c.Labels[markLabel]).remove()
}

// Events implements [Engine]. What happens to the pool's own containers nobody hears.
func (p *Pool) Events(ctx context.Context, labels map[string]string, see func(Event)) error {
	ctx, done := context.WithCancel(ctx)
	defer done()
	var one sync.Mutex
	ended := make(chan error, 2)
	go func() {
		ended <- p.Docker.Events(ctx, labels, func(e Event) {
			one.Lock()
			defer one.Unlock()
			see(e)
		})
	}()
	go func() {
		ended <- p.Docker.Events(ctx, map[string]string{poolLabel: p.owner}, func(e Event) {
			c, ok, _ := p.claimOf(e.Labels)
			if !ok || e.Name != c.Name || !has(c.Labels, labels) {
				return
			}
			e.Labels = p.labels(e.Labels, c)
			one.Lock()
			defer one.Unlock()
			see(e)
		})
	}()
	err := <-ended
	done()
	<-ended
	return err
}
