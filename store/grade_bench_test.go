package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"lectern/course"
	"lectern/store"
)

// crowd is 3,000 students with 40 assignments of 10 questions: 7 by tests, 3 by
// hand. In the first nobody has marked yet; the others are done.
func crowd(b *testing.B) *hall {
	b.Helper()
	h := &hall{class: newClass(b)}
	ctx := context.Background()
	h.sql(b, `with u as (insert into users (login, name) select 's' || n, 'Student ' || n from generate_series(1, 3000) n returning id)
		insert into members (course_id, user_id, role, section) select $1, id, 'student', 'S' || id % 10 from u`, h.course.ID)
	h.sql(b, `insert into assignments (course_id, slug, title, released_at, due_at, late_unit, late_percent)
		select $1, 'a' || n, 'Assignment ' || n, now(), now() - interval '1 day', 'day', 10 from generate_series(2, 40) n`, h.course.ID)
	h.sql(b, `insert into questions (assignment_id, notebook, grade_id, position, kind, cell_type, points, source)
		select a.id, 'nb', 'q' || n, n, case when n > 7 then 'manual' else 'tests' end, 'code', 2, '' from assignments a, generate_series(1, 10) n`)
	rows, err := h.Pool().Query(ctx, `select id from assignments order by id`)
	must(b, err)
	var ids []int64
	for rows.Next() {
		var id int64
		must(b, rows.Scan(&id))
		ids = append(ids, id)
	}
	must(b, rows.Err())
	triggers := func(what string) {
		for _, table := range []string{"submissions", "runs", "run_results", "mark_events"} {
			h.sql(b, `alter table `+table+` `+what+` trigger user`)
		}
	}
	triggers("disable") // each assignment is settled once, at its end
	for i, id := range ids {
		h.sql(b, `insert into submissions (assignment_id, member_id, kind, key, taken_at, counts, snapshot, digest, files, bytes)
			select $1, id, 'submit', gen_random_uuid(), now(), true, 'x', 'x', '[]', 0 from members where course_id = $2 and role = 'student'`, id, h.course.ID)
		h.sql(b, `with r as (insert into runs (submission_id, assignment_id, member_id, state, effective)
				select id, assignment_id, member_id, 'done', true from submissions where assignment_id = $1 returning id)
			insert into run_results (run_id, notebook, question, position, points, max, answer_hash)
			select r.id, q.notebook, q.grade_id, q.position, case when q.kind = 'tests' then r.id % 3 end, 2, md5(r.id::text)
			from r, questions q where q.assignment_id = $1`, id)
		h.sql(b, `analyze`)
		if i > 0 {
			h.sql(b, `insert into mark_events (assignment_id, member_id, notebook, question, points, source, submission_id)
				select q.assignment_id, s.member_id, q.notebook, q.grade_id, 1, 'hand', s.id
				from questions q join submissions s on s.assignment_id = q.assignment_id where q.assignment_id = $1 and q.kind = 'manual'`, id)
		}
		h.sql(b, `select count(draw_paper(assignment_id, member_id)) from submissions where assignment_id = $1`, id)
		h.sql(b, `select settle($1, array_agg(member_id)) from submissions where assignment_id = $1`, id)
	}
	triggers("enable")
	h.sql(b, `analyze`)
	for i := range 8 {
		u := course.User{Login: fmt.Sprintf("grader%d", i)}
		must(b, h.AddUser(ctx, &u))
		h.graders = append(h.graders, u)
	}
	h.keys = []course.QuestionKey{{Notebook: "nb", Question: "q8"}, {Notebook: "nb", Question: "q9"}}
	return h
}

// p99 reports the time that one in a hundred exceeds.
func p99(b *testing.B, name string, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms/"+name)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms/"+name)
}

func BenchmarkGradingACrowd(b *testing.B) {
	h := crowd(b)
	ctx := context.Background()
	done := course.AssignmentID(0)
	must(b, h.Pool().QueryRow(ctx, `select max(id) from assignments`).Scan(&done))
	for name, ask := range map[string]func(i int) error{
		"grid": func(i int) error {
			_, err := h.GradeTable(ctx, done, store.GradeQuery{Limit: 100, Offset: i % 30 * 100})
			return err
		},
		"grid-by-points": func(i int) error {
			_, err := h.GradeTable(ctx, h.assignment.ID, store.GradeQuery{Limit: 100, Sort: "points", Down: true, State: "needs"})
			return err
		},
		"progress": func(i int) error { _, err := h.GradeQuestions(ctx, done); return err },
		"paper": func(i int) error {
			var n int
			must(b, h.Pool().QueryRow(ctx, `select number from papers where assignment_id = $1 offset $2 limit 1`, done, i*13%3000).Scan(&n))
			p, err := h.Paper(ctx, done, n)
			must(b, err)
			if _, err := h.CellMark(ctx, done, h.keys[0], p.MemberID, 1); err != nil {
				return err
			}
			if _, err := h.Queue(ctx, done, h.keys[0], n, 10, 20, 1); err != nil {
				return err
			}
			_, err = h.Identical(ctx, done, h.keys[0], p.MemberID)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				start := time.Now()
				must(b, ask(i))
				took = append(took, time.Since(start))
			}
			p99(b, name, took)
		})
	}
	b.Run("next", func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			h.sql(b, `delete from grading_leases`)
			took = append(took, h.eightGraders(b, 20)...)
		}
		p99(b, "next", took)
	})
	// All but the last papers are marked: the longest way to the next.
	h.sql(b, `insert into mark_events (assignment_id, member_id, notebook, question, points, source, submission_id)
		select p.assignment_id, p.member_id, 'nb', 'q8', 1, 'hand', s.id from papers p join submissions s using (assignment_id, member_id)
		where p.assignment_id = $1 and p.number < 99000`, h.assignment.ID)
	b.Run("next-at-the-end", func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			h.sql(b, `delete from grading_leases`)
			took = append(took, h.eightGraders(b, 2)...)
		}
		p99(b, "next-at-the-end", took)
	})
}

// eightGraders ask for their next paper at the same time, each some times, and
// how long each answer took.
func (h *hall) eightGraders(b *testing.B, times int) (took []time.Duration) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for g := range h.graders {
		wg.Go(func() {
			after := 0
			for range times {
				start := time.Now()
				n, _, err := h.NextPaper(context.Background(), h.assignment.ID, h.keys[0], after, h.graders[g].ID)
				d := time.Since(start)
				if err != nil || n == 0 {
					b.Error("no paper: ", err)
					return
				}
				after = n
				mu.Lock()
				took = append(took, d)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return took
}
