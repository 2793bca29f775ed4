package e2e_test

import (
	"log/slog"
	"strconv"
	"testing"
	"time"

	"lectern/store"
)

// BenchmarkBooks asks the real program for the pages of marks, in a course of
// 3,000 students and 40 assignments of 10 questions, as BenchmarkPages does for the
// others. Between two pages somebody marks, so that nothing is shown twice.
func BenchmarkBooks(b *testing.B) {
	db := measured(b)
	st, err := store.Open(b.Context(), db)
	must(b, err)
	defer st.Close()
	must(b, st.Migrate(b.Context(), slog.New(slog.DiscardHandler)))
	_, err = st.Pool().Exec(b.Context(), `create extension pg_stat_statements`)
	must(b, err)
	seed(b, st, "large", 3000, 40)
	seed(b, st, "small", 3, 2)
	seedQuestions(b, st)
	benchBooks(b, db, st)
}

func benchBooks(b *testing.B, db string, st *store.Store) {
	p := launch(b, "LECTERN_DATABASE_URL="+db)
	teacher := p.as("instructor")
	began := time.Now()
	teacher.mustGet("/courses/large/gradebook")
	b.Logf("the first look after a start took %s", time.Since(began).Round(time.Millisecond))
	for _, page := range []struct{ name, path string }{
		{"gradebook", "/gradebook?page=2"},
		{"gradebook-by-total", "/gradebook?sort=total&dir=down&page=2"},
		{"gradebook-by-assignment", "/gradebook?sort=points.a2&page=2"},
		{"statistics", "/assignments/a2/statistics"},
		{"grade-grid", "/assignments/a2/grade"},
		{"grade-grid-by-points", "/assignments/a2/grade?sort=points&dir=down"},
	} {
		b.Run(page.name, func(b *testing.B) {
			for b.Loop() {
				took, large := teacher.readMarked(b, st, "/courses/large"+page.path, 200)
				_, small := teacher.readMarked(b, st, "/courses/small"+page.path, 40)
				if large != small {
					b.Errorf("%d statements in the large course, %d in the small one; want the same", large, small)
				}
				b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
				b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
				b.ReportMetric(float64(large), "statements")
			}
		})
	}
}

// readMarked is read, while somebody else gives marks in the second assignment of
// both courses, one after the other.
func (c *client) readMarked(b *testing.B, st *store.Store, path string, times int) ([]time.Duration, int) {
	b.Helper()
	end, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			_, err := st.Pool().Exec(b.Context(), `/* beside */ insert into mark_events (assignment_id, member_id, notebook, question, points, source, submission_id)
				select assignment_id, member_id, '1-squares', 'q1', `+strconv.Itoa(n%3)+`, 'hand', id from submissions s
				where counts and assignment_id in (select id from assignments where slug = 'a2') and member_id % 3000 = `+strconv.Itoa(n%3000))
			if err != nil {
				ended <- err
				return
			}
			select {
			case <-end:
				ended <- nil
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	took, statements := c.read(b, st, path, times)
	close(end)
	must(b, <-ended)
	return took, statements
}

// seedQuestions gives every assignment ten questions, three by hand and seven by
// tests, a run of each submission, and takes back nearly all of the marks for the
// whole.
func seedQuestions(b *testing.B, st *store.Store) {
	b.Helper()
	conn, err := st.Pool().Acquire(b.Context())
	must(b, err)
	defer conn.Release()
	for _, sql := range []string{
		`set statement_timeout = 0`,
		`set session_replication_role = replica`, // each assignment is settled once, at the end
		`insert into questions (assignment_id, notebook, grade_id, position, kind, cell_type, points, source)
			select a.id, '1-squares', 'q' || n, n, case when n > 3 then 'tests' else 'manual' end, 'code', 2, '' from assignments a, generate_series(1, 10) n`,
		`with r as (insert into runs (submission_id, assignment_id, member_id, state, effective)
				select id, assignment_id, member_id, 'done', true from submissions where counts returning id)
			insert into run_results (run_id, notebook, question, position, points, max, no_response, answer_hash)
			select r.id, '1-squares', 'q' || n, n, case when n > 3 then (r.id + n) % 3 end, 2, (r.id + n) % 19 = 0, md5((r.id % 50)::text)
			from r, generate_series(1, 10) n`,
		`insert into mark_events (assignment_id, member_id, source, submission_id)
			select assignment_id, member_id, 'hand', id from submissions where counts and member_id % 50 > 0`,
		`insert into papers (assignment_id, member_id, number)
			select assignment_id, member_id, 100000 + min(id) from submissions group by 1, 2 on conflict do nothing`,
		`set session_replication_role = origin`,
		`analyze`,
		`do $$ declare a bigint; begin
			for a in select id from assignments order by id loop
				perform settle(a, array_agg(member_id)) from submissions where assignment_id = a and counts;
			end loop;
		end $$`,
		`vacuum analyze`,
	} {
		if _, err := conn.Exec(b.Context(), sql); err != nil {
			b.Fatalf("seed %.60s: %v", sql, err)
		}
	}
	must(b, conn.Conn().Close(b.Context())) // it has settings of its own
}
