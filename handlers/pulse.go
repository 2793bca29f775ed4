package handlers

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
)

// errAway ends what waits for a database that does not answer.
var errAway = errors.New("the database does not answer")

// pulse says whether the database is there. While it is not, the site refuses at
// once instead of letting everybody wait who presses reload.
type pulse struct {
	mu    sync.Mutex
	away  bool
	lost  context.Context // ends when the database goes away
	lose  context.CancelFunc
	begun bool
}

// now is whether the database is away and, if not, a context that ends when it goes.
func (p *pulse) now() (away bool, lost context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begun {
		p.begun = true
		p.lost, p.lose = context.WithCancel(context.Background())
	}
	return p.away, p.lost
}

func (p *pulse) tell(away bool) {
	p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
	if away {
		p.lose()
	} else {
		p.lost, p.lose = context.WithCancel(context.Background())
	}
}

// watchDatabase keeps the pulse until ctx ends.
func (s *Site) watchDatabase(ctx context.Context) {
	s.Store.Pulse(ctx, func(err error) {
		if err != nil {
			s.Log.Error("the database does not answer; pages are refused until it does", "error", err)
		} else {
			s.Log.Info("the database answers again")
		}
		s.pulse.tell(err != nil)
	})
}

const awayText = "Lectern cannot reach its database at the moment. Nothing that you were told is saved was lost. Try again in a few seconds."

// unlessAway refuses pages while the database is away, and ends the waiting of
// those that only read. What changes something goes on: its end decides.
func (s *Site) unlessAway(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/static/") {
			next.ServeHTTP(w, r)
			return
		}
		away, lost := s.pulse.now()
		if away {
			visitOf(r).sessionless = true
			s.errorPage(w, r, http.StatusServiceUnavailable, awayText)
			return
		}
		stream := strings.Contains(r.Header.Get("Accept"), "text/event-stream") // asks again by itself, and would not after a refusal
		if (r.Method == http.MethodGet || r.Method == http.MethodHead) && !stream {
			ctx, cancel := context.WithCancelCause(r.Context())
			defer cancel(nil)
			defer context.AfterFunc(lost, func() { cancel(errAway) })()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

// cutOff reports whether a request was ended because the database went away.
func cutOff(r *http.Request) bool { return errors.Is(context.Cause(r.Context()), errAway) }
