package handlers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"lectern/course"
)

// BenchmarkStudentCoursePage prints how long the server takes for a student's
// course page when 3,000 students have handed in, been marked and been given
// back 40 assignments: from the request's arrival to the whole page, signed in,
// one of 200 students at a time and four at once.
func BenchmarkStudentCoursePage(b *testing.B) {
	d := newDesk(b)
	b.Log("filling the course")
	d.fill(3000, 40)
	var cookies []string
	for n := range 200 {
		cookies = append(cookies, d.cookieOf(fmt.Sprintf("s%d", n*15+1)))
	}
	page := func(cookie string) time.Duration {
		r := httptest.NewRequest(http.MethodGet, d.SiteURL.String()+"/courses/physics", nil)
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		began := time.Now()
		d.ServeHTTP(w, r)
		took := time.Since(began)
		if w.Code != http.StatusOK || w.Body.Len() < 20_000 {
			b.Errorf("the page: %d, %d bytes", w.Code, w.Body.Len())
		}
		return took
	}
	for _, c := range cookies {
		page(c)
	}
	for _, at := range []int{1, 4} {
		b.Run(fmt.Sprintf("at-once-%d", at), func(b *testing.B) {
			for b.Loop() {
				all := make(chan time.Duration, 5*len(cookies))
				work := make(chan string, cap(all))
				for range 5 {
					for _, c := range cookies {
						work <- c
					}
				}
				close(work)
				done := make(chan bool)
				for range at {
					go func() {
						for c := range work {
							all <- page(c)
						}
						done <- true
					}()
				}
				for range at {
					<-done
				}
				close(all)
				var took []time.Duration
				for t := range all {
					took = append(took, t)
				}
				slices.Sort(took)
				p50, p99 := took[len(took)/2], took[len(took)*99/100]
				b.Logf("3,000 students × 40 assignments, %d at once: median %v, p99 %v of %d pages", at, p50.Round(100*time.Microsecond), p99.Round(100*time.Microsecond), len(took))
				b.ReportMetric(p50.Seconds()*1e3, "p50-ms")
				b.ReportMetric(p99.Seconds()*1e3, "p99-ms")
			}
		})
	}
}

// fill gives physics many students and assignments with all that goes with them.
func (d *desk) fill(students, assignments int) {
	d.t.Helper()
	c := d.physics.ID
	for i := range assignments - 1 {
		due := d.now.Add(time.Duration(i-assignments/2) * 24 * time.Hour)
		a := course.Assignment{CourseID: c, Slug: fmt.Sprintf("a%d", i), Title: fmt.Sprintf("Assignment %d", i), DueAt: &due}
		d.must(d.Store.AddAssignment(d.t.Context(), &a))
	}
	d.sql(`update assignments set released_at = now() - interval '30 days', release_version = 1, points = 10 where course_id = $1`, c)
	d.sql(`insert into users (login, name) select 's' || n, 'Student ' || n from generate_series(1, $1::int) n`, students)
	d.sql(`insert into members (course_id, user_id, role) select $1, id, 'student' from users where login ~ '^s[0-9]+$'`, c)
	const all = ` from assignments a, members m where a.course_id = $1 and m.course_id = $1 and m.role = 'student'`
	d.sql(`insert into works (assignment_id, member_id, fetched_version) select a.id, m.id, 1`+all, c)
	d.sql(`insert into submissions (assignment_id, member_id, kind, key, taken_at, counts, snapshot, digest, files, bytes)
		select a.id, m.id, 'submit', gen_random_uuid(), a.due_at - n * interval '1 hour', n = 1, 's', 'd', '[{"path":"b.ipynb","bytes":1,"sha256":"x"}]', 1
		from assignments a, members m, generate_series(1, 2) n where a.course_id = $1 and m.course_id = $1 and m.role = 'student'`, c)
	d.sql(`insert into mark_events (assignment_id, member_id, notebook, question, points, source)
		select a.id, m.id, 'b', 'q' || q, q, 'hand' from assignments a, members m, generate_series(1, 3) q
		where a.course_id = $1 and m.course_id = $1 and m.role = 'student'`, c)
	d.sql(`insert into feedbacks (assignment_id, member_id, returned_at, marks_upto)
		select a.id, m.id, now(), 1000000000`+all+` and a.id % 2 = 0`, c)
	d.sql(`insert into extensions (assignment_id, member_id, due_at) select a.id, m.id, a.due_at + interval '1 day'`+all+` and m.id % 10 = 0`, c)
	d.sql(`analyze`)
}

// cookieOf signs somebody in and gives the cookie that says so.
func (d *desk) cookieOf(login string) string {
	d.t.Helper()
	w := d.as(login)
	r, err := http.NewRequest(http.MethodGet, w.base, nil)
	d.must(err)
	for _, c := range w.client.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	return r.Header.Get("Cookie")
}
