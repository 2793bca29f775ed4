package grading

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"lectern/course/notebook"
	"lectern/spawner/container"
)

// Engine is what a Runner needs of the container engine.
type Engine interface {
	Image(ctx context.Context, ref string) (container.Image, error)
	Seal(ctx context.Context, s container.Sealed) (*container.Grader, error)
	SweepGraders(ctx context.Context, site string, keep func(id string) bool) error
}

// Runner executes the notebooks of submissions, each submission in a sealed
// container of its own. Safe for concurrent use; close it at the end.
type Runner struct {
	engine Engine
	log    *slog.Logger
	limits Limits
	pool   *pool
}

// RunnerOptions is what an operator decides.
type RunnerOptions struct {
	Engine  Engine
	Site    string // whose containers these are; one running Lectern each
	Runtime string // such as "runsc"; empty is the engine's default
	// Ahead is how many containers wait ready for the next submission of a kind
	// that was graded lately; 0 starts each when it is needed.
	Ahead  int
	Limits Limits // for what a job leaves open; zero fields are DefaultLimits'
	Log    *slog.Logger
}

// NewRunner prepares a runner without calling the engine.
func NewRunner(o RunnerOptions) *Runner {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Runner{engine: o.Engine, log: o.Log, limits: o.Limits.or(DefaultLimits), pool: newPool(o)}
}

// Close removes every container of this runner. Runs under way fail.
func (r *Runner) Close() error { return r.pool.close() }

// Sweep removes the containers that an earlier Lectern of this site left when it
// was killed.
func (r *Runner) Sweep(ctx context.Context) error {
	return r.engine.SweepGraders(ctx, r.pool.site, r.pool.has)
}

// Limits bound one submission. A zero field takes its value from the runner's.
type Limits struct {
	Cell     time.Duration // one cell; then it is interrupted, and the next one runs
	Notebook time.Duration // all cells of a notebook
	Memory   int64         // bytes, the files it writes included
	PIDs     int64
	CPUs     float64
	Disk     int64 // bytes of files
	Output   int64 // bytes that a notebook may print and show before it is ended
}

// DefaultLimits are nbgrader's 30 s a cell, and bounds it does not have.
var DefaultLimits = Limits{Cell: 30 * time.Second, Notebook: 10 * time.Minute, Memory: 1 << 30, PIDs: 256, CPUs: 1, Disk: 256 << 20, Output: 64 << 20}

func (l Limits) or(other Limits) Limits {
	pick := func(v *int64, w int64) {
		if *v == 0 {
			*v = w
		}
	}
	pick((*int64)(&l.Cell), int64(other.Cell))
	pick((*int64)(&l.Notebook), int64(other.Notebook))
	pick(&l.Memory, other.Memory)
	pick(&l.PIDs, other.PIDs)
	pick(&l.Disk, other.Disk)
	pick(&l.Output, other.Output)
	if l.CPUs == 0 {
		l.CPUs = other.CPUs
	}
	return l
}

// File is a file to lie beside the notebooks when they run.
type File struct {
	Path string // slash-separated, below the assignment's folder
	Size int64  // bytes; exactly that many are read
	Open func() (io.ReadCloser, error)
}

// Job is one submission to execute.
type Job struct {
	Image     string // a reference, or an id to use the very same one again
	Folder    string // name of the folder the notebooks run in, below the home
	Files     []File
	Notebooks []Rebuilt
	Limits    Limits
	Env       map[string]string // beside the image's; nil is what nbgrader sets for autograding
	// Warm are modules to import before the submission arrives. They are the
	// same for all submissions of an assignment, or nothing is gained.
	Warm []string
	// Protocol runs Python kernels as all others are run, as a program of their
	// own that is spoken to over Jupyter's protocol. Slower, with equal outputs.
	Protocol bool
}

// Rebuilt is a notebook as notebook.Rebuild made it.
type Rebuilt struct {
	Path     string
	Notebook *notebook.Notebook
}

// CellRun is what became of one cell. Cells that are not code have none of it.
type CellRun struct {
	notebook.Run
	Flags []string // for the grader
	Took  time.Duration
}

// Executed is one notebook with its outputs.
type Executed struct {
	Path     string
	Notebook *notebook.Notebook
	Cells    []CellRun // one for each cell of the notebook
	Flags    []string  // for the grader
}

// Result is an executed submission.
type Result struct {
	Image     string // id of the image: the one to use for the same result again
	Notebooks []Executed
	CPU       time.Duration // computed in its containers, their start included
}

// ErrKernel means that the image has no such kernel as the assignment names. No
// student can cause it.
var ErrKernel = errors.New("the image has no such kernel")

// Run executes the notebooks, in order, each with a kernel of its own. Whatever
// the submission does ends up in the result; an error is a failure of ours, and
// then nothing is known about the submission.
func (r *Runner) Run(ctx context.Context, j Job) (Result, error) {
	j.Limits = j.Limits.or(r.limits)
	image, err := r.engine.Image(ctx, j.Image)
	if err != nil {
		return Result{}, fmt.Errorf("grading: %w", err)
	}
	result := Result{Image: image.ID}
	var box *sandbox
	drop := func() {
		if box != nil {
			result.CPU += box.cpu
			r.pool.discard(box)
			box = nil
		}
	}
	defer drop()
	for _, nb := range j.Notebooks {
		if box == nil {
			if box, err = r.furnished(ctx, image.ID, j); err != nil {
				return Result{}, fmt.Errorf("grading: start a sealed container: %w", err)
			}
		}
		done, clean, err := box.notebook(ctx, nb, j)
		if err != nil {
			return Result{}, fmt.Errorf("grading: run %s: %w", nb.Path, err)
		}
		result.Notebooks = append(result.Notebooks, done)
		if !clean { // something may still run in there that the next notebook must not meet
			drop()
		}
	}
	drop()
	return result, nil
}

// furnished is a container with the submission's files in it.
func (r *Runner) furnished(ctx context.Context, image string, j Job) (*sandbox, error) {
	box, err := r.pool.take(ctx, kindOf(image, j))
	if err != nil {
		return nil, err
	}
	if err := box.files(ctx, j.Folder, j.Files); err != nil {
		r.pool.discard(box)
		return nil, err
	}
	return box, nil
}

// nonce names one execution of one cell; nobody can know it before.
func nonce() string { return rand.Text() }
