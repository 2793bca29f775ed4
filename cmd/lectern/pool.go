package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

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
		More:  h.rush(time.Now),
	})
}

const (
	rushEvery = 30 * time.Second // between questions to the database
	rushShare = 10               // one container for so many students expected
	rushMost  = 16               // beyond the pool's size, whatever the class's
)

// rush says how many containers more a class needs that comes by the clock.
func (h *house) rush(now func() time.Time) func(context.Context) int {
	var at time.Time
	var more int
	return func(ctx context.Context) int {
		if h.store == nil || now().Sub(at) < rushEvery {
			return more
		}
		at = now()
		n, err := h.store.ExpectedOpens(ctx, at)
		if err != nil {
			return more // the next look asks again
		}
		was := more
		more = min((n+rushShare-1)/rushShare, rushMost)
		if more != was {
			h.log.Info("the pool is made ready for a class", "students", n, "more", more)
		}
		return more
	}
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
