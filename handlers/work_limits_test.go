package handlers

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestAnAllowanceIsABurstAndThenARate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f := &outflow{at: now}
	if got := f.owed(flowBurst, now); got != 0 {
		t.Errorf("the burst waits %v", got)
	}
	if got := f.owed(flowRate, now); got != time.Second {
		t.Errorf("a second's worth beyond the burst waits %v", got)
	}
	now = now.Add(time.Second)
	if got := f.owed(flowRate/2, now); got != 500*time.Millisecond {
		t.Errorf("half a second's worth a second later waits %v", got)
	}
	now = now.Add(time.Minute)
	if !f.rested(now) || f.owed(flowBurst, now) != 0 {
		t.Error("after a minute's rest the burst is not there again")
	}
}

func TestANewSocketIsNoNewAllowance(t *testing.T) {
	t.Parallel()
	var all outflows
	first := all.enter("w")
	first.owed(flowBurst, time.Now())
	all.leave("w")
	if again := all.enter("w"); again != first {
		t.Error("closing a socket and opening another gives another burst")
	}
	if other := all.enter("x"); other == first {
		t.Error("two workspaces share an allowance")
	}
	all.leave("w")
	first.at = time.Now().Add(-time.Minute)
	all.leave("x")
	if len(all.byID) != 0 {
		t.Errorf("%d allowances are kept of workspaces at rest", len(all.byID))
	}
}

// A kernel that prints without end is slowed down; another workspace is not.
func TestEndlessOutputIsHeldBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const size = 1 << 20
	b.upstream(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer c.CloseNow()
		for msg := make([]byte, size); c.Write(r.Context(), websocket.MessageBinary, msg) == nil; {
		}
	}))
	c, err := b.socket(b.in())
	b.must(err)
	began, got := time.Now(), 0
	for time.Since(began) < 4*time.Second {
		if _, msg, err := c.Read(t.Context()); err != nil || len(msg) != size {
			t.Fatalf("%d bytes, %v", len(msg), err)
		}
		got += size
	}
	// What lies in the kernel's buffers on the way has been let through, too.
	most := flowBurst + int(time.Since(began).Seconds()*flowRate) + 2*size
	if got > most {
		t.Errorf("%d MB in 4 s, want at most %d", got>>20, most>>20)
	}
	if got < flowBurst/4 {
		t.Errorf("%d MB in 4 s: an ordinary burst is slowed", got>>20)
	}
}

func TestRelayCopiesWhateverItIs(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, smallBuffer - 1, smallBuffer, smallBuffer + 1, bufferSize, 3*bufferSize + 7} {
		want := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
		var got bytes.Buffer
		passed := 0
		sum, err := relay(&got, bytes.NewReader(want).Read, func(n int) { passed += n })
		if err != nil || int(sum) != n || passed != n || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%d bytes: %d copied, %d counted, %v", n, sum, passed, err)
		}
	}
	if _, err := relay(io.Discard, func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }, func(int) {}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken source gives %v", err)
	}
}

// A body that stands still is given up; one that gets on, however slowly, and an
// answer that takes longer than the patience, are not.
func TestABodyThatStandsStillIsGivenUp(t *testing.T) {
	t.Parallel()
	const patience = 300 * time.Millisecond
	ends := make(chan error, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = unlessStalled(w, r, patience)
		_, err := io.Copy(io.Discard, r.Body)
		ends <- err
		if err != nil {
			return
		}
		select {
		case <-time.After(3 * patience):
			_, _ = io.WriteString(w, "done")
		case <-r.Context().Done():
			_, _ = io.WriteString(w, "taken for gone")
		}
	}))
	defer srv.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
		return c
	}
	c := dial()
	defer c.Close()
	_, _ = io.WriteString(c, "half")
	began := time.Now()
	if err := <-ends; !errors.Is(err, errStalled) || time.Since(began) > 20*patience {
		t.Errorf("a body that stands still ends with %v after %v", err, time.Since(began))
	}
	c = dial()
	defer c.Close()
	for range 10 {
		_, _ = io.WriteString(c, "x")
		time.Sleep(patience / 4)
	}
	if err := <-ends; err != nil {
		t.Errorf("a slow body ends with %v", err)
	}
	// The same connection serves the next request, too.
	for range 2 {
		answer := make([]byte, 4096)
		n, _ := c.Read(answer)
		if !strings.Contains(string(answer[:n]), "done") {
			t.Errorf("the answer after a slow body is %q", answer[:n])
		}
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
		if err := <-ends; err != nil {
			t.Errorf("the next body ends with %v", err)
		}
	}
}

func TestOnePersonCannotKeepEverythingOpen(t *testing.T) {
	t.Parallel()
	var c crowd
	for n := range atOnce {
		if !c.enter(1) {
			t.Fatalf("number %d is refused", n+1)
		}
	}
	if c.enter(1) || !c.enter(2) {
		t.Error("one more of the same comes in, or another person does not")
	}
	c.leave(1)
	if !c.enter(1) {
		t.Error("one who left makes no room")
	}
	for range atOnce {
		c.leave(1)
	}
	c.leave(2)
	if len(c.by) != 0 {
		t.Errorf("%v are counted when all have left", c.by)
	}
}
