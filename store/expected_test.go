package store_test

import (
	"fmt"
	"testing"
	"time"

	"lectern/course"
	"lectern/store/storetest"
)

func TestOpensAreExpectedByTheClock(t *testing.T) {
	t.Parallel()
	s, ctx := storetest.New(t), t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	u := course.User{Login: "instructor"}
	must(s.AddUser(ctx, &u))
	c := course.Course{Slug: "physics", Title: "Physics", Zone: "UTC", Image: "i"}
	must(s.AddCourse(ctx, &c, u.ID))
	sql := func(text string, args ...any) {
		t.Helper()
		_, err := s.Pool().Exec(ctx, text, args...)
		must(err)
	}
	for i := range 3 {
		sql(`with u as (insert into users (login, name) values ($1, '') returning id)
			insert into members (course_id, user_id, role, dropped_at) select $2, id, 'student', case when $3 then now() end from u`, fmt.Sprintf("student%d", i), c.ID, i == 2)
	}
	now := time.Now()
	for _, at := range []struct {
		what       string
		opens, due time.Duration
		released   bool
		want       int
	}{
		{"opens in an hour", time.Hour, 48 * time.Hour, true, 0},
		{"opens in five minutes", 5 * time.Minute, 48 * time.Hour, true, 2},
		{"opened just now", -time.Minute, 48 * time.Hour, true, 2},
		{"opened long ago", -time.Hour, 48 * time.Hour, true, 0},
		{"is due soon", -48 * time.Hour, 20 * time.Minute, true, 2},
		{"was due", -48 * time.Hour, -time.Minute, true, 0},
		{"is no student's yet", 5 * time.Minute, 48 * time.Hour, false, 0},
	} {
		sql(`delete from assignments`)
		sql(`insert into assignments (course_id, slug, title, opens_at, due_at, released_at) values ($1, 'ps', 'PS', $2, $3, case when $4 then now() end)`,
			c.ID, now.Add(at.opens), now.Add(at.due), at.released)
		if n, err := s.ExpectedOpens(ctx, now); err != nil || n != at.want {
			t.Errorf("an assignment that %s: %d, %v; want %d", at.what, n, err, at.want)
		}
	}
}
