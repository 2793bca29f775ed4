package store

import (
	"context"
	"time"

	"lectern/course"
)

// Times are how long a course's workspaces may stay; 0 is the site's time, and
// of kernels never.
type Times struct {
	IdleAfter    time.Duration
	MaxAge       time.Duration
	WarnBefore   time.Duration
	KernelsAfter time.Duration // idle kernels end then, before the workspace does
}

// CourseTimes are the course's own.
func (s *Store) CourseTimes(ctx context.Context, c course.ID) (Times, error) {
	return one[Times](ctx, s.db, "course", `
		select coalesce(idle_after, '0') as idle_after, coalesce(max_age, '0') as max_age, coalesce(warn_before, '0') as warn_before,
		       coalesce(kernels_after, '0') as kernels_after from courses where id = $1`, c)
}

// SaveCourseTimes sets them. Idle times hold at once, a greatest age from the
// next start.
func (s *Store) SaveCourseTimes(ctx context.Context, c course.ID, t Times) error {
	orNull := func(d time.Duration) *time.Duration {
		if d == 0 {
			return nil
		}
		return &d
	}
	_, err := exec(ctx, s.db, "course", `
		update courses set idle_after = $2, max_age = $3, warn_before = $4, kernels_after = $5 where id = $1`,
		c, orNull(t.IdleAfter), orNull(t.MaxAge), orNull(t.WarnBefore), orNull(t.KernelsAfter))
	return err
}
