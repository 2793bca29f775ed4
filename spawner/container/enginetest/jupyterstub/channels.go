package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// frames is the subprotocol of Jupyter Server 2: a message's parts, one after
// the other, behind a table of where each begins.
const frames = "v1.kernel.websocket.jupyter.org"

// message is one of a kernel's, in either of the two forms on the wire.
type message struct {
	Channel  string          `json:"channel"`
	Header   json.RawMessage `json:"header"`
	Parent   json.RawMessage `json:"parent_header"`
	Metadata json.RawMessage `json:"metadata"`
	Content  json.RawMessage `json:"content"`
	Buffers  []any           `json:"buffers"`
}

// channels is the websocket of the one kernel. It runs what it understands of
// Python, which is a print, a loop of prints and a large bytearray.
func (s *stub) channels(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{frames}, InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(64 << 20)
	for n := 0; ; n++ {
		kind, data, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		in, err := decode(kind, data)
		if err != nil {
			return
		}
		var header struct {
			Type string `json:"msg_type"`
		}
		var request struct{ Code string }
		_ = json.Unmarshal(in.Header, &header)
		_ = json.Unmarshal(in.Content, &request)
		send := func(channel, kindOf string, content any) error {
			out := message{Channel: channel, Parent: in.Header, Metadata: json.RawMessage("{}"), Buffers: []any{}}
			out.Header, _ = json.Marshal(map[string]any{"msg_id": fmt.Sprintf("stub-%d-%s", n, kindOf), "msg_type": kindOf, "session": "stub",
				"username": "", "version": "5.3", "date": time.Now().UTC()})
			out.Content, _ = json.Marshal(content)
			return conn.Write(r.Context(), kind, encode(kind, out))
		}
		s.note("busy")
		if send("iopub", "status", map[string]string{"execution_state": "busy"}) != nil {
			return
		}
		if header.Type == "execute_request" {
			for text := range s.output(request.Code) {
				if send("iopub", "stream", map[string]string{"name": "stdout", "text": text}) != nil {
					return
				}
			}
		}
		reply := strings.TrimSuffix(header.Type, "_request") + "_reply"
		if send("shell", reply, map[string]any{"status": "ok", "execution_count": n + 1}) != nil {
			return
		}
		s.note("idle")
		if send("iopub", "status", map[string]string{"execution_state": "idle"}) != nil {
			return
		}
	}
}

// note is the kernel's state and a sign of its life.
func (s *stub) note(state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.last = state, time.Now()
}

var (
	prints = regexp.MustCompile(`print\("([^"]*)"(?: \* (\d+))?\)`)
	loop   = regexp.MustCompile(`for \w+ in range\((\d+)\)`)
	array  = regexp.MustCompile(`bytearray\((\d+) << 20\)`)
)

// output is what the code prints, in the pieces that a kernel would send.
func (s *stub) output(code string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		if m := array.FindStringSubmatch(code); m != nil {
			size, _ := strconv.Atoi(m[1])
			b := make([]byte, size<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
		}
		rounds := 1
		if m := loop.FindStringSubmatch(code); m != nil {
			rounds, _ = strconv.Atoi(m[1])
		}
		m := prints.FindStringSubmatch(code)
		if m == nil {
			return
		}
		times, err := strconv.Atoi(m[2])
		if err != nil {
			times = 1
		}
		line := strings.Repeat(m[1], times) + "\n"
		for range rounds {
			if !yield(line) {
				return
			}
		}
	}
}

func decode(kind websocket.MessageType, data []byte) (m message, err error) {
	if kind == websocket.MessageText {
		err = json.Unmarshal(data, &m)
		return m, err
	}
	if len(data) < 8 {
		return m, fmt.Errorf("a frame of %d bytes", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	if n < 6 || uint64(len(data)) < 8*(n+1) {
		return m, fmt.Errorf("a frame with %d offsets", n)
	}
	parts := make([][]byte, n-1)
	for i := range parts {
		from, to := binary.LittleEndian.Uint64(data[8*(i+1):]), binary.LittleEndian.Uint64(data[8*(i+2):])
		if from > to || to > uint64(len(data)) {
			return m, fmt.Errorf("part %d from %d to %d of %d", i, from, to, len(data))
		}
		parts[i] = data[from:to]
	}
	return message{Channel: string(parts[0]), Header: parts[1], Parent: parts[2], Metadata: parts[3], Content: parts[4]}, nil
}

func encode(kind websocket.MessageType, m message) []byte {
	if kind == websocket.MessageText {
		b, _ := json.Marshal(m)
		return b
	}
	parts := [][]byte{[]byte(m.Channel), m.Header, m.Parent, m.Metadata, m.Content}
	at := uint64(8 * (len(parts) + 2))
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(parts)+1))
	out = binary.LittleEndian.AppendUint64(out, at)
	for _, p := range parts {
		at += uint64(len(p))
		out = binary.LittleEndian.AppendUint64(out, at)
	}
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
