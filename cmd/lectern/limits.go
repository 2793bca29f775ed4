package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"lectern/course"
	"lectern/handlers"
	"lectern/spawner"
	"lectern/spawner/container"
)

// networksEvery bounds how long a workspace keeps an open network after work
// began that closes it.
const networksEvery = 5 * time.Second

// limits are what a workspace is given if nobody says otherwise, and at most.
func (c config) limits() (site, most course.Limits) {
	site = course.Limits{Memory: c.Memory, CPUs: c.CPUs, PIDs: container.DefaultLimits.PIDs}
	most = course.Limits{Memory: max(c.MostMemory, site.Memory), CPUs: max(c.MostCPUs, site.CPUs), PIDs: max(c.MostPIDs, site.PIDs)}
	return site, most
}

// bounds are what the pages of limits offer.
func (c config) bounds() handlers.Bounds {
	site, most := c.limits()
	return handlers.Bounds{Site: site, Most: most, Enforced: c.Spawner != "process", Closes: c.closes(), Lists: c.lists()}
}

// within is what a row's limits come to, whoever wrote them.
func (h *house) within(l container.Limits) container.Limits {
	site, most := h.cfg.limits()
	held := course.Together([]course.Limits{{Memory: l.Memory, CPUs: l.CPUs, PIDs: l.PIDs}}, site, most)
	return container.Limits{Memory: held.Memory, CPUs: held.CPUs, PIDs: held.PIDs}
}

// settle plans a start after it has worked out what the workspace is given and
// noted that in its row, where the spawner process reads it.
func (h *house) settle(ctx context.Context, row spawner.Row) (spawner.Plan, error) {
	held, err := h.settleLimits(ctx, row)
	if err != nil {
		return spawner.Plan{}, err
	}
	row.Limits = container.Limits{Memory: held.Memory, CPUs: held.CPUs, PIDs: held.PIDs}
	row.Network = held.Network
	return h.plan(ctx, row)
}

func (h *house) settleLimits(ctx context.Context, row spawner.Row) (course.Held, error) {
	all, err := h.store.WorkspaceLimits(ctx, row.ID, time.Now())
	if err != nil {
		return course.Held{}, err
	}
	site, most := h.cfg.limits()
	held := course.Together(all, site, most)
	return held, h.store.SettleLimits(ctx, row.ID, row.Generation, held)
}

// settledRows notes limits when a workspace gets in line as well, so that the
// line knows what memory it waits for. They are settled once more at its turn.
type settledRows struct {
	rows
	house *house
}

func (r settledRows) SaveWorkspace(ctx context.Context, old, row spawner.Row) error {
	if err := r.rows.SaveWorkspace(ctx, old, row); err != nil {
		return err
	}
	if row.State == spawner.Queued && row.Generation != old.Generation {
		if _, err := r.house.settleLimits(ctx, row); err != nil {
			r.house.log.Warn("limits not noted in line", "workspace", row.ID, "error", err)
		}
	}
	return nil
}

// closeNetworks stops the workspaces that were given an open network and may no
// longer have one; opened again, they start without.
func (h *house) closeNetworks(ctx context.Context) error {
	ids, err := h.store.TooOpen(ctx, time.Now())
	for _, id := range ids {
		err = errors.Join(err, h.spawner.Close(ctx, id, spawner.NetworkClosed))
	}
	return err
}

func parsePIDs(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 64 {
		return 0, fmt.Errorf("%q is not a number of processes; JupyterLab needs 64", s)
	}
	return n, nil
}

// parseNetworks reads networks with blanks or commas between them.
func parseNetworks(s string) (list []netip.Prefix, err error) {
	for _, f := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' }) {
		p, err := netip.ParsePrefix(f)
		if err != nil {
			return nil, fmt.Errorf("%q is not a network such as 10.0.0.0/8", f)
		}
		list = append(list, p)
	}
	return list, nil
}
