package handlers

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"html"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"lectern/course"
)

// upload sends a form with a file, as the import page does.
func (b *browser) upload(path string, file string, fields url.Values) answer {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for k, vs := range fields {
		if err := w.WriteField(k, vs[0]); err != nil {
			b.t.Fatal(err)
		}
	}
	if file != "" {
		f, err := w.CreateFormFile("file", "roster.csv")
		if err == nil {
			_, err = f.Write([]byte(file))
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.base+path, &body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		b.t.Fatal(err)
	}
	return answer{resp.StatusCode, text.String(), resp.Header}
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)

// form reads the hidden fields of the form that posts to action.
func (a answer) form(t testing.TB, action string) url.Values {
	t.Helper()
	_, rest, ok := strings.Cut(a.body, `action="`+action+`"`)
	if !ok {
		t.Fatalf("no form for %s:\n%s", action, a.body)
	}
	rest, _, _ = strings.Cut(rest, "</form>")
	out := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(rest, -1) {
		out.Set(m[1], html.UnescapeString(m[2]))
	}
	return out
}

// members is physics' roster as text: login role section, "-" before the dropped.
func (s *testSite) members() string {
	s.t.Helper()
	list, err := s.Store.Members(s.t.Context(), s.physics.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, m := range list {
		line := fmt.Sprintf("%s %s %s", m.Login, m.Role, m.Section)
		if !m.Active() {
			line = "-" + line
		}
		out = append(out, strings.TrimSpace(line))
	}
	return strings.Join(out, "\n")
}

const (
	importPath = "/courses/physics/roster/import"
	applyPath  = "/courses/physics/roster/apply"
)

func TestAFileIsShownThenAppliedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.as("instructor")
	before := s.members()
	file := "\xEF\xBB\xBFE-mail;Name;Login;Gruppe\nnew@uni.example;\"<b>One, New\";new.one;B\nstudent@uni.example;The student;student;B\n"
	page := b.upload(importPath, file, url.Values{"drop": {"on"}}).want(t, 200, "preview")
	for _, text := range []string{"new.one", "New &lt;b&gt;One", "student2", "Drop", "Add", "Change"} {
		if !strings.Contains(page.body, text) {
			t.Errorf("the preview does not show %q", text)
		}
	}
	if s.members() != before {
		t.Error("the preview changed the roster")
	}
	form := page.form(t, applyPath)
	b.upload(applyPath, "", form).want(t, 303, "apply")
	want := "grader grader\ninstructor instructor\nnew.one student B\n-newcomer student A\nstudent student B\n-student2 student A"
	if got := s.members(); got != want {
		t.Errorf("roster:\n%s\nwant\n%s", got, want)
	}
	b.upload(applyPath, "", form).want(t, 303, "the same form again")
	if got := s.members(); got != want {
		t.Errorf("roster after the same form again:\n%s", got)
	}
	if page := b.upload(importPath, file, url.Values{"drop": {"on"}}); !strings.Contains(page.body, "Nothing to change") {
		t.Error("the same file again would change something")
	}
}

func TestARosterThatChangedMeanwhileIsShownAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.as("instructor")
	form := b.upload(importPath, "login,section\nstudent,B\n", nil).want(t, 200, "preview").form(t, applyPath)
	b.post("/courses/physics/people/student", url.Values{"role": {"student"}, "section": {"C"}}).want(t, 303, "change by hand")
	page := b.upload(applyPath, "", form).want(t, 409, "apply what is out of date")
	if !strings.Contains(page.body, "changed while you were looking") || !strings.Contains(s.members(), "student student C") {
		t.Errorf("the change by hand was lost:\n%s", s.members())
	}
	b.upload(applyPath, "", page.form(t, applyPath)).want(t, 303, "apply what is shown now")
	if !strings.Contains(s.members(), "student student B") {
		t.Errorf("roster:\n%s", s.members())
	}
}

func TestOneBadLineAndNothingIsApplied(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.as("instructor")
	before := s.members()
	page := b.upload(importPath, "login,role\ngood,student\n../bad,student\nalso,king\n", nil).want(t, 200, "preview")
	for _, text := range []string{"Line 3", "Line 4", "king"} {
		if !strings.Contains(page.body, text) {
			t.Errorf("the page does not name %q", text)
		}
	}
	if strings.Contains(page.body, applyPath) {
		t.Error("there is a button to apply it")
	}
	b.upload(applyPath, "", url.Values{"pasted": {"login,role\ngood,student\n../bad,student\n"}, "digest": {"x"}}).want(t, 409, "apply it all the same")
	for name, file := range map[string]string{"nothing": "", "too much": strings.Repeat("x", course.MaxRosterBytes+10)} {
		if a := b.upload(importPath, file, nil); a.status != 422 {
			t.Errorf("%s: %d, want the form again", name, a.status)
		}
	}
	if s.members() != before {
		t.Errorf("roster:\n%s", s.members())
	}
}

func TestTheLastInstructorStays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b, before := s.as("instructor"), s.members()
	b.post("/courses/physics/people/instructor", url.Values{"role": {"student"}}).want(t, 422, "demote")
	b.post("/courses/physics/people/instructor/drop", nil).want(t, 409, "drop")
	page := b.upload(importPath, "login,role\ninstructor,student\n", nil).want(t, 200, "preview")
	b.upload(applyPath, "", page.form(t, applyPath)).want(t, 409, "demote by file")
	if s.members() != before {
		t.Errorf("roster:\n%s", s.members())
	}
	// With a second one the first may go; and of two who go at once, one stays.
	b.post("/courses/physics/people/grader", url.Values{"role": {"instructor"}}).want(t, 303, "promote")
	other := s.as("grader")
	done := make(chan int, 2)
	go func() { done <- b.post("/courses/physics/people/instructor/drop", nil).status }()
	go func() { done <- other.post("/courses/physics/people/grader/drop", nil).status }()
	a, c := <-done, <-done
	if !(a == 303 && c == 409 || a == 409 && c == 303 || a == 303 && c == 404 || a == 404 && c == 303) {
		t.Errorf("two instructors who drop themselves at once: %d and %d", a, c)
	}
	if n := strings.Count(s.members(), "instructor\n"); !strings.Contains("\n"+s.members(), "\ngrader instructor") && !strings.Contains("\n"+s.members(), "\ninstructor instructor") {
		t.Errorf("no instructor is left (%d):\n%s", n, s.members())
	}
}

func TestDroppingKeepsThePersonAndTheirWork(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b, student := s.as("instructor"), s.as("student")
	b.post("/courses/physics/people/student/drop", nil).want(t, 303, "drop")
	student.get("/courses/physics").want(t, 404, "the course, for who was dropped")
	if page := student.get("/").want(t, 200, "home"); strings.Contains(page.body, "Course of physics") {
		t.Error("the course is still on the home page")
	}
	if page := b.get("/courses/physics/people/student").want(t, 200, "their page"); !strings.Contains(page.body, "Restore to the roster") {
		t.Error("nothing to restore them with")
	}
	b.post("/courses/physics/people/student/restore", nil).want(t, 303, "restore")
	if !strings.Contains(s.members(), "\nstudent student A") {
		t.Errorf("roster:\n%s", s.members())
	}
}

func TestSomebodyElsesNameAndMailAreTheirOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.as("instructor")
	save := func(login, name string) {
		t.Helper()
		b.post("/courses/physics/people/"+login, url.Values{"role": {"student"}, "section": {"A"}, "name": {name}, "email": {"evil@evil.example"}}).want(t, 303, "save "+login)
	}
	name := func(login string) string {
		u, err := s.Store.UserByLogin(t.Context(), login)
		if err != nil {
			t.Fatal(err)
		}
		return u.Name + " " + u.Email
	}
	save("newcomer", "Mended")
	if got := name("newcomer"); got != "Mended evil@evil.example" {
		t.Errorf("nobody signed in yet, but the name is %q", got)
	}
	s.setPassword("student", "correct horse battery")
	save("student", "Stolen")
	if got := name("student"); got != "The student student@uni.example" {
		t.Errorf("the name of who has signed in became %q", got)
	}
	// Pulling a person of another course onto one's roster gives no hold of them.
	b.post("/courses/physics/roster/add", url.Values{"login": {"student3"}, "role": {"student"}, "name": {"Stolen"}}).want(t, 303, "add")
	save("student3", "Stolen")
	if got := name("student3"); got != "The student3 student3@uni.example" {
		t.Errorf("the name of somebody of another course became %q", got)
	}
	b.post("/courses/physics/people/student3/invite", nil).want(t, 403, "invite somebody of another course")
}

func TestInvitationLinksForEverybodyAreATable(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(s *Site) { s.Demo = false })
	s.setPassword("instructor", "correct horse battery")
	if _, err := s.Store.Pool().Exec(t.Context(), `update users set name = '=HYPERLINK("http://evil")' where login = 'newcomer'`); err != nil {
		t.Fatal(err)
	}
	b := s.anonymous()
	b.signIn("instructor", "correct horse battery").want(t, 303, "sign in")
	a := b.post("/courses/physics/roster/invitations.csv", nil).want(t, 200, "links")
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil || len(rows) != 5 { // head, grader, newcomer, student, student2
		t.Fatalf("%d rows, %v:\n%s", len(rows), err, a.body)
	}
	links := map[string]string{}
	for _, r := range rows[1:] {
		if strings.HasPrefix(r[1], "=") {
			t.Errorf("a formula got through: %q", r)
		}
		links[r[0]] = strings.TrimPrefix(r[4], s.SiteURL.String())
	}
	// A link sets a password once.
	form := url.Values{"password": {"correct horse battery"}, "again": {"correct horse battery"}}
	n := s.anonymous()
	if page := n.get(links["newcomer"]).want(t, 200, "the link"); page.header.Get("Referrer-Policy") != "no-referrer" {
		t.Error("the link's address, which is its secret, is passed on")
	}
	n.post(links["newcomer"], url.Values{"password": {"short"}, "again": {"short"}}).want(t, 422, "a short password")
	n.post(links["newcomer"], form).want(t, 303, "a password")
	if who := n.who(); who != "newcomer" {
		t.Errorf("signed in as %q", who)
	}
	s.anonymous().post(links["newcomer"], form).want(t, 404, "the same link again")
	s.anonymous().signIn("newcomer", "correct horse battery").want(t, 303, "sign in")
	// Who is signed in as somebody else is told so, and claims nothing.
	n.post(links["student"], form).want(t, 409, "another's link while signed in")
	// New links replace the old ones.
	b.post("/courses/physics/roster/invitations.csv", nil).want(t, 200, "links again")
	s.anonymous().get(links["student"]).want(t, 404, "a replaced link")
}

func TestFiftyWhoUseOneLinkAtOnceAreOne(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(s *Site) { s.Demo = false })
	token := s.invite("newcomer")
	done := make(chan int, 50)
	for i := range 50 {
		b := s.anonymous()
		go func() {
			password := fmt.Sprintf("password number %d", i)
			done <- b.post("/invite/"+token, url.Values{"password": {password}, "again": {password}}).status
		}()
	}
	ok := 0
	for range 50 {
		switch status := <-done; status {
		case 303:
			ok++
		case 404, 409:
		default:
			t.Errorf("status %d", status)
		}
	}
	if ok != 1 {
		t.Errorf("%d of 50 got in, want 1", ok)
	}
}

func TestThreeThousandPeopleAreSortedFilteredAndPaged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var file strings.Builder
	file.WriteString("login,name,email,section\n")
	for i := range 3000 {
		fmt.Fprintf(&file, "p%04d,Person %04d,p%04d@uni.example,S%02d\n", i, 2999-i, i, i%30)
	}
	b := s.as("instructor")
	began := time.Now()
	page := b.upload(importPath, file.String(), nil).want(t, 200, "preview")
	shown := time.Since(began)
	b.upload(applyPath, "", page.form(t, applyPath)).want(t, 303, "apply")
	t.Logf("3000 people: shown in %v, applied in %v", shown, time.Since(began)-shown)
	first := func(query string) (string, answer) {
		t.Helper()
		a := b.get("/courses/physics/roster"+query).want(t, 200, "roster"+query)
		_, rest, _ := strings.Cut(a.body, `<td class="mono" data-label="Login">`)
		login, _, _ := strings.Cut(rest, "<")
		return login, a
	}
	for query, want := range map[string]string{"": "grader", "?sort=-login": "student2", "?sort=name": "p2999", "?sort=-name&role=student": "student2",
		"?q=PERSON+0000": "p2999", "?section=S07&sort=login": "p0007", "?section=S07&page=1": "p0007", "?role=instructor": "instructor", "?sort=login&q=person&page=2": "p0100",
		"?sort=nonsense": "grader", "?state=dropped": "", "?q=%25": "", "?page=99999": ""} {
		if got, _ := first(query); got != want {
			t.Errorf("roster%s begins with %q, want %q", query, got, want)
		}
	}
	began = time.Now()
	for range 10 {
		first("?sort=name&page=20")
	}
	t.Logf("a page of the roster: %v", time.Since(began)/10)
}
