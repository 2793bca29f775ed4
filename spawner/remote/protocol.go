// Package remote is the door between the process that faces the web and the one
// that may command a container engine. The client side behaves as an engine but
// can only name a workspace's row, never say what its container is made of; the
// server side looks the row up by itself and builds the container from it. It
// owns the protocol between the two and refuses whatever is not in it.
//
// The protocol is HTTP/1.1 over a unix socket: POST /v1/<operation> with a JSON
// body, answered by JSON, by a stream of JSON lines (events), by a tar archive
// (assets), or by a raw pipe after an upgrade (a grader's).
package remote

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"lectern/spawner/container"
)

// version is the first part of every path. Another version is another protocol.
const version = "/v1"

// The bodies of requests. Nothing else is understood: a field that is not here
// makes the whole request refused.
type (
	nothing struct{}

	startRequest struct {
		ID         string `json:"id"`
		Generation int64  `json:"generation"` // of the row that the caller saw
	}
	workspaceRequest struct {
		ID string `json:"id"`
	}
	stopRequest struct {
		ID    string        `json:"id"`
		Grace time.Duration `json:"grace"` // at most maxGrace
	}
	logsRequest struct {
		ID    string `json:"id"`
		Lines int    `json:"lines"`
	}
	imageRequest struct {
		Ref string `json:"ref"`
	}
	assetsRequest struct {
		Ref   string `json:"ref"`
		Known string `json:"known"` // id that the caller has read already
	}
	sealRequest struct {
		Image string   `json:"image"` // id of an image that a row names
		Warm  []string `json:"warm"`  // modules to import beforehand
		// Less than the operator allows; more is cut to that.
		Memory int64   `json:"memory"`
		PIDs   int64   `json:"pids"`
		Tmp    int64   `json:"tmp"`
		CPUs   float64 `json:"cpus"`
	}
	graderRequest struct {
		ID string `json:"id"` // the container's
	}
)

// The bodies of answers that are not a type of package container already.
type (
	logsAnswer struct {
		Text string `json:"text"`
	}
	refusal struct {
		Kind string `json:"kind"`
		Text string `json:"text"`
	}
	// eventLine is one line of the stream of events; without a name it only
	// says that the other side is alive.
	eventLine struct {
		Event *container.Event `json:"event,omitempty"`
	}
	// assetsEnd is the last entry of an archive of assets, named endName. An
	// archive without it was cut off.
	assetsEnd struct {
		ID      string   `json:"id"`
		Refusal *refusal `json:"refusal,omitempty"`
	}
)

const (
	maxRequest = 64 << 10 // bytes of a request's body
	maxAnswer  = 16 << 20 // bytes of an answer that is not a stream
	maxLine    = 64 << 10 // bytes of one event
	maxGrace   = time.Minute
	maxWarm    = 64
	endName    = ".end"
	upgrade    = "lectern-grader"
	idHeader   = "Lectern-Grader"

	beat     = 5 * time.Second // between signs of life of a stream
	patience = 3 * beat        // without one it is broken

	// How long an operation may take; the engine's driver has limits of its own
	// that are nearer.
	quick  = 20 * time.Second
	change = 60 * time.Second
	read   = 3 * time.Minute
)

var (
	workspaceID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	containerID = regexp.MustCompile(`^[0-9a-f]{64}$`)
	imageID     = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	imageRef    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}$`)
	module      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]{0,99}$`)
)

var (
	// ErrStale is a request for a generation that is not the row's, or for a row
	// that is not about to start. It is a container.ErrConflict: look again.
	ErrStale = fmt.Errorf("the workspace's row says otherwise: %w", container.ErrConflict)
	// ErrRefused is a request that no honest client makes.
	ErrRefused = errors.New("refused by the spawner")
)

// kinds are the errors that cross the door, the more special first.
var kinds = []struct {
	name   string
	err    error
	status int
}{
	{"stale", ErrStale, 409},
	{"engine-down", container.ErrEngineDown, 503},
	{"no-image", container.ErrImageMissing, 404},
	{"unknown-image", container.ErrNoSuchImage, 404},
	{"stalled", container.ErrStalled, 504},
	{"registry", container.ErrRegistry, 502},
	{"not-found", container.ErrNotFound, 404},
	{"conflict", container.ErrConflict, 409},
	{"no-room", container.ErrNoRoom, 503},
	{"no-program", container.ErrNoProgram, 422},
	{"mount", container.ErrMount, 422},
	{"refused", ErrRefused, 400},
}

// refuse gives an error the form in which it crosses.
func refuse(err error) (refusal, int) {
	text := err.Error()
	if len(text) > 2000 {
		text = text[:2000]
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return refusal{k.name, text}, k.status
		}
	}
	return refusal{"other", text}, 500
}

// err is the error on this side.
func (r refusal) err() error {
	for _, k := range kinds {
		if r.Kind == k.name {
			return fmt.Errorf("%w (spawner: %s)", k.err, r.Text)
		}
	}
	return fmt.Errorf("spawner: %s", r.Text)
}

// down is the error for a spawner that is away, late or not one of ours: nothing
// may be concluded about any container.
func down(err error) error {
	return fmt.Errorf("spawner process: %w", errors.Join(container.ErrEngineDown, err))
}
