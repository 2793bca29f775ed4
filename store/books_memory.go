package store

import (
	"context"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5/pgtype"

	"lectern/course"
)

// bookMemory is how many works are remembered, of all courses: about 100 MB. The
// course that is being looked at is remembered whatever its size.
const bookMemory = 1_000_000

// books remembers gradebooks. The database is the truth: each look asks which rows
// bear a transaction that had not ended at the look before, and there is nothing to
// invalidate, to agree on with other programs, or to lose.
type books struct {
	mu      sync.Mutex
	courses map[course.ID]*courseBook
	looks   int
}

// courseBook is one course's part.
type courseBook struct {
	turn    chan struct{} // one look at a time, so that what is remembered only becomes newer
	origin  string        // of the rows: another server, or another table, knows other transactions
	columns map[course.AssignmentID]lookedAt
	looked  int // when, by the count of looks
	works   int
}

// lookedAt is a column and the first transaction that it may not show.
type lookedAt struct {
	*BookColumn
	since uint64
}

func newBooks() *books { return &books{courses: map[course.ID]*courseBook{}} }

// course is a course's part, whose turn it is.
func (b *books) course(ctx context.Context, id course.ID) (*courseBook, error) {
	b.mu.Lock()
	cb := b.courses[id]
	if cb == nil {
		cb = &courseBook{turn: make(chan struct{}, 1), columns: map[course.AssignmentID]lookedAt{}}
		b.courses[id] = cb
	}
	b.looks++
	cb.looked = b.looks
	b.mu.Unlock()
	select {
	case cb.turn <- struct{}{}:
		return cb, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// done ends the turn, and forgets the courses that nobody looked at for longest
// where there are too many.
func (b *books) done(cb *courseBook) {
	b.mu.Lock()
	defer b.mu.Unlock()
	cb.works = 0
	for _, col := range cb.columns {
		cb.works += len(col.Works)
	}
	<-cb.turn
	for {
		all, oldest := 0, course.ID(0)
		for id, other := range b.courses {
			all += other.works
			if other != cb && (oldest == 0 || other.looked < b.courses[oldest].looked) {
				oldest = id
			}
		}
		if all <= bookMemory || oldest == 0 {
			return
		}
		delete(b.courses, oldest)
	}
}

func (b *books) columns(ctx context.Context, db querier, id course.ID, ids []course.AssignmentID) ([]*BookColumn, error) {
	cb, err := b.course(ctx, id)
	if err != nil {
		return nil, err
	}
	defer b.done(cb)
	for again := true; again; {
		if again, err = cb.look(ctx, db, ids); err != nil {
			return nil, err
		}
	}
	out := make([]*BookColumn, len(ids))
	for i, a := range ids {
		out[i] = cb.columns[a].BookColumn
	}
	return out, nil
}

// look brings what is remembered of these assignments up to date. again says that
// it was of another origin, and is forgotten now.
func (cb *courseBook) look(ctx context.Context, db querier, ids []course.AssignmentID) (again bool, err error) {
	known, since, unknown := []course.AssignmentID{}, []uint64{}, []course.AssignmentID{}
	for _, a := range ids {
		if col, ok := cb.columns[a]; ok {
			known, since = append(known, a), append(since, col.since)
		} else {
			unknown = append(unknown, a)
		}
	}
	for _, part := range []struct {
		ids  []course.AssignmentID
		sql  string
		args []any
	}{{known, booksChanged, []any{known, since}}, {unknown, booksWhole, []any{unknown}}} {
		if len(part.ids) == 0 {
			continue
		}
		rows, origin, upto, err := bookRows(ctx, db, part.sql, part.args...)
		if err != nil {
			return false, err
		}
		if origin != cb.origin {
			again = len(cb.columns) > 0
			cb.origin = origin
			clear(cb.columns)
		}
		if again {
			return true, nil
		}
		for _, a := range part.ids {
			col := cb.columns[a].BookColumn
			if col == nil {
				col = &BookColumn{}
			}
			cb.columns[a] = lookedAt{col.with(rows[a]), upto}
		}
	}
	return false, nil
}

// Each answer begins with where the rows are from, and the oldest transaction that
// may still change what they do not show; both are of the very same look.
const booksNow = `
	select n.origin, n.upto, f.assignment_id, f.member_id, coalesce(f.whole, 'NaN') as whole, coalesce(f.earned, 'NaN') as earned, coalesce(f.extra, 0) as extra,
		coalesce(f.most, 'NaN') as most, coalesce(f.excused, false) as excused, coalesce(f.needs, 0) as needs, coalesce(f.waiting, 0) as waiting,
		coalesce(f.changed, '0'::xid8) as changed, f.taken_at, coalesce(f.late_seconds, 0) as late_seconds, f.due_at
	from (select pg_postmaster_start_time()::text || ' ' || 'tallies'::regclass::oid as origin, pg_snapshot_xmin(pg_current_snapshot()) as upto) n
	left join (`

const booksWhole = booksNow + `
	select assignment_id, member_id, k.whole, k.earned, k.extra, k.most, k.excused, k.needs, k.waiting, k.changed, s.taken_at, s.late_seconds, x.due_at
	from (select * from tallies where assignment_id = any($1)) k
	full join (select * from extensions where assignment_id = any($1)) x using (assignment_id, member_id)
	left join (select * from submissions where assignment_id = any($1) and counts) s using (assignment_id, member_id)) f on true`

// What changed is little: each row is asked for by index, whatever the planner
// thinks of an array.
const booksChanged = booksNow + `
	select c.assignment_id, c.member_id, k.whole, k.earned, k.extra, k.most, k.excused, k.needs, k.waiting, k.changed, s.taken_at, s.late_seconds, x.due_at
	from (
		select i.* from unnest($1::bigint[], $2::xid8[]) as a (id, since)
		cross join lateral (select assignment_id, member_id from tallies where assignment_id = a.id and changed >= a.since offset 0) i
		union
		select i.* from unnest($1::bigint[], $2::xid8[]) as a (id, since)
		cross join lateral (select assignment_id, member_id from book_changes where assignment_id = a.id and changed >= a.since offset 0) i) c
	left join lateral (select * from tallies where assignment_id = c.assignment_id and member_id = c.member_id limit 1) k on true
	left join lateral (select taken_at, late_seconds from submissions where assignment_id = c.assignment_id and member_id = c.member_id and counts limit 1) s on true
	left join lateral (select due_at from extensions where assignment_id = c.assignment_id and member_id = c.member_id limit 1) x on true) f on true`

func bookRows(ctx context.Context, db querier, sql string, args ...any) (out map[course.AssignmentID][]BookWork, origin string, upto uint64, err error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, "", 0, wrap("gradebook", err)
	}
	defer rows.Close()
	out = map[course.AssignmentID][]BookWork{}
	var a, m pgtype.Int8
	var taken, own pgtype.Timestamptz
	var w BookWork
	into := []any{&origin, &upto, &a, &m, &w.whole, &w.earned, &w.extra, &w.most, &w.excused, &w.needs, &w.waiting, &w.changed, &taken, &w.LateSeconds, &own}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, "", 0, wrap("gradebook", err)
		}
		if !a.Valid {
			continue
		}
		w.MemberID, w.taken, w.own = course.MemberID(m.Int64), micros(taken), micros(own)
		out[course.AssignmentID(a.Int64)] = append(out[course.AssignmentID(a.Int64)], w)
	}
	for id := range out {
		slices.SortFunc(out[id], func(a, b BookWork) int { return byMember(a, b.MemberID) })
	}
	return out, origin, upto, wrapIf("gradebook", rows.Err())
}

func micros(t pgtype.Timestamptz) int64 {
	if !t.Valid || t.InfinityModifier != pgtype.Finite {
		return noTime
	}
	return t.Time.UnixMicro()
}
