package enginetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"lectern/spawner/container"
)

// Fake is an engine in memory whose containers do nothing, for tests in which
// time is simulated. It can be made to fail in the ways real ones do.
type Fake struct {
	mu         sync.Mutex
	containers map[string]container.Status
	specs      map[string]container.Spec
	watchers   map[chan container.Event]map[string]string
	starts     []string
	down       bool
	onStart    func(container.Spec) error
	delay      time.Duration
	images     map[string]bool
	cpu        time.Duration
}

// NewFake has the given images and takes delay for each start.
func NewFake(delay time.Duration, images ...string) *Fake {
	f := &Fake{containers: map[string]container.Status{}, specs: map[string]container.Spec{},
		watchers: map[chan container.Event]map[string]string{}, images: map[string]bool{}, delay: delay}
	for _, i := range images {
		f.images[i] = true
	}
	return f
}

// Down makes every call fail, as an engine that is stopped.
func (f *Fake) Down(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
	if down {
		for ch := range f.watchers {
			close(ch)
		}
		clear(f.watchers)
	}
}

// OnStart is asked before a container is made; its error is Start's.
func (f *Fake) OnStart(ask func(container.Spec) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onStart = ask
}

// Burn makes the next reading of usage show so much more CPU time.
func (f *Fake) Burn(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cpu += d
}

// Starts names every container that was ever made, in order.
func (f *Fake) Starts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.starts)
}

// Spec is what a container was made from.
func (f *Fake) Spec(name string) container.Spec {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.specs[name]
}

// Put places a container there, as if another process had.
func (f *Fake) Put(s container.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.containers[s.Name] = s
}

// Exit ends a container's program; silent withholds the event.
func (f *Fake) Exit(name string, code int, oom, silent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.containers[name]
	s.Phase, s.ExitCode, s.OOM, s.Addr, s.EndedAt = container.Exited, code, oom, "", time.Now()
	f.containers[name] = s
	if !silent {
		f.tell(s, container.Died)
	}
}

// Vanish removes a container behind everybody's back; silent withholds the event.
func (f *Fake) Vanish(name string, silent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.containers[name]
	delete(f.containers, name)
	if !silent {
		f.tell(s, container.Removed)
	}
}

// KillKernel tells that something in a container was killed for want of memory.
func (f *Fake) KillKernel(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tell(f.containers[name], container.OutOfMemory)
}

func (f *Fake) enter(ctx context.Context) (leave func(), err error) {
	f.mu.Lock()
	if err = ctx.Err(); err == nil && f.down {
		err = fmt.Errorf("fake: %w", container.ErrEngineDown)
	}
	return f.mu.Unlock, err
}

func (f *Fake) tell(s container.Status, kind container.Kind) {
	for ch, labels := range f.watchers {
		if within(labels, s.Labels) {
			ch <- container.Event{Name: s.Name, Labels: s.Labels, Kind: kind, ExitCode: s.ExitCode, At: time.Now()}
		}
	}
}

func within(want, labels map[string]string) bool {
	for k, v := range want {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// Ensure implements [container.Engine].
func (f *Fake) Ensure(ctx context.Context) error {
	leave, err := f.enter(ctx)
	leave()
	return err
}

// Image implements [container.Engine].
func (f *Fake) Image(ctx context.Context, ref string) (container.Image, error) {
	leave, err := f.enter(ctx)
	defer leave()
	if err == nil && !f.images[ref] {
		err = container.ErrImageMissing
	}
	return container.Image{Ref: ref, ID: "sha256:" + ref}, err
}

// Start implements [container.Engine].
func (f *Fake) Start(ctx context.Context, s container.Spec) (container.Running, error) {
	select {
	case <-time.After(f.delay):
	case <-ctx.Done():
	}
	leave, err := f.enter(ctx)
	defer leave()
	if err != nil {
		return container.Running{}, err
	}
	have, ok := f.containers[s.Name]
	if ok && (have.Phase == container.Exited || !within(s.Labels, have.Labels)) {
		return container.Running{}, container.ErrConflict
	}
	if !ok || have.Phase == container.Created {
		if f.onStart != nil {
			if err := f.onStart(s); err != nil {
				return container.Running{}, err
			}
		}
		f.starts = append(f.starts, s.Name)
		f.specs[s.Name] = s
		have = container.Status{ID: fmt.Sprintf("c%d", len(f.starts)), Name: s.Name, Labels: maps.Clone(s.Labels), Phase: container.Up,
			Addr: fmt.Sprintf("10.0.0.%d:%d", len(f.starts), s.Port), StartedAt: time.Now()}
		f.containers[s.Name] = have
		f.tell(have, container.Started)
	}
	return container.Running{ID: have.ID, Addr: have.Addr}, nil
}

// Stop implements [container.Engine].
func (f *Fake) Stop(ctx context.Context, name string, _ time.Duration) error {
	leave, err := f.enter(ctx)
	leave()
	if err != nil {
		return err
	}
	if s, err := f.Inspect(ctx, name); err == nil && s.Phase == container.Up {
		f.Exit(name, 0, false, false)
	}
	return nil
}

// Remove implements [container.Engine].
func (f *Fake) Remove(ctx context.Context, name string) error {
	leave, err := f.enter(ctx)
	_, there := f.containers[name]
	leave()
	if err == nil && there {
		f.Vanish(name, false)
	}
	return err
}

// List implements [container.Engine].
func (f *Fake) List(ctx context.Context, labels map[string]string) ([]container.Status, error) {
	leave, err := f.enter(ctx)
	defer leave()
	var list []container.Status
	for _, s := range f.containers {
		if within(labels, s.Labels) {
			list = append(list, s)
		}
	}
	return list, err
}

// Inspect implements [container.Engine].
func (f *Fake) Inspect(ctx context.Context, name string) (container.Status, error) {
	leave, err := f.enter(ctx)
	defer leave()
	s, ok := f.containers[name]
	if err == nil && !ok {
		err = container.ErrNotFound
	}
	return s, err
}

// Events implements [container.Engine].
func (f *Fake) Events(ctx context.Context, labels map[string]string, see func(container.Event)) error {
	ch := make(chan container.Event, 1000)
	leave, err := f.enter(ctx)
	if err == nil {
		f.watchers[ch] = labels
	}
	leave()
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			f.mu.Lock()
			defer f.mu.Unlock()
			delete(f.watchers, ch)
			return ctx.Err()
		case e, open := <-ch:
			if !open {
				return container.ErrEngineDown
			}
			see(e)
		}
	}
}

// Usage implements [container.Engine].
func (f *Fake) Usage(ctx context.Context, name string) (container.Usage, error) {
	if _, err := f.Inspect(ctx, name); err != nil {
		return container.Usage{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return container.Usage{At: time.Now(), CPU: f.cpu, Memory: 1 << 20, PIDs: 2}, nil
}

// Logs implements [container.Engine].
func (f *Fake) Logs(ctx context.Context, name string, _ int) (string, error) {
	_, err := f.Inspect(ctx, name)
	return "", err
}
