package store_test

import (
	"slices"
	"testing"
	"time"

	"lectern/course"
	"lectern/store"
	"lectern/store/storetest"
)

// imageCourse is a course with one assignment.
func imageCourse(t *testing.T, s *store.Store) (course.Course, course.Assignment) {
	t.Helper()
	u := course.User{Login: "instructor"}
	if err := s.AddUser(t.Context(), &u); err != nil {
		t.Fatal(err)
	}
	c := course.Course{Slug: "physics", Title: "Physics", Zone: "UTC", Image: "campus/py:1"}
	if err := s.AddCourse(t.Context(), &c, u.ID); err != nil {
		t.Fatal(err)
	}
	a := course.Assignment{CourseID: c.ID, Slug: "lab", Title: "Lab"}
	if err := s.AddAssignment(t.Context(), &a); err != nil {
		t.Fatal(err)
	}
	return c, a
}

func TestWorkWithAnImageBelongsToWhoTookItLast(t *testing.T) {
	t.Parallel()
	s, ctx := storetest.New(t), t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c, _ := imageCourse(t, s)
	ask := store.ImageAsk{Kind: store.ImageFetch, Reference: "campus/py:1", CourseID: c.ID}
	now := time.Now().UTC().Truncate(time.Microsecond)
	must(s.AskImage(ctx, ask, 0, now))
	must(s.AskImage(ctx, ask, 0, now)) // one of each
	j, asked, err := s.ImageJob(ctx, ask)
	must(err)
	if !asked || j.State != "queued" || !j.Moving() {
		t.Fatalf("asked for: %v, %+v", asked, j)
	}
	first, err := s.TakeImageJob(ctx, j.ID, "token", now)
	must(err)
	if _, err := s.TakeImageJob(ctx, j.ID, "other", now); !course.IsKind(err, course.NotFound) {
		t.Errorf("taken twice: %v", err)
	}
	must(s.AskImage(ctx, ask, 0, now)) // under way: nothing is changed
	if ours, err := s.KeepImageJob(ctx, first, "Downloading", 5, 10, now); err != nil || !ours {
		t.Errorf("keeping what was taken: %v, %v", ours, err)
	}
	if j, _, _ = s.ImageJob(ctx, ask); j.Step != "Downloading" || j.DoneBytes != 5 || j.TotalBytes != 10 {
		t.Errorf("how far it is: %+v", j)
	}

	// Its Lectern is killed, and another takes it back: the first has no say.
	later := now.Add(store.ImageLease + time.Second)
	if back, err := s.MendImageJobs(ctx, later); err != nil || back != 1 {
		t.Errorf("taken back: %d, %v", back, err)
	}
	second, err := s.TakeImageJob(ctx, j.ID, "token2", later)
	must(err)
	if ours, err := s.KeepImageJob(ctx, first, "x", 0, 0, later); err != nil || ours {
		t.Errorf("the first may go on: %v, %v", ours, err)
	}
	if done, err := s.EndImageJob(ctx, first, nil, "", later); err != nil || done {
		t.Errorf("the first may end it: %v, %v", done, err)
	}
	// It fails and waits; a person need not.
	must(s.FailImageJob(ctx, second, "The registry is away.", "log", nil, later, later.Add(time.Hour)))
	if j, _, _ = s.ImageJob(ctx, ask); !j.Moving() || j.Failures != 1 || j.Error == "" || j.Token != "" {
		t.Errorf("after a failure: %+v", j)
	}
	if _, err := s.TakeImageJob(ctx, j.ID, "t", later); !course.IsKind(err, course.NotFound) {
		t.Errorf("taken before its time: %v", err)
	}
	must(s.AskImage(ctx, ask, 0, later))
	third, err := s.TakeImageJob(ctx, j.ID, "t", later)
	must(err)
	if done, err := s.EndImageJob(ctx, third, map[string]string{"id": "x"}, "", later); err != nil || !done {
		t.Errorf("the last may not end it: %v, %v", done, err)
	}
}

func TestAPinStaysUntilSomebodyMovesIt(t *testing.T) {
	t.Parallel()
	s, ctx := storetest.New(t), t.Context()
	c, a := imageCourse(t, s)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pinned := func() string {
		t.Helper()
		p, _, err := s.ImagePin(ctx, c.ID, "campus/py:1")
		must(err)
		return p.ImageID
	}
	pin := func(id string) store.ImagePin {
		return store.ImagePin{CourseID: c.ID, Reference: "campus/py:1", ImageID: id, RepoDigest: "campus/py@" + id}
	}
	must(s.PinImage(ctx, pin("sha256:a"), 0))
	must(s.PinImage(ctx, pin("sha256:b"), 0))
	if got := pinned(); got != "sha256:a" {
		t.Errorf("a second release moved the pin to %s", got)
	}
	must(s.MovePin(ctx, "sha256:b", pin("sha256:c"), 0)) // of somebody who saw another
	if got := pinned(); got != "sha256:a" {
		t.Errorf("a stale page moved the pin to %s", got)
	}
	must(s.MovePin(ctx, "sha256:a", pin("sha256:c"), 0))
	if got := pinned(); got != "sha256:c" {
		t.Errorf("the pin is %s", got)
	}

	// Workspaces, checks and the spawner process go by it.
	all, err := s.Members(ctx, c.ID)
	must(err)
	w, err := s.AddWorkspace(ctx, store.Workspace{ID: "aaaaaaaaaaaaaaaa", CourseID: c.ID, MemberID: all[0].ID, Image: "campus/py:1", State: "stopped"})
	must(err)
	if w.Pinned != "sha256:c" || w.Image != "campus/py:1" {
		t.Errorf("the workspace has %s for %s", w.Pinned, w.Image)
	}
	again, err := s.AddWorkspace(ctx, store.Workspace{ID: "bbbbbbbbbbbbbbbb", CourseID: c.ID, MemberID: all[0].ID, Image: "campus/py:1", State: "stopped"})
	must(err)
	if again.ID != w.ID {
		t.Errorf("a second workspace %s of one member and name", again.ID)
	}
	_, err = s.BumpSource(ctx, a.ID)
	must(err)
	must(s.AskCheck(ctx, a.ID, time.Now()))
	check, err := s.TakeCheck(ctx, a.ID, time.Now().Add(time.Second))
	must(err)
	if check.Image != "sha256:c" {
		t.Errorf("a check runs in %s", check.Image)
	}
	names, err := s.ImageNames(ctx, "")
	must(err)
	for _, want := range []string{"campus/py:1", "sha256:c", "campus/py@sha256:c"} {
		if !slices.Contains(names, want) {
			t.Errorf("rows name %v, which lacks %s", names, want)
		}
	}

	// What is gone is known until it is back.
	now := time.Now()
	must(s.MarkImages(ctx, nil, []string{"sha256:c"}, now))
	must(s.MarkImages(ctx, nil, []string{"sha256:c"}, now.Add(time.Hour)))
	gone, err := s.MissingImages(ctx)
	must(err)
	if len(gone) != 1 || gone[0].CourseSlug != "physics" || gone[0].MissingAt.Sub(now).Abs() > time.Second {
		t.Errorf("gone: %+v", gone)
	}
	must(s.MarkImages(ctx, []string{"sha256:c"}, nil, now))
	if gone, err = s.MissingImages(ctx); err != nil || len(gone) != 0 {
		t.Errorf("after its return: %+v, %v", gone, err)
	}
}
