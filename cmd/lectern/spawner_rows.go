package main

import (
	"context"
	"errors"
	"fmt"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/remote"
)

// doorRows is what the spawner process looks up by itself about a request.
type doorRows struct{ house *house }

func (d doorRows) Realm(ctx context.Context) (string, error) {
	realm, err := d.house.store.Setting(ctx, "realm")
	return string(realm), err
}

// Spec is the container of a row that is about to start, with the plan and the
// template of a Lectern that has the engine itself.
func (d doorRows) Spec(ctx context.Context, id string, generation int64) (container.Spec, error) {
	realm, err := d.Realm(ctx)
	if err != nil {
		return container.Spec{}, errors.Join(container.ErrEngineDown, err)
	}
	if n, test := spawner.TrialOf(id); test {
		return d.house.trialSpec(ctx, realm, n, generation)
	}
	row, err := rows{d.house.store}.Workspace(ctx, id)
	switch {
	case errors.Is(err, spawner.ErrNoWorkspace):
		return container.Spec{}, fmt.Errorf("workspace %s has no row: %w", id, container.ErrNotFound)
	case err != nil:
		return container.Spec{}, errors.Join(container.ErrEngineDown, err)
	case realm == "", row.Generation != generation, row.State != spawner.Starting:
		return container.Spec{}, fmt.Errorf("workspace %s, asked for at %d, is %s at %d: %w", id, generation, row.State, row.Generation, remote.ErrStale)
	}
	plan, err := d.house.plan(ctx, row)
	if err != nil {
		return container.Spec{}, fmt.Errorf("workspace %s: %w", id, errors.Join(container.ErrMount, err))
	}
	return spawner.Template(realm, row, plan), nil
}

// Images are those that rows name, and the one of new courses.
func (d doorRows) Images(ctx context.Context, id string) ([]string, error) {
	names, err := d.house.store.ImageNames(ctx, id)
	return append(names, d.house.cfg.Image), err
}
