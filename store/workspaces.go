package store

import (
	"context"
	"errors"
	"time"

	"lectern/course"
)

// Workspace is a row as the spawner keeps it; what its words mean is the
// spawner's business. Zero times are null.
type Workspace struct {
	ID       string
	CourseID course.ID
	MemberID course.MemberID
	// SubmissionID is 0 for a member's own; else the row is a throw-away copy of
	// these files.
	SubmissionID course.SubmissionID
	Image        string
	Pinned       string // id of the image that Image means in the course; "" if it is not pinned
	State        string
	Generation   int64
	ContainerID  string
	Addr         string
	Token        string
	Reason       string
	Ahead        bool // started before anybody asked for it, and nobody has since

	QueuedAt       time.Time
	StartedAt      time.Time
	ReadyAt        time.Time
	LastActivityAt time.Time
	ExpiresAt      time.Time
	UpdatedAt      time.Time

	// What it was given at this start; see SettleLimits. They are only read.
	Memory  int64
	CPUs    float64
	PIDs    int64
	Network course.Network

	// The course's own times; 0 where the site's hold. They are only read.
	IdleAfter    time.Duration
	MaxAge       time.Duration
	WarnBefore   time.Duration
	KernelsAfter time.Duration
}

// ErrStale says that a row changed since it was read.
var ErrStale = errors.New("store: the row changed meanwhile")

// null times are the zero time in Go.
const never = `'0001-01-01 00:00:00+00'::timestamptz`

var workspaceColumns = `w.id, w.course_id, w.member_id, coalesce(w.submission_id, 0) as submission_id, w.image, ` + pinnedImage + ` as pinned, w.state, w.generation, w.container_id, w.addr, w.token, w.reason, w.ahead,
	coalesce(w.queued_at, ` + never + `) as queued_at, coalesce(w.started_at, ` + never + `) as started_at,
	coalesce(w.ready_at, ` + never + `) as ready_at, coalesce(w.last_activity_at, ` + never + `) as last_activity_at,
	coalesce(w.expires_at, ` + never + `) as expires_at, w.updated_at, w.memory, w.cpus, w.pids, w.network,
	` + courseTime("idle_after") + `, ` + courseTime("max_age") + `, ` + courseTime("warn_before") + `, ` + courseTime("kernels_after")

// courseTime is one of the times of a workspace's course.
func courseTime(name string) string {
	return `coalesce((select tc.` + name + ` from courses tc where tc.id = w.course_id), '0') as ` + name
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Workspace is the workspace of this id.
func (s *Store) Workspace(ctx context.Context, id string) (Workspace, error) {
	return one[Workspace](ctx, s.db, "workspace", `select `+workspaceColumns+` from workspaces w where w.id = $1`, id)
}

// WorkspaceIn is the course's workspace of this id.
func (s *Store) WorkspaceIn(ctx context.Context, c course.ID, id string) (Workspace, error) {
	return one[Workspace](ctx, s.db, "workspace", `
		select `+workspaceColumns+` from workspaces w where w.id = $1 and w.course_id = $2`, id, c)
}

// WorkspaceOf is the member's own workspace of this image.
func (s *Store) WorkspaceOf(ctx context.Context, m course.MemberID, image string) (Workspace, error) {
	return one[Workspace](ctx, s.db, "workspace", `
		select `+workspaceColumns+` from workspaces w where w.member_id = $1 and w.image = $2 and w.submission_id is null`, m, image)
}

// WorkspacesUp lists a member's own workspaces that are neither stopped nor failed.
func (s *Store) WorkspacesUp(ctx context.Context, m course.MemberID) ([]Workspace, error) {
	return many[Workspace](ctx, s.db, "workspaces", `
		select `+workspaceColumns+` from workspaces w
		where w.member_id = $1 and w.submission_id is null and w.state not in ('stopped', 'failed') order by w.id`, m)
}

// AddWorkspace inserts a workspace unless the member has one of this image, or a
// copy of this submission in this image, and returns the one that stands.
func (s *Store) AddWorkspace(ctx context.Context, w Workspace) (Workspace, error) {
	_, err := exec(ctx, s.db, "add workspace", `
		insert into workspaces (id, course_id, member_id, image, state, generation, container_id, addr, token, reason,
			queued_at, started_at, ready_at, last_activity_at, expires_at, submission_id)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, nullif($16::bigint, 0))
		on conflict do nothing`,
		w.ID, w.CourseID, w.MemberID, w.Image, w.State, w.Generation, w.ContainerID, w.Addr, w.Token, w.Reason,
		orNull(w.QueuedAt), orNull(w.StartedAt), orNull(w.ReadyAt), orNull(w.LastActivityAt), orNull(w.ExpiresAt), w.SubmissionID)
	if err != nil {
		return Workspace{}, err
	}
	if w.SubmissionID != 0 {
		return s.copyOf(ctx, w)
	}
	return s.WorkspaceOf(ctx, w.MemberID, w.Image)
}

// ActiveWorkspaces are all workspaces that are neither stopped nor failed, in
// the order in which they asked to start.
func (s *Store) ActiveWorkspaces(ctx context.Context) ([]Workspace, error) {
	return many[Workspace](ctx, s.db, "active workspaces", `
		select `+workspaceColumns+` from workspaces w
		where w.state not in ('stopped', 'failed') order by w.queued_at nulls first, w.id`)
}

// TouchWorkspaces moves the last activity of running workspaces forward.
func (s *Store) TouchWorkspaces(ctx context.Context, at map[string]time.Time) error {
	ids, times := make([]string, 0, len(at)), make([]time.Time, 0, len(at))
	for id, t := range at {
		ids, times = append(ids, id), append(times, t)
	}
	_, err := exec(ctx, s.db, "touch workspaces", `
		update workspaces w set last_activity_at = greatest(w.last_activity_at, n.at),
			stops_at = case when w.stops_why = 'idle' and n.at > w.last_activity_at then null else w.stops_at end
		from unnest($1::text[], $2::timestamptz[]) as n (id, at)
		where w.id = n.id and w.state = 'running'`, ids, times)
	return err
}

// WorkspacePlace names the course and the person whose files a member's
// workspaces show; NotFound for one who was dropped.
func (s *Store) WorkspacePlace(ctx context.Context, m course.MemberID) (slug, login string, err error) {
	type place struct{ Slug, Login string }
	p, err := one[place](ctx, s.db, "member", `
		select c.slug, u.login from members m join courses c on c.id = m.course_id join users u on u.id = m.user_id
		where m.id = $1 and m.dropped_at is null`, m)
	return p.Slug, p.Login, err
}
