package store_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"lectern/course"
	"lectern/store"
	"lectern/store/storetest"
)

// What an assignment says holds for as long as its member can work on it, for
// every workspace of theirs in the course, whatever its image.
func TestLimitsOfAWorkspace(t *testing.T) {
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
	people, err := s.Members(ctx, c.ID)
	must(err)
	now := time.Now().UTC().Truncate(time.Second)
	due := now.Add(time.Hour)
	exam := course.Assignment{CourseID: c.ID, Slug: "exam", Title: "Exam", DueAt: &due}
	homework := course.Assignment{CourseID: c.ID, Slug: "homework", Title: "Homework"}
	must(s.AddAssignment(ctx, &exam))
	must(s.AddAssignment(ctx, &homework))
	release := func(a course.Assignment, opens *time.Time) {
		t.Helper()
		_, err := s.Pool().Exec(ctx, `update assignments set released_at = $2, opens_at = $3 where id = $1`, a.ID, now.Add(-time.Hour), opens)
		must(err)
	}
	w, err := s.AddWorkspace(ctx, store.Workspace{ID: "aaaaaaaaaaaaaaaa", CourseID: c.ID, MemberID: people[0].ID, Image: "other", State: "stopped"})
	must(err)
	held := func(at time.Time) []course.Limits {
		t.Helper()
		got, err := s.WorkspaceLimits(ctx, w.ID, at)
		must(err)
		slices.SortFunc(got, func(a, b course.Limits) int { return int(a.PIDs - b.PIDs) })
		return got
	}
	want := func(what string, at time.Time, want ...course.Limits) {
		t.Helper()
		for i := range want {
			if want[i].Hosts == nil {
				want[i].Hosts = []string{}
			}
		}
		if got := held(at); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	open := func() []string {
		t.Helper()
		ids, err := s.TooOpen(ctx, now)
		must(err)
		return ids
	}

	want("nothing set", now, course.Limits{})
	must(s.SaveLimits(ctx, c.ID, 0, course.Limits{Memory: 1 << 30, CPUs: .5, Network: course.NetworkListed, Hosts: []string{"a.org"}}))
	whole := course.Limits{Memory: 1 << 30, CPUs: .5, Network: course.NetworkListed, Hosts: []string{"a.org"}}
	want("the course's", now, whole)
	must(s.SaveLimits(ctx, c.ID, exam.ID, course.Limits{PIDs: 100, Network: course.NetworkOff}))
	want("a draft says nothing", now, whole)
	opens := now.Add(30 * time.Minute)
	release(exam, &opens)
	want("before it opens", now, whole)
	ofExam := course.Limits{Memory: 1 << 30, CPUs: .5, PIDs: 100, Network: course.NetworkOff}
	want("once it is open", opens, ofExam)
	release(exam, nil)
	release(homework, nil)
	want("beside another", now, whole, ofExam)
	want("after it was due", due, whole)
	_, err = s.Pool().Exec(ctx, `insert into extensions (assignment_id, member_id, due_at, granted_by) values ($1, $2, $3, $4)`, exam.ID, people[0].ID, due.Add(time.Hour), u.ID)
	must(err)
	want("with more time", due, whole, ofExam)
	if all, err := s.MemberLimits(ctx, c.ID, people[0].ID, due); err != nil || len(all) != 2 {
		t.Errorf("of the member: %+v, %v", all, err)
	}

	// What runs is closed once: not before its limits were settled, and not again.
	to := func(state string, generation int64, addr string) {
		t.Helper()
		old := w
		w.State, w.Generation, w.Addr, w.QueuedAt, w.StartedAt, w.ReadyAt = state, generation, addr, now, now, now
		must(s.SaveWorkspace(ctx, old, w))
	}
	to("queued", 1, "")
	must(s.SettleLimits(ctx, w.ID, 1, course.Held{Memory: 7, Network: course.NetworkOpen}))
	if got, err := s.Workspace(ctx, w.ID); err != nil || got.Memory != 7 {
		t.Errorf("in line it is to have %d, %v", got.Memory, err)
	}
	to("starting", 1, "")
	if got := open(); len(got) != 0 {
		t.Errorf("too open before it was settled: %v", got)
	}
	if err := s.SettleLimits(ctx, w.ID, 2, course.Held{Network: course.NetworkOpen}); !errors.Is(err, store.ErrStale) {
		t.Errorf("settled for another start: %v", err)
	}
	must(s.SettleLimits(ctx, w.ID, 1, course.Held{Memory: 5, CPUs: .1, PIDs: 6, Network: course.NetworkOpen}))
	if got := open(); !slices.Equal(got, []string{w.ID}) {
		t.Errorf("too open: %v, want the workspace", got)
	}
	if n, err := s.TooOpenIn(ctx, c.ID, now); n != 1 || err != nil {
		t.Errorf("%d too open, %v", n, err)
	}
	must(s.SettleLimits(ctx, w.ID, 1, course.Held{Memory: 5, CPUs: .1, PIDs: 6, Network: course.NetworkOff}))
	if got := open(); len(got) != 0 {
		t.Errorf("too open although off: %v", got)
	}
	got, err := s.Workspace(ctx, w.ID)
	if err != nil || got.Memory != 5 || got.CPUs != .1 || got.PIDs != 6 || got.Network != course.NetworkOff {
		t.Errorf("the row has %+v, %v", got, err)
	}

	// By address: only what runs, and only if it is the only one there.
	at := func() string {
		t.Helper()
		id, _, err := s.LimitsAt(ctx, "10.0.0.2", now)
		must(err)
		return id
	}
	if id := at(); id != "" {
		t.Errorf("nothing runs there, but %s", id)
	}
	to("running", 1, "10.0.0.2:8888")
	if id, all, err := s.LimitsAt(ctx, "10.0.0.2", now); id != w.ID || len(all) != 2 || err != nil {
		t.Errorf("at its address: %q %+v, %v", id, all, err)
	}
	first := w
	w, err = s.AddWorkspace(ctx, store.Workspace{ID: "bbbbbbbbbbbbbbbb", CourseID: c.ID, MemberID: people[0].ID, Image: "i", State: "stopped"})
	must(err)
	to("running", 1, "10.0.0.2:8888")
	if id := at(); id != "" {
		t.Errorf("two at one address, and %s is believed", id)
	}
	w = first
}
