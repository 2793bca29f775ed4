package handlers

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// bodyPatience is how long what a browser sends may stand still. An upload takes
// as long as it takes while it gets on; websockets have no body.
const bodyPatience = time.Minute

// errStalled is a body that did not get on.
var errStalled = errors.New("the request stopped on its way")

// unlessStalled gives up reading a request's body that makes no progress: else a
// thousand half-sent forms would hold a thousand connections for ever.
func unlessStalled(w http.ResponseWriter, r *http.Request, patience time.Duration) *http.Request {
	if r.Body == nil || r.Body == http.NoBody || isUpgrade(r) {
		return r
	}
	r.Body = &patient{ReadCloser: r.Body, rc: http.NewResponseController(w), patience: patience}
	return r
}

type patient struct {
	io.ReadCloser
	rc       *http.ResponseController
	patience time.Duration
}

func (p *patient) Read(b []byte) (int, error) {
	_ = p.rc.SetReadDeadline(time.Now().Add(p.patience))
	n, err := p.ReadCloser.Read(b)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("%w: %w", errStalled, err)
	case err != nil:
		// Read to the end: from now on the server only listens for the visitor to
		// leave, and that may take as long as the answer does.
		_ = p.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}
