package e2e_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"lectern/exchange"
)

// A quarter of each kind of the course of 220 that `make chaos` has whole.
func TestAClassFromRosterToFeedback(t *testing.T) { fromRosterToFeedback(t, classOf(220, 4)) }

// fromRosterToFeedback takes a course, of which half hand in what is wrong, broken,
// tampered with or late, from the roster to returned feedback in the browser:
// collected by itself, autograded, marked by two graders at once, returned,
// exported. Every student's marks are held against what the student did.
func fromRosterToFeedback(t *testing.T, pupils []pupil) {
	t.Helper()
	r := &realClass{class: &class{}, pupils: pupils, byLogin: map[string]*pupil{}}
	for i := range r.pupils {
		r.byLogin[r.pupils[i].login] = &r.pupils[i]
	}
	r.p = launch(t, "LECTERN_GRADING_CELL_TIME=20s", "LECTERN_GRADING_MEMORY=512MiB")
	r.browser = chromium(t)
	r.teacher = visitor(t, r.browser, r.p.url(), "instructor")
	r.teacher.signIn()
	r.measure("roster, upload and release", func() { r.enrolClass(); r.uploadProject() })
	r.measure("the students' work", r.letThemWork)
	r.measure("due time, late work", func() { r.passDueTime(); r.handInLate() })
	r.autograde()
	r.checkRuns()
	r.measure("marking by two graders", r.markByTwo)
	r.checkMarks()
	r.giveBack()
	r.seeAsStudents()
	r.measure("gradebook and exports", r.checkExports)
}

// realClass is the class at work.
type realClass struct {
	*class
	browser context.Context
	teacher *person
	pupils  []pupil
	byLogin map[string]*pupil
}

const projectPath = "/courses/demo/assignments/" + project

// measure says how long a part of the way took.
func (r *realClass) measure(what string, do func()) time.Duration {
	r.p.t.Helper()
	began := time.Now()
	do()
	took := time.Since(began)
	r.p.t.Logf("%s: %v; %s", what, took.Round(100*time.Millisecond), load())
	return took
}

// load is what else the machine had to do.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "load unknown"
	}
	return "load " + strings.Join(strings.Fields(string(b))[:2], ", ")
}

// t is the test, for steps that take one.
func (r *realClass) t() *testing.T { return r.p.t.(*testing.T) }

// enrolClass uploads the roster, looks at the difference and applies it.
func (r *realClass) enrolClass() {
	p := r.teacher
	path := filepath.Join(r.t().TempDir(), "roster.csv")
	must(p.t, os.WriteFile(path, []byte(roster(r.pupils)+"grader2;Demo Grader 2;grader2@demo.example;;grader\r\n"), 0o644))
	p.goTo("/courses/demo/roster/import")
	p.files("#f-file", path)
	p.click(`//button[contains(., "Show what would change")]`)
	p.seeText("What would change")
	p.looks("c01-roster-diff")
	p.click(`//button[contains(., "Apply")]`)
	p.seeText(fmt.Sprintf("%d changes made to the roster.", len(r.pupils)+1))
	p.looks("c02-roster")
	p.calm()
}

// uploadProject makes the assignment, says how it is graded, and releases it.
func (r *realClass) uploadProject() {
	p := r.teacher
	p.goTo("/courses/demo/assignments/new")
	p.fill("#f-title", projectTitle)
	p.files("#f-files", writeProject(p.t)...)
	p.click(`//button[contains(., "Create and check")]`)
	p.seeText("Nothing stands in the way of a release.")
	p.looks("c03-check")
	p.goTo(projectPath + "/settings")
	p.click("#f-autograde_on-manual")
	p.click(`//main//button[contains(., "Save")]`)
	p.seeText("Saved")
	p.goTo(projectPath + "/release")
	p.click(`//button[contains(., "Release now")]`)
	p.seeText("Students have this assignment.")
	p.calm()

	r.class = r.p.class(3)
	var err error
	r.assignment, err = r.Assignment(context.Background(), r.course.ID, project)
	must(p.t, err)
	if r.assignment.Points != projectMost {
		p.t.Fatalf("the assignment is worth %v points, want %v", r.assignment.Points, projectMost)
	}
}

// letThemWork lays out the working copies as opening does, and lets the students
// write into them. Some press Submit and go on.
func (r *realClass) letThemWork() {
	var group sync.WaitGroup
	turn := make(chan struct{}, 6)
	for _, p := range r.pupils {
		if p.kind.never || p.kind.late {
			continue
		}
		group.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			r.open(p)
		})
	}
	group.Wait()
	if r.p.t.Failed() {
		r.p.t.FailNow()
	}
}

// open lays out a student's working copy, and lets them do what they do.
func (r *realClass) open(p pupil) {
	ctx := context.Background()
	dir, err := r.files.Layout.WorkingCopy("demo", p.login, project)
	if err == nil {
		_, err = r.files.Fetch(ctx, exchange.Work{Course: "demo", Login: p.login, Assignment: project})
	}
	m := r.members[p.login]
	if err == nil {
		err = r.RecordFetched(ctx, r.assignment, m.ID, m.UserID)
	}
	if err != nil {
		r.p.t.Errorf("%s opens the assignment: %v", p.login, err)
		return
	}
	w := openWork(r.p.t, dir, p)
	if p.kind.twice {
		wrong(w)
		r.submit(p.login)
		w = openWork(r.p.t, dir, p)
	}
	w.do()
}

func (r *realClass) submit(login string) {
	got, err := r.p.as(login).post(projectPath+"/submit", url.Values{"key": {uuid.NewString()}})
	if err != nil || !strings.Contains(got.location, "/receipts/") {
		r.p.t.Errorf("%s submits: %d to %q, %v", login, got.status, got.location, err)
	}
}

// passDueTime sets the dates, waits until it is due, and sees everybody's work
// collected by itself.
func (r *realClass) passDueTime() {
	p, t := r.teacher, r.p.t
	due := time.Now().Truncate(time.Minute).Add(time.Minute)
	if time.Until(due) < 12*time.Second {
		due = due.Add(time.Minute)
	}
	local := func(at time.Time) string { return at.In(r.course.Location()).Format("2006-01-02T15:04") }
	p.goTo(projectPath + "/dates")
	p.fill("#f-due_at", local(due))
	p.click(`//button[contains(., "Save dates")]`)
	p.seeText("Saved: ")
	for _, x := range r.pupils {
		if x.kind.extended {
			p.fill("#f-login", x.login)
			p.fill("#f-until", local(due.Add(time.Hour)))
			p.click(`//button[contains(., "Grant")]`)
			p.seeText(x.name + " has until")
		}
	}
	p.fill("#f-late_unit", "hour")
	p.fill("#f-late_percent", "10")
	p.click(`//button[contains(., "Save late policy")]`)
	p.seeText("10 % of what was earned")
	p.looks("c04-dates")
	p.calm()

	all := r.countOf(func(k kind) bool { return !k.never && !k.late && !k.extended })
	time.Sleep(time.Until(due))
	patient(t, "everybody's collection", 2*time.Minute, func() bool {
		n := 0
		err := r.Pool().QueryRow(context.Background(), `select count(*) from works where assignment_id = $1 and collected_for = $2`, r.assignment.ID, due).Scan(&n)
		return err == nil && n == all
	})
	t.Logf("collection of %d students' work: %v after the due time; %s", all, time.Since(due).Round(100*time.Millisecond), load())
	p.goTo(projectPath + "/submissions")
	p.seeText("Demo Student 1")
	p.looks("c05-submissions")
	p.calm()
}

func (r *realClass) countOf(of func(kind) bool) (n int) {
	for _, p := range r.pupils {
		if of(p.kind) {
			n++
		}
	}
	return n
}

// handInLate lets those open and submit who had not begun in time, and those
// submit who have more time.
func (r *realClass) handInLate() {
	for _, p := range r.pupils {
		if p.kind.late {
			r.open(p)
		}
		if p.kind.late || p.kind.extended {
			r.submit(p.login)
		}
	}
	for _, p := range r.pupils {
		subs := r.of(p.login)
		want := 1
		switch {
		case p.kind.never:
			want = 0
		case p.kind.twice:
			want = 2
		}
		if len(subs) != want || want > 0 && (!subs[0].Counts || subs[0].LateBy > 0 != p.kind.late) {
			r.p.t.Errorf("%s (%s) has %d submissions, the last %+v", p.login, p.kind.name, len(subs), subs)
		}
	}
}

// patient waits for something that may take minutes.
func patient(t testing.TB, what string, most time.Duration, done func() bool) {
	t.Helper()
	for until := time.Now().Add(most); !done(); time.Sleep(25 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
