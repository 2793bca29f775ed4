package store_test

import (
	"testing"
	"time"

	"lectern/course"
	"lectern/store"
	"lectern/store/storetest"
)

// A workspace's start, minute and end are noted once each, however often and by
// however many it is told.
func TestFiguresNoteEachThingOnce(t *testing.T) {
	t.Parallel()
	st, ctx := storetest.New(t), t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	u := course.User{Login: "instructor"}
	must(st.AddUser(ctx, &u))
	c := course.Course{Slug: "c", Title: "Course", Zone: "Pacific/Auckland", Image: "image"}
	must(st.AddCourse(ctx, &c, u.ID))
	var m course.MemberID
	must(st.Pool().QueryRow(ctx, `select id from members`).Scan(&m))
	w, err := st.AddWorkspace(ctx, store.Workspace{ID: "aaaaaaaaaaaaaaaa", CourseID: c.ID, MemberID: m, Image: "image", State: "stopped"})
	must(err)
	step := func(change func(*store.Workspace)) {
		t.Helper()
		next := w
		change(&next)
		must(st.SaveWorkspace(ctx, w, next))
		w = next
	}
	ready := time.Date(2026, 9, 1, 13, 0, 0, 0, time.UTC) // the next day in Auckland
	step(func(w *store.Workspace) { w.State, w.Generation, w.QueuedAt = "queued", 1, ready.Add(-3*time.Second) })
	step(func(w *store.Workspace) { w.State, w.StartedAt = "starting", ready.Add(-2*time.Second) })
	step(func(w *store.Workspace) { w.State, w.ReadyAt, w.LastActivityAt = "running", ready, time.Now() })
	step(func(w *store.Workspace) { w.LastActivityAt = time.Now() })
	for range 3 {
		must(st.CountMinute(ctx))
	}
	for id, day := range map[course.ID]int{c.ID: 2, 0: 1} {
		starts, err := st.StartDays(ctx, id, ready.AddDate(0, 0, -2))
		must(err)
		if len(starts) != 1 || starts[0].Starts != 1 || starts[0].Day.Day() != day || starts[0].Bucket != 164 { // 1.05^164 = 2986 ms
			t.Errorf("course %d: starts %+v, want one of 3 s on the %d", id, starts, day)
		}
		crowds, err := st.Crowds(ctx, id, time.Now().Add(-time.Hour), 15*time.Minute)
		must(err)
		if len(crowds) == 0 || crowds[0].People != 1 || crowds[0].Active != 1 {
			t.Errorf("course %d: crowds %+v, want one person, active", id, crowds)
		}
	}
	step(func(w *store.Workspace) { w.State = "stopping"; w.Reason = "idle" })
	step(func(w *store.Workspace) { w.State = "stopped" })
	log, err := st.Activity(ctx, c.ID, store.ActivityQuery{Limit: 10})
	must(err)
	if len(log) < 2 || log[0].Verb != "workspace ended" || log[0].Detail != "idle" || log[1].Verb != "workspace ready" || log[1].Detail != "3.0 s" {
		t.Errorf("the log is %+v", log)
	}
	verbs, err := st.ActivityVerbs(ctx, c.ID)
	if err != nil || len(verbs) != 3 {
		t.Errorf("verbs %v, %v; want three", verbs, err)
	}
	must(st.PruneFigures(ctx, -50*365*24*time.Hour)) // whatever the clock says
	if starts, err := st.StartDays(ctx, c.ID, ready.AddDate(0, 0, -2)); err != nil || len(starts) != 0 {
		t.Errorf("after pruning %+v, %v", starts, err)
	}
	// Whoever comes first has the turn.
	for i, want := range []bool{true, false} {
		if mine, err := st.Turn(ctx, "turn", time.Minute); err != nil || mine != want {
			t.Errorf("try %d: %v, %v", i, mine, err)
		}
	}
}
