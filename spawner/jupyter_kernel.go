package spawner

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// message is one of Jupyter's messages, as its websocket carries it in text.
type message struct {
	Header       header          `json:"header"`
	ParentHeader header          `json:"parent_header"`
	Metadata     map[string]any  `json:"metadata"`
	Content      json.RawMessage `json:"content"`
	Channel      string          `json:"channel"`
	Buffers      []string        `json:"buffers"`
}

type header struct {
	ID       string `json:"msg_id,omitempty"`
	Type     string `json:"msg_type,omitempty"`
	Session  string `json:"session,omitempty"`
	Username string `json:"username,omitempty"`
	Date     string `json:"date,omitempty"`
	Version  string `json:"version,omitempty"`
}

// kernelName is an id that may stand in a path.
var kernelName = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)

// maxMessage bounds what a server that is not trusted may send at once.
const maxMessage = 4 << 20

// evaluate starts a kernel of the server's default kind, runs one cell and is what
// it shows as text. The kernel ends with its container.
func evaluate(ctx context.Context, t Target, code string) (string, error) {
	id, err := startKernel(ctx, t)
	if err != nil {
		return "", err
	}
	session := rand.Text()
	conn, _, err := websocket.Dial(ctx, "ws://"+t.Addr+"/api/kernels/"+id+"/channels?session_id="+session, &websocket.DialOptions{
		HTTPClient: patient(), HTTPHeader: http.Header{"Authorization": {"token " + t.Token}},
	})
	if err != nil {
		return "", fmt.Errorf("its channels cannot be opened: %w", err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxMessage)
	ask := message{Header: header{ID: rand.Text(), Type: "execute_request", Session: session, Date: time.Now().UTC().Format(time.RFC3339), Version: "5.3"},
		Metadata: map[string]any{}, Channel: "shell", Buffers: []string{},
		Content: json.RawMessage(fmt.Sprintf(`{"code": %q, "silent": false, "store_history": false, "user_expressions": {}, "allow_stdin": false, "stop_on_error": true}`, code))}
	body, err := json.Marshal(ask)
	if err != nil {
		return "", err
	}
	if err := conn.Write(ctx, websocket.MessageText, body); err != nil {
		return "", fmt.Errorf("it does not take a cell: %w", err)
	}
	var shown strings.Builder
	for {
		_, text, err := conn.Read(ctx)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", errors.New("it gave no answer in time")
		}
		if err != nil {
			return "", fmt.Errorf("it broke off: %w", err)
		}
		var m message
		if json.Unmarshal(text, &m) != nil || m.ParentHeader.ID != ask.Header.ID {
			continue
		}
		var content struct {
			Text   string         `json:"text"`
			Data   map[string]any `json:"data"`
			Status string         `json:"status"`
			Name   string         `json:"ename"`
			Value  string         `json:"evalue"`
		}
		if json.Unmarshal(m.Content, &content) != nil {
			continue
		}
		switch m.Header.Type {
		case "stream":
			shown.WriteString(content.Text)
		case "execute_result", "display_data":
			if plain, ok := content.Data["text/plain"].(string); ok {
				shown.WriteString(plain)
			}
		case "execute_reply":
			if content.Status != "ok" {
				return "", fmt.Errorf("it fails with %.100s: %.300s", content.Name, content.Value)
			}
		case "status":
			if strings.Contains(string(m.Content), `"idle"`) {
				return shown.String(), nil
			}
		}
	}
}

// startKernel starts one and is its id.
func startKernel(ctx context.Context, t Target) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+t.Addr+"/api/kernels", strings.NewReader("{}"))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "token "+t.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := patient().Do(req)
	if err != nil {
		return "", fmt.Errorf("none is started: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", err
	}
	var kernel struct{ ID string }
	if resp.StatusCode != http.StatusCreated || json.Unmarshal(text, &kernel) != nil || !kernelName.MatchString(kernel.ID) {
		return "", fmt.Errorf("none is started: the server says %s: %.300s", resp.Status, text)
	}
	return kernel.ID, nil
}

// patient is a client that waits for a kernel to start, and follows no redirect.
func patient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
