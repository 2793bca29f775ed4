package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"lectern/store"
)

// sockets is an upstream that sends back every message.
func sockets(t testing.TB) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"v1.kernel.websocket.jupyter.org"}})
		if err != nil {
			t.Log("accept:", err)
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(64 << 20)
		for {
			kind, msg, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), kind, msg) != nil {
				return
			}
		}
	})
}

// socket dials a workspace as its page would.
func (b *bench) socket(cookie string) (*websocket.Conn, error) {
	h := http.Header{"Origin": {b.work.origins.Origin(b.id)}, "Cookie": {b.work.cookie() + "=" + cookie}}
	c, _, err := websocket.Dial(context.Background(), "ws"+strings.TrimPrefix(b.work.origins.Origin(b.id), "http")+"/api/kernels/k/channels",
		&websocket.DialOptions{HTTPClient: b.browser(), HTTPHeader: h, Subprotocols: []string{"v1.kernel.websocket.jupyter.org"}})
	if err == nil {
		b.t.Cleanup(func() { c.CloseNow() })
		c.SetReadLimit(64 << 20)
	}
	return c, err
}

func TestASocketCarriesMessagesOfAnySize(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.upstream(sockets(t))
	c, err := b.socket(b.in())
	b.must(err)
	if c.Subprotocol() != "v1.kernel.websocket.jupyter.org" {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	for _, n := range []int{0, 1, 125, 126, 70_000, 8 << 20} {
		msg := make([]byte, n)
		rand.Read(msg)
		b.must(c.Write(t.Context(), websocket.MessageBinary, msg))
		_, got, err := c.Read(t.Context())
		if err != nil || string(got) != string(msg) {
			t.Fatalf("%d bytes come back as %d, %v", n, len(got), err)
		}
	}
	if b.stubs.touched == 0 {
		t.Error("messages were not noticed as somebody's work")
	}
	b.must(c.Close(websocket.StatusNormalClosure, "bye"))
}

// TestWhatARightStandsOnEndsSockets is the promise that a sign-out, a dropped
// member or a new role is felt within five seconds, in open sockets as well.
func TestWhatARightStandsOnEndsSockets(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*bench){
		"the session ends":         func(b *bench) { b.must(b.store.EndSession(context.Background(), b.student.ID, b.session)) },
		"the session runs out":     func(b *bench) { b.sql(`update sessions set expiry = now() - interval '1 second'`) },
		"the member is dropped":    func(b *bench) { b.sql(`update members set dropped_at = now() where id = $1`, b.member) },
		"the role changes":         func(b *bench) { b.sql(`update members set role = 'grader' where id = $1`, b.member) },
		"the account is disabled":  func(b *bench) { b.sql(`update users set disabled_at = now() where id = $1`, b.student.ID) },
		"the grants are forgotten": func(b *bench) { b.must(b.store.DropGrants(context.Background(), 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.upstream(sockets(t))
			cookie := b.in()
			c, err := b.socket(cookie)
			b.must(err)
			b.must(c.Write(t.Context(), websocket.MessageText, []byte("hello")))
			if _, _, err := c.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			end(b)
			began := time.Now()
			ctx, done := context.WithTimeout(t.Context(), 10*time.Second)
			defer done()
			_, _, err = c.Read(ctx)
			if took := time.Since(began); err == nil || took > 5*time.Second {
				t.Errorf("the socket ended after %v with %v; want an end within 5 s", took, err)
			}
			if res := b.do(b.request(http.MethodGet, b.id, "/api/contents", cookie)); res.StatusCode != http.StatusForbidden {
				t.Errorf("a request afterwards: %s, want 403", res.Status)
			}
			if _, err := b.socket(cookie); err == nil {
				t.Error("a new socket afterwards opens, want a refusal")
			}
		})
	}
}

func TestAnOpenSocketNeverGetsAnHTTPError(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	// The upstream switches and then breaks off in the middle of a frame.
	b.upstream(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x82\x7e")
		rw.Flush()
	}))
	r := b.request(http.MethodGet, b.id, "/api/kernels/k/channels", b.in())
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Origin", b.work.origins.Origin(b.id))
	res := b.do(r)
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s, want the switch", res.Status)
	}
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "\x82\x7e" {
		t.Errorf("behind the switch came %q, %v; want only what the upstream sent", rest, err)
	}
}

func TestADatabaseThatDoesNotAnswerEndsNobodysWork(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now, down := time.Now(), false
	g := newGate(func(_ context.Context, hashes [][]byte) ([]store.Grant, error) {
		mu.Lock()
		defer mu.Unlock()
		if down {
			return nil, errors.New("no connection")
		}
		return []store.Grant{{TokenHash: hashOf("cookie"), WorkspaceID: "w"}}, nil
	}, func() time.Time { mu.Lock(); defer mu.Unlock(); return now }, nil)
	later := func(d time.Duration) { mu.Lock(); now = now.Add(d); mu.Unlock() }

	_, ctx, done, err := g.use(t.Context(), "cookie")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	mu.Lock()
	down = true
	mu.Unlock()
	later(passFresh + time.Second)
	if _, _, done, err := g.use(t.Context(), "cookie"); err != nil {
		t.Errorf("seconds after the database went: %v, want to go on", err)
	} else {
		done()
	}
	if _, _, _, err := g.use(t.Context(), "unknown"); err == nil || errors.Is(err, errNoPass) {
		t.Errorf("a new cookie meanwhile: %v, want an error that says try again", err)
	}
	later(passGrace)
	if _, _, _, err := g.use(t.Context(), "cookie"); err == nil {
		t.Error("long after the database went a request passes, want a refusal")
	}
	if ctx.Err() != nil {
		t.Error("the open socket was ended, though nobody was signed out")
	}
	mu.Lock()
	down = false
	mu.Unlock()
	if _, _, done, err := g.use(t.Context(), "cookie"); err != nil {
		t.Errorf("when the database is back: %v", err)
	} else {
		done()
	}
}

func TestAPageFullOfRequestsAsksTheDatabaseOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := 0
	g := newGate(func(context.Context, [][]byte) ([]store.Grant, error) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		return []store.Grant{{TokenHash: hashOf("cookie"), WorkspaceID: "w"}}, nil
	}, time.Now, nil)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			_, _, done, err := g.use(t.Context(), "cookie")
			if err != nil {
				t.Error(err)
				return
			}
			done()
		})
	}
	wg.Wait()
	if asked != 1 {
		t.Errorf("200 requests asked %d times, want 1", asked)
	}
}
