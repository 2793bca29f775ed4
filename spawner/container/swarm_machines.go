package container

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// How machines are watched. Swarm itself may take minutes to miss one, on
// purpose: see SwarmOptions.Heartbeat.
const (
	gossipPort  = 7946 // every machine of a swarm listens there
	probeEvery  = 3 * time.Second
	probeTime   = 2 * time.Second
	silentAfter = 8 * time.Second
)

// machines remembers when each machine of the swarm last took a connection.
type machines struct {
	port  int
	lease time.Duration
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	now   func() time.Time

	since time.Time // silence counts from here for machines never heard

	mu    sync.Mutex
	known map[string]*machine
}

type machine struct {
	addr    string
	heardAt time.Time
	askedAt time.Time
}

func newMachines(port int, lease time.Duration) *machines {
	return &machines{port: port, lease: lease, dial: (&net.Dialer{Timeout: probeTime}).DialContext, now: time.Now,
		since: time.Now(), known: map[string]*machine{}}
}

// look asks every machine that was not asked lately, those that left the swarm
// included. It waits for an answer only where what is known is too old to go by:
// a machine that is off takes its time not to answer.
func (m *machines) look(ctx context.Context, nodes []swarm.Node) {
	var urgent sync.WaitGroup
	defer urgent.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range nodes {
		k := m.known[n.ID]
		if k == nil {
			k = &machine{}
			m.known[n.ID] = k
		}
		if addr := address(n); addr != "" {
			k.addr = addr
		}
	}
	now := m.now()
	for _, k := range m.known {
		age := now.Sub(k.askedAt)
		if k.addr == "" || age < probeEvery {
			continue
		}
		k.askedAt = now
		addr := net.JoinHostPort(k.addr, strconv.Itoa(m.port))
		if age > silentAfter {
			urgent.Go(func() { m.ask(ctx, k, addr) })
		} else {
			go m.ask(ctx, k, addr)
		}
	}
}

func (m *machines) ask(ctx context.Context, k *machine, addr string) {
	// Whoever came first may leave before the answer.
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), probeTime)
	defer done()
	c, err := m.dial(ctx, "tcp", addr)
	if err != nil {
		return
	}
	c.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	k.heardAt = m.now()
}

// contact is what may be believed of a machine; node is nil for one that left
// the swarm.
func (m *machines) contact(id string, node *swarm.Node) Contact {
	silent := m.now().Sub(later(m.heard(id), m.since))
	off := node == nil || node.Spec.Labels[OffLabel] != ""
	switch {
	case off && silent > m.lease:
		return Lost
	case node == nil, silent > silentAfter:
		return Unreachable
	}
	return Reached
}

// heard is when a machine last answered; zero if it never did.
func (m *machines) heard(id string) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.known[id]; k != nil {
		return k.heardAt
	}
	return time.Time{}
}

// answers reports whether a machine answered just now, as one must before
// anything is started on it.
func (m *machines) answers(id string) bool {
	return m.now().Sub(m.heard(id)) <= silentAfter
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// address is a machine's own, as the managers see it. A manager may see itself
// as 0.0.0.0, but tells the others where it listens.
func address(n swarm.Node) string {
	if n.ManagerStatus != nil {
		if host, _, err := net.SplitHostPort(n.ManagerStatus.Addr); err == nil {
			return host
		}
	}
	if ip := net.ParseIP(n.Status.Addr); ip == nil || ip.IsUnspecified() {
		return ""
	}
	return n.Status.Addr
}
