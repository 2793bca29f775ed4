package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lectern/course"
	"lectern/store"
)

// slowWork is what a column remembers, asked for without remembering.
type slowWork struct {
	AssignmentID course.AssignmentID
	MemberID     course.MemberID
	course.Total
	TakenAt, OwnDueAt *time.Time
}

func (h *hall) slowBook(t testing.TB) (works []slowWork) {
	t.Helper()
	rows, err := h.Pool().Query(context.Background(), `
		select t.assignment_id, t.member_id, t.whole, t.earned, t.extra, t.most, t.excused, t.needs::int as needs, t.waiting::int as waiting,
			s.taken_at, x.due_at as own_due_at
		from current_totals t left join submissions s on s.id = t.submission_id
		left join extensions x on x.assignment_id = t.assignment_id and x.member_id = t.member_id`)
	must(t, err)
	works, err = pgx.CollectRows(rows, pgx.RowToStructByNameLax[slowWork])
	must(t, err)
	return works
}

func (h *hall) slowStats(t testing.TB, a course.AssignmentID) (stats []store.QuestionStats) {
	t.Helper()
	rows, err := h.Pool().Query(context.Background(), `
		select notebook, question, kind, max, count(points)::int as marked, avg(points) as mean, percentile_cont(0.5) within group (order by points) as median,
			(count(*) filter (where points >= max))::int as full, (count(*) filter (where points <= 0))::int as none,
			(count(*) filter (where no_response))::int as unanswered
		from grade_cells where assignment_id = $1 and not excused group by notebook, question, kind, position, max order by notebook, position`, a)
	must(t, err)
	stats, err = pgx.CollectRows(rows, pgx.RowToStructByName[store.QuestionStats])
	must(t, err)
	return stats
}

// checkBook compares what a program remembers with what the database says.
func (h *hall) checkBook(t testing.TB, s *store.Store, when string) {
	t.Helper()
	ids := []course.AssignmentID{h.assignment.ID, h.other(t)}
	columns, err := s.BookColumns(context.Background(), h.course.ID, ids)
	must(t, err)
	text := func(tot course.Total, taken, own time.Time) string {
		return fmt.Sprint(course.FormatPoints(tot.Whole), "/", course.FormatPoints(tot.Earned), tot.Extra, tot.Most, tot.Excused, tot.Needs, tot.Waiting, taken.UTC(), own.UTC())
	}
	instant := func(at *time.Time) time.Time {
		if at == nil {
			return time.UnixMicro(-1 << 63)
		}
		return *at
	}
	works := h.slowBook(t)
	for _, w := range works {
		i := 0
		if w.AssignmentID == ids[1] {
			i = 1
		}
		got := columns[i].Of([]course.MemberID{w.MemberID})[0]
		taken, handed := got.TakenAt()
		own, extended := got.OwnDueAt()
		if !handed {
			taken = instant(nil)
		}
		if !extended {
			own = instant(nil)
		}
		if got, want := text(got.Total(10, 0), taken, own), text(w.Total, instant(w.TakenAt), instant(w.OwnDueAt)); got != want {
			t.Errorf("%s: member %d in %d is remembered as %s, is %s", when, w.MemberID, i, got, want)
		}
	}
	if len(works) < 60 {
		t.Fatalf("only %d works were compared", len(works))
	}
	for _, a := range ids {
		_, stats, err := s.BookStatistics(context.Background(), h.course.ID, a)
		must(t, err)
		if got, want := statsText(stats), statsText(h.slowStats(t, a)); got != want {
			t.Errorf("%s: questions are\n%swant\n%s", when, got, want)
		}
	}
}

func statsText(stats []store.QuestionStats) (out string) {
	for _, q := range stats {
		out += fmt.Sprintln(q.Notebook, q.Question, q.Kind, q.Max, q.Marked, course.FormatPoints(q.Mean), course.FormatPoints(q.Median), q.Full, q.None, q.Unanswered)
	}
	return out
}

// other is an assignment without questions, where marks are for the whole.
func (h *hall) other(t testing.TB) (id course.AssignmentID) {
	t.Helper()
	must(t, h.Pool().QueryRow(context.Background(), `insert into assignments (course_id, slug, title, points) values ($1, 'other', 'Other', 10)
		on conflict (course_id, slug) do update set title = excluded.title returning id`, h.course.ID).Scan(&id))
	return id
}

// program is another Lectern on the same database.
func (h *hall) program(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), h.Pool().Config().ConnString())
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

func TestTwoProgramsRememberTheBookExactly(t *testing.T) {
	t.Parallel()
	h := newHall(t, 30, 1)
	ctx := t.Context()
	other := h.other(t)
	programs := []*store.Store{h.Store, h.program(t)}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	t.Log("seed", seed)
	const member = `(select member_id from papers order by number offset $1 limit 1)`
	steps := []struct {
		name string
		do   func(n int)
	}{
		{"a mark", func(n int) {
			h.mustSave(t, h.keys[rng.IntN(3)], h.papers[n], store.MarkInput{Points: points(float64(rng.IntN(5)) / 2), Extra: float64(rng.IntN(2)), Excused: rng.IntN(6) == 0}, false)
		}},
		{"a mark for all with the same answer", func(n int) {
			h.mustSave(t, h.keys[0], h.papers[n], store.MarkInput{Points: points(float64(rng.IntN(3)))}, true)
		}},
		{"points moved from a question to the other", func(n int) {
			h.sql(t, `insert into mark_events (assignment_id, member_id, notebook, question, points, source, submission_id)
				select $2, `+member+`, 'nb', q, coalesce((select points from grade_cells where assignment_id = $2 and member_id = `+member+` and question = q), 0) + d, 'hand', null
				from (values ('q2', 1), ('q3', -1)) v (q, d)`, n, h.assignment.ID)
		}},
		{"a mark for the whole", func(n int) {
			h.sql(t, `insert into mark_events (assignment_id, member_id, points, excused, source) values ($2, `+member+`, 7, $3, 'csv')`, n, other, rng.IntN(3) == 0)
		}},
		{"an extension", func(n int) {
			h.sql(t, `insert into extensions (assignment_id, member_id, due_at) values ($2, `+member+`, now()) on conflict (assignment_id, member_id) do update set due_at = now()`, n, other)
		}},
		{"no extension", func(n int) {
			h.sql(t, `delete from extensions where assignment_id = $2 and member_id in (select member_id from papers order by number offset $1)`, n, other)
		}},
		{"work handed in", func(n int) {
			h.sql(t, `update submissions set counts = false where assignment_id = $2 and member_id = `+member, n, h.assignment.ID)
			h.sql(t, `insert into submissions (assignment_id, member_id, kind, key, taken_at, counts, snapshot, digest, files, bytes)
				values ($2, `+member+`, 'submit', gen_random_uuid(), now(), true, 'x', 'x', '[]', 0)`, n, h.assignment.ID)
		}},
		{"a time of handing in that was put right", func(n int) {
			h.sql(t, `update submissions set taken_at = taken_at - interval '1 hour' where member_id = `+member, n)
		}},
		{"a new run of everybody", func(int) { h.run(t) }},
		{"a question less", func(int) { h.sql(t, `delete from questions where grade_id = 'q2'`) }},
		{"a question more", func(int) {
			h.sql(t, `insert into questions (assignment_id, notebook, grade_id, position, kind, cell_type, points, source)
				values ($1, 'nb', 'q2', 4, 'manual', 'markdown', 3, '') on conflict do nothing`, h.assignment.ID)
		}},
		{"a row that is gone", func(n int) {
			h.sql(t, `delete from tallies where assignment_id = $2 and member_id = `+member, n, other)
		}},
	}
	for i := range 70 {
		step := steps[rng.IntN(len(steps))]
		if i < len(steps) {
			step = steps[i] // each at least once
		}
		if step.name == "a mark" {
			steps[10].do(0) // all questions there
		}
		step.do(rng.IntN(30))
		// The other program looks now and then, and has more to find out.
		h.checkBook(t, programs[rng.IntN(2)], fmt.Sprint(i, ", after ", step.name))
	}
	must(t, ctx.Err())
}

func TestABookShowsAMarkOnceItIsCommitted(t *testing.T) {
	t.Parallel()
	h := newHall(t, 30, 1)
	ctx := t.Context()
	h.checkBook(t, h.Store, "at first")
	give := func(tx pgx.Tx, q string) {
		t.Helper()
		_, err := tx.Exec(ctx, `insert into mark_events (assignment_id, member_id, notebook, question, points, source)
			select assignment_id, member_id, 'nb', $1, 2, 'hand' from papers where number = $2`, q, h.papers[len(q)])
		must(t, err)
	}
	// Two transactions, begun before the looks, end in the other order after them.
	early, err := h.Pool().Begin(ctx)
	must(t, err)
	give(early, "q2")
	late, err := h.Pool().Begin(ctx)
	must(t, err)
	_, err = late.Exec(ctx, `insert into mark_events (assignment_id, member_id, notebook, question, points, source)
		select assignment_id, member_id, 'nb', 'q3', 3, 'hand' from papers where number = $1`, h.papers[9])
	must(t, err)
	h.checkBook(t, h.Store, "with two marks under way")
	must(t, late.Commit(ctx))
	h.checkBook(t, h.Store, "after the later one")
	h.mustSave(t, h.keys[1], h.papers[5], store.MarkInput{Points: points(1)}, false)
	h.checkBook(t, h.Store, "after a third")
	must(t, early.Commit(ctx))
	h.checkBook(t, h.Store, "after the earlier one")

	undone, err := h.Pool().Begin(ctx)
	must(t, err)
	give(undone, "q3")
	must(t, undone.Rollback(ctx))
	h.checkBook(t, h.Store, "after one that was taken back")
}

func TestABookIsNeverOlderThanTheMarkBefore(t *testing.T) {
	t.Parallel()
	h := newHall(t, 30, 1)
	programs := []*store.Store{h.Store, h.program(t)}
	var wg sync.WaitGroup
	for g := range 4 { // each marks a paper of its own, and looks at it after each mark
		wg.Go(func() {
			m := h.paper(t, h.papers[g]).MemberID
			for n := range 25 {
				_, err := h.Pool().Exec(t.Context(), `insert into mark_events (assignment_id, member_id, points, source) values ($1, $2, $3, 'hand')`, h.assignment.ID, m, n)
				if err != nil {
					t.Error(err)
					return
				}
				cols, err := programs[n%2].BookColumns(t.Context(), h.course.ID, []course.AssignmentID{h.assignment.ID})
				if err != nil {
					t.Error(err)
					return
				}
				if got := course.FormatPoints(cols[0].Of([]course.MemberID{m})[0].Total(10, 0).Whole); got != fmt.Sprint(n) {
					t.Errorf("the book says %s after a mark of %d", got, n)
				}
			}
		})
	}
	wg.Wait()
}
