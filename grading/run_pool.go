package grading

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"lectern/spawner/container"
)

// kind is what a waiting container must have in common with a job.
type kind struct {
	image      string
	memory     int64
	pids, disk int64
	cpus       float64
	warm       string // modules, separated by spaces
}

func kindOf(image string, j Job) kind {
	warm := slices.Clone(j.Warm)
	slices.Sort(warm)
	return kind{image, j.Limits.Memory, j.Limits.PIDs, j.Limits.Disk, j.Limits.CPUs, strings.Join(slices.Compact(warm), " ")}
}

// unused is how long a container waits for a submission before it is given up.
const unused = 20 * time.Second

// pool starts sealed containers, some before they are needed, and removes them.
// Each is handed out once.
type pool struct {
	engine        Engine
	site, runtime string
	ahead         int
	log           *slog.Logger

	stop    context.CancelFunc // ends all starts
	ctx     context.Context
	working sync.WaitGroup // starts and removals

	mu      sync.Mutex
	waiting map[kind][]*future
	alive   map[string]bool // ids
	idle    map[kind]*time.Timer
	closed  bool
}

// future is a container that is being started.
type future struct {
	done chan struct{}
	box  *sandbox
	err  error
}

func newPool(o RunnerOptions) *pool {
	ctx, stop := context.WithCancel(context.Background())
	return &pool{engine: o.Engine, site: o.Site, runtime: o.Runtime, ahead: o.Ahead, log: o.Log, ctx: ctx, stop: stop,
		waiting: map[kind][]*future{}, alive: map[string]bool{}, idle: map[kind]*time.Timer{}}
}

var errClosed = errors.New("the runner is closed")

// take is a container of the kind that nobody used.
func (p *pool) take(ctx context.Context, k kind) (*sandbox, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	if len(p.waiting[k]) == 0 {
		p.begin(k)
	}
	f := p.waiting[k][0]
	p.waiting[k] = p.waiting[k][1:]
	for len(p.waiting[k]) < p.ahead {
		p.begin(k)
	}
	if t := p.idle[k]; t != nil {
		t.Stop()
	}
	p.idle[k] = time.AfterFunc(unused, func() { p.giveUp(k) })
	p.mu.Unlock()
	select {
	case <-f.done:
		return f.box, f.err
	case <-ctx.Done():
		p.working.Go(func() { p.drop(f) })
		return nil, ctx.Err()
	}
}

// begin starts one more container. The caller holds mu.
func (p *pool) begin(k kind) {
	f := &future{done: make(chan struct{})}
	p.waiting[k] = append(p.waiting[k], f)
	p.working.Go(func() {
		defer close(f.done)
		f.box, f.err = p.start(k)
	})
}

func (p *pool) start(k kind) (*sandbox, error) {
	command := slices.Concat(container.DriverCommand, strings.Fields(k.warm))
	g, err := p.engine.Seal(p.ctx, container.Sealed{Image: k.image, For: p.site, Command: command, Runtime: p.runtime,
		Limits: container.Limits{Memory: k.memory, PIDs: k.pids, CPUs: k.cpus, Tmp: k.disk}})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.alive[g.ID] = true
	p.mu.Unlock()
	box := newSandbox(g, k)
	if err := box.ready(p.ctx); err != nil {
		p.remove(box)
		return nil, err
	}
	return box, nil
}

// giveUp drops what waits in vain.
func (p *pool) giveUp(k kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.waiting[k] {
		p.working.Go(func() { p.drop(f) })
	}
	delete(p.waiting, k)
	delete(p.idle, k)
}

func (p *pool) drop(f *future) {
	if <-f.done; f.box != nil {
		p.remove(f.box)
	}
}

// discard removes a container in the background.
func (p *pool) discard(box *sandbox) {
	p.working.Go(func() { p.remove(box) })
}

func (p *pool) remove(box *sandbox) {
	// Not under the pool's context: it has to go all the more when that has ended.
	if err := box.grader.Remove(context.Background()); err != nil {
		p.log.Error("a sealed container could not be removed", "id", box.grader.ID, "err", err)
		return // still alive to has; the next program sweeps it
	}
	p.mu.Lock()
	delete(p.alive, box.grader.ID)
	p.mu.Unlock()
}

func (p *pool) has(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.alive[id]
}

func (p *pool) close() error {
	p.mu.Lock()
	p.closed = true
	kinds := p.waiting
	for _, t := range p.idle {
		t.Stop()
	}
	p.waiting = map[kind][]*future{}
	p.mu.Unlock()
	p.stop()
	for _, list := range kinds {
		for _, f := range list {
			p.drop(f)
		}
	}
	p.working.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.alive) > 0 {
		return errors.New("grading: not every sealed container could be removed")
	}
	return nil
}
