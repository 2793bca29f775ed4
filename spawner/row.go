// Package spawner owns the life of workspaces: one container for each student
// and environment, from the click on Open until nobody needs it. The row in the
// database is the truth; containers are found again by label, so neither a
// crash of Lectern nor of the engine loses a running kernel. It refuses to know
// what a course is: where the home lies and who may open it is the caller's.
package spawner

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"lectern/course"
	"lectern/spawner/container"
)

// State is where a workspace is in its life.
type State string

const (
	Stopped  State = "stopped"
	Queued   State = "queued"   // waits for its turn to start
	Starting State = "starting" // container and Jupyter come up
	Running  State = "running"  // Jupyter answers
	Stopping State = "stopping"
	Failed   State = "failed" // Reason says why; Open tries again
)

// Resting reports whether nothing of the workspace is or should be there.
func (s State) Resting() bool { return s == Stopped || s == Failed }

// Row is one workspace as the database has it. Zero times are null.
type Row struct {
	ID       string // 16 characters of a-z2-7, random: also the label of its host name
	CourseID course.ID
	MemberID course.MemberID
	// SubmissionID is the submission that the workspace holds a throw-away copy
	// of, for the member to look at; 0 for a workspace of the member's own.
	SubmissionID course.SubmissionID
	// Image names the environment. It is the key, with the member: a course that
	// takes a newer image under the name must not give anybody a second container.
	Image string
	// Pinned is the id of the very image that Image means now in the course, "" for
	// whatever the engine has under the name. It is only read, at each start.
	Pinned string
	State  State
	// Generation counts the starts. It is a label of the container, so that a
	// leftover of an earlier start is never taken for the present one.
	Generation  int64
	ContainerID string
	Addr        string // host:port of Jupyter, while running
	Token       string // Jupyter's, new at each start
	Reason      Reason // why it failed or stopped, or what a running one should know
	Ahead       bool   // started before anybody asked for it, and nobody has since

	QueuedAt       time.Time
	StartedAt      time.Time // its turn came
	ReadyAt        time.Time // Jupyter first answered
	LastActivityAt time.Time
	ExpiresAt      time.Time // stopped then, busy or not
	UpdatedAt      time.Time

	// What it was given at this start, noted while its plan is made. The spawner
	// only reads it.
	Limits  container.Limits // Memory, CPUs and PIDs; 0 is the site's
	Network course.Network   // "" is open

	// Times of the course, which the spawner only reads. 0 is the site's.
	IdleAfter    time.Duration // at most the site's
	MaxAge       time.Duration // likewise; holds from the next start
	WarnBefore   time.Duration
	KernelsAfter time.Duration // idle kernels are ended then; 0 never
}

// Closed reports whether it is on the network without a way out.
func (r Row) Closed() bool { return r.Network != "" && r.Network != course.NetworkOpen }

// starts is the image that the container is made from.
func (row Row) starts() string { return cmp.Or(row.Pinned, row.Image) }

// Rows is what the spawner asks of the database.
type Rows interface {
	// Workspace is the row of id, or ErrNoWorkspace.
	Workspace(ctx context.Context, id string) (Row, error)

	// AddWorkspace inserts row, unless there is one of the same member, image and
	// submission; either way it returns the one that stands.
	AddWorkspace(ctx context.Context, row Row) (Row, error)

	// SaveWorkspace replaces the row old by row, setting UpdatedAt, if old's
	// State, Generation and Ahead are still those in the database; otherwise nothing
	// is written and the error is ErrStale. LastActivityAt never goes back.
	SaveWorkspace(ctx context.Context, old, row Row) error

	// ActiveWorkspaces are all rows that are not at rest, oldest QueuedAt first.
	ActiveWorkspaces(ctx context.Context) ([]Row, error)

	// TouchWorkspaces moves LastActivityAt of running workspaces forward.
	TouchWorkspaces(ctx context.Context, at map[string]time.Time) error
}

var (
	ErrNoWorkspace = errors.New("spawner: no such workspace")
	ErrStale       = errors.New("spawner: the workspace changed meanwhile")
	// ErrNotRunning is Target's answer for a workspace that cannot be dialled.
	ErrNotRunning = errors.New("spawner: the workspace is not running")
)

// newID is 80 random bits: nobody finds another's host by guessing.
func newID() string { return strings.ToLower(rand.Text()[:16]) }

// newToken is Jupyter's secret; at least 128 random bits.
func newToken() string { return rand.Text() + rand.Text() }

// retryable reports whether asking the database again may give an answer.
func retryable(err error) bool { return !errors.Is(err, ErrNoWorkspace) }
