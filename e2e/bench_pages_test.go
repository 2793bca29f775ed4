package e2e_test

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"lectern/store"
	"lectern/store/cluster"
)

// BenchmarkPages asks the real program for the pages that grow with a course, in
// one of 3,000 students and 40 assignments, one request after the other: the time
// until the page is here, and the statements each takes in Postgres, which must be
// the same in a course of three students and two assignments.
func BenchmarkPages(b *testing.B) {
	db := measured(b)
	st, err := store.Open(b.Context(), db)
	must(b, err)
	defer st.Close()
	must(b, st.Migrate(b.Context(), slog.New(slog.DiscardHandler)))
	_, err = st.Pool().Exec(b.Context(), `create extension pg_stat_statements`)
	must(b, err)
	seed(b, st, "large", 3000, 40)
	seed(b, st, "small", 3, 2)
	_, err = st.Pool().Exec(b.Context(), `vacuum analyze`)
	must(b, err)
	p := launch(b, "LECTERN_DATABASE_URL="+db)
	for _, page := range []struct{ name, login, path string }{
		{"student-course", "student2", ""},
		{"student-assignment", "student2", "/assignments/a2"},
		{"staff-course", "instructor", ""},
		{"submissions", "instructor", "/assignments/a2/submissions"},
		{"submissions-last-page", "instructor", "/assignments/a2/submissions?page=30&sort=points&dir=down"},
		{"submissions-search", "instructor", "/assignments/a2/submissions?q=student29&state=unmarked"},
		{"marks", "instructor", "/assignments/a2/marks"},
		{"roster", "instructor", "/roster"},
	} {
		b.Run(page.name, func(b *testing.B) {
			who := p.as(page.login)
			for b.Loop() {
				took, large := who.read(b, st, "/courses/large"+page.path, 200)
				_, small := who.read(b, st, "/courses/small"+page.path, 40)
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

// read asks for a page so many times, and gives how long each took, sorted, and
// how many statements one is.
func (c *client) read(b *testing.B, st *store.Store, path string, times int) ([]time.Duration, int) {
	b.Helper()
	for range 10 {
		c.mustGet(path)
	}
	_, err := st.Pool().Exec(b.Context(), `select pg_stat_statements_reset()`)
	must(b, err)
	took := make([]time.Duration, times)
	for i := range took {
		began := time.Now()
		got := c.mustGet(path)
		took[i] = time.Since(began)
		if got.status != http.StatusOK {
			b.Fatalf("%s: %d %.300s", path, got.status, got.body)
		}
	}
	// What Lectern does in the background is less than one statement a request, or
	// has to do with jobs.
	rows, err := st.Pool().Query(b.Context(), `select calls from pg_stat_statements where calls >= $1 and query not like '%river_%'
		and query not like '/* beside */%'`, times)
	must(b, err)
	statements := 0
	for rows.Next() {
		var calls float64
		must(b, rows.Scan(&calls))
		statements += int(math.Round(calls / float64(times)))
	}
	must(b, rows.Err())
	slices.Sort(took)
	return took, statements
}

// measured runs a Postgres that counts its statements, with a database in it.
func measured(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "lectern-bench-")
	must(b, err)
	must(b, os.Chmod(dir, 0o755))
	var c *cluster.Cluster
	started, ended := make(chan struct{}), make(chan struct{})
	go func() { // the server ends with the thread that started it
		runtime.LockOSThread()
		c, err = cluster.Start(context.Background(), cluster.Config{Dir: dir, Ephemeral: true,
			Settings: map[string]string{"shared_preload_libraries": "pg_stat_statements", "shared_buffers": "128MB"}})
		close(started)
		<-ended
	}()
	<-started
	must(b, err)
	b.Cleanup(func() {
		must(b, c.Stop())
		close(ended)
		must(b, os.RemoveAll(dir))
	})
	address, err := c.Database(b.Context(), "lectern")
	must(b, err)
	u, err := url.Parse(address)
	must(b, err)
	return u.String()
}

// seed makes a course in which everybody has opened and nearly everybody handed in
// every assignment, some twice, with marks for three questions and the whole, and
// three quarters of it returned.
func seed(b *testing.B, st *store.Store, slug string, students, assignments int) {
	b.Helper()
	conn, err := st.Pool().Acquire(b.Context())
	must(b, err)
	defer conn.Release()
	_, err = conn.Exec(b.Context(), `set statement_timeout = 0`)
	must(b, err)
	for _, sql := range []string{
		`insert into users (login, name, email) select l, 'The ' || l, l || '@demo.example'
			from (select 'instructor' union all select 'student' || n from generate_series(1, $2::int) n) as t (l) where $1 <> '' and $3::int > 0
			on conflict do nothing`,
		`insert into courses (slug, title, zone, image) values ($1, 'Course', 'Europe/Berlin', 'image-' || $2::int || '-' || $3::int)`,
		`insert into members (course_id, user_id, role, section)
			select c.id, u.id, case when u.login = 'instructor' then 'instructor' else 'student' end, 'Section ' || u.id % 20
			from courses c, users u where c.slug = $1 and (u.login = 'instructor' or substr(u.login, 8)::int <= $2::int) and $3::int > 0`,
		`insert into assignments (course_id, slug, title, points, due_at, source_version, checked_version, release_version, released_at)
			select c.id, 'a' || n, 'Assignment ' || n, 10, now() + (n - 30) * interval '2 days', 1, 1, 1, now() - interval '70 days'
			from courses c, generate_series(1, $3::int) n where c.slug = $1 and $2::int > 0`,
		`insert into works (assignment_id, member_id, fetched_version, fetched_at, collected_for, collected_at)
			select a.id, m.id, 1, least(a.due_at, now()) - interval '1 day', case when a.due_at < now() then a.due_at end, case when a.due_at < now() then a.due_at end
			from assignments a join courses c on c.id = a.course_id and c.slug = $1 join members m on m.course_id = c.id and m.role = 'student'
			where $2::int > 0 and $3::int > 0`,
		`insert into submissions (assignment_id, member_id, kind, key, taken_at, late_seconds, counts, snapshot, digest, files, bytes, recorded_at)
			select a.id, m.id, case when m.id % 3 = 0 then 'collect' else 'submit' end, gen_random_uuid(), a.due_at - n * interval '1 hour',
				case when m.id % 17 = 0 then 900 else 0 end, n = 1, to_char(a.due_at - n * interval '1 hour', 'YYYY-MM-DD"T"HH24MISS".000000Z"'),
				encode(sha256((a.id || '/' || m.id || '/' || n)::bytea), 'hex'),
				jsonb_build_array(jsonb_build_object('path', '1-squares.ipynb', 'bytes', 4000, 'sha256', repeat('a', 64)),
					jsonb_build_object('path', '2-cities.ipynb', 'bytes', 5000, 'sha256', repeat('b', 64)),
					jsonb_build_object('path', 'cities.csv', 'bytes', 300, 'sha256', repeat('c', 64))), 9300, now() - interval '70 days'
			from assignments a join courses c on c.id = a.course_id and c.slug = $1 join members m on m.course_id = c.id and m.role = 'student',
				generate_series(1, 2) n
			where (n = 1 or m.id % 4 = 0) and m.id % 23 <> 7 and $2::int > 0 and $3::int > 0`,
		`insert into mark_events (assignment_id, member_id, notebook, question, points, source)
			select s.assignment_id, s.member_id, case when n = 0 then '' else '1-squares' end, case when n = 0 then '' else 'q' || n end, 2.5, 'hand'
			from submissions s join assignments a on a.id = s.assignment_id join courses c on c.id = a.course_id and c.slug = $1, generate_series(0, 3) n
			where s.counts and (s.member_id + s.assignment_id) % 10 > 0 and $2::int > 0 and $3::int > 0`,
		`insert into feedbacks (assignment_id, member_id, returned_at, returned_files, marks_upto)
			select s.assignment_id, s.member_id, now(), '[{"path": "1-squares.html", "bytes": 20000, "sha256": ""}]', (select max(id) from mark_events)
			from submissions s join assignments a on a.id = s.assignment_id join courses c on c.id = a.course_id and c.slug = $1
			where s.counts and a.id % 4 > 0 and $2::int > 0 and $3::int > 0`,
	} {
		if _, err := conn.Exec(b.Context(), sql, slug, students, assignments); err != nil {
			b.Fatalf("seed %.60s: %v", sql, err)
		}
	}
}
