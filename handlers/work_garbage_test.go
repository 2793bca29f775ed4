package handlers

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// listener is a program in the bench's workspace that speaks for itself.
func (b *bench) listener(serve func(net.Conn)) {
	b.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	b.must(err)
	b.t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				serve(c)
			}()
		}
	}()
	b.dial(b.id, ln.Addr().String())
}

// TestAProgramMaySendAnything: answers that are cut, stretched and mixed up at
// random. Each request ends, with an answer or a break, and nothing stays behind.
func TestAProgramMaySendAnything(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	whole := []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.0 404 Not Found\r\nSet-Cookie: lectern=x\r\n\r\nuntil the end",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\nhello",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello",
	}
	var mu sync.Mutex
	chance := rand.New(rand.NewPCG(1, 2))
	next := func() []byte {
		mu.Lock()
		defer mu.Unlock()
		text := []byte(whole[chance.IntN(len(whole))])
		switch chance.IntN(5) {
		case 0:
			return text
		case 1:
			return text[:chance.IntN(len(text))]
		case 2:
			return append(text[:chance.IntN(len(text))], whole[chance.IntN(len(whole))]...)
		case 3:
			for range 1 + chance.IntN(8) {
				text[chance.IntN(len(text))] = byte(chance.IntN(256))
			}
			return text
		}
		at := chance.IntN(len(text))
		return append(text[:at:at], strings.Repeat(string(text[at:]), 1+chance.IntN(50))...)
	}
	b.listener(func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = c.Write(next())
		}
	})
	cookie, client := b.in(), b.browser()
	client.Timeout = 20 * time.Second
	statuses := map[int]int{}
	for n := range 600 {
		r := b.request(http.MethodGet, b.id, "/api/kernels", cookie)
		if n%7 == 0 {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Origin", b.work.origins.Origin(b.id))
		}
		res, err := client.Do(r)
		if err != nil {
			if strings.Contains(err.Error(), "Timeout") {
				t.Fatalf("request %d did not end: %v", n, err)
			}
			statuses[0]++
			continue
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
		_ = res.Body.Close()
		statuses[res.StatusCode]++
		for _, c := range res.Header["Set-Cookie"] {
			if strings.HasPrefix(c, "lectern") {
				t.Errorf("a cookie of ours came from a workspace: %s", c)
			}
		}
	}
	t.Logf("answers by status, 0 is a break: %v", statuses)
	if statuses[http.StatusOK] == 0 || statuses[http.StatusBadGateway] == 0 {
		t.Error("the answers were all alike; this tried nothing")
	}
	until := time.Now().Add(10 * time.Second)
	for b.underWay() > 0 {
		if time.Now().After(until) {
			t.Fatalf("%d requests are under way when all have ended", b.underWay())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A program that wants no body says so before it comes; one that does not know
// the question gets the body all the same.
func TestABodyThatIsAskedForFirst(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]int{
		"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n": http.StatusRequestEntityTooLarge,
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n":   http.StatusCreated,
		"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n":                                http.StatusCreated,
	} {
		b := newBench(t)
		b.listener(func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.WriteString(c, answer)
				_, _ = io.Copy(io.Discard, c)
			}
		})
		r := b.request(http.MethodPut, b.id, "/api/contents/big", b.in())
		r.Header.Set("Expect", "100-continue")
		r.Body, r.ContentLength = io.NopCloser(io.LimitReader(zeros{}, 1<<20)), 1<<20
		if res := b.do(r); res.StatusCode != want {
			t.Errorf("%.30q leads to %s, want %d", answer, res.Status, want)
		}
	}
}

// underWay is how many requests the gate counts.
func (b *bench) underWay() (n int) {
	b.work.gate.mu.Lock()
	defer b.work.gate.mu.Unlock()
	for _, p := range b.work.gate.passes {
		n += p.live
	}
	return n
}
