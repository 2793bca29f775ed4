package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"lectern/course"
	"lectern/exchange"
	"lectern/spawner"
)

const (
	// copiesEvery bounds how long a throw-away copy outlives its workspace.
	copiesEvery = 5 * time.Second
	// copiesKept is how long the page of one that ended can still say why.
	copiesKept = 24 * time.Hour
)

// planCopy is what a throw-away copy is given: a home that holds the submitted
// files and nothing else. Neither the student's home, release and feedback nor
// anything of the person who looks at it is shown.
func (h *house) planCopy(ctx context.Context, row spawner.Row) (spawner.Plan, error) {
	c, err := h.store.Copy(ctx, row.ID)
	if err != nil {
		return spawner.Plan{}, err
	}
	at, err := time.Parse(course.SnapshotForm, c.Snapshot)
	if err != nil {
		return spawner.Plan{}, fmt.Errorf("snapshot of submission %d: %w", c.SubmissionID, err)
	}
	home, err := h.exchange.Copy(ctx, exchange.Copy{Course: c.CourseSlug, Workspace: row.ID, Generation: row.Generation},
		exchange.Work{Course: c.CourseSlug, Login: c.Login, Assignment: c.Assignment}, at)
	if err != nil {
		return spawner.Plan{}, err
	}
	return spawner.Plan{
		User: strconv.Itoa(workspaceUID) + ":" + strconv.Itoa(workspaceGID), Home: home,
		Limits: h.within(row.Limits), Closed: row.Closed(), Proxied: row.Network == course.NetworkListed,
	}, nil
}

// dropCopies removes the home of every throw-away copy that no longer runs: the
// row says what should be there. A home is made only for a row at that very
// start, so homes are listed first: one that is made meanwhile is not seen.
func (h *house) dropCopies(ctx context.Context) error {
	copies, err := h.exchange.Copies()
	if err != nil {
		return err
	}
	var live map[string]int64
	if len(copies) > 0 {
		if live, err = h.store.LiveCopies(ctx); err != nil {
			return err
		}
	}
	var faults []error
	for _, c := range copies {
		if n, ok := live[c.Workspace]; !ok || n != c.Generation {
			faults = append(faults, h.exchange.DropCopy(c))
		}
	}
	return errors.Join(append(faults, h.store.DropCopies(ctx, time.Now().Add(-copiesKept)))...)
}
