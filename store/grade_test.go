package store_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"lectern/course"
	"lectern/store"
)

// hall is a class whose work is in and whose tests have run: questions q1 (tests,
// 2 points), q2 (manual, 3) and q3 (task, 5) of the notebook "nb".
type hall struct {
	*class
	graders []course.User
	papers  []int // numbers, in order
	keys    []course.QuestionKey
}

func newHall(t testing.TB, students, graders int) *hall {
	t.Helper()
	h := &hall{class: newClass(t)}
	ctx := context.Background()
	h.sql(t, `insert into questions (assignment_id, notebook, grade_id, position, kind, cell_type, points, source)
		values ($1, 'nb', 'q1', 2, 'tests', 'code', 2, ''), ($1, 'nb', 'q2', 4, 'manual', 'markdown', 3, ''), ($1, 'nb', 'q3', 6, 'task', 'markdown', 5, ''),
			($1, 'nb', 'a1', 1, 'answer', 'code', 0, '')`, h.assignment.ID)
	h.sql(t, `update assignments set points = 10 where id = $1`, h.assignment.ID)
	h.sql(t, `with u as (insert into users (login, name) select 's' || n, 'Student ' || n from generate_series(1, $2::int) n returning id)
		insert into members (course_id, user_id, role, section) select $1, id, 'student', case when id % 2 = 0 then 'A' else 'B' end from u`, h.course.ID, students)
	h.sql(t, `insert into submissions (assignment_id, member_id, kind, key, taken_at, counts, snapshot, digest, files, bytes)
		select $1, m.id, 'submit', gen_random_uuid(), now(), true, 'x', 'x', '[]', 0 from members m join users u on u.id = m.user_id
		where m.course_id = $2 and u.login ~ '^s[0-9]'`, h.assignment.ID, h.course.ID)
	h.run(t)
	for i := range graders {
		u := course.User{Login: fmt.Sprintf("grader%d", i)}
		must(t, h.AddUser(ctx, &u))
		h.graders = append(h.graders, u)
	}
	rows, err := h.Pool().Query(ctx, `select number from papers where assignment_id = $1 order by number`, h.assignment.ID)
	must(t, err)
	for rows.Next() {
		var n int
		must(t, rows.Scan(&n))
		h.papers = append(h.papers, n)
	}
	must(t, rows.Err())
	for _, q := range []string{"q1", "q2", "q3"} {
		h.keys = append(h.keys, course.QuestionKey{Notebook: "nb", Question: q})
	}
	h.sql(t, `analyze`)
	return h
}

// run autogrades everybody anew: q1 is right for every other student.
func (h *hall) run(t testing.TB) {
	t.Helper()
	h.sql(t, `update runs set effective = false where assignment_id = $1`, h.assignment.ID)
	h.sql(t, `with r as (insert into runs (submission_id, assignment_id, member_id, state, effective)
			select id, assignment_id, member_id, 'done', true from submissions where assignment_id = $1 and counts returning id, member_id)
		insert into run_results (run_id, notebook, question, position, points, max, answer_hash)
		select r.id, q.notebook, q.grade_id, q.position, case when q.kind = 'tests' then (r.member_id % 2) * q.points end, q.points,
			'h' || r.member_id % 5 from r, questions q where q.assignment_id = $1 and q.points > 0`, h.assignment.ID)
}

func (h *hall) paper(t testing.TB, n int) store.Paper {
	t.Helper()
	p, err := h.Paper(context.Background(), h.assignment.ID, n)
	must(t, err)
	return p
}

func (h *hall) cell(t testing.TB, k course.QuestionKey, n int) store.CellMark {
	t.Helper()
	c, err := h.CellMark(context.Background(), h.assignment.ID, k, h.paper(t, n).MemberID, 0)
	must(t, err)
	return c
}

func (h *hall) save(t testing.TB, k course.QuestionKey, n int, in store.MarkInput, others bool, by int) (store.CellMark, int, error) {
	t.Helper()
	return h.SaveMark(context.Background(), h.assignment.ID, k, h.paper(t, n), in, others, h.graders[by].ID)
}

func (h *hall) mustSave(t testing.TB, k course.QuestionKey, n int, in store.MarkInput, others bool) store.CellMark {
	t.Helper()
	in.Seen = h.cell(t, k, n).Event()
	c, _, err := h.save(t, k, n, in, others, 0)
	must(t, err)
	return c
}

func (h *hall) total(t testing.TB, n int) course.Total {
	t.Helper()
	m := h.paper(t, n).MemberID
	totals, err := h.Totals(context.Background(), h.assignment.ID, []course.MemberID{m})
	must(t, err)
	return totals[m]
}

func points(f float64) *float64 { return &f }

func wantState(t testing.TB, when string, c store.CellMark, state string, pts *float64) {
	t.Helper()
	if c.State != state || course.FormatPoints(c.Points) != course.FormatPoints(pts) {
		t.Errorf("%s: %s with %q points, want %s with %q", when, c.State, course.FormatPoints(c.Points), state, course.FormatPoints(pts))
	}
}

func TestTwoGradersEachGetTheirOwnPapers(t *testing.T) {
	t.Parallel()
	h := newHall(t, 60, 2)
	q2 := h.keys[1]
	var mu sync.Mutex
	met := map[int]int{}
	var wg sync.WaitGroup
	for g := range 2 {
		wg.Go(func() {
			for after := 0; ; {
				n, at, err := h.NextPaper(t.Context(), h.assignment.ID, q2, after, h.graders[g].ID)
				if err != nil {
					t.Error(err)
					return
				}
				if n == 0 {
					return
				}
				if at != q2 {
					t.Errorf("handed out %v, want %v", at, q2)
				}
				mu.Lock()
				met[n]++
				mu.Unlock()
				if _, _, err := h.save(t, q2, n, store.MarkInput{Points: points(2)}, false, g); err != nil {
					t.Errorf("saving %d: %v", n, err)
					return
				}
				after = n
			}
		})
	}
	wg.Wait()
	for n, times := range met {
		if times != 1 {
			t.Errorf("paper %d was handed out %d times", n, times)
		}
	}
	if len(met) != 60 {
		t.Errorf("%d papers were handed out, want 60", len(met))
	}
}

func TestAnIdenticalAnswerWaitsForItsReader(t *testing.T) {
	t.Parallel()
	h := newHall(t, 12, 2) // of five answers, each at least twice
	ctx, q2 := t.Context(), h.keys[1]
	first, _, err := h.NextPaper(ctx, h.assignment.ID, q2, 0, h.graders[0].ID)
	must(t, err)
	same := map[int]bool{first: true}
	group, err := h.Identical(ctx, h.assignment.ID, q2, h.paper(t, first).MemberID)
	must(t, err)
	for _, m := range group {
		same[m.Number] = true
	}
	if len(same) < 2 || len(same) == len(h.papers) {
		t.Fatalf("%d of %d papers have the same answer; the test needs some", len(same), len(h.papers))
	}
	for after := 0; ; {
		n, _, err := h.NextPaper(ctx, h.assignment.ID, q2, after, h.graders[1].ID)
		must(t, err)
		if same[n] {
			t.Errorf("paper %d was handed out; its answer is read already, in paper %d", n, first)
		}
		if n <= after {
			break
		}
		after = n
	}
}

func TestALeaseIsExclusiveUntilItRunsOut(t *testing.T) {
	t.Parallel()
	h := newHall(t, 8, 8)
	ctx, q2 := t.Context(), h.keys[1]
	// All at once, many times: nobody gets what another has.
	for round := range 5 {
		h.sql(t, `delete from grading_leases`)
		got := make([]int, len(h.graders))
		var wg sync.WaitGroup
		for g := range h.graders {
			wg.Go(func() {
				var err error
				if got[g], _, err = h.NextPaper(ctx, h.assignment.ID, q2, 0, h.graders[g].ID); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		seen := slices.DeleteFunc(slices.Clone(got), func(n int) bool { return n == 0 })
		slices.Sort(seen)
		if len(slices.Compact(seen)) != len(slices.DeleteFunc(slices.Clone(got), func(n int) bool { return n == 0 })) {
			t.Fatalf("round %d: papers %v were handed out twice", round, got)
		}
	}
	h.sql(t, `delete from grading_leases`)
	first, _, err := h.NextPaper(ctx, h.assignment.ID, q2, 0, h.graders[0].ID)
	must(t, err)
	if again, _, _ := h.NextPaper(ctx, h.assignment.ID, q2, 0, h.graders[0].ID); again != first {
		t.Errorf("the same grader gets %d after %d; their own lease does not hinder them", again, first)
	}
	if other, err := h.Hold(ctx, h.assignment.ID, q2, h.paper(t, first).MemberID, h.graders[1].ID); err != nil || other != "grader0" {
		t.Errorf("somebody else's paper is held by %q, %v; want grader0", other, err)
	}
	if c, err := h.CellMark(ctx, h.assignment.ID, q2, h.paper(t, first).MemberID, h.graders[1].ID); err != nil || c.HeldBy == nil || *c.HeldBy != "grader0" {
		t.Errorf("the paper does not say who reads it: %v, %v", c.HeldBy, err)
	}
	h.sql(t, `update grading_leases set expires_at = now() - interval '1 second'`)
	if n, _, err := h.NextPaper(ctx, h.assignment.ID, q2, 0, h.graders[1].ID); err != nil || n != first {
		t.Errorf("after it ran out the next grader gets %d, %v; want %d", n, err, first)
	}
	must(t, h.LetGo(ctx, h.assignment.ID, h.graders[1].ID))
	if n, _, err := h.NextPaper(ctx, h.assignment.ID, course.QuestionKey{}, h.papers[len(h.papers)-1], h.graders[2].ID); err != nil || n != h.papers[0] {
		t.Errorf("after the last comes %d, %v; want the first, %d", n, err, h.papers[0])
	}
}

func TestTwoMarksAtOnceAreAConflict(t *testing.T) {
	t.Parallel()
	h := newHall(t, 2, 2)
	q2, n := h.keys[1], h.papers[0]
	if _, _, err := h.save(t, q2, n, store.MarkInput{Points: points(1), Comment: "first"}, false, 0); err != nil {
		t.Fatal(err)
	}
	_, _, err := h.save(t, q2, n, store.MarkInput{Points: points(3)}, false, 1)
	conflict, ok := store.AsMarkConflict(err)
	if !ok || *conflict.Theirs.Points != 1 || *conflict.Theirs.By != "grader0" || *conflict.Theirs.Comment != "first" {
		t.Fatalf("the second mark: %v, want a conflict with the first", err)
	}
	if _, _, err := h.save(t, q2, n, store.MarkInput{Points: points(3), Seen: conflict.Theirs.Event()}, false, 1); err != nil {
		t.Errorf("knowing of it, the second mark: %v", err)
	}
	// The same mark twice, as by a form sent twice, is neither a conflict nor an event.
	before := h.count(t)
	if _, _, err := h.save(t, q2, n, store.MarkInput{Points: points(3)}, false, 0); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if after := h.count(t); after != before {
		t.Errorf("%d events after %d, want none more", after, before)
	}
	// Both at the same moment: one of them is told.
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for g := range 2 {
		wg.Go(func() {
			_, _, errs[g] = h.save(t, h.keys[2], n, store.MarkInput{Points: points(float64(g + 1))}, false, g)
		})
	}
	wg.Wait()
	_, c0 := store.AsMarkConflict(errs[0])
	_, c1 := store.AsMarkConflict(errs[1])
	if c0 == c1 {
		t.Errorf("two at once: %v and %v, want one conflict", errs[0], errs[1])
	}
}

func (h *hall) count(t testing.TB) (n int) {
	t.Helper()
	must(t, h.Pool().QueryRow(context.Background(), `select count(*) from mark_events`).Scan(&n))
	return n
}

func TestMarksFollowTheirRubric(t *testing.T) {
	t.Parallel()
	h := newHall(t, 4, 1)
	ctx, q2 := t.Context(), h.keys[1]
	change := func(f func(course.Rubric) course.Rubric) int {
		t.Helper()
		n, err := h.ChangeRubric(ctx, h.assignment.ID, q2, 3, "the rubric was changed", h.graders[0].ID, func(r course.Rubric) (course.Rubric, error) { return f(r), nil })
		must(t, err)
		return n
	}
	change(func(r course.Rubric) course.Rubric {
		r.Items = append(r.Items, course.RubricItem{Text: "idea", Points: 2}, course.RubricItem{Text: "units", Points: 0.5})
		return r
	})
	r, err := h.Rubric(ctx, h.assignment.ID, q2)
	must(t, err)
	idea, units := r.Items[0].ID, r.Items[1].ID
	wantState(t, "both", h.mustSave(t, q2, h.papers[0], store.MarkInput{Rubric: []int64{idea, units}, Comment: "good"}, false), "marked", points(2.5))
	wantState(t, "units", h.mustSave(t, q2, h.papers[1], store.MarkInput{Rubric: []int64{units}}, false), "marked", points(0.5))
	wantState(t, "typed", h.mustSave(t, q2, h.papers[2], store.MarkInput{Points: points(3), Rubric: []int64{units}}, false), "marked", points(3))
	if n := change(func(r course.Rubric) course.Rubric { r.Items[1].Points = 1; return r }); n != 2 {
		t.Errorf("%d marks followed, want 2", n)
	}
	wantState(t, "both, later", h.cell(t, q2, h.papers[0]), "marked", points(3))
	wantState(t, "units, later", h.cell(t, q2, h.papers[1]), "marked", points(1))
	wantState(t, "typed, later", h.cell(t, q2, h.papers[2]), "marked", points(3))
	history, err := h.MarkHistory(ctx, h.assignment.ID, h.paper(t, h.papers[0]).MemberID)
	must(t, err)
	if len(history) != 2 || history[0].Reason != "the rubric was changed" || history[0].Comment != "good" || *history[0].Points != 3 || *history[1].Points != 2.5 {
		t.Errorf("the history does not say what happened: %+v", history)
	}
	change(func(r course.Rubric) course.Rubric { r.Mode = course.RubricDeducts; return r })
	wantState(t, "deducting", h.cell(t, q2, h.papers[1]), "marked", points(2))
	if used, alone, err := h.RubricUse(ctx, h.assignment.ID, q2); err != nil || used[units] != 3 || alone[units] != 1 {
		t.Errorf("units is used %d times, alone %d, %v; want 3 and 1", used[units], alone[units], err)
	}
	change(func(r course.Rubric) course.Rubric { r.Items = r.Items[:1]; return r })
	wantState(t, "with an item gone", h.cell(t, q2, h.papers[0]), "marked", points(1))
	wantState(t, "with its only item gone", h.cell(t, q2, h.papers[1]), "needs", nil)
	wantState(t, "typed, at last", h.cell(t, q2, h.papers[2]), "marked", points(3))
}

func TestIdenticalAnswersAreMarkedTogether(t *testing.T) {
	t.Parallel()
	h := newHall(t, 20, 1)
	ctx, q2 := t.Context(), h.keys[1]
	lead := h.papers[0]
	group, err := h.Identical(ctx, h.assignment.ID, q2, h.paper(t, lead).MemberID)
	must(t, err)
	if len(group) != 3 {
		t.Fatalf("%d others have the same answer, want 3", len(group))
	}
	h.mustSave(t, q2, group[0].Number, store.MarkInput{Points: points(1)}, false) // marked on its own
	seen := h.cell(t, q2, lead).Event()
	_, together, err := h.save(t, q2, lead, store.MarkInput{Points: points(2), Comment: "same", Seen: seen}, true, 0)
	if err != nil || together != 2 {
		t.Fatalf("%d others were marked, %v; want 2", together, err)
	}
	wantState(t, "marked on its own", h.cell(t, q2, group[0].Number), "marked", points(1))
	wantState(t, "of the group", h.cell(t, q2, group[1].Number), "marked", points(2))
	must(t, h.TakeApart(ctx, h.assignment.ID, q2, group[1].Number, h.graders[0].ID))
	wantState(t, "taken apart", h.cell(t, q2, group[1].Number), "needs", nil)
	if err := h.TakeApart(ctx, h.assignment.ID, q2, group[1].Number, h.graders[0].ID); !course.IsKind(err, course.Conflict) {
		t.Errorf("taking apart twice: %v, want a conflict", err)
	}
	h.mustSave(t, q2, lead, store.MarkInput{Points: points(3)}, true)
	wantState(t, "taken apart stays so", h.cell(t, q2, group[1].Number), "needs", nil)
	wantState(t, "who follows, follows", h.cell(t, q2, group[2].Number), "marked", points(3))
}

func TestAutogradingAgainKeepsWhatPeopleGave(t *testing.T) {
	t.Parallel()
	h := newHall(t, 4, 1)
	ctx, q1, q2 := t.Context(), h.keys[0], h.keys[1]
	n := h.papers[0]
	p := h.paper(t, n)
	h.sql(t, `update run_results set points = 0 where question = 'q1'`)
	wantState(t, "tests failed", h.cell(t, q1, n), "failed", points(0))
	wantState(t, "overridden", h.mustSave(t, q1, n, store.MarkInput{Points: points(1.5), Reason: "the test was wrong", Comment: "ok"}, false), "overridden", points(1.5))
	wantState(t, "by hand", h.mustSave(t, q2, n, store.MarkInput{Points: points(3), Extra: 1}, false), "marked", points(3))
	h.run(t)
	wantState(t, "overridden, run again", h.cell(t, q1, n), "overridden", points(1.5))
	wantState(t, "by hand, run again", h.cell(t, q2, n), "marked", points(3))
	if c := h.cell(t, q1, n); *c.Comment != "ok" || *c.Reason != "the test was wrong" {
		t.Errorf("comment and reason are %q and %q", *c.Comment, *c.Reason)
	}
	if total := h.total(t, n); *total.Points() != 5.5 || total.Most != 10 || total.Needs != 1 {
		t.Errorf("the total is %v of %v with %d open, want 5.5 of 10 with 1", *total.Points(), total.Most, total.Needs)
	}
	// Newer work: the mark stays, and asks to be looked at.
	h.sql(t, `update submissions set counts = false where id = $1`, p.SubmissionID)
	h.sql(t, `insert into submissions (assignment_id, member_id, kind, key, taken_at, counts, snapshot, digest, files, bytes)
		values ($1, $2, 'submit', gen_random_uuid(), now(), true, 'y', 'y', '[]', 0)`, h.assignment.ID, p.MemberID)
	wantState(t, "of older work", h.cell(t, q2, n), "stale", points(3))
	if again, _, err := h.NextPaper(ctx, h.assignment.ID, q2, n-1, h.graders[0].ID); err != nil || again != n {
		t.Errorf("next is %d, %v; want the paper with newer work, %d", again, err, n)
	}
	wantState(t, "looked at again", h.mustSave(t, q2, n, store.MarkInput{Points: points(3), Extra: 1}, false), "marked", points(3))
	// While it is saved, a run comes into effect: the mark is a person's all the same.
	var wg sync.WaitGroup
	wg.Go(func() { h.run(t) })
	wg.Go(func() { h.mustSave(t, q1, n, store.MarkInput{Points: points(1), Reason: "again"}, false) })
	wg.Wait()
	if c := h.cell(t, q1, n); *c.Points != 1 {
		t.Errorf("after a run at the same moment: %v points, want 1", *c.Points)
	}
}

func TestTheViewAddsUpAsTheRulesDo(t *testing.T) {
	t.Parallel()
	h := newHall(t, 40, 1)
	ctx := t.Context()
	rng := rand.New(rand.NewPCG(1, 2))
	maybe := func(most float64) *float64 {
		if rng.IntN(4) == 0 {
			return nil
		}
		return points(math.Round(rng.Float64()*most*8) / 8)
	}
	for _, n := range h.papers {
		for i, k := range h.keys {
			if rng.IntN(2) == 0 {
				h.mustSave(t, k, n, store.MarkInput{Points: maybe([]float64{2, 3, 5}[i]), Extra: float64(rng.IntN(3)) / 2, Excused: rng.IntN(8) == 0, Flagged: rng.IntN(8) == 0}, false)
			}
		}
		if rng.IntN(6) == 0 {
			m := h.paper(t, n).MemberID
			must(t, h.GiveMarks(ctx, h.assignment.ID, []course.Mark{{MemberID: m, Points: maybe(10), Source: "hand"}}, h.teacher.ID, ""))
		}
	}
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Auckland", "Asia/Kolkata"} {
		loc, err := time.LoadLocation(zone)
		must(t, err)
		h.sql(t, `update courses set zone = $2 where id = $1`, h.course.ID, zone)
		for _, rule := range []course.LateRule{{}, {Unit: "day", Percent: 7, Cap: 60}, {Unit: "hour", Percent: 1.5, Cap: 100, Grace: 20 * time.Minute, ZeroAfter: func() *int { n := 50; return &n }()}} {
			must(t, h.SaveLateRule(ctx, h.assignment.ID, rule))
			if back, err := h.LateRule(ctx, h.assignment.ID); err != nil || back.Words() != rule.Words() {
				t.Errorf("kept as %q, %v; want %q", back.Words(), err, rule.Words())
			}
			// Due around a change of clocks, taken within four days after.
			due := time.Date(2026, []time.Month{3, 4, 9, 10}[rng.IntN(4)], 1+rng.IntN(28), rng.IntN(24), rng.IntN(60), 0, 0, time.UTC)
			h.sql(t, `update assignments set due_at = $2 where id = $1`, h.assignment.ID, due)
			h.sql(t, `update submissions set taken_at = $1::timestamptz + make_interval(secs => random() * 350000 - 40000)`, due)
			h.checkTotals(t, rule, due, loc)
		}
	}
}

// checkTotals compares every total of the view with the sum of its cells.
func (h *hall) checkTotals(t *testing.T, rule course.LateRule, due time.Time, loc *time.Location) {
	t.Helper()
	ctx := t.Context()
	rows, err := h.GradeTable(ctx, h.assignment.ID, store.GradeQuery{})
	must(t, err)
	checked := 0
	for _, r := range rows {
		if r.Number == nil {
			continue
		}
		p := h.paper(t, *r.Number)
		var qs []course.QuestionMark
		for _, c := range r.Cells {
			qs = append(qs, course.QuestionMark{Max: c.Max, Given: c.Given, Auto: c.Auto, Extra: c.Extra, Excused: c.State == "excused"})
		}
		want := course.Sum(qs)
		want.Whole, want.Excused, want.Lost = r.Whole, r.Excused, rule.Lost(&due, p.TakenAt, loc)
		got := h.total(t, *r.Number)
		if course.FormatPoints(got.Points()) != course.FormatPoints(want.Points()) || course.FormatPoints(r.Points) != course.FormatPoints(want.Points()) ||
			r.Penalty != want.Penalty() || got.Lost != want.Lost || got.Most != want.Most || got.Extra != want.Extra {
			t.Errorf("%s, due %s, taken %s: the view says %s (%v late) of %v, the rules %s (%v late) of %v", loc, due, p.TakenAt,
				course.FormatPoints(r.Points), r.Penalty, got.Most, course.FormatPoints(want.Points()), want.Penalty(), want.Most)
		}
		checked++
	}
	if checked != len(h.papers) {
		t.Errorf("%d totals were compared, want %d", checked, len(h.papers))
	}
}

func TestAnonymousOrderStays(t *testing.T) {
	t.Parallel()
	h := newHall(t, 30, 1)
	order := func() (out []int) {
		rows, err := h.GradeTable(t.Context(), h.assignment.ID, store.GradeQuery{})
		must(t, err)
		for _, r := range rows {
			if r.Number != nil {
				out = append(out, *r.Number)
			}
		}
		return out
	}
	before := order()
	if !slices.IsSorted(before) || len(before) != 30 {
		t.Fatalf("the order is %v", before)
	}
	h.sql(t, `insert into submissions (assignment_id, member_id, kind, key, taken_at, counts, snapshot, digest, files, bytes)
		values ($1, $2, 'submit', gen_random_uuid(), now(), true, 'x', 'x', '[]', 0)`, h.assignment.ID, h.member)
	after := order()
	if len(after) != 31 {
		t.Fatalf("%d papers, want 31", len(after))
	}
	n, err := h.PaperOf(t.Context(), h.assignment.ID, h.member)
	must(t, err)
	if rest := slices.DeleteFunc(after, func(x int) bool { return x == n }); !slices.Equal(rest, before) {
		t.Errorf("one more paper changed the others: %v, was %v", rest, before)
	}
	for state, want := range map[string]int{"needs": 30, "flagged": 0, "missing": 0} {
		rows, err := h.GradeTable(t.Context(), h.assignment.ID, store.GradeQuery{State: state, Section: ""})
		must(t, err)
		if state == "needs" {
			want = 31
		}
		if len(rows) != want {
			t.Errorf("%d rows are %s, want %d", len(rows), state, want)
		}
	}
}
