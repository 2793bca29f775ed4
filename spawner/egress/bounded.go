package egress

import (
	"net"
	"sync"
)

// bounded is a listener that holds only so many connections of one address, and
// in all; one more is closed.
type bounded struct {
	net.Listener
	mu  sync.Mutex
	of  map[string]int
	all int
}

func newBounded(ln net.Listener) *bounded { return &bounded{Listener: ln, of: map[string]int{}} }

// Accept implements [net.Listener].
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, _, err := net.SplitHostPort(c.RemoteAddr().String())
		if err == nil && b.take(from) {
			return &counted{Conn: c, end: sync.OnceFunc(func() { b.give(from) })}, nil
		}
		_ = c.Close()
	}
}

func (b *bounded) take(from string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of[from] >= perWorkspace || b.all >= inAll {
		return false
	}
	b.of[from]++
	b.all++
	return true
}

func (b *bounded) give(from string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all--
	if b.of[from]--; b.of[from] == 0 {
		delete(b.of, from)
	}
}

type counted struct {
	net.Conn
	end func()
}

// Close implements [net.Conn].
func (c *counted) Close() error {
	c.end()
	return c.Conn.Close()
}

// CloseWrite tells the other side that there is no more.
func (c *counted) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
