package e2e_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// way is one way to the workspace. The client is as thin as can be, for it runs
// on the same cores: it writes the same bytes again and again.
type way struct {
	name, addr string
	host       string // that Lectern knows the workspace by
	origin     string
	cookie     string
	token      string
	pids       []int // whose memory counts
}

// head is a request's; the proxies that check nothing pass on what proves to the
// workspace that it may answer.
func (w way) head(path, more string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"+
		"Accept: */*\r\nAccept-Language: en\r\nAccept-Encoding: identity\r\nOrigin: %s\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\n"+
		"Sec-Fetch-Site: same-origin\r\nCookie: %s; _xsrf=2|abcdef|0123456789\r\nAuthorization: token %s\r\n%s\r\n",
		path, w.host, w.origin, w.cookie, w.token, more)
}

// each runs clients at once, each on its own connection, until the time is over.
func (w way) each(b *testing.B, clients int, open func(*wire) error, once func(*wire) error) pace {
	b.Helper()
	var mu sync.Mutex
	var all []time.Duration
	var wg, ready sync.WaitGroup
	begin := make(chan time.Time)
	for range clients {
		ready.Add(1)
		wg.Go(func() {
			c, err := w.dial()
			if err == nil {
				defer c.Close()
				err = open(c)
			}
			ready.Done()
			until := <-begin
			var took []time.Duration
			for began := time.Now(); err == nil && began.Before(until); {
				err = once(c)
				now := time.Now()
				took = append(took, now.Sub(began))
				began = now
			}
			if err != nil {
				b.Errorf("%s: %v", w.name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
		})
	}
	ready.Wait()
	until := time.Now().Add(loadTime)
	for range clients {
		begin <- until
	}
	wg.Wait()
	return loadOf(all, loadTime)
}

// ask gets n bytes again and again.
func (w way) ask(b *testing.B, n int) pace {
	request := w.head(fmt.Sprintf("/stub/bytes?n=%d", n), "")
	return w.each(b, httpClients, func(c *wire) error { return c.get(request, n) }, func(c *wire) error { return c.get(request, n) })
}

// echo sends a message of 64 bytes and waits for it to come back.
func (w way) echo(b *testing.B) pace {
	frame := append([]byte{0x82, 0x80 | 64, 0, 0, 0, 0}, bytes.Repeat([]byte("x"), 64)...)
	back := make([]byte, 2+64)
	return w.each(b, echoClients, func(c *wire) error { return c.upgrade(w) }, func(c *wire) error {
		if _, err := c.Write(frame); err != nil {
			return err
		}
		_, err := io.ReadFull(c.in, make([]byte, len(back)))
		return err
	})
}

// idle opens so many websockets and gives by how much the memory grew.
func (w way) idle(b *testing.B, n int) int {
	before := w.memory(b)
	conns := make([]*wire, n)
	slots := make(chan bool, 32)
	var wg sync.WaitGroup
	for i := range conns {
		slots <- true
		wg.Go(func() {
			defer func() { <-slots }()
			c, err := w.dial()
			if err == nil {
				conns[i], err = c, c.upgrade(w)
			}
			if err != nil {
				b.Errorf("%s, websocket %d: %v", w.name, i+1, err)
			}
		})
	}
	wg.Wait()
	time.Sleep(3 * time.Second)
	grown := w.memory(b) - before
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
	return grown
}

// memory is what belongs to the way's processes alone, and their part of what
// they share, in bytes.
func (w way) memory(b *testing.B) int {
	sum := 0
	for _, pid := range w.pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		must(b, err)
		_, rest, _ := strings.Cut(string(text), "\nPss:")
		kb, err := strconv.Atoi(strings.Fields(rest)[0])
		must(b, err)
		sum += kb << 10
	}
	return sum
}

// wire is one connection.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func (w way) dial() (*wire, error) {
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		return nil, err
	}
	return &wire{c, bufio.NewReaderSize(c, 4<<10)}, c.SetDeadline(time.Now().Add(2 * time.Minute))
}

// get writes a request and reads an answer of n bytes.
func (c *wire) get(request []byte, n int) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	length, err := c.status("HTTP/1.1 200 ")
	if err == nil && length != n {
		err = fmt.Errorf("%d bytes are announced, want %d", length, n)
	}
	if err == nil {
		_, err = c.in.Discard(n)
	}
	return err
}

// upgrade makes a websocket of the connection.
func (c *wire) upgrade(w way) error {
	if _, err := c.Write(w.head("/stub/echo", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")); err != nil {
		return err
	}
	_, err := c.status("HTTP/1.1 101 ")
	return err
}

// status reads an answer's head, which must begin so, and gives its length.
func (c *wire) status(want string) (length int, err error) {
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		switch {
		case err != nil:
			return 0, err
		case first && !bytes.HasPrefix(line, []byte(want)):
			return 0, fmt.Errorf("the answer is %q", line)
		case len(line) == 2:
			return length, nil
		case len(line) > 16 && bytes.EqualFold(line[:15], []byte("content-length:")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[15:]))); err != nil {
				return 0, err
			}
		}
	}
}
