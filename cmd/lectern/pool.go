package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"lectern/spawner"
	"lectern/spawner/container"
)

// pooled has an engine keep booted containers. Also one that keeps none is a
// pool: a workspace that was given one of them runs on when the setting changes.
func (h *house) pooled(d *container.Docker) (container.Engine, error) {
	return container.NewPool(d, container.PoolOptions{Size: h.cfg.Pool, Log: h.log, Room: h.room(),
		// Beside the secrets, which the web's process may not see if it commands no engine.
		Dir:   filepath.Join(h.cfg.Data, "secrets", ".pool"),
		Spare: func() bool { return h.spawner == nil || h.spawner.Spare() },
	})
}

// keepPool keeps as many booted containers as the operator wants, until ctx
// ends; of the site's image from the first, of others once they were opened twice.
func (h *house) keepPool(ctx context.Context) error {
	p, ok := h.engine.(*container.Pool)
	if !ok {
		return nil
	}
	if h.cfg.Pool > 0 {
		p.Want(spawner.Template("", spawner.Row{Image: h.cfg.Image}, spawner.Plan{
			User: strconv.Itoa(workspaceUID) + ":" + strconv.Itoa(workspaceGID), Mounts: h.labMounts(), Limits: h.within(container.Limits{}),
		}))
	}
	return p.Run(ctx)
}

func parsePool(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 100 {
		return 0, fmt.Errorf("%q is not a number of containers from 0 to 100", s)
	}
	return n, nil
}
