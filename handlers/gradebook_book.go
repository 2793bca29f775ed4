package handlers

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"lectern/course"
	"lectern/store"
)

// book is a course's gradebook for the students that are asked for.
type book struct {
	rule        course.Book
	assignments []store.BookAssignment
	columns     []*store.BookColumn // by assignment
	members     []course.MemberID   // in the order asked for
	works       [][]*store.BookWork // by assignment, then as in members; nil is nothing recorded; see fill
	zone        *time.Location
	now         time.Time
}

// bookCell is one assignment of one student.
type bookCell struct {
	course.Total
	*store.BookWork
	missing bool // due, and nothing there
}

// readBook reads what is known of the students who fit, in a fixed number of
// statements; see fill.
func (s *Site) readBook(ctx context.Context, c course.Course, q store.BookQuery) (*book, error) {
	b := &book{zone: c.Location(), now: s.Now()}
	var err error
	if b.rule, _, err = s.Store.Book(ctx, c.ID); err != nil {
		return nil, err
	}
	if b.assignments, err = s.Store.BookAssignments(ctx, c.ID); err != nil {
		return nil, err
	}
	if b.members, err = s.Store.BookMembers(ctx, c.ID, q); err != nil {
		return nil, err
	}
	ids := make([]course.AssignmentID, len(b.assignments))
	for i, a := range b.assignments {
		ids[i] = a.ID
	}
	b.columns, err = s.Store.BookColumns(ctx, c.ID, ids)
	return b, err
}

// fill finds the work of the students there are.
func (b *book) fill() {
	at := make([]int, len(b.members)) // of those in ascending order
	for i := range at {
		at[i] = i
	}
	slices.SortFunc(at, func(x, y int) int { return cmp.Compare(b.members[x], b.members[y]) })
	ascending := make([]course.MemberID, len(at))
	for k, i := range at {
		ascending[k] = b.members[i]
	}
	b.works = make([][]*store.BookWork, len(b.columns))
	for j, c := range b.columns {
		b.works[j] = make([]*store.BookWork, len(at))
		for k, w := range c.Of(ascending) {
			b.works[j][at[k]] = w
		}
	}
}

// cell is what a student has in an assignment, now.
func (b *book) cell(i, j int) bookCell {
	a, w := &b.assignments[j], b.works[j][i]
	c := bookCell{BookWork: w}
	taken, handedIn := w.TakenAt()
	lost := 0.0
	if handedIn && a.Late.Unit != "" {
		lost = a.Late.Lost(b.due(a, w), taken, b.zone)
	}
	c.Total = w.Total(a.Points, lost)
	if !handedIn && !c.Excused && c.Points() == nil {
		due := b.due(a, w)
		c.missing = due != nil && b.now.After(*due)
	}
	return c
}

// due is the student's due time; nil is none.
func (b *book) due(a *store.BookAssignment, w *store.BookWork) *time.Time {
	if own, extended := w.OwnDueAt(); extended {
		return &own
	}
	return a.DueAt
}

// whole reports whether everything in the work is marked: before, it does not count.
func (c *bookCell) whole() bool { return c.Whole != nil || c.Needs+c.Waiting == 0 }

// total is what a student's course comes to. The entries are for scratch.
func (b *book) total(i int, entries []course.BookEntry) course.BookTotal {
	entries = entries[:0]
	for j, a := range b.assignments {
		cell := b.cell(i, j)
		e := course.BookEntry{Group: a.GradeGroup, Most: cell.Most, Missing: cell.missing, Excused: cell.Excused}
		if cell.missing {
			e.Most = cmp.Or(cell.Most, a.Points)
		}
		if cell.whole() {
			e.Points = cell.Points()
		}
		entries = append(entries, e)
	}
	return b.rule.Total(entries)
}

// sort orders the students by a figure, and is to be followed by fill. Those
// without one are last, equals stay as they were.
func (b *book) sort(down bool, figure func(i int) *float64) {
	keys, at := make([]float64, len(b.members)), make([]int, len(b.members))
	for i := range keys {
		at[i], keys[i] = i, math.Inf(1)
		if p := figure(i); p != nil {
			keys[i] = pick(down, -*p, *p)
		}
	}
	slices.SortFunc(at, func(x, y int) int { return cmp.Or(cmp.Compare(keys[x], keys[y]), x-y) })
	members := make([]course.MemberID, len(at))
	for k, i := range at {
		members[k] = b.members[i]
	}
	b.members, b.works = members, nil
}

// page leaves n students from some place on, and fills in their work.
func (b *book) page(from, n int) {
	from = min(from, len(b.members))
	b.members = b.members[from:min(from+n, len(b.members))]
	b.fill()
}
