package handlers

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// socket is a request that asks to become a socket. Once it has, the proxy can
// no longer write an answer into it by mistake, and what the person sends is
// noticed.
type socket struct {
	http.ResponseWriter
	input func()
	out   *outflow
	taken bool
}

// Unwrap lets http.ResponseController find the other abilities.
func (s *socket) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Hijack gives the proxy the connection.
func (s *socket) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(s.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	s.taken = true
	return &typed{Conn: conn, input: s.input, out: s.out}, rw, nil
}

// typed hears when the browser sends more than a sign of life, and holds back a
// workspace that writes without end. The proxy copies through WriteTo and
// ReadFrom, which keep a small buffer for what is mostly silence.
type typed struct {
	net.Conn
	input func()
	out   *outflow
}

func (t *typed) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	if n > 0 && !onlyControl(p[:n]) {
		t.input()
	}
	return n, err
}

// WriteTo copies what the browser sends.
func (t *typed) WriteTo(w io.Writer) (int64, error) {
	return relay(w, t.Read, func(int) {})
}

// ReadFrom copies what the workspace sends, no faster than it may.
func (t *typed) ReadFrom(r io.Reader) (int64, error) {
	return relay(t.Conn, r.Read, t.out.take)
}

const smallBuffer = 2 << 10

// relay copies until an end. It reads into a small buffer, and into a lent large
// one for as long as that is filled, so that thousands of sockets may be silent.
func relay(w io.Writer, read func([]byte) (int, error), pass func(n int)) (sum int64, err error) {
	small := make([]byte, smallBuffer)
	var large *[bufferSize]byte
	give := func() {
		if large != nil {
			bufferPool.Put(large)
			large = nil
		}
	}
	defer give()
	for {
		buf := small
		if large != nil {
			buf = large[:]
		}
		n, err := read(buf)
		if n > 0 {
			pass(n)
			m, werr := w.Write(buf[:n])
			sum += int64(m)
			if werr != nil {
				return sum, werr
			}
		}
		switch {
		case err == io.EOF:
			return sum, nil
		case err != nil:
			return sum, err
		case n < smallBuffer:
			give()
		case large == nil:
			large = bufferPool.Get().(*[bufferSize]byte)
		}
	}
}

// CloseWrite passes on that the other side has finished.
func (t *typed) CloseWrite() error {
	if c, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return t.Conn.Close()
}

// onlyControl reports whether b looks like one close, ping or pong frame of a
// browser: masked, of at most 125 bytes. In the middle of a long message a guess
// may be wrong either way; the message's beginning has been seen by then.
func onlyControl(b []byte) bool {
	return len(b) >= 6 && b[0]&0x88 == 0x88 && b[1]&0x80 != 0 && int(b[1]&0x7f)+6 == len(b)
}

// pace lets a workspace's signs of life through every few seconds, not each.
type pace struct {
	mu   sync.Mutex
	last map[string]time.Time
}

const touchEvery = 10 * time.Second

func (p *pace) allow(id string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.last[id]) < touchEvery {
		return false
	}
	if p.last == nil || len(p.last) > 10_000 {
		p.last = map[string]time.Time{}
	}
	p.last[id] = now
	return true
}

func (w *Work) touch(id string) {
	if now := time.Now(); w.pace.allow(id, now) {
		w.dialled.Touch(id, now)
	}
}
