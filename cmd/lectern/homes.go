package main

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"lectern/course"
	"lectern/exchange/quota"
	"lectern/store"
)

const (
	homesEvery = 10 * time.Second // between looks for homes to measure
	homesAge   = 2 * time.Minute  // of the last look at one whose workspace is up
	homesMost  = 50               // at one look
)

// openQuota makes sure that homes can be bounded, if the operator wants them to be.
func (h *house) openQuota(ctx context.Context) (err error) {
	h.quota, err = quota.Open(ctx, h.cfg.QuotaDriver, h.exchange.Layout.HomesDir())
	return err
}

// newHome makes a home one that can be bounded; nil leaves it a directory.
func (h *house) newHome() func(dir string) error {
	if h.cfg.QuotaDriver != "btrfs" {
		return nil
	}
	return func(dir string) error { return quota.Btrfs{}.New(context.Background(), dir) }
}

// projects are numbered by members, from here on: below are an operator's own.
const projects = 1 << 16

// boundHome has the file system keep a home from growing, and reports whether it
// does. A workspace starts all the same: its student has work to do.
func (h *house) boundHome(ctx context.Context, home string, m course.MemberID) bool {
	if h.cfg.QuotaDriver == "none" || h.cfg.Quota == 0 {
		return false
	}
	err := h.quota.Bound(ctx, home, uint32(projects+m), h.cfg.Quota)
	switch {
	case errors.Is(err, quota.ErrPlain):
		h.log.Info("a home was made before homes were bounded; docs/workspaces.md says how it becomes one that is", "home", home)
	case err != nil && ctx.Err() == nil:
		h.log.Error("a home is not bounded", "home", home, "error", err)
	}
	return err == nil
}

// measureHomes looks at homes that are in use, if no other Lectern on this
// database has just done so.
func (h *house) measureHomes(ctx context.Context) error {
	if mine, err := h.store.Turn(ctx, "homes", homesEvery/2); err != nil || !mine {
		return err
	}
	due, err := h.store.HomesDue(ctx, homesAge, homesMost)
	if err != nil {
		return err
	}
	var faults []error
	for _, p := range due {
		faults = append(faults, h.measureHome(ctx, p))
	}
	return errors.Join(faults...)
}

func (h *house) measureHome(ctx context.Context, p store.HomePlace) error {
	home, err := h.exchange.Layout.Home(p.Slug, p.Login)
	if err != nil {
		return err
	}
	use, err := h.quota.Used(ctx, home)
	if errors.Is(err, fs.ErrNotExist) {
		use, err = quota.Usage{}, nil
	}
	if err != nil {
		return err
	}
	return h.store.SaveHome(ctx, store.Home{MemberID: p.MemberID, Bytes: use.Bytes, More: use.More, Quota: h.cfg.Quota,
		Bounded: use.Bytes > 0 && h.boundHome(ctx, home, p.MemberID)})
}
