package main

import (
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/coder/websocket"
)

// The bytes are what jupyter_server's serialize_msg_to_ws_v1 makes of the message.
func TestFramesAreThoseOfJupyterServer(t *testing.T) {
	t.Parallel()
	m := message{Channel: "shell", Header: json.RawMessage(`{"a":1}`), Parent: json.RawMessage(`{}`), Metadata: json.RawMessage(`{}`), Content: json.RawMessage(`{"code":""}`)}
	const want = "0600000000000000" + // offsets
		"3800000000000000" + "3d00000000000000" + "4400000000000000" + "4600000000000000" + "4800000000000000" + "5300000000000000" +
		"7368656c6c" + "7b2261223a317d" + "7b7d" + "7b7d" + "7b22636f6465223a22227d"
	kind, b, err := encode(m, true)
	if err != nil || kind != websocket.MessageBinary || hex.EncodeToString(b) != want {
		t.Errorf("encoded as %v %x, %v; want %s", kind, b, err, want)
	}
	for _, framed := range []bool{true, false} {
		kind, b, err := encode(m, framed)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(kind, b)
		if err != nil || got.Channel != m.Channel || string(got.Header) != string(m.Header) || string(got.Parent) != "{}" ||
			string(got.Metadata) != "{}" || string(got.Content) != string(m.Content) {
			t.Errorf("framed %v: comes back as %+v, %v", framed, got, err)
		}
	}
}

func TestBrokenFramesAreRefused(t *testing.T) {
	t.Parallel()
	for _, b := range []string{"", "00", "0600000000000000", "ffffffffffffffff", "ffffffffffffff1f",
		"0600000000000000" + "ff00000000000000" + "0100000000000000" + "0100000000000000" + "0100000000000000" + "0100000000000000" + "0100000000000000",
		"0600000000000000" + "0000000000000000" + "ff00000000000000" + "ff00000000000000" + "ff00000000000000" + "ff00000000000000" + "ff00000000000000",
	} {
		raw, err := hex.DecodeString(b)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := decode(websocket.MessageBinary, raw); err == nil {
			t.Errorf("%s is read as %+v", b, m)
		}
	}
}

func FuzzDecode(f *testing.F) {
	_, b, err := encode(message{Channel: "iopub", Header: json.RawMessage(`{}`), Parent: json.RawMessage(`{}`), Metadata: json.RawMessage(`{}`), Content: json.RawMessage(`{}`)}, true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{6})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(websocket.MessageBinary, b)
		if n := len(m.Channel) + len(m.Header) + len(m.Parent) + len(m.Metadata) + len(m.Content); err == nil && n > 5*len(b) {
			t.Errorf("%d bytes are read out of %d", n, len(b))
		}
	})
}
