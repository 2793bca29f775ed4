package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"lectern/handlers"
	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/store"
)

// How often workspaces are asked what they use: while somebody looks at a page
// of servers, and otherwise.
const (
	readOften = 5 * time.Second
	readElse  = 30 * time.Second
	readers   = 8 // engine calls at once
)

// readUsage asks each running workspace's engine once, if it is time and no
// other Lectern on this database has just done so.
func (h *house) readUsage(ctx context.Context) error {
	every := readElse
	if ago, ok, err := h.store.Taken(ctx, handlers.ServersWatched); err != nil {
		return err
	} else if ok && ago < 3*readOften {
		every = readOften
	}
	// The loop's own tick is no more exact than this.
	if mine, err := h.store.Turn(ctx, "readings", every-readOften/2); err != nil || !mine {
		return err
	}
	rows, err := h.store.ActiveWorkspaces(ctx)
	if err != nil {
		return err
	}
	ctx, done := context.WithTimeout(ctx, 4*readOften)
	defer done()
	var (
		ask  = make(chan string)
		work sync.WaitGroup
		mu   sync.Mutex
		read []store.Reading
	)
	for range readers {
		work.Go(func() {
			for id := range ask {
				u, err := h.spawner.Usage(ctx, id)
				if err != nil {
					if !errors.Is(err, container.ErrNotFound) {
						h.log.Debug("workspace's usage", "id", id, "error", err)
					}
					continue
				}
				mu.Lock()
				read = append(read, store.Reading{WorkspaceID: id, At: u.At, CPU: u.CPU, Memory: u.Memory, MemoryLimit: u.MemoryLimit, Node: u.Node})
				mu.Unlock()
			}
		})
	}
	for _, row := range rows {
		if spawner.State(row.State) == spawner.Running {
			ask <- row.ID
		}
	}
	close(ask)
	work.Wait()
	if len(read) == 0 {
		return nil
	}
	return h.store.SaveReadings(context.WithoutCancel(ctx), read)
}

// warn lets every page say that a workspace will be stopped.
func (h *house) warn(ctx context.Context, row spawner.Row, at time.Time, why spawner.Reason) {
	if err := h.store.WarnWorkspace(ctx, row.ID, at, string(why)); err != nil && ctx.Err() == nil {
		h.log.Warn("a stop could not be announced", "id", row.ID, "error", err)
	}
}

// forgetFigures keeps what is counted for as long as the operator wants.
func (h *house) forgetFigures(ctx context.Context) error {
	return h.store.PruneFigures(ctx, h.cfg.KeepFigures)
}
