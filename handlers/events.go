package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// eventWait bounds one write to a browser that does not read.
const eventWait = 10 * time.Second

// events is a stream of server-sent events. It ends with the request.
type events struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// startEvents begins a stream; from then on no error can become a page.
func startEvents(w http.ResponseWriter) *events {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy in front must not hold it back
	w.WriteHeader(http.StatusOK)
	return &events{w: w, rc: http.NewResponseController(w)}
}

// json sends v under an event's name.
func (e *events) json(event string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return e.text(event, string(b))
}

// text sends lines of text, such as HTML, under an event's name.
func (e *events) text(event, data string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "event: %s\n", event)
	for line := range strings.SplitSeq(data, "\n") {
		b.WriteString("data: " + strings.TrimSuffix(line, "\r") + "\n")
	}
	b.WriteString("\n")
	return e.write(b.String())
}

// alive sends a comment, so that nobody on the way takes the silence for the end.
func (e *events) alive() error { return e.write(": alive\n\n") }

func (e *events) write(s string) error {
	_ = e.rc.SetWriteDeadline(time.Now().Add(eventWait))
	if _, err := e.w.Write([]byte(s)); err != nil {
		return err
	}
	return e.rc.Flush()
}
