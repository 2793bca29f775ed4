package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"lectern/course"
	"lectern/spawner"
	"lectern/spawner/rowstest"
	"lectern/store"
	"lectern/store/storetest"
)

func TestPostgresKeepsTheSpawnersRowsAsItsContractSays(t *testing.T) {
	t.Parallel()
	st := storetest.New(t)
	member := memberMaker(t, st)
	rowstest.Run(t, rows{st}, func() spawner.Request {
		c, m := member()
		return spawner.Request{CourseID: c, MemberID: m, Image: "image"}
	})
}

// memberMaker makes a new student of one course at each call.
func memberMaker(t *testing.T, st *store.Store) func() (course.ID, course.MemberID) {
	t.Helper()
	ctx := context.Background()
	teacher := course.User{Login: "teacher"}
	if err := st.AddUser(ctx, &teacher); err != nil {
		t.Fatal(err)
	}
	c := course.Course{Slug: "c", Title: "Course", Zone: "UTC", Image: "image"}
	if err := st.AddCourse(ctx, &c, teacher.ID); err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	return func() (course.ID, course.MemberID) {
		u := course.User{Login: fmt.Sprintf("student%d", n.Add(1))}
		if err := st.AddUser(ctx, &u); err != nil {
			t.Fatal(err)
		}
		m, err := st.AddMember(ctx, c.ID, u.ID, course.Student, "")
		if err != nil {
			t.Fatal(err)
		}
		return c.ID, m
	}
}
