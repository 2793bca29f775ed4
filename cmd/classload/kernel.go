package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
)

// kernel is one tab's websocket to its kernel. It is read all the time, as a
// page does, whether or not anything was asked.
type kernel struct {
	conn    *websocket.Conn
	session string
	end     context.CancelFunc

	mu      sync.Mutex
	pending map[string]*request
	gone    error
}

// request is what was sent and not yet done: a page waits for the reply and for
// the kernel to be idle again, which come on two channels in any order.
type request struct {
	done          chan error
	replied, idle bool
	printed       string // the beginning of it
	bytes         int    // all of it
	failed        error
}

// connect opens the websocket that a notebook's page would.
func (b *browser) connect(ctx context.Context, origin, id, session string) (*kernel, error) {
	u, err := url.Parse(origin)
	if err != nil {
		return nil, err
	}
	dialing, done := context.WithTimeout(ctx, patience)
	defer done()
	h := http.Header{"Origin": {origin}}
	for _, c := range b.client.Jar.Cookies(u) {
		h.Add("Cookie", c.String())
	}
	conn, res, err := websocket.Dial(dialing, "ws://"+u.Host+"/api/kernels/"+id+"/channels?session_id="+session,
		&websocket.DialOptions{HTTPClient: &http.Client{Transport: b.client.Transport}, HTTPHeader: h, Subprotocols: []string{frames}})
	if err != nil {
		if res != nil {
			return nil, fmt.Errorf("websocket: %d", res.StatusCode)
		}
		return nil, err
	}
	conn.SetReadLimit(64 << 20)
	k := &kernel{conn: conn, session: session, pending: map[string]*request{}}
	reading, end := context.WithCancel(context.WithoutCancel(ctx))
	k.end = end
	go k.read(reading)
	return k, nil
}

// lost reports whether the other end has closed the socket.
func (k *kernel) lost() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.gone != nil
}

// drop ends the connection as a closed lid does: without a word. There may be
// none yet.
func (k *kernel) drop() {
	if k == nil {
		return
	}
	k.end()
	_ = k.conn.CloseNow()
}

var errGone = errors.New("the websocket has ended")

func (k *kernel) read(ctx context.Context) {
	for {
		kind, data, err := k.conn.Read(ctx)
		var m message
		if err == nil {
			m, err = decode(kind, data)
		}
		if err != nil {
			k.mu.Lock()
			k.gone = fmt.Errorf("%w: %w", errGone, err)
			for id, r := range k.pending {
				r.done <- k.gone
				delete(k.pending, id)
			}
			k.mu.Unlock()
			return
		}
		k.take(m)
	}
}

// take notes what one message says of one of our requests.
func (k *kernel) take(m message) {
	var parent struct {
		ID string `json:"msg_id"`
	}
	var header struct {
		Type string `json:"msg_type"`
	}
	var content struct {
		Text  string `json:"text"`
		State string `json:"execution_state"`
		Name  string `json:"ename"`
	}
	if json.Unmarshal(m.Parent, &parent) != nil || json.Unmarshal(m.Header, &header) != nil || json.Unmarshal(m.Content, &content) != nil {
		return // not for us, or another tab's
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.pending[parent.ID]
	if r == nil {
		return
	}
	switch {
	case header.Type == "stream":
		r.bytes += len(content.Text)
		if len(r.printed) < 1000 {
			r.printed += content.Text
		}
	case header.Type == "error":
		r.failed = fmt.Errorf("the kernel raised %s", content.Name)
	case header.Type == "execute_reply":
		r.replied = true
	case header.Type == "status" && content.State == "idle":
		r.idle = true
	}
	if r.replied && r.idle {
		r.done <- r.failed
		delete(k.pending, parent.ID)
	}
}

// execute runs a cell and waits until it is done; it gives the beginning of what
// was printed and its length.
func (k *kernel) execute(ctx context.Context, code string) (printed string, size int, err error) {
	id := uuid.NewString()
	r := &request{done: make(chan error, 1)}
	k.mu.Lock()
	if k.gone != nil {
		k.mu.Unlock()
		return "", 0, k.gone
	}
	k.pending[id] = r
	k.mu.Unlock()
	m := message{Channel: "shell", Parent: json.RawMessage("{}"), Metadata: json.RawMessage("{}"), Buffers: []string{}}
	m.Header, _ = json.Marshal(map[string]any{"msg_id": id, "msg_type": "execute_request", "session": k.session, "username": "",
		"version": "5.3", "date": time.Now().UTC().Format(time.RFC3339Nano)})
	m.Content, _ = json.Marshal(map[string]any{"code": code, "silent": false, "store_history": true, "user_expressions": map[string]any{},
		"allow_stdin": true, "stop_on_error": true})
	ctx, done := context.WithTimeout(ctx, patience)
	defer done()
	kind, data, err := encode(m, k.conn.Subprotocol() == frames)
	if err == nil {
		err = k.conn.Write(ctx, kind, data)
	}
	if err != nil {
		return "", 0, err
	}
	select {
	case err = <-r.done:
		k.mu.Lock()
		defer k.mu.Unlock()
		return r.printed, r.bytes, err
	case <-ctx.Done():
		return "", 0, fmt.Errorf("the cell was not done within %v", patience)
	}
}
