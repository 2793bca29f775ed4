package store

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"lectern/course"
)

// BookColumn is everybody's work in one assignment as it was at one moment. It
// never changes: when anything about it does, the next look gives another one.
type BookColumn struct {
	Works []BookWork // by member; who is not there has nothing recorded
	stats atomic.Pointer[[]QuestionStats]
}

// BookWork is what one student has in one assignment. There is no pointer in it,
// because there are very many.
type BookWork struct {
	MemberID    course.MemberID
	LateSeconds int64
	whole       float64 // NaN is none, here and in earned and most
	earned      float64
	extra       float64
	most        float64
	changed     uint64 // the transaction
	taken, own  int64  // microseconds; noTime is none
	needs       int32
	waiting     int32
	excused     bool
}

const noTime = math.MinInt64

// TakenAt is when the work that counts was taken; false without any.
func (w *BookWork) TakenAt() (time.Time, bool) {
	if w == nil {
		return time.Time{}, false
	}
	return instant(w.taken)
}

// OwnDueAt is the student's own due time; false without one.
func (w *BookWork) OwnDueAt() (time.Time, bool) {
	if w == nil {
		return time.Time{}, false
	}
	return instant(w.own)
}

func instant(micro int64) (time.Time, bool) { return time.UnixMicro(micro).UTC(), micro != noTime }

// Total is what the work comes to, in an assignment of so many points, when
// lateness costs such a share. It is for reading only. Nil is nothing recorded.
func (w *BookWork) Total(points, lost float64) course.Total {
	if w == nil {
		return course.Total{Most: points}
	}
	t := course.Total{Extra: w.extra, Most: w.most, Lost: lost, Excused: w.excused, Needs: int(w.needs), Waiting: int(w.waiting)}
	if w.most != w.most {
		t.Most = points
	}
	if w.whole == w.whole {
		t.Whole = &w.whole
	}
	if w.earned == w.earned {
		t.Earned = &w.earned
	}
	return t
}

// Of finds the work of these members, who are in ascending order; nil for those
// with nothing recorded.
func (c *BookColumn) Of(members []course.MemberID) []*BookWork {
	out, i := make([]*BookWork, len(members)), 0
	for k, m := range members {
		for i < len(c.Works) && c.Works[i].MemberID < m {
			i++
		}
		if i < len(c.Works) && c.Works[i].MemberID == m {
			out[k] = &c.Works[i]
		}
	}
	return out
}

// with is the column after some rows were looked at again; itself if none of them
// is different.
func (c *BookColumn) with(rows []BookWork) *BookColumn {
	var works []BookWork
	for _, w := range rows {
		at, found := slices.BinarySearchFunc(c.Works, w.MemberID, byMember)
		if found && c.Works[at].same(w) {
			continue
		}
		if works == nil {
			works = slices.Clone(c.Works)
		}
		if found {
			works[at] = w
		} else {
			works = append(works, w) // behind those that at can be
		}
	}
	if works == nil {
		return c
	}
	slices.SortFunc(works, func(a, b BookWork) int { return byMember(a, b.MemberID) })
	return &BookColumn{Works: works}
}

func byMember(w BookWork, m course.MemberID) int {
	switch {
	case w.MemberID < m:
		return -1
	case w.MemberID > m:
		return 1
	}
	return 0
}

// same compares what == does not: a NaN is like another.
func (w BookWork) same(o BookWork) bool {
	for _, p := range []*float64{&w.whole, &w.earned, &w.most, &o.whole, &o.earned, &o.most} {
		if *p != *p {
			*p = math.Inf(-1)
		}
	}
	return w == o
}

// BookColumns are these assignments of a course, as everything that was committed
// before the call leaves them. They are remembered, by this program, and only what
// may have changed since is asked for. Never what the transaction of an InTx has done.
func (s *Store) BookColumns(ctx context.Context, c course.ID, ids []course.AssignmentID) ([]*BookColumn, error) {
	return s.books.columns(ctx, s.pool, c, ids)
}
