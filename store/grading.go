package store

import (
	"context"
	"fmt"
	"time"

	"lectern/course"
)

// Sections lists a course's sections by name.
func (s *Store) Sections(ctx context.Context, c course.ID) ([]string, error) {
	rows, err := s.db.Query(ctx, `select distinct section from members where course_id = $1 and section <> '' order by 1`, c)
	if err != nil {
		return nil, fmt.Errorf("store: sections: %w", err)
	}
	return collectTexts(rows)
}

// Due is one member's live work that is due to be collected.
type Due struct {
	AssignmentID course.AssignmentID
	MemberID     course.MemberID
	DueAt        time.Time
}

// DueWork lists students' work that was opened in time, whose due time has come and that
// was not collected for that time yet, at most limit of it, the longest due
// first. Of work first opened later there was nothing to collect then.
func (s *Store) DueWork(ctx context.Context, now time.Time, limit int) ([]Due, error) {
	// In parts, so that each finds by an index the few that are left to collect.
	return many[Due](ctx, s.db, "due work", `
		with due as (
			select a.id as assignment_id, w.member_id, w.fetched_at, a.due_at
			from assignments a cross join lateral (
				select member_id, fetched_at from works where assignment_id = a.id and collected_for is null
				union all
				select member_id, fetched_at from works where assignment_id = a.id and collected_for < a.due_at) w
			where a.due_at <= $1 and not exists (select from extensions e where e.assignment_id = a.id and e.member_id = w.member_id)
			union all
			select w.assignment_id, w.member_id, w.fetched_at, e.due_at
			from extensions e join works w on w.assignment_id = e.assignment_id and w.member_id = e.member_id
				and (w.collected_for is null or w.collected_for < e.due_at)
			where e.due_at <= $1
		)
		select d.assignment_id, d.member_id, d.due_at
		from due d join assignments a on a.id = d.assignment_id and a.released_at is not null and a.archived_at is null
		join members m on m.id = d.member_id and m.role = 'student'
		where d.fetched_at <= d.due_at
			and not exists (select from river_job j where j.kind = 'collect' and j.finalized_at is null
				and j.args @> jsonb_build_object('assignment_id', d.assignment_id, 'member_id', d.member_id))
		order by 3, 1, 2 limit $2`, now, limit)
}

// OpenedWork lists the students whose live work can be collected; what the staff
// try out is not.
func (s *Store) OpenedWork(ctx context.Context, id course.AssignmentID) ([]course.MemberID, error) {
	type row struct{ MemberID course.MemberID }
	rows, err := many[row](ctx, s.db, "opened work", `
		select w.member_id from works w join members m on m.id = w.member_id and m.role = 'student'
		where w.assignment_id = $1 order by 1`, id)
	out := make([]course.MemberID, len(rows))
	for i, r := range rows {
		out[i] = r.MemberID
	}
	return out, err
}

// MarkCollected notes that live work was collected for a due time, or why there
// was nothing to collect. A zero due time notes only when and why. Autograding
// begins, if the assignment wants it then.
func (s *Store) MarkCollected(ctx context.Context, a course.AssignmentID, m course.MemberID, due, at time.Time, why string) error {
	return s.InTx(ctx, func(tx *Store) error {
		_, err := exec(ctx, tx.db, "collected", `
			update works set collected_at = $4, collect_error = nullif($5, ''),
				collected_for = case when $3::timestamptz > '0001-01-02' then greatest(collected_for, $3) else collected_for end
			where assignment_id = $1 and member_id = $2`, a, m, due, at, why)
		if err != nil {
			return err
		}
		return tx.wantRun(ctx, a, m, OnCollect, OnSubmit)
	})
}

// CollectTarget is what a collection needs to know.
type CollectTarget struct {
	CourseID   course.ID
	CourseSlug string
	Slug       string // of the assignment
	Login      string
	LastDigest *string // of the member's last submission; nil without one
}

// CollectTarget finds whose work lies where.
func (s *Store) CollectTarget(ctx context.Context, a course.AssignmentID, m course.MemberID) (CollectTarget, error) {
	return one[CollectTarget](ctx, s.db, "work", `
		select c.id as course_id, c.slug as course_slug, a.slug, u.login,
			(select digest from submissions where assignment_id = a.id and member_id = m.id order by taken_at desc, id desc limit 1) as last_digest
		from assignments a join courses c on c.id = a.course_id
		join members m on m.course_id = c.id and m.id = $2 join users u on u.id = m.user_id
		where a.id = $1`, a, m)
}

// Progress is how far a batch of jobs is.
type Progress struct {
	Total, Done, Failing int
}

// CollectProgress is how far the collection asked for at that time is.
func (s *Store) CollectProgress(ctx context.Context, id course.AssignmentID, batch int64) (Progress, error) {
	return one[Progress](ctx, s.db, "progress", `
		select count(*) as total, count(finalized_at) as done,
			count(*) filter (where finalized_at is null and cardinality(errors) > 0) as failing
		from river_job where kind = 'collect' and args @> jsonb_build_object('assignment_id', $1::bigint, 'batch', $2::bigint)`, id, batch)
}

// HasSnapshot reports whether a directory of history is a submission.
func (s *Store) HasSnapshot(ctx context.Context, courseSlug, login, assignment, snapshot string) (bool, error) {
	var yes bool
	err := s.db.QueryRow(ctx, `
		select exists (select from submissions s
			join assignments a on a.id = s.assignment_id join courses c on c.id = a.course_id
			join members m on m.id = s.member_id join users u on u.id = m.user_id
			where c.slug = $1 and u.login = $2 and a.slug = $3 and s.snapshot = $4)`, courseSlug, login, assignment, snapshot).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("store: has snapshot: %w", err)
	}
	return yes, nil
}

// Neighbours are the logins before and after one among those who handed in; ""
// at the ends.
func (s *Store) Neighbours(ctx context.Context, id course.AssignmentID, login string) (prev, next string, err error) {
	err = s.db.QueryRow(ctx, `
		select coalesce(max(u.login) filter (where u.login < $2), ''), coalesce(min(u.login) filter (where u.login > $2), '')
		from submissions s join members m on m.id = s.member_id join users u on u.id = m.user_id
		where s.assignment_id = $1 and s.counts`, id, login).Scan(&prev, &next)
	if err != nil {
		return "", "", fmt.Errorf("store: neighbours: %w", err)
	}
	return prev, next, nil
}

// CountedWork is a snapshot that counts, and where it lies.
type CountedWork struct {
	Course, Login, Assignment string
	Snapshot                  string
}

// CountedSince lists the submissions that count and were recorded after a time.
func (s *Store) CountedSince(ctx context.Context, since time.Time) ([]CountedWork, error) {
	return many[CountedWork](ctx, s.db, "submissions", `
		select c.slug as course, u.login, a.slug as assignment, s.snapshot
		from submissions s join assignments a on a.id = s.assignment_id join courses c on c.id = a.course_id
		join members m on m.id = s.member_id join users u on u.id = m.user_id
		where s.counts and s.recorded_at > $1 order by s.id`, since)
}
