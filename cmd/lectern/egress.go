package main

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"lectern/course"
	"lectern/spawner/container"
	"lectern/spawner/egress"
)

const (
	egressLook = 2 * time.Second // at whether the closed network is there, or is another
	egressKept = 5 * time.Second // what a workspace may reach is believed so long
)

// closes reports whether workspaces can be kept off the network here.
func (c config) closes() bool { return c.Spawner == "docker" }

// lists reports whether they can be led to listed hosts alone: the proxy is at
// this machine's address on their network.
func (c config) lists() bool { return c.closes() && !strings.HasPrefix(c.Engine.Host, "tcp://") }

// runEgress leads workspaces to the hosts that their courses list, until ctx
// ends. The network is made for the first workspace that needs it; of several
// Lecterns on a machine one answers, and another when that one ends.
func (h *house) runEgress(ctx context.Context) error {
	name, said := container.ClosedInterface(h.cfg.Network), ""
	for h.cfg.lists() && ctx.Err() == nil {
		at, err := egress.Address(name)
		if err == nil {
			if err = h.serveEgress(ctx, name, at); err != nil && said != err.Error() {
				said = err.Error()
				h.log.Warn("workspaces cannot be led to listed hosts", "network", name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(egressLook):
		}
	}
	return nil
}

// serveEgress answers at an address for as long as the network has it.
func (h *house) serveEgress(ctx context.Context, name string, at netip.Addr) error {
	ln, err := egress.Listen(name, container.ProxyPort)
	if err != nil {
		return err
	}
	h.log.Info("listed hosts are reached by way of", "address", ln.Addr().String())
	ctx, done := context.WithCancel(ctx)
	defer done()
	go func() {
		defer done()
		for tick := time.NewTicker(egressLook); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				if now, err := egress.Address(name); err != nil || now != at {
					return
				}
			}
		}
	}()
	reached := reaches{house: h, known: map[netip.Addr]reach{}}
	return (&egress.Proxy{Allowed: reached.allowed, Deny: h.cfg.Deny, Log: h.log}).Serve(ctx, ln)
}

// reaches remembers for a moment what workspaces may reach.
type reaches struct {
	house *house
	mu    sync.Mutex
	known map[netip.Addr]reach
}

type reach struct {
	workspace string
	held      course.Held
	until     time.Time
}

func (r *reaches) allowed(ctx context.Context, from netip.Addr, host string, port int) (string, bool, error) {
	now := time.Now()
	r.mu.Lock()
	got, ok := r.known[from]
	r.mu.Unlock()
	if !ok || now.After(got.until) {
		id, all, err := r.house.store.LimitsAt(ctx, from.String(), now)
		if err != nil {
			return "", false, err
		}
		got = reach{id, course.Together(all, course.Limits{}, course.Limits{}), now.Add(egressKept)}
		r.mu.Lock()
		if len(r.known) > 2000 {
			clear(r.known)
		}
		r.known[from] = got
		r.mu.Unlock()
	}
	return got.workspace, got.workspace != "" && got.held.Reaches(host, port), nil
}
