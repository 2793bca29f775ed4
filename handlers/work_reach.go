package handlers

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// errUnreachable: the way to a workspace is interrupted, while its row says that
// it runs.
var errUnreachable = errors.New("the workspace is out of reach")

const (
	reachAfter = 1500 * time.Millisecond // without an answer the way is tried
	reachTime  = 1500 * time.Millisecond // a new connection may take so long
	reachEvery = 10 * time.Second
)

// reaching is a transport that gives up within five seconds when the way to a
// workspace is interrupted. A connection that was there before would go on
// sending into nothing for minutes. A program that is only slow is waited for: its
// machine still takes connections.
type reaching struct {
	http.RoundTripper
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// RoundTrip implements [http.RoundTripper].
func (t *reaching) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, giveUp := context.WithCancelCause(r.Context())
	var answered atomic.Bool
	watch := time.AfterFunc(reachAfter, func() { t.watch(ctx, r.URL.Host, &answered, giveUp) })
	res, err := t.RoundTripper.RoundTrip(r.WithContext(ctx))
	answered.Store(true)
	watch.Stop()
	if err != nil {
		if context.Cause(ctx) == errUnreachable {
			err = errUnreachable
		}
		giveUp(nil)
	}
	return res, err // the body ends with r's own context
}

// watch tries the way until there is an answer or nobody waits for one.
func (t *reaching) watch(ctx context.Context, addr string, answered *atomic.Bool, giveUp context.CancelCauseFunc) {
	for !answered.Load() {
		try, done := context.WithTimeout(ctx, reachTime)
		conn, err := t.dial(try, "tcp", addr)
		done()
		if err != nil {
			if !answered.Load() {
				giveUp(errUnreachable)
			}
			return
		}
		_ = conn.Close()
		select {
		case <-ctx.Done():
			return
		case <-time.After(reachEvery):
		}
	}
}

// late reports whether an error is that of a way that is interrupted.
func late(err error) bool {
	var slow net.Error
	return errors.Is(err, errUnreachable) || errors.As(err, &slow) && slow.Timeout()
}
