package store_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"lectern/course"
	"lectern/store"
)

// give returns a paper's feedback as it is now.
func (h *hall) give(t testing.TB, p store.Paper) {
	t.Helper()
	must(t, h.WithFeedback(t.Context(), h.assignment.ID, p.MemberID, func(tx *store.Store) error {
		return tx.MarkReturned(t.Context(), h.assignment.ID, p.MemberID, h.graders[0].ID, time.Now())
	}))
}

// Whatever is marked, returned, asked and answered in any order: the student sees
// the marks of the last return with the ones that answers have shown since, and a
// total of just these.
func TestAnAnswerShowsOneMarkAndNoOther(t *testing.T) {
	t.Parallel()
	h := newHall(t, 3, 2)
	a, ctx := h.assignment.ID, context.Background()
	h.sql(t, `update assignments set late_unit = 'day', late_percent = 10, due_at = now() - interval '50 hours'`)
	var student course.UserID
	must(t, h.Pool().QueryRow(ctx, `select user_id from members where id = $1`, h.paper(t, h.papers[0]).MemberID).Scan(&student))
	r := rand.New(rand.NewPCG(1, 2))
	type seen map[course.QuestionKey]store.GradeCell
	models, lost, answered := map[int]seen{}, map[int]float64{}, 0
	for step := range 400 {
		n := h.papers[r.IntN(len(h.papers))]
		k := h.keys[r.IntN(len(h.keys))]
		p, what := h.paper(t, n), ""
		asked, err := h.RegradeAbout(ctx, a, k, p.MemberID, h.graders[0].ID)
		must(t, err)
		switch do := r.IntN(10); {
		case do < 4:
			what = "mark"
			in := store.MarkInput{Points: points(float64(r.IntN(9)) / 4), Extra: float64(r.IntN(3)) / 10, Excused: r.IntN(5) == 0, Reason: "r"}
			h.mustSave(t, k, n, in, false)
		case do == 4:
			what = "return"
			h.give(t, p)
			models[n], lost[n] = seen{}, h.total(t, n).Lost
			for _, k := range h.keys {
				models[n][k] = h.cell(t, k, n).GradeCell
			}
		case models[n] == nil:
			continue
		case asked == nil || !asked.Open():
			what = "ask"
			terms, err := h.RegradeTerms(ctx, a, p.MemberID)
			must(t, err)
			for _, q := range terms.Questions {
				if q.Key() == k {
					if _, _, err := h.AskRegrade(ctx, h.assignment, p.MemberID, student, uuid.New(), q, "why", time.Now()); err != nil && !course.IsKind(err, course.Conflict) {
						t.Fatal(err)
					}
				}
			}
		default:
			what = "answer"
			in := store.RegradeAnswer{Text: "so", Seen: h.cell(t, k, n).Event()}
			if r.IntN(2) == 0 {
				in.Points = points(float64(r.IntN(9)) / 4)
			}
			must(t, h.AnswerRegrade(ctx, *asked, in, h.graders[1].ID, time.Now()))
			models[n][k] = h.cell(t, k, n).GradeCell
			answered++
		}
		if models[n] == nil {
			continue
		}
		terms, err := h.RegradeTerms(ctx, a, p.MemberID)
		must(t, err)
		var marks []course.QuestionMark
		waits := false
		for _, q := range terms.Questions {
			m, now := models[n][q.Key()], h.cell(t, q.Key(), n).GradeCell
			if course.FormatPoints(m.Points) != course.FormatPoints(q.Points) || m.Extra != q.Extra || (m.State == "excused") != q.Excused {
				t.Fatalf("step %d, %s: %v is shown as %+v, want %+v", step, what, q.Key(), q, m)
			}
			marks = append(marks, course.QuestionMark{Max: q.Max, Given: m.Points, Extra: m.Extra, Excused: m.State == "excused"})
			waits = waits || course.FormatPoints(m.Points) != course.FormatPoints(now.Points) || m.Extra != now.Extra || m.State != now.State
		}
		want := course.Sum(marks)
		want.Lost = lost[n]
		var got *float64
		must(t, h.Pool().QueryRow(ctx, `select round(returned_points::numeric, 6)::float8 from feedbacks where assignment_id = $1 and member_id = $2`, a, p.MemberID).Scan(&got))
		if (got == nil) != (want.Points() == nil) || got != nil && (*got-*want.Points() > 1e-6 || *want.Points()-*got > 1e-6) {
			t.Fatalf("step %d, %s: the total is %v, want %v", step, what, course.FormatPoints(got), course.FormatPoints(want.Points()))
		}
		rows, err := h.FeedbackTable(ctx, a, store.FeedbackQuery{Logins: []string{p.Login}})
		must(t, err)
		if waits && !rows[0].Newer {
			t.Fatalf("step %d, %s: a changed mark would never be returned", step, what)
		}
		if what == "answer" && !waits && rows[0].Newer {
			t.Fatalf("step %d: after the answer nothing has changed, but something waits to be returned", step)
		}
	}
	if answered < 20 {
		t.Errorf("only %d answers", answered)
	}
}

// BenchmarkRegrades has 6,000 requests in a course of 3,000.
func BenchmarkRegrades(b *testing.B) {
	h := newHall(b, 3000, 2)
	ctx := context.Background()
	h.sql(b, `insert into members (course_id, user_id, role) select $1, id, 'instructor' from users where login = 'grader0'`, h.course.ID)
	h.sql(b, `with g as (insert into regrades (assignment_id, member_id, notebook, question, key, max, state)
		select $1, m.id, 'nb', q, gen_random_uuid(), 3, case when m.id % 3 = 0 then 'open' else 'answered' end
		from members m join users u on u.id = m.user_id, unnest(array['q2', 'q3']) q where u.login ~ '^s[0-9]' returning id)
		insert into regrade_events (regrade_id, kind, actor, at, text) select id, 'asked', $2, now(), repeat('why ', 500) from g`, h.assignment.ID, h.graders[0].ID)
	h.sql(b, `insert into regrade_events (regrade_id, kind, actor, at, text) select id, 'answered', $1, now(), 'so' from regrades where state = 'answered'`, h.graders[0].ID)
	h.sql(b, `analyze`)
	m := h.paper(b, h.papers[7]).MemberID
	for name, ask := range map[string]func(i int) error{
		"list": func(i int) error {
			_, err := h.RegradeList(ctx, h.course.ID, h.graders[0].ID, store.RegradeQuery{Limit: 100, Offset: i % 60 * 100})
			return err
		},
		"waiting": func(int) error { _, err := h.RegradesWaiting(ctx, h.graders[0].ID); return err },
		"choices": func(int) error { _, err := h.RegradeChoices(ctx, h.course.ID); return err },
		"student": func(int) error { _, err := h.RegradesOf(ctx, h.assignment.ID, m); return err },
		"panel":   func(int) error { _, err := h.RegradeAbout(ctx, h.assignment.ID, h.keys[1], m, 1); return err },
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				at := time.Now()
				must(b, ask(i))
				took = append(took, time.Since(at))
			}
			p99(b, name, took)
		})
	}
}
