package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
)

// kernel is a kernel's websocket as JupyterLab opens it.
type kernel struct {
	t    testing.TB
	conn *websocket.Conn
}

// newKernel starts a kernel in a workspace and gives its id.
func (w *person) newKernel(origin string) string {
	w.p.t.Helper()
	var k struct{ ID string }
	say(w.p.t, w.ask("POST", origin+"/api/kernels", "application/json", strings.NewReader(`{"name":"python3"}`)), &k)
	if k.ID == "" {
		w.p.t.Fatal("no kernel was made")
	}
	return k.ID
}

func (w *person) connect(origin, id string) *kernel {
	w.p.t.Helper()
	u, err := url.Parse(origin)
	must(w.p.t, err)
	h := http.Header{"Origin": {origin}}
	for _, c := range w.Jar.Cookies(u) {
		h.Add("Cookie", c.String())
	}
	conn, _, err := websocket.Dial(context.Background(), "ws://"+u.Host+"/api/kernels/"+id+"/channels?session_id="+uuid.NewString(),
		&websocket.DialOptions{HTTPClient: &http.Client{Transport: w.Transport}, HTTPHeader: h})
	must(w.p.t, err)
	conn.SetReadLimit(16 << 20)
	w.p.t.Cleanup(func() { conn.CloseNow() })
	return &kernel{w.p.t, conn}
}

// run executes code and gives the text of its result.
func (k *kernel) run(code string) string {
	k.t.Helper()
	ctx, done := context.WithTimeout(context.Background(), 90*time.Second)
	defer done()
	id := uuid.NewString()
	msg, err := json.Marshal(map[string]any{
		"header": map[string]any{"msg_id": id, "msg_type": "execute_request", "session": uuid.NewString(), "username": "", "version": "5.3",
			"date": time.Now().UTC().Format(time.RFC3339)},
		"parent_header": map[string]any{}, "metadata": map[string]any{}, "buffers": []any{}, "channel": "shell",
		"content": map[string]any{"code": code, "silent": false, "store_history": true, "user_expressions": map[string]any{}, "allow_stdin": false, "stop_on_error": true},
	})
	must(k.t, err)
	must(k.t, k.conn.Write(ctx, websocket.MessageText, msg))
	result := ""
	for {
		_, text, err := k.conn.Read(ctx)
		if err != nil {
			k.t.Fatalf("running %q: %v", code, err)
		}
		var got struct {
			Header struct {
				Type string `json:"msg_type"`
			} `json:"header"`
			Parent struct {
				ID string `json:"msg_id"`
			} `json:"parent_header"`
			Content struct {
				Data  map[string]any `json:"data"`
				State string         `json:"execution_state"`
				Name  string         `json:"ename"`
			} `json:"content"`
		}
		must(k.t, json.Unmarshal(text, &got))
		if got.Parent.ID != id {
			continue
		}
		switch got.Header.Type {
		case "execute_result":
			result, _ = got.Content.Data["text/plain"].(string)
		case "error":
			k.t.Fatalf("running %q: %s", code, got.Content.Name)
		case "status":
			if got.Content.State == "idle" {
				return result
			}
		}
	}
}
