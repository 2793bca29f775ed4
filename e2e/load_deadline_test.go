package e2e_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"lectern/course"
)

// A class of sixty, imported by CSV, at its due time: two thirds leave their work
// where it is, one third presses Submit in the last two seconds. Everybody's work
// is in, once, and nobody is late because the machine was busy.
func TestSixtyStudentsAtOneDeadline(t *testing.T) {
	t.Parallel()
	const students, pressing = 60, 20
	p := launch(t)
	c := p.class(3)
	p.as("instructor").importRoster(students)
	c.enrol()
	login := func(n int) string { return fmt.Sprintf("student%d", n) }
	var wg sync.WaitGroup
	turn := make(chan struct{}, 4)
	for n := 1; n <= students; n++ {
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			c.fetch(login(n))
			c.write(login(n), "answer.txt", "the answer of "+login(n))
		})
	}
	var hurried []*client
	for n := 1; n <= pressing; n++ {
		hurried = append(hurried, p.as(login(n)))
	}
	wg.Wait()

	due := time.Now().Add(4 * time.Second).Truncate(time.Second)
	a := c.assignment
	a.DueAt = &due
	must(t, c.SaveAssignment(context.Background(), a))
	for i, who := range hurried {
		wg.Go(func() {
			time.Sleep(time.Until(due.Add(-2*time.Second + time.Duration(i)*90*time.Millisecond)))
			got, err := who.post(firstSteps+"/submit", url.Values{"key": {uuid.NewString()}})
			if err != nil || got.status != http.StatusSeeOther || !strings.Contains(got.location, "/receipts/") {
				t.Errorf("%s in the last seconds: %d to %q, %v", who.login, got.status, got.location, err)
			}
		})
	}
	wg.Wait()
	time.Sleep(time.Until(due))
	await(t, "everybody's collection", func() bool {
		n := 0
		err := c.Pool().QueryRow(context.Background(), `select count(*) from works where collected_for = $1`, due).Scan(&n)
		return err == nil && n == students
	})
	t.Logf("all %d collected %v after the due time", students, time.Since(due).Round(10*time.Millisecond))

	for n := 1; n <= students; n++ {
		subs, kind := c.of(login(n)), course.ByCollect
		if n <= pressing {
			kind = course.BySubmit
		}
		if len(subs) != 1 || subs[0].Kind != kind || subs[0].LateBy != 0 || !subs[0].Counts || subs[0].TakenAt.After(due) {
			t.Errorf("%s has %+v; want one in time, by %s", login(n), subs, kind)
		}
	}
	if n := c.check(); n != students {
		t.Errorf("%d submissions, want %d", n, students)
	}
}

// importRoster puts students on the roster as an instructor does: paste, look at
// the difference, apply it.
func (c *client) importRoster(n int) {
	c.p.t.Helper()
	text := "login,name\n"
	for i := range n {
		text += fmt.Sprintf("student%d,Demo Student %d\n", i+1, i+1)
	}
	got := c.upload("/courses/demo/roster/import", map[string]string{"pasted": text}, "", "")
	digest := regexp.MustCompile(`name="digest" value="([^"]+)"`).FindStringSubmatch(got.body)
	if digest == nil {
		c.p.t.Fatalf("the difference shows no digest: %d %.2000s", got.status, got.body)
	}
	got = c.upload("/courses/demo/roster/apply", map[string]string{"pasted": text, "digest": html.UnescapeString(digest[1])}, "", "")
	if got.status != http.StatusSeeOther {
		c.p.t.Fatalf("apply the roster: %d %.2000s", got.status, got.body)
	}
}
