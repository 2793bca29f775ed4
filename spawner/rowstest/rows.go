// Package rowstest keeps workspaces in memory for tests of the spawner and of
// whoever uses it, with the same compare-and-set as the database, and a suite
// that holds any implementation of spawner.Rows to the contract.
package rowstest

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"lectern/course"
	"lectern/spawner"
)

// Rows implements [spawner.Rows]. Fail, if set, is asked before each call.
type Rows struct {
	mu   sync.Mutex
	rows map[string]spawner.Row
	fail func(call string) error
	path string // kept there too, if set
}

// New is empty.
func New() *Rows { return &Rows{rows: map[string]spawner.Row{}} }

// Open keeps the rows in a file as well, so that they outlive a process that is
// killed.
func Open(t testing.TB, path string) *Rows {
	t.Helper()
	r := New()
	r.path = path
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &r.rows)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return r
}

// keep writes the file, if there is one. The caller holds mu.
func (r *Rows) keep() error {
	if r.path == "" {
		return nil
	}
	text, err := json.Marshal(r.rows)
	if err == nil {
		err = os.WriteFile(r.path+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(r.path+".new", r.path)
	}
	return err
}

// Drop forgets a row, as when a course is deleted.
func (r *Rows) Drop(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.rows, id)
}

// Fail makes calls answer with what f returns, while that is an error.
func (r *Rows) Fail(f func(call string) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = f
}

func (r *Rows) enter(ctx context.Context, call string) (leave func(), err error) {
	r.mu.Lock()
	if err = ctx.Err(); err == nil && r.fail != nil {
		err = r.fail(call)
	}
	return r.mu.Unlock, err
}

// Workspace implements [spawner.Rows].
func (r *Rows) Workspace(ctx context.Context, id string) (spawner.Row, error) {
	leave, err := r.enter(ctx, "Workspace")
	defer leave()
	row, ok := r.rows[id]
	if err == nil && !ok {
		err = spawner.ErrNoWorkspace
	}
	return row, err
}

// AddWorkspace implements [spawner.Rows].
func (r *Rows) AddWorkspace(ctx context.Context, row spawner.Row) (spawner.Row, error) {
	leave, err := r.enter(ctx, "AddWorkspace")
	defer leave()
	if err != nil {
		return spawner.Row{}, err
	}
	for _, have := range r.rows {
		if have.MemberID == row.MemberID && have.Image == row.Image && have.SubmissionID == row.SubmissionID {
			return have, nil
		}
	}
	row.UpdatedAt = time.Now()
	r.rows[row.ID] = row
	return row, r.keep()
}

// SaveWorkspace implements [spawner.Rows].
func (r *Rows) SaveWorkspace(ctx context.Context, old, row spawner.Row) error {
	leave, err := r.enter(ctx, "SaveWorkspace")
	defer leave()
	if err != nil {
		return err
	}
	have, ok := r.rows[old.ID]
	if !ok || have.State != old.State || have.Generation != old.Generation || have.Ahead != old.Ahead {
		return spawner.ErrStale
	}
	if have.LastActivityAt.After(row.LastActivityAt) {
		row.LastActivityAt = have.LastActivityAt
	}
	row.UpdatedAt = time.Now()
	r.rows[old.ID] = row
	return r.keep()
}

// ActiveWorkspaces implements [spawner.Rows].
func (r *Rows) ActiveWorkspaces(ctx context.Context) ([]spawner.Row, error) {
	leave, err := r.enter(ctx, "ActiveWorkspaces")
	defer leave()
	if err != nil {
		return nil, err
	}
	var list []spawner.Row
	for _, row := range r.rows {
		if !row.State.Resting() {
			list = append(list, row)
		}
	}
	slices.SortFunc(list, func(a, b spawner.Row) int { return a.QueuedAt.Compare(b.QueuedAt) })
	return list, nil
}

// TouchWorkspaces implements [spawner.Rows].
func (r *Rows) TouchWorkspaces(ctx context.Context, at map[string]time.Time) error {
	leave, err := r.enter(ctx, "TouchWorkspaces")
	defer leave()
	if err != nil {
		return err
	}
	for id, t := range at {
		if row, ok := r.rows[id]; ok && row.State == spawner.Running && t.After(row.LastActivityAt) {
			row.LastActivityAt = t
			r.rows[id] = row
		}
	}
	return r.keep()
}

// Run holds an implementation to the contract. rows is empty at first; request
// makes a valid, unused course, member and image.
func Run(t *testing.T, rows spawner.Rows, request func() spawner.Request) {
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	add := func(id string) spawner.Row {
		t.Helper()
		r := request()
		row, err := rows.AddWorkspace(ctx, spawner.Row{ID: id, CourseID: r.CourseID, MemberID: r.MemberID, Image: r.Image, State: spawner.Stopped})
		must(err)
		return row
	}
	at := time.Date(2026, 9, 1, 12, 0, 0, 123000, time.UTC)

	if _, err := rows.Workspace(ctx, "aaaaaaaaaaaaaaaa"); !errors.Is(err, spawner.ErrNoWorkspace) {
		t.Errorf("a workspace nobody added: %v, want ErrNoWorkspace", err)
	}
	row := add("bbbbbbbbbbbbbbbb")
	again, err := rows.AddWorkspace(ctx, spawner.Row{ID: "cccccccccccccccc", CourseID: row.CourseID, MemberID: row.MemberID, Image: row.Image, State: spawner.Stopped})
	if err != nil || again.ID != row.ID {
		t.Errorf("a second of the same member and image = %s, %v; want the first", again.ID, err)
	}
	if again, err = rows.AddWorkspace(ctx, spawner.Row{ID: "dddddddddddddddd", CourseID: row.CourseID, MemberID: row.MemberID, Image: row.Image + "2", State: spawner.Stopped}); err != nil || again.ID == row.ID {
		t.Errorf("another image = %s, %v; want another workspace", again.ID, err)
	}
	if list, err := rows.ActiveWorkspaces(ctx); err != nil || len(list) != 0 {
		t.Errorf("active = %v, %v; want none", list, err)
	}

	full := row
	full.State, full.Generation, full.ContainerID, full.Addr, full.Token = spawner.Running, 3, "c1", "10.0.0.2:8888", "t"
	full.Reason, full.QueuedAt, full.StartedAt, full.ReadyAt = spawner.KernelOOM, at, at.Add(time.Second), at.Add(2*time.Second)
	full.LastActivityAt, full.ExpiresAt = at.Add(time.Hour), at.Add(24*time.Hour)
	must(rows.SaveWorkspace(ctx, row, full))
	got, err := rows.Workspace(ctx, row.ID)
	must(err)
	if got.UpdatedAt.IsZero() {
		t.Error("UpdatedAt is not set by a save")
	}
	if !same(got, full) {
		t.Errorf("saved and loaded:\n got %+v\nwant %+v", got, full)
	}
	for name, old := range map[string]spawner.Row{"state": row, "generation": {ID: full.ID, State: full.State, Generation: 2},
		"claim": {ID: full.ID, State: full.State, Generation: full.Generation, Ahead: true}} {
		if err := rows.SaveWorkspace(ctx, old, row); !errors.Is(err, spawner.ErrStale) {
			t.Errorf("a save over another %s: %v, want ErrStale", name, err)
		}
	}

	must(rows.TouchWorkspaces(ctx, map[string]time.Time{full.ID: at.Add(2 * time.Hour), "eeeeeeeeeeeeeeee": at}))
	must(rows.TouchWorkspaces(ctx, map[string]time.Time{full.ID: at}))
	must(rows.SaveWorkspace(ctx, full, full))
	if got, err = rows.Workspace(ctx, full.ID); err != nil || !got.LastActivityAt.Equal(at.Add(2*time.Hour)) {
		t.Errorf("last activity = %v, %v; want the latest ever told", got.LastActivityAt, err)
	}

	early := add("ffffffffffffffff")
	queued := early
	queued.State, queued.Generation, queued.QueuedAt = spawner.Queued, 1, at.Add(-time.Hour)
	must(rows.SaveWorkspace(ctx, early, queued))
	if list, err := rows.ActiveWorkspaces(ctx); err != nil || len(list) != 2 || list[0].ID != queued.ID || list[1].ID != full.ID {
		t.Errorf("active = %+v, %v; want the one queued first, then the running one", list, err)
	}
	gone := got
	gone.State = spawner.Failed
	gone.ContainerID, gone.Addr, gone.Token, gone.ExpiresAt = "", "", "", time.Time{}
	must(rows.SaveWorkspace(ctx, got, gone))
	if got, err = rows.Workspace(ctx, full.ID); err != nil || !got.ExpiresAt.IsZero() || got.Addr != "" {
		t.Errorf("an expiry that was cleared = %+v, %v; want it zero", got, err)
	}
	if list, err := rows.ActiveWorkspaces(ctx); err != nil || len(list) != 1 {
		t.Errorf("active after a failure = %+v, %v; want one", list, err)
	}
}

func same(a, b spawner.Row) bool {
	for _, pair := range [][2]*time.Time{{&a.QueuedAt, &b.QueuedAt}, {&a.StartedAt, &b.StartedAt}, {&a.ReadyAt, &b.ReadyAt},
		{&a.LastActivityAt, &b.LastActivityAt}, {&a.ExpiresAt, &b.ExpiresAt}} {
		if !pair[0].Equal(*pair[1]) {
			return false
		}
		*pair[0], *pair[1] = time.Time{}, time.Time{}
	}
	a.UpdatedAt, b.UpdatedAt = time.Time{}, time.Time{}
	return a == b
}

// Numbered is a request for the n-th member of course 1.
func Numbered(n int, image string) spawner.Request {
	return spawner.Request{CourseID: course.ID(1), MemberID: course.MemberID(n), Image: image}
}
