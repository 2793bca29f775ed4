package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/coder/websocket"
)

// frames is the subprotocol that JupyterLab asks for and Jupyter Server answers
// since 2.0. Without it a message is one JSON text.
const frames = "v1.kernel.websocket.jupyter.org"

// message is one of the kernel's messaging protocol; its parts stay JSON.
type message struct {
	Channel  string          `json:"channel"`
	Header   json.RawMessage `json:"header"`
	Parent   json.RawMessage `json:"parent_header"`
	Metadata json.RawMessage `json:"metadata"`
	Content  json.RawMessage `json:"content"`
	Buffers  []string        `json:"buffers"`
}

// encode writes a message as the two ends agreed. In frames it is: the number of
// offsets, the offsets, each of 8 bytes with the lowest first, then channel,
// header, parent, metadata and content one after the other.
func encode(m message, framed bool) (websocket.MessageType, []byte, error) {
	if !framed {
		b, err := json.Marshal(m)
		return websocket.MessageText, b, err
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
	return websocket.MessageBinary, out, nil
}

// decode reads a message of either kind; whatever was sent, it fails or gives a
// message, and buffers behind the content are left out.
func decode(kind websocket.MessageType, b []byte) (m message, err error) {
	if kind == websocket.MessageText {
		return m, json.Unmarshal(b, &m)
	}
	if len(b) < 8 {
		return m, fmt.Errorf("a frame of %d bytes", len(b))
	}
	n := binary.LittleEndian.Uint64(b)
	if n < 6 || n > uint64(len(b))/8-1 {
		return m, fmt.Errorf("a frame of %d bytes with %d offsets", len(b), n)
	}
	var parts [5][]byte
	for i := range parts {
		from, to := binary.LittleEndian.Uint64(b[8*(i+1):]), binary.LittleEndian.Uint64(b[8*(i+2):])
		if from > to || to > uint64(len(b)) {
			return m, fmt.Errorf("a frame of %d bytes with a part from %d to %d", len(b), from, to)
		}
		parts[i] = b[from:to]
	}
	return message{Channel: string(parts[0]), Header: parts[1], Parent: parts[2], Metadata: parts[3], Content: parts[4]}, nil
}
