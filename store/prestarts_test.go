package store_test

import (
	"errors"
	"testing"
	"time"

	"lectern/course"
	"lectern/store"
	"lectern/store/storetest"
)

// What was started ahead is counted apart from what somebody waited for.
func TestStartsAheadAreCounted(t *testing.T) {
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
	all, err := s.Members(ctx, c.ID)
	must(err)
	now := time.Now().UTC().Truncate(time.Microsecond)
	w, err := s.AddWorkspace(ctx, store.Workspace{ID: "aaaaaaaaaaaaaaaa", CourseID: c.ID, MemberID: all[0].ID, Image: "i", State: "stopped"})
	must(err)
	to := func(state string, ahead bool) {
		t.Helper()
		old := w
		w.State, w.Ahead = state, ahead
		must(s.SaveWorkspace(ctx, old, w))
	}
	starts := func() (n int) {
		t.Helper()
		must(s.Pool().QueryRow(ctx, `select count(*) from workspace_starts`).Scan(&n))
		return n
	}
	for generation, ends := range []string{"used", "unused", "overtaken", "clicked in time"} {
		old := w
		w.State, w.Ahead, w.Generation = "queued", true, int64(generation)+1
		w.QueuedAt, w.StartedAt, w.ReadyAt = now, now.Add(time.Second), now.Add(2*time.Second)
		must(s.SaveWorkspace(ctx, old, w))
		to("starting", true)
		switch ends {
		case "used":
			to("running", true)
			// Whoever read it before the click finds that it was first.
			stale := w
			to("running", false)
			gone := stale
			gone.State = "stopping"
			if err := s.SaveWorkspace(ctx, stale, gone); !errors.Is(err, store.ErrStale) {
				t.Errorf("a stop that a click was before: %v, want ErrStale", err)
			}
			to("stopped", false)
		case "unused":
			to("running", true)
			to("stopping", true)
			to("stopped", false)
		case "overtaken":
			to("running", true)
			to("stopping", true)
		case "clicked in time":
			to("starting", false)
			if n := starts(); n != 0 {
				t.Errorf("%d starts that somebody waited for, want none yet", n)
			}
			to("running", false)
		}
	}
	got, err := s.Prestarts(ctx, c.ID, now)
	if want := (store.Prestarts{Started: 4, Used: 2, Unused: 2}); err != nil || got != want {
		t.Errorf("counted %+v, %v; want %+v", got, err, want)
	}
	if n := starts(); n != 1 {
		t.Errorf("%d starts that somebody waited for, want the one that was clicked in time", n)
	}
}
