package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Stop implements [Engine].
func (p *Process) Stop(ctx context.Context, name string, grace time.Duration) error {
	p.mu.Lock()
	c := p.children[name]
	p.mu.Unlock()
	if c == nil {
		return nil
	}
	select {
	case <-c.done: // its process number may be somebody else's by now
		return nil
	default:
	}
	interrupt(c.cmd)
	select {
	case <-c.done:
		return nil
	case <-time.After(grace):
	case <-ctx.Done():
	}
	killGroup(c.cmd)
	select {
	case <-c.done:
		return nil
	case <-time.After(quick):
		return fmt.Errorf("container: stop %s: %w", name, ErrEngineDown)
	}
}

// Remove implements [Engine].
func (p *Process) Remove(ctx context.Context, name string) error {
	if err := p.Stop(ctx, name, 0); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.children[name]
	if c == nil {
		return nil
	}
	delete(p.children, name)
	p.tell(c.Status, Removed)
	return p.forget(name, c)
}

// List implements [Engine].
func (p *Process) List(_ context.Context, labels map[string]string) ([]Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := []Status{}
	for _, c := range p.children {
		if has(c.Labels, labels) {
			list = append(list, c.copy())
		}
	}
	return list, nil
}

// Inspect implements [Engine].
func (p *Process) Inspect(_ context.Context, name string) (Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.children[name]
	if c == nil {
		return Status{}, fmt.Errorf("container: inspect %s: %w", name, ErrNotFound)
	}
	return c.copy(), nil
}

func (c *child) copy() Status {
	s := c.Status
	s.Labels = maps.Clone(s.Labels)
	return s
}

// Events implements [Engine].
func (p *Process) Events(ctx context.Context, labels map[string]string, see func(Event)) error {
	events := make(chan Event, 256)
	p.mu.Lock()
	p.watchers[events] = labels
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.watchers, events)
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, open := <-events:
			if !open {
				return errors.New("container: events: fell behind")
			}
			see(e)
		}
	}
}

// tell hands an event to all who asked; one who does not keep up is cut off
// and lists again, as after any broken stream. The caller holds mu.
func (p *Process) tell(s Status, kind Kind) {
	for ch, labels := range p.watchers {
		if !has(s.Labels, labels) {
			continue
		}
		select {
		case ch <- Event{Name: s.Name, Labels: maps.Clone(s.Labels), Kind: kind, ExitCode: s.ExitCode, At: time.Now()}:
		default:
			delete(p.watchers, ch)
			close(ch)
		}
	}
}

// Usage reads the program's own process from /proc; its kernels are processes
// of their own and are not counted.
func (p *Process) Usage(_ context.Context, name string) (Usage, error) {
	p.mu.Lock()
	c := p.children[name]
	up := c != nil && c.Phase == Up
	p.mu.Unlock()
	if !up {
		return Usage{}, fmt.Errorf("container: usage of %s: %w", name, ErrNotFound)
	}
	return procUsage(c.cmd.Process.Pid)
}

// Logs implements [Engine].
func (p *Process) Logs(_ context.Context, name string, n int) (string, error) {
	p.mu.Lock()
	c := p.children[name]
	p.mu.Unlock()
	if c == nil {
		return "", fmt.Errorf("container: logs of %s: %w", name, ErrNotFound)
	}
	f, err := os.Open(filepath.Join(c.scratch, "log"))
	if err != nil {
		return "", fmt.Errorf("container: logs of %s: %w", name, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > maxLog {
		if _, err := f.Seek(-maxLog, io.SeekEnd); err != nil {
			return "", err
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxLog))
	if err != nil {
		return "", fmt.Errorf("container: logs of %s: %w", name, err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	if len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines[max(0, len(lines)-n):], ""), nil
}
