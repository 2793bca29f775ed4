// Package container is Lectern's one door to whatever runs programs for other
// people: a Docker engine, or child processes on a machine without one. It owns
// how a container is locked down and how its death is noticed. It knows nothing
// of courses, people or databases, and offers no way to publish a port, choose a
// capability or mount a path outside the data root.
package container

import (
	"context"
	"errors"
	"time"
)

// Engine starts, finds and ends containers. Names are the caller's and unique:
// whoever starts the same name twice gets the first container back or
// [ErrConflict], so a retry can never make a second one.
//
// Every method ends: the caller's deadline counts, and a default one of the
// driver's when it is nearer. An engine that does not answer is [ErrEngineDown].
type Engine interface {
	// Ensure makes ready what all containers share (a network, a directory of
	// secrets) and removes secrets whose container is gone. It may be repeated.
	Ensure(ctx context.Context) error

	// Image says what ref is on this engine, or [ErrImageMissing].
	Image(ctx context.Context, ref string) (Image, error)

	// Start creates and starts s, or finishes a start that was interrupted. A
	// running container of the same name and labels is returned as it is;
	// one with other labels, or one that has ended, is [ErrConflict].
	Start(ctx context.Context, s Spec) (Running, error)

	// Stop asks the program to end and kills it after grace. A container that
	// is not there or has ended is no error.
	Stop(ctx context.Context, name string, grace time.Duration) error

	// Remove kills the container if need be and forgets it and its secrets.
	// One that is not there is no error.
	Remove(ctx context.Context, name string) error

	// List returns every container, running or not, that has all of labels.
	List(ctx context.Context, labels map[string]string) ([]Status, error)

	// Inspect returns one container or [ErrNotFound].
	Inspect(ctx context.Context, name string) (Status, error)

	// Events calls see, in order and from one goroutine, for each change of a
	// container with all of labels, until ctx ends or the stream breaks. Events
	// during a gap are lost: after an error list again, then call it again.
	Events(ctx context.Context, labels map[string]string, see func(Event)) error

	// Usage is one reading of what a running container consumes, or
	// [ErrNotFound]. Two readings give a CPU share.
	Usage(ctx context.Context, name string) (Usage, error)

	// Logs returns at most the last n lines the program wrote, 64 KiB at most.
	Logs(ctx context.Context, name string, n int) (string, error)
}

// What can go wrong, for errors.Is.
var (
	ErrNotFound     = errors.New("no such container")
	ErrConflict     = errors.New("the name is taken by another container")
	ErrImageMissing = errors.New("the image is not on this engine")
	ErrEngineDown   = errors.New("the container engine does not answer")
	// ErrNoProgram means the image lacks the program that should run. A driver
	// that only learns it inside the container lets it end with code 127.
	ErrNoProgram = errors.New("the program is not in the image")
	// ErrNoRoom means that no machine has the memory that a container reserves.
	ErrNoRoom = errors.New("no machine has room for it")
	// ErrMount means a directory to mount is missing or may not be mounted.
	ErrMount = errors.New("a directory cannot be mounted")
)

// Image is an image as the engine holds it.
type Image struct {
	Ref  string
	ID   string // digest of the image's configuration, sha256:…
	Size int64  // bytes on disk
	// RepoDigest is name@sha256:…, which fetches the very same image again; empty
	// for one that was built or loaded by hand.
	RepoDigest string
	BuiltAt    time.Time
}

// Phase is where a container is in its life.
type Phase string

const (
	Created Phase = "created" // made, never started
	Up      Phase = "running" // includes paused
	Exited  Phase = "exited"  // ended; code and cause stay readable until removed
)

// Contact is what is known of the machine that a container runs on, if that is
// not the engine's own.
type Contact string

const (
	Reached Contact = "" // it answers; what is said of the container is true now
	// Unreachable machines do not answer. The container may well run on and
	// write to its home: nothing may take its place.
	Unreachable Contact = "unreachable"
	// Lost machines are confirmed by an operator to be off, and have not
	// answered for longer than their lease: nothing of the container runs.
	Lost Contact = "lost"
)

// Status is one container as seen now.
type Status struct {
	ID, Name string
	Labels   map[string]string
	Phase    Phase
	Addr     string // host:port to dial; empty unless running
	ExitCode int    // 0 unless Exited
	// OOM: the kernel killed something in it for want of memory. An engine may
	// miss it here and tell by an event, or the other way round.
	OOM       bool
	StartedAt time.Time
	EndedAt   time.Time // zero unless Exited
	Contact   Contact   // unless Reached, the rest is what was last known
}

// Running is what a start returns.
type Running struct {
	ID   string
	Addr string // host:port to dial
}

// Kind is what happened to a container.
type Kind string

const (
	Started     Kind = "start"
	OutOfMemory Kind = "oom" // a process in it was killed; the container may live on
	Died        Kind = "die"
	Removed     Kind = "destroy"
	Sighted     Kind = "contact" // its machine went out of reach, was lost or came back
)

// Event is one change. ExitCode is set for Died.
type Event struct {
	Name     string
	Labels   map[string]string
	Kind     Kind
	ExitCode int
	At       time.Time
}

// Usage is one reading. CPU is the time used since the start; MemoryLimit is 0
// where none is enforced.
type Usage struct {
	At                  time.Time
	CPU                 time.Duration
	Memory, MemoryLimit int64
	PIDs                int64
	Node                string // name of the machine; "" where there is only one
}

// deadlines for calls whose caller brings none that is nearer.
const (
	quick  = 10 * time.Second // a question
	change = 45 * time.Second // create and start on a busy disk
)
