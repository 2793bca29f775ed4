package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"lectern/course"
	"lectern/store"
)

// withQuestion gives the class an assignment of one tested question.
func (c *class) withQuestion(t testing.TB) *class {
	t.Helper()
	c.sql(t, `insert into questions (assignment_id, notebook, grade_id, position, kind, cell_type, points, source) values ($1, 'p1', 'q1', 1, 'tests', 'code', 4, '')`, c.assignment.ID)
	return c
}

// handIn records a submission of the class's student.
func (c *class) handIn(t testing.TB, at time.Time) course.Submission {
	t.Helper()
	sub, _, err := c.RecordSubmission(context.Background(), c.at(at), uuid.New(), 0)
	must(t, err)
	return sub
}

func found(points float64) store.RunFound {
	return store.RunFound{SourceVersion: 1, Image: "img", ImageDigest: "sha256:1", Results: []store.RunResult{{Notebook: "p1", Question: "q1", Position: 1, Points: &points, Max: 4}}}
}

func (c *class) ask(t testing.TB, a store.RunAsk, want int) {
	t.Helper()
	a.AssignmentID = c.assignment.ID
	n, err := c.AskRuns(context.Background(), a)
	must(t, err)
	if n != want {
		t.Fatalf("asking %+v made %d runs, want %d", a, n, want)
	}
}

func (c *class) take(t testing.TB) store.RunWork {
	t.Helper()
	w, err := c.TakeRun(context.Background(), time.Now())
	must(t, err)
	return w
}

// scalar is one value of one row, as text.
func (c *class) scalar(t testing.TB, sql string, args ...any) string {
	t.Helper()
	var s string
	must(t, c.Pool().QueryRow(context.Background(), "select coalesce(("+sql+")::text, '')", args...).Scan(&s))
	return s
}

func nothing() error { return nil }

func TestWorkIsAutogradedWhenTheAssignmentSaysSo(t *testing.T) {
	t.Parallel()
	before, after := due.Add(-time.Hour), due.Add(time.Hour)
	for name, tc := range map[string]struct {
		on                         string
		submitted, late, collected int // runs there are then
	}{
		"at collection":       {store.OnCollect, 0, 1, 1},
		"each time handed in": {store.OnSubmit, 1, 1, 1},
		"when asked":          {store.OnDemand, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClass(t).withQuestion(t)
			must(t, c.SaveRunSettings(context.Background(), c.assignment.ID, store.RunSettings{AutogradeOn: tc.on}))
			check := func(when string, want int) {
				t.Helper()
				if got := c.scalar(t, `select count(*) from runs`); got != fmt.Sprint(want) {
					t.Errorf("%s: %s runs, want %d", when, got, want)
				}
				if got := c.scalar(t, `select count(*) from river_job where kind = 'autograde'`); got != fmt.Sprint(want) {
					t.Errorf("%s: %s tickets, want %d", when, got, want)
				}
			}
			if tc.on == store.OnCollect {
				c.handIn(t, after)
				check("late work", tc.late)
				return
			}
			c.handIn(t, before)
			check("handed in", tc.submitted)
			must(t, c.MarkCollected(context.Background(), c.assignment.ID, c.member, due, due, ""))
			must(t, c.MarkCollected(context.Background(), c.assignment.ID, c.member, due, due, ""))
			check("collected twice", tc.collected)
		})
	}
}

func TestWhatWasHandedInBeforeIsAutogradedAtCollection(t *testing.T) {
	t.Parallel()
	c := newClass(t).withQuestion(t)
	c.handIn(t, due.Add(-time.Hour))
	if got := c.scalar(t, `select count(*) from runs`); got != "0" {
		t.Fatalf("%s runs before the collection", got)
	}
	must(t, c.MarkCollected(context.Background(), c.assignment.ID, c.member, due, due, ""))
	if got := c.scalar(t, `select count(*) from runs where state = 'queued' and asked_by is null`); got != "1" {
		t.Errorf("%s runs after the collection, want 1", got)
	}
}

func TestAskingTwiceIsOneRunAndARunUnderWayMayBeFollowedByAnother(t *testing.T) {
	t.Parallel()
	c := newClass(t).withQuestion(t)
	c.handIn(t, due.Add(-time.Hour))
	c.ask(t, store.RunAsk{By: c.teacher.ID}, 1)
	c.ask(t, store.RunAsk{By: c.teacher.ID}, 0)
	c.ask(t, store.RunAsk{By: c.teacher.ID, Trial: true}, 1)
	c.take(t)
	c.ask(t, store.RunAsk{By: c.teacher.ID, Members: []course.MemberID{c.member}}, 1)
	c.ask(t, store.RunAsk{By: c.teacher.ID, Members: []course.MemberID{}}, 0)
}

func TestAnOlderRunNeverReplacesANewer(t *testing.T) {
	t.Parallel()
	c := newClass(t).withQuestion(t)
	sub := c.handIn(t, due.Add(-time.Hour))
	ctx := context.Background()
	const many = 12
	var works []store.RunWork
	for range many {
		c.ask(t, store.RunAsk{By: c.teacher.ID}, 1)
		works = append(works, c.take(t))
	}
	order := rand.Perm(many)
	var placed []store.RunID // under the submission's lock, one after the other
	var wg sync.WaitGroup
	for _, i := range order {
		wg.Go(func() {
			w := works[i]
			kept, err := c.FinishRun(ctx, w, found(float64(i)), time.Now(), func() error {
				placed = append(placed, w.ID)
				return nil
			})
			if err != nil || !kept {
				t.Errorf("run %d: kept %v, %v", w.ID, kept, err)
			}
		})
	}
	wg.Wait()
	last := works[many-1].ID
	if got := c.scalar(t, `select string_agg(id::text, ',') from runs where effective and submission_id = $1`, sub.ID); got != fmt.Sprint(last) {
		t.Errorf("in effect is %s, want only the newest, %d", got, last)
	}
	for i := 1; i < len(placed); i++ {
		if placed[i] < placed[i-1] {
			t.Errorf("files of run %d came after those of %d", placed[i], placed[i-1])
		}
	}
	if placed[len(placed)-1] != last {
		t.Errorf("the files are of run %d, want %d", placed[len(placed)-1], last)
	}
	if got := c.scalar(t, `select points from current_totals where assignment_id = $1 and member_id = $2`, c.assignment.ID, c.member); got != fmt.Sprint(many-1) {
		t.Errorf("the total is %s, want %d: nothing counted twice", got, many-1)
	}
}

func TestOnlyWhoTookARunLastMayFinishIt(t *testing.T) {
	t.Parallel()
	c := newClass(t).withQuestion(t)
	c.handIn(t, due.Add(-time.Hour))
	c.ask(t, store.RunAsk{}, 1)
	ctx := context.Background()
	now := time.Now()
	first := c.take(t)
	if n, err := c.MendRuns(ctx, now.Add(store.RunLease/2), 6); err != nil || n != 0 {
		t.Fatalf("mended %d of a lease that holds: %v", n, err)
	}
	n, err := c.MendRuns(ctx, now.Add(2*store.RunLease), 6)
	must(t, err)
	if n != 1 {
		t.Fatalf("mended %d, want 1", n)
	}
	second := c.take(t)
	if second.ID != first.ID || second.Attempts != first.Attempts+1 {
		t.Fatalf("taken again as %d/%d, want %d/%d", second.ID, second.Attempts, first.ID, first.Attempts+1)
	}
	for what, err := range map[string]func() (bool, error){
		"sign of life": func() (bool, error) { return c.KeepRun(ctx, first, time.Now()) },
		"finish":       func() (bool, error) { return c.FinishRun(ctx, first, found(4), time.Now(), nothing) },
	} {
		if kept, e := err(); kept || e != nil {
			t.Errorf("%s of who lost the run: %v, %v", what, kept, e)
		}
	}
	must(t, c.FailRun(ctx, first, "late", "", time.Now(), time.Time{}))
	if kept, err := c.FinishRun(ctx, second, found(3), time.Now(), nothing); !kept || err != nil {
		t.Fatalf("who has the run: %v, %v", kept, err)
	}
	if kept, err := c.FinishRun(ctx, second, found(3), time.Now(), nothing); kept || err != nil {
		t.Errorf("finishing twice: %v, %v", kept, err)
	}
	if got := c.scalar(t, `select sum(points) from run_results`); got != "3" {
		t.Errorf("results add up to %s, want 3 once", got)
	}
}

func TestAFailureOfOursWaitsThenStaysForAPerson(t *testing.T) {
	t.Parallel()
	c := newClass(t).withQuestion(t)
	c.handIn(t, due.Add(-time.Hour))
	c.ask(t, store.RunAsk{}, 1)
	ctx, now := context.Background(), time.Now()
	w := c.take(t)
	must(t, c.FailRun(ctx, w, "engine down", "dial", now, now.Add(time.Minute)))
	if _, err := c.TakeRun(ctx, now.Add(30*time.Second)); !course.IsKind(err, course.NotFound) {
		t.Errorf("taken before its time: %v", err)
	}
	if got := c.scalar(t, `select count(*) from river_job where kind = 'autograde' and state = 'scheduled'`); got != "1" {
		t.Errorf("%s tickets for later, want 1", got)
	}
	w, err := c.TakeRun(ctx, now.Add(2*time.Minute))
	must(t, err)
	must(t, c.FailRun(ctx, w, "engine down", "dial", now, time.Time{}))
	if got := c.scalar(t, `select state || ' ' || error from runs`); got != "failed engine down" {
		t.Errorf("the run is %q", got)
	}
	if got := c.scalar(t, `select count(*) from run_results`); got != "0" {
		t.Errorf("%s results of a failure of ours", got)
	}
	if got := c.scalar(t, `select points from current_totals where member_id = $1`, c.member); got != "" {
		t.Errorf("a failure of ours gives %s points, want none", got)
	}
	c.ask(t, store.RunAsk{Only: "failed", By: c.teacher.ID}, 1)
	c.ask(t, store.RunAsk{Only: "new"}, 0)
}

func TestACancelledRunIsNotFinished(t *testing.T) {
	t.Parallel()
	c := newClass(t).withQuestion(t)
	c.handIn(t, due.Add(-time.Hour))
	c.ask(t, store.RunAsk{}, 1)
	w := c.take(t)
	n, err := c.CancelRuns(context.Background(), c.assignment.ID, nil, false)
	must(t, err)
	if n != 1 {
		t.Fatalf("cancelled %d", n)
	}
	if kept, err := c.KeepRun(context.Background(), w, time.Now()); kept || err != nil {
		t.Errorf("its worker is not told: %v, %v", kept, err)
	}
	if kept, err := c.FinishRun(context.Background(), w, found(4), time.Now(), nothing); kept || err != nil {
		t.Errorf("finished all the same: %v, %v", kept, err)
	}
	if got := c.scalar(t, `select state from runs`); got != "cancelled" {
		t.Errorf("the run is %s", got)
	}
}

func TestACourseDoesNotWaitBehindAnothersThousands(t *testing.T) {
	t.Parallel()
	c := newClass(t).withQuestion(t)
	ctx := context.Background()
	// The other course has many students' work waiting before this one asks.
	c.sql(t, `
		with o as (insert into courses (slug, title, image) values ('other', 'Other', 'img') returning id),
		a as (insert into assignments (course_id, slug, title, released_at) select id, 'big', 'Big', now() from o returning id, course_id),
		q as (insert into questions (assignment_id, notebook, grade_id, position, kind, cell_type, points, source) select id, 'p', 'q', 1, 'tests', 'code', 1, '' from a),
		u as (insert into users (login) select 'other' || g from generate_series(1, 300) g returning id),
		m as (insert into members (course_id, user_id, role) select a.course_id, u.id, 'student' from a, u returning id)
		insert into submissions (assignment_id, member_id, kind, key, taken_at, counts, snapshot, digest, files, bytes)
		select a.id, m.id, 'submit', gen_random_uuid(), now(), true, 'x', 'x', '[]', 0 from a, m`)
	var big course.AssignmentID
	must(t, c.Pool().QueryRow(ctx, `select id from assignments where slug = 'big'`).Scan(&big))
	if n, err := c.AskRuns(ctx, store.RunAsk{AssignmentID: big, By: c.teacher.ID}); err != nil || n != 300 {
		t.Fatalf("asked for %d: %v", n, err)
	}
	now := time.Now()
	for i := range 4 {
		if w, err := c.TakeRun(ctx, now.Add(time.Duration(i)*time.Second)); err != nil || w.CourseSlug != "other" {
			t.Fatalf("took %s: %v", w.CourseSlug, err)
		}
	}
	c.handIn(t, due.Add(-time.Hour))
	c.ask(t, store.RunAsk{}, 1)
	w, err := c.TakeRun(ctx, now.Add(10*time.Second))
	must(t, err)
	if w.CourseSlug != "c" {
		t.Errorf("the next run is of %s, want c: its turn has come", w.CourseSlug)
	}
}

func TestNobodyTakesARunTwice(t *testing.T) {
	t.Parallel()
	c := newClass(t).withQuestion(t)
	ctx := context.Background()
	c.sql(t, `
		with u as (insert into users (login) select 'more' || g from generate_series(1, 40) g returning id),
		m as (insert into members (course_id, user_id, role) select $1, u.id, 'student' from u returning id)
		insert into submissions (assignment_id, member_id, kind, key, taken_at, counts, snapshot, digest, files, bytes)
		select $2, m.id, 'submit', gen_random_uuid(), now(), true, 'x', 'x', '[]', 0 from m`, c.course.ID, c.assignment.ID)
	c.ask(t, store.RunAsk{}, 40)
	var mu sync.Mutex
	taken := map[store.RunID]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				w, err := c.TakeRun(ctx, time.Now())
				if course.IsKind(err, course.NotFound) {
					// Others may hold what waits just now; only an empty queue ends it.
					if c.scalar(t, `select count(*) from runs where state = 'queued'`) == "0" {
						return
					}
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				taken[w.ID]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id, n := range taken {
		if n != 1 {
			t.Errorf("run %d was taken %d times", id, n)
		}
	}
	if len(taken) != 40 {
		t.Errorf("%d runs were taken, want 40", len(taken))
	}
}

func TestADryRunIsComparedAppliedOnceAndForgotten(t *testing.T) {
	t.Parallel()
	c := newClass(t).withQuestion(t)
	ctx := context.Background()
	c.handIn(t, due.Add(-time.Hour))
	finish := func(p float64) {
		t.Helper()
		if kept, err := c.FinishRun(ctx, c.take(t), found(p), time.Now(), nothing); !kept || err != nil {
			t.Fatalf("finish: %v, %v", kept, err)
		}
	}
	c.ask(t, store.RunAsk{}, 1)
	finish(2)
	c.sql(t, `insert into mark_events (assignment_id, member_id, notebook, question, points, source, actor) values ($1, $2, 'p1', 'q1', 3.5, 'hand', $3)`, c.assignment.ID, c.member, c.teacher.ID)
	c.sql(t, `update assignments set checked_version = 1, source_version = 1 where id = $1`, c.assignment.ID)
	c.ask(t, store.RunAsk{Trial: true, By: c.teacher.ID}, 1)
	if _, err := c.ApplyTrial(ctx, c.assignment.ID); !course.IsKind(err, course.Conflict) {
		t.Errorf("applied while it waits: %v", err)
	}
	finish(4)
	total := func() string {
		return c.scalar(t, `select points from current_totals where assignment_id = $1 and member_id = $2`, c.assignment.ID, c.member)
	}
	auto := func() string { return c.scalar(t, `select auto from grade_cells where member_id = $1`, c.member) }
	if auto() != "2" {
		t.Errorf("the dry run counts already: %s", auto())
	}
	changes, err := c.TrialChanges(ctx, c.assignment.ID, 10, 0)
	must(t, err)
	if len(changes) != 1 || *changes[0].Old != 2 || *changes[0].New != 4 || changes[0].Given == nil || *changes[0].Given != 3.5 {
		t.Fatalf("changes are %+v", changes)
	}
	works, err := c.ApplyTrial(ctx, c.assignment.ID)
	must(t, err)
	if len(works) != 1 || works[0].Login != "student" || auto() != "4" || total() != "3.5" {
		t.Errorf("applied %+v: tests %s, want 4; total %s, want the 3.5 a person gave", works, auto(), total())
	}
	if works, err = c.ApplyTrial(ctx, c.assignment.ID); err != nil || len(works) != 0 {
		t.Errorf("applying again: %v, %v", works, err)
	}
	c.ask(t, store.RunAsk{Trial: true}, 1)
	finish(0)
	must(t, c.DropTrial(ctx, c.assignment.ID))
	if got := c.scalar(t, `select count(*) from runs where trial`); got != "0" || auto() != "4" {
		t.Errorf("discarded: %s dry runs, tests %s", got, auto())
	}
}
