package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"lectern/course"
	"lectern/store"
	"lectern/store/storetest"
)

// class is a course with one assignment due at due and one student.
type class struct {
	*store.Store
	course     course.Course
	teacher    course.User
	student    course.User
	member     course.MemberID
	assignment course.Assignment
}

var due = time.Date(2026, 11, 20, 22, 59, 0, 0, time.UTC)

func newClass(t testing.TB) *class {
	t.Helper()
	c := &class{Store: storetest.New(t), teacher: course.User{Login: "teacher"}, student: course.User{Login: "student"}}
	c.course = course.Course{Slug: "c", Title: "Course", Zone: "Europe/Berlin", Image: "img"}
	ctx := context.Background()
	must(t, c.AddUser(ctx, &c.teacher))
	must(t, c.AddUser(ctx, &c.student))
	must(t, c.AddCourse(ctx, &c.course, c.teacher.ID))
	var err error
	c.member, err = c.AddMember(ctx, c.course.ID, c.student.ID, course.Student, "")
	must(t, err)
	d := due
	c.assignment = course.Assignment{CourseID: c.course.ID, Slug: "ps1", Title: "Problem set 1", DueAt: &d}
	must(t, c.AddAssignment(ctx, &c.assignment))
	c.sql(t, `update assignments set released_at = now(), release_version = 1 where id = $1`, c.assignment.ID)
	return c
}

func (c *class) sql(t testing.TB, sql string, args ...any) {
	t.Helper()
	_, err := c.Pool().Exec(context.Background(), sql, args...)
	must(t, err)
}

func (c *class) at(taken time.Time) course.Submission {
	return course.Submission{AssignmentID: c.assignment.ID, MemberID: c.member, Kind: course.BySubmit, TakenAt: taken,
		Snapshot: taken.Format(course.SnapshotForm), Digest: "d", Files: []course.File{{Path: "a.ipynb", Bytes: 7, SHA256: "x"}}}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheLastInTimeCountsElseTheLast(t *testing.T) {
	t.Parallel()
	minute := time.Minute
	for name, tc := range map[string]struct {
		taken []time.Duration // after due, in the order of recording
		want  int             // which of them counts
	}{
		"one in time":                     {[]time.Duration{-minute}, 0},
		"one late":                        {[]time.Duration{minute}, 0},
		"the later of two in time":        {[]time.Duration{-2 * minute, -minute}, 1},
		"late work leaves the timely one": {[]time.Duration{-minute, minute}, 0},
		"the later of two late":           {[]time.Duration{minute, 2 * minute}, 1},
		"timely work recorded last":       {[]time.Duration{minute, -minute}, 1},
		"recorded out of order":           {[]time.Duration{-minute, -2 * minute}, 0},
		"on the instant is in time":       {[]time.Duration{-minute, 0}, 1},
		"a hair late is late":             {[]time.Duration{-minute, time.Millisecond}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClass(t)
			var want course.SubmissionID
			for i, d := range tc.taken {
				got, fresh, err := c.RecordSubmission(t.Context(), c.at(due.Add(d)), uuid.New(), c.student.ID)
				must(t, err)
				if !fresh {
					t.Errorf("submission %d is not fresh", i)
				}
				if (got.LateBy > 0) != (d > 0) {
					t.Errorf("taken %v after due: late by %v", d, got.LateBy)
				}
				if i == tc.want {
					want = got.ID
				}
			}
			all, err := c.SubmissionsOf(t.Context(), c.assignment.ID, c.member)
			must(t, err)
			for _, s := range all {
				if s.Counts != (s.ID == want) {
					t.Errorf("submission %d taken %v: counts %v, want %d to count", s.ID, s.TakenAt, s.Counts, want)
				}
			}
		})
	}
}

func TestLatenessIsAgainstTheMembersOwnDueTime(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.sql(t, `insert into extensions (assignment_id, member_id, due_at) values ($1, $2, $3)`, c.assignment.ID, c.member, due.Add(time.Hour))
	got, _, err := c.RecordSubmission(t.Context(), c.at(due.Add(30*time.Minute)), uuid.New(), c.student.ID)
	must(t, err)
	if got.LateBy != 0 || !got.Counts {
		t.Errorf("within the extension: late by %v, counts %v; want in time", got.LateBy, got.Counts)
	}
	// An extension taken away later must not change what was recorded.
	c.sql(t, `delete from extensions`)
	again, err := c.Submission(t.Context(), c.assignment.ID, got.ID)
	must(t, err)
	if again.LateBy != 0 || fmt.Sprint(again.Files) != fmt.Sprint([]course.File{{Path: "a.ipynb", Bytes: 7, SHA256: "x"}}) {
		t.Errorf("after the extension is gone: %+v", again)
	}
}

func TestFiftySubmissionsOfOneFormAreOne(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	form := uuid.New()
	var wg sync.WaitGroup
	var fresh atomic.Int64
	ids := make([]course.SubmissionID, 50)
	for i := range ids {
		wg.Go(func() {
			got, isNew, err := c.RecordSubmission(t.Context(), c.at(due.Add(-time.Minute)), form, c.student.ID)
			if err != nil {
				t.Error(err)
			}
			if isNew {
				fresh.Add(1)
			}
			ids[i] = got.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("submissions %v; want one", ids)
			break
		}
	}
	var lines int
	must(t, c.Pool().QueryRow(t.Context(), `select count(*) from activity where verb = 'submitted'`).Scan(&lines))
	if fresh.Load() != 1 || lines != 1 {
		t.Errorf("%d fresh, %d lines of activity; want 1 and 1", fresh.Load(), lines)
	}
}

func TestAnothersFormKeyIsNotOnesOwn(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	other := course.User{Login: "other"}
	must(t, c.AddUser(t.Context(), &other))
	m, err := c.AddMember(t.Context(), c.course.ID, other.ID, course.Student, "")
	must(t, err)
	form := uuid.New()
	first, _, err := c.RecordSubmission(t.Context(), c.at(due), form, c.student.ID)
	must(t, err)
	if _, err := c.SubmissionByForm(t.Context(), c.assignment.ID, m, form); !course.IsKind(err, course.NotFound) {
		t.Errorf("another member asks for the key: %v, want not found", err)
	}
	sub := c.at(due)
	sub.MemberID = m
	second, fresh, err := c.RecordSubmission(t.Context(), sub, form, other.ID)
	must(t, err)
	if !fresh || second.ID == first.ID {
		t.Errorf("another member's submission under the same key: %+v, fresh %v", second, fresh)
	}
}
