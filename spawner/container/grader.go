package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/strslice"
	"github.com/docker/docker/pkg/stdcopy"
)

// GraderLabel marks the containers that grade, and says for whom.
const GraderLabel = "lectern.grader"

// GraderLimits bound the grading of one submission.
var GraderLimits = Limits{Memory: 1 << 30, CPUs: 1, PIDs: 256, Tmp: 256 << 20}

// DriverCommand starts the driver in a grader; the names of modules to import
// beforehand follow it.
var DriverCommand = []string{"python3", "-I", "-m", "lectern_driver"}

// Sealed is the container of one submission. Nothing is mounted into it, it has
// no network and no name that could be guessed; all it gets comes through its
// standard input.
type Sealed struct {
	Image   string // best an id, so that the same one is used next year
	For     string // value of [GraderLabel], such as the site's name
	Command []string
	Limits  Limits // zero fields are those of GraderLimits; Tmp bounds /tmp and the home each
	Runtime string // such as "runsc"; empty is the engine's default
}

// Grader is a sealed container that runs, and the two ends of its pipe.
type Grader struct {
	ID     string
	Stdin  io.Writer
	Stdout io.Reader // ends when the program ends, or the connection to the engine

	hangUp func()
	ending func(context.Context) (Ending, error)
	remove func(context.Context) error

	removing sync.Mutex // so that whoever comes second returns when it is gone, not while
	gone     bool
}

// NewGrader is a grader behind some other door than an engine's own socket.
// hangUp ends both ends of the pipe, remove returns when the container is gone.
func NewGrader(id string, in io.Writer, out io.Reader, hangUp func(),
	ending func(context.Context) (Ending, error), remove func(context.Context) error) *Grader {
	return &Grader{ID: id, Stdin: in, Stdout: out, hangUp: sync.OnceFunc(hangUp), ending: ending, remove: remove}
}

// Ending is how a grader ended.
type Ending struct {
	Running  bool // it has not
	ExitCode int
	OOM      bool
	Stderr   string // its last words, for the operator
}

// sealedBody is the whole of the lock-down of a grader; a golden test holds it.
//
// The driver in it begins as root with three capabilities, so that it can run
// the kernel as one user and itself as another: it gives up all but the last
// before it takes an order, and the kernel has none from its first instruction.
func sealedBody(s Sealed) (*container.Config, *container.HostConfig) {
	limits := s.Limits.Or(GraderLimits)
	config, host := body(Spec{Image: s.Image, Labels: map[string]string{GraderLabel: s.For}, Command: s.Command, User: "0:0", Dir: "/",
		Limits: limits, Runtime: s.Runtime, Tmpfs: map[string]string{
			"/tmp":  fmt.Sprintf("rw,nosuid,nodev,exec,mode=1777,size=%d", limits.Tmp),
			HomeDir: fmt.Sprintf("rw,nosuid,nodev,exec,mode=0755,uid=1000,gid=100,size=%d", limits.Tmp),
		}}, "none", "", nil)
	host.Init = nil // the driver is process 1, out of reach of every signal from inside
	host.CapAdd = strslice.StrSlice{"SETUID", "SETGID", "KILL"}
	host.MemoryReservation = 0
	// What passes through holds tests; it must not lie in a log.
	host.LogConfig = container.LogConfig{Type: "none"}
	config.OpenStdin, config.StdinOnce = true, true // when Lectern dies, the input ends and so does the driver
	config.AttachStdin, config.AttachStdout, config.AttachStderr = true, true, true
	return config, host
}

// Seal starts a grader. The caller removes it.
func (d *Docker) Seal(ctx context.Context, s Sealed) (*Grader, error) {
	ctx, done := bounded(ctx, change)
	defer done()
	api, err := d.api(ctx)
	if err != nil {
		return nil, err
	}
	config, host := sealedBody(s)
	made, err := api.ContainerCreate(ctx, config, host, nil, nil, "")
	if errdefs.IsNotFound(err) {
		return nil, fmt.Errorf("container: grader from %s: %w", s.Image, ErrImageMissing)
	}
	if err != nil {
		return nil, d.wrap(ctx, "create", "grader", err)
	}
	id := made.ID
	pipe, err := api.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		err = d.wrap(ctx, "attach to", "grader", err)
		d.discard(id)
		return nil, err
	}
	var stderr tail
	out, in := io.Pipe()
	g := NewGrader(id, pipe.Conn, out, func() {
		pipe.Close()
		out.Close()
	}, func(ctx context.Context) (Ending, error) {
		end, err := d.ending(ctx, id)
		end.Stderr = stderr.String()
		return end, err
	}, func(ctx context.Context) error { return d.removeGrader(ctx, id) })
	go func() {
		_, err := stdcopy.StdCopy(in, &stderr, pipe.Reader)
		in.CloseWithError(err) // nil is a plain end
	}()
	if err := api.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		err = d.wrap(ctx, "start", "grader", err)
		g.hangUp()
		d.discard(id)
		return nil, err
	}
	return g, nil
}

// Ending tells how the container ended, once its output has.
func (g *Grader) Ending(ctx context.Context) (Ending, error) { return g.ending(ctx) }

// Remove kills the container if need be. It may be repeated.
func (g *Grader) Remove(ctx context.Context) error {
	g.hangUp()
	g.removing.Lock()
	defer g.removing.Unlock()
	if g.gone {
		return nil
	}
	err := g.remove(ctx)
	g.gone = err == nil
	return err
}

// ending is how any container ended, without its last words.
func (d *Docker) ending(ctx context.Context, id string) (Ending, error) {
	now, err := d.Inspect(ctx, id)
	if err != nil {
		return Ending{}, err
	}
	return Ending{Running: now.Phase == Up, ExitCode: now.ExitCode, OOM: now.OOM}, nil
}

func (d *Docker) removeGrader(ctx context.Context, id string) error {
	ctx, done := bounded(ctx, change)
	defer done()
	api, err := d.api(ctx)
	if err != nil {
		return err
	}
	err = api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return d.wrap(ctx, "remove", "grader "+id[:12], err)
	}
	return nil
}

// SweepGraders removes every grader made for this site except those to keep, by
// id: what a Lectern that was killed left behind.
func (d *Docker) SweepGraders(ctx context.Context, site string, keep func(id string) bool) error {
	list, err := d.List(ctx, map[string]string{GraderLabel: site})
	if err != nil {
		return err
	}
	var failed []error
	for _, s := range list {
		if keep == nil || !keep(s.ID) {
			failed = append(failed, d.Remove(ctx, s.ID))
		}
	}
	return errors.Join(failed...)
}

// tail keeps the last words written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const lastWords = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - lastWords; extra > 0 {
		t.text = append([]byte(nil), t.text[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
