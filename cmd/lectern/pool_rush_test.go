package main

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"lectern/course"
	"lectern/store/storetest"
)

func TestThePoolIsReadyForAClass(t *testing.T) {
	t.Parallel()
	s, ctx := storetest.New(t), t.Context()
	u := course.User{Login: "instructor"}
	must(t, s.AddUser(ctx, &u))
	c := course.Course{Slug: "physics", Title: "Physics", Zone: "UTC", Image: "i"}
	must(t, s.AddCourse(ctx, &c, u.ID))
	enrol := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			_, err := s.Pool().Exec(ctx, `with u as (insert into users (login, name) values ($1, '') returning id)
				insert into members (course_id, user_id, role) select $2, id, 'student' from u`, fmt.Sprintf("student%d", i), c.ID)
			must(t, err)
		}
	}
	enrol(0, 21)
	now := time.Now()
	opens := now.Add(time.Hour)
	_, err := s.Pool().Exec(ctx, `insert into assignments (course_id, slug, title, opens_at, scheduled_at) values ($1, 'ps', 'PS', $2, $2)`, c.ID, opens)
	must(t, err)
	h := &house{store: s, log: slog.New(slog.DiscardHandler)}
	rush := h.rush(func() time.Time { return now })
	for _, at := range []struct {
		after time.Duration // since the first
		want  int
	}{
		{0, 0},
		{55 * time.Minute, 3},                    // one for ten
		{55*time.Minute + rushEvery/2, 3},        // not asked again so soon, with the whole class there by now
		{55*time.Minute + 2*rushEvery, rushMost}, // never more than that
		{70*time.Minute + time.Second, 0},        // it has begun
	} {
		now = opens.Add(at.after - time.Hour)
		if got := rush(ctx); got != at.want {
			t.Errorf("after %v: %d more, want %d", at.after, got, at.want)
		}
		if at.want == 3 && at.after == 55*time.Minute {
			enrol(21, 200)
		}
	}
}
