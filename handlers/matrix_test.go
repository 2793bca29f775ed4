package handlers

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lectern/course"
)

// visitors are the kinds of people that every route is asked by: who they sign
// in as, their role in physics, and whether they have the site.
var visitors = []struct {
	name, login string
	role        course.Role // empty: not in physics
	admin       bool
}{
	{name: "anonymous"},
	{name: "student", login: "student", role: course.Student},
	{name: "other student", login: "student2", role: course.Student},
	{name: "dropped student", login: "dropped"},
	{name: "student of another course", login: "student3"},
	{name: "grader of another course", login: "grader2"},
	{name: "instructor of another course", login: "instructor2"},
	{name: "grader", login: "grader", role: course.Grader},
	{name: "instructor", login: "instructor", role: course.Instructor},
	{name: "site admin", login: "admin", role: course.Instructor, admin: true},
}

// values are what every parameter of a pattern stands for. A new parameter needs
// a line here, and one in foreign if it names something that belongs to somebody.
var values = map[string]string{
	"{course}": "physics", "{assignment}": "lab", "{login}": "student",
	"{provider}": "campus", "{token}": "nonsense", "{submission}": "1", "{attempt}": "1", "{paper}": "10000", "{regrade}": "1", "{workspace}": "aaaaaaaaaaaaaaaa", "*": "app.css",
}

var parameter = regexp.MustCompile(`\{[^}]*\}|\*`)

// fill makes a path of a pattern.
func fill(t *testing.T, pattern string, with ...string) string {
	t.Helper()
	own := maps.Clone(values)
	for i := 0; i+1 < len(with); i += 2 {
		own[with[i]] = with[i+1]
	}
	return parameter.ReplaceAllStringFunc(pattern, func(p string) string {
		v, ok := own[p]
		if !ok {
			t.Fatalf("the matrix does not know the parameter %s of %s: add it to values", p, pattern)
		}
		return v
	})
}

// matrixSite is the site with physics' lab released and its draft not, an essay
// in history, work of student2 and student3, and somebody dropped.
func matrixSite(t *testing.T) *testSite {
	t.Helper()
	s := newSite(t, func(s *Site) {
		s.Providers = []Provider{{Name: "campus", Label: "Campus", Issuer: "http://127.0.0.1:1", ClientID: "x", ClientSecret: "y"}}
	})
	_, err := s.Store.Pool().Exec(t.Context(), `
		with u as (insert into users (login, name) values ('dropped', 'The dropped') returning id)
		insert into members (course_id, user_id, role, dropped_at) select c.id, u.id, 'student', now() from courses c, u where c.slug = 'physics'`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Store.Pool().Exec(t.Context(), `
		insert into assignments (course_id, slug, title, released_at, release_version, source_version, checked_version)
		select c.id, a.slug, initcap(a.slug), a.at, 1, 1, 1 from (values ('physics', 'lab', now()), ('physics', 'draft', null), ('history', 'essay', now())) a (course, slug, at)
		join courses c on c.slug = a.course`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Store.Pool().Exec(t.Context(), `
		insert into submissions (assignment_id, member_id, kind, key, taken_at, counts, snapshot, digest, files, bytes)
		select a.id, m.id, 'submit', gen_random_uuid(), now(), true, 'x', 'x', '[]', 0
		from assignments a join members m on m.course_id = a.course_id join users u on u.id = m.user_id
		where u.login in ('student2', 'student3') and a.slug in ('lab', 'essay')`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Store.Pool().Exec(t.Context(), `
		insert into workspaces (id, course_id, member_id, image, state)
		select repeat(case u.login when 'student2' then 'b' else 'c' end, 16), m.course_id, m.id, 'i', 'stopped'
		from members m join users u on u.id = m.user_id where u.login in ('student2', 'student3')`)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// probe replaces what every route does by noting that it was reached: what is
// tested is who gets there.
func (s *testSite) probe() {
	list := s.routes()
	for i := range list {
		list[i].handle = func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("X-Reached", "yes")
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
	}
	s.Site.handler = s.Site.router(list)
}

// browsers signs every visitor in.
func (s *testSite) browsers() map[string]*browser {
	out := map[string]*browser{}
	for _, v := range visitors {
		if v.login == "" {
			out[v.name] = s.anonymous()
		} else {
			out[v.name] = s.as(v.login)
			out[v.name].get(accountPath).want(s.t, 200, "a first page, which notes that they were seen")
		}
	}
	return out
}

// ask sends a request that must not be followed, and reports what came of it:
// "reached", or the status, or "sign in".
func (b *browser) ask(method, path string, headers map[string]string) string {
	b.t.Helper()
	a := b.do(method, path, url.Values{}, headers)
	switch {
	case a.header.Get("X-Reached") != "":
		return "reached"
	case a.status == http.StatusSeeOther && strings.HasPrefix(a.location(), "/sign-in"):
		return "sign in"
	}
	return fmt.Sprint(a.status)
}

// expected is what the matrix says, from the route's access alone.
func expected(rt route, visitor int) string {
	v := visitors[visitor]
	inCourse := strings.Contains(rt.pattern, "{course}")
	switch {
	case rt.who == anyone:
		return "reached"
	case v.login == "" && rt.method == get:
		return "sign in"
	case v.login == "":
		return "403"
	case rt.who == siteAdmin && !v.admin:
		return "404"
	case !inCourse:
		return "reached"
	case v.role == "":
		return "404"
	case strings.Contains(rt.pattern, "{login}") && !v.role.Staff() && v.login != values["{login}"]:
		return "404"
	case rt.who == staff && !v.role.Staff(), rt.who == instructor && v.role != course.Instructor:
		return "403"
	}
	return "reached"
}

func TestEveryRouteForEveryVisitor(t *testing.T) {
	t.Parallel()
	s := matrixSite(t)
	people := s.browsers()
	s.probe()
	reached := map[string]bool{}
	for _, rt := range s.routes() {
		for i, v := range visitors {
			got, want := people[v.name].ask(rt.method, fill(t, rt.pattern), nil), expected(rt, i)
			if got != want {
				t.Errorf("%s %s (%s) by %s: %s, want %s", rt.method, rt.pattern, rt.who, v.name, got, want)
			}
			reached[rt.method+rt.pattern] = reached[rt.method+rt.pattern] || got == "reached"
		}
		if !reached[rt.method+rt.pattern] {
			t.Errorf("%s %s: nobody gets there", rt.method, rt.pattern)
		}
		if (rt.who == member || rt.who == staff || rt.who == instructor) != strings.Contains(rt.pattern, "{course}") {
			t.Errorf("%s %s is for %s, which does not fit its pattern", rt.method, rt.pattern, rt.who)
		}
		if rt.method != get && rt.method != post {
			t.Errorf("%s %s: forms know GET and POST only", rt.method, rt.pattern)
		}
	}
}

func TestWhatBelongsToAnotherCourseIsNotThere(t *testing.T) {
	t.Parallel()
	s := matrixSite(t)
	people := s.browsers()
	s.probe()
	for _, rt := range s.routes() {
		for _, foreign := range [][2]string{{"{assignment}", "essay"}, {"{assignment}", "nothing"}, {"{login}", "student3"}, {"{login}", "nobody"}, {"{course}", "nothing"}} {
			if !strings.Contains(rt.pattern, foreign[0]) {
				continue
			}
			path := fill(t, rt.pattern, foreign[0], foreign[1])
			for _, v := range visitors[1:] {
				got := people[v.name].ask(rt.method, path, nil)
				// A student may hear that a room is not for students before anybody looks what is in it.
				if got != "404" && !(got == "403" && !v.role.Staff() && v.role != "") {
					t.Errorf("%s %s by %s: %s, want 404", rt.method, path, v.name, got)
				}
			}
		}
	}
}

func TestADraftIsNotThereForStudents(t *testing.T) {
	t.Parallel()
	s := matrixSite(t)
	people := s.browsers()
	s.probe()
	asked := 0
	for _, rt := range s.routes() {
		if !strings.Contains(rt.pattern, "{assignment}") {
			continue
		}
		asked++
		for name, want := range map[string]string{"student": "404", "instructor": "reached"} {
			if got := people[name].ask(rt.method, fill(t, rt.pattern, "{assignment}", "draft"), nil); got != want {
				t.Errorf("%s %s of a draft by %s: %s, want %s", rt.method, rt.pattern, name, got, want)
			}
		}
	}
	if asked == 0 {
		t.Error("no route has an assignment")
	}
}

// What a handler itself loads, by an id in the address, must be joined with the
// course and, for students, with themselves. These requests reach the real
// handlers.
func TestIdsOfSomebodyElseAreNotThere(t *testing.T) {
	t.Parallel()
	s := matrixSite(t)
	var own, foreign int64
	if err := s.Store.Pool().QueryRow(t.Context(), `
		select min(s.id) filter (where u.login = 'student2'), min(s.id) filter (where u.login = 'student3')
		from submissions s join members m on m.id = s.member_id join users u on u.id = m.user_id`).Scan(&own, &foreign); err != nil {
		t.Fatal(err)
	}
	// Papers have random numbers, so the one of another course is made different.
	var paper int64
	if err := s.Store.Pool().QueryRow(t.Context(), `
		update papers set number = 100000 where member_id in (select m.id from members m join users u on u.id = m.user_id where u.login = 'student3')
		returning number`).Scan(&paper); err != nil {
		t.Fatal(err)
	}
	numbers := []string{fmt.Sprint(foreign), "0", "-1", "x", "99999999999999999999"}
	others := map[string][]string{
		"{submission}": numbers, "{attempt}": append(numbers, fmt.Sprint(own)), "{workspace}": {"cccccccccccccccc", "dddddddddddddddd", "x"},
		"{regrade}": append(numbers, "1"), "{token}": {"nonsense"}, "{provider}": {"nonsense"}, "*": {"nothing.css"},
		"{paper}": {fmt.Sprint(paper), "1", "0", "-1", "x", "99999999999999999999"},
	}
	byStudents := map[string][]string{"{submission}": {fmt.Sprint(own)}, "{workspace}": {"bbbbbbbbbbbbbbbb"}}
	people := s.browsers()
	known := []string{"{course}", "{assignment}", "{login}"}
	for _, rt := range s.routes() {
		for _, p := range parameter.FindAllString(rt.pattern, -1) {
			if slices.Contains(known, p) {
				continue // the middleware's: see the other tests
			}
			if others[p] == nil {
				t.Errorf("%s %s: no foreign value for %s", rt.method, rt.pattern, p)
			}
			for i, v := range visitors {
				if expected(rt, i) != "reached" {
					continue
				}
				ids := others[p]
				if v.role == course.Student {
					ids = append(slices.Clone(ids), byStudents[p]...)
				}
				if v.login == "student2" {
					ids = others[p]
				}
				for _, id := range ids {
					path := fill(t, rt.pattern, p, id)
					if got := people[v.name].ask(rt.method, path, nil); got != "404" {
						t.Errorf("%s %s by %s: %s, want 404", rt.method, path, v.name, got)
					}
				}
			}
		}
	}
}

// everything is a fingerprint of all rows but the sessions', which note who was
// there.
func (s *testSite) everything() string {
	s.t.Helper()
	var sum string
	rows, err := s.Store.Pool().Query(s.t.Context(), `
		select table_name from information_schema.tables
		where table_schema = 'public' and table_type = 'BASE TABLE' and table_name not in ('sessions', 'river_leader', 'river_client', 'river_queue') order by 1`)
	if err != nil {
		s.t.Fatal(err)
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			s.t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if rows.Err() != nil || len(tables) < 15 {
		s.t.Fatalf("%d tables: %v", len(tables), rows.Err())
	}
	for _, name := range tables {
		var part string
		if err := s.Store.Pool().QueryRow(s.t.Context(),
			`select coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from `+name+` t`).Scan(&part); err != nil {
			s.t.Fatal(err)
		}
		sum += name + " " + part + "\n"
	}
	return sum
}

func TestNothingIsDoneForAnotherSite(t *testing.T) {
	t.Parallel()
	s := matrixSite(t)
	people := s.browsers()
	evil := map[string]map[string]string{
		"evil origin, old browser": {"Origin": "https://evil.example", "Sec-Fetch-Site": ""},
		"another port's origin":    {"Origin": "http://localhost:1", "Sec-Fetch-Site": ""},
		"no origin to speak of":    {"Origin": "null", "Sec-Fetch-Site": ""},
		"cross-site":               {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
		"a workspace's page":       {"Origin": s.Work.Origin("aaaaaaaaaaaaaaaa"), "Sec-Fetch-Site": "same-site"},
		"cross-site, own origin":   {"Sec-Fetch-Site": "cross-site"},
	}
	before := s.everything()
	unsafe := 0
	for _, rt := range s.routes() {
		if rt.method == get {
			continue
		}
		unsafe++
		for name, headers := range evil {
			for _, who := range []string{"anonymous", "student", "site admin"} {
				if got := people[who].ask(rt.method, fill(t, rt.pattern), headers); got != "403" {
					t.Errorf("%s %s by %s from %s: %s, want 403", rt.method, rt.pattern, who, name, got)
				}
			}
		}
	}
	if after := s.everything(); after != before {
		t.Errorf("something changed:\nbefore\n%s\nafter\n%s", before, after)
	}
	if unsafe < 10 {
		t.Errorf("only %d unsafe routes", unsafe)
	}
	if got := people["site admin"].ask(post, "/account/name", nil); got == "403" {
		t.Error("the site's own form is refused too")
	}
}
