package e2e_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lectern/course"
	"lectern/exchange"
	"lectern/store"
)

// The tests in faults_*.go hurt the running program and then ask whether what it
// promised still holds: a receipt that was shown is a submission whose files are
// on the disk byte by byte, one form is one submission, kernels outlive Lectern.

// db opens the program's own database, beside the program.
func (p *program) db() *store.Store {
	p.t.Helper()
	u := url.URL{Scheme: "postgres", Path: "/lectern", RawQuery: url.Values{"host": {filepath.Join(p.data, "postgres", "socket")},
		"user": {"lectern"}, "sslmode": {"disable"}}.Encode()}
	address := u.String()
	for _, v := range p.env {
		if own, ok := strings.CutPrefix(v, "LECTERN_DATABASE_URL="); ok {
			address = own
		}
	}
	st, err := store.Open(context.Background(), address)
	must(p.t, err)
	p.t.Cleanup(st.Close)
	return st
}

// postmaster is the process of the private database, 0 without one.
func (p *program) postmaster() int {
	b, err := os.ReadFile(filepath.Join(p.data, "postgres", "data", "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(line)
	return pid
}

// endDatabase ends a private database that a killed program has left behind.
func (p *program) endDatabase() {
	if pid := p.postmaster(); pid > 1 {
		_ = syscall.Kill(pid, syscall.SIGQUIT)
	}
}

// healthy waits until the program and its database answer, and says how long it took.
func (p *program) healthy(within time.Duration) time.Duration {
	p.t.Helper()
	began := time.Now()
	for {
		res, err := http.Get(p.url() + "/healthz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return time.Since(began)
			}
		}
		if time.Since(began) > within {
			p.t.Fatalf("not healthy again within %v", within)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// class is the demo course of a program, as its database and files have it.
type class struct {
	*store.Store
	p          *program
	files      *exchange.Exchange
	course     course.Course
	assignment course.Assignment
	members    map[string]course.Member
}

// class looks at the demo course, with as many students as are asked for.
func (p *program) class(students int) *class {
	p.t.Helper()
	c := &class{p: p, Store: p.db(), members: map[string]course.Member{}}
	ctx := context.Background()
	var err error
	c.course, err = c.Course(ctx, "demo")
	must(p.t, err)
	c.assignment, err = c.Assignment(ctx, c.course.ID, "first-steps")
	must(p.t, err)
	c.files, err = exchange.New(course.Layout{Root: p.data}, exchange.Options{UID: 1000, GID: 100})
	must(p.t, err)
	for n := 4; n <= students; n++ { // the demo has three
		u := course.User{Login: fmt.Sprintf("student%d", n), Name: fmt.Sprintf("Demo Student %d", n)}
		must(p.t, c.AddUser(ctx, &u))
		_, err := c.AddMember(ctx, c.course.ID, u.ID, course.Student, "")
		must(p.t, err)
	}
	c.enrol()
	return c
}

// enrol reads the roster again.
func (c *class) enrol() {
	c.p.t.Helper()
	all, err := c.Members(context.Background(), c.course.ID)
	must(c.p.t, err)
	for _, m := range all {
		c.members[m.Login] = m
	}
}

// fetch lays out a student's working copy as opening does, without a container.
func (c *class) fetch(login string) {
	c.p.t.Helper()
	ctx := context.Background()
	_, err := c.files.Fetch(ctx, exchange.Work{Course: c.course.Slug, Login: login, Assignment: c.assignment.Slug})
	must(c.p.t, err)
	m := c.members[login]
	must(c.p.t, c.RecordFetched(ctx, c.assignment, m.ID, m.UserID))
}

// write saves a file in a student's working copy.
func (c *class) write(login, name, text string) {
	dir, err := c.files.Layout.WorkingCopy(c.course.Slug, login, c.assignment.Slug)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
	}
	if err != nil {
		c.p.t.Error(err)
	}
}

// of lists one student's submissions, the last first.
func (c *class) of(login string) []course.Submission {
	c.p.t.Helper()
	subs, err := c.SubmissionsOf(context.Background(), c.assignment.ID, c.members[login].ID)
	must(c.p.t, err)
	return subs
}

// check holds what is recorded against what lies on the disk: every submission's
// files are there byte by byte and no others, one of each student's counts, and
// no half-made tree is left. It gives the number of submissions.
func (c *class) check() int {
	t := c.p.t
	t.Helper()
	n := 0
	for login := range c.members {
		subs, counting := c.of(login), 0
		for _, sub := range subs {
			n++
			if sub.Counts {
				counting++
			}
			c.checkFiles(login, sub)
		}
		if len(subs) > 0 && counting != 1 {
			t.Errorf("%d of the %d submissions of %s count, want one", counting, len(subs), login)
		}
	}
	for _, dir := range []func(string) (string, error){c.files.Layout.Staging, c.files.Layout.HomeStaging} {
		path, err := dir(c.course.Slug)
		must(t, err)
		if left, err := os.ReadDir(path); err != nil && !os.IsNotExist(err) || len(left) > 0 {
			t.Errorf("%s holds %v (%v), want nothing half-made", path, left, err)
		}
	}
	return n
}

func (c *class) checkFiles(login string, sub course.Submission) {
	t := c.p.t
	t.Helper()
	at, err := time.Parse(course.SnapshotForm, sub.Snapshot)
	must(t, err)
	dir, err := c.files.Layout.HistoryFiles(c.course.Slug, login, c.assignment.Slug, at)
	must(t, err)
	var want, got []string
	for _, f := range sub.Files {
		want = append(want, f.Path+" "+f.SHA256)
	}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		sum := sha256.Sum256(data)
		rel, _ := filepath.Rel(dir, path)
		got = append(got, rel+" "+hex.EncodeToString(sum[:]))
		return err
	})
	slices.Sort(want)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("submission %d of %s: on disk %v (%v), recorded %v", sub.ID, login, got, err, want)
	}
}

// await waits for something that takes moments, and ends the test at once if
// something failed meanwhile.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if t.Failed() || time.Now().After(until) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
