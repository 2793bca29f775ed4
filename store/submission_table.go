package store

import (
	"context"
	"time"

	"lectern/course"
)

// SubmissionRow is one student in the table of an assignment's submissions.
type SubmissionRow struct {
	MemberID course.MemberID
	Login    string
	Name     string
	Section  string
	Dropped  bool

	FetchedAt    *time.Time // opened; nil is never
	CollectedAt  *time.Time
	CollectError *string
	OwnDueAt     *time.Time

	Attempts int
	// Of the submission that counts; nil without one.
	SubmissionID *course.SubmissionID
	TakenAt      *time.Time
	Kind         *string
	Snapshot     *string
	LateSeconds  *int64
	Notes        int // what was left out or doubtful in it

	Points     *float64 // the total as it stands; nil if nothing is marked
	Needs      int      // questions that a person has to mark
	Waiting    int      // questions that a run has to score
	StagedAt   *time.Time
	ReturnedAt *time.Time
}

// SubmissionFilter narrows and orders the table. The zero value shows all, by login.
type SubmissionFilter struct {
	Search  string // in login or name
	Section string
	State   string // "", submitted, late, missing, unopened, marked, unmarked, returned
	Sort    string // "", name, submitted, late, points
	Down    bool
	Limit   int // 0 is all
	Offset  int
}

// SubmissionCounts is how many students are in each state, whatever the filter.
type SubmissionCounts struct {
	Students, Opened, Submitted, Late, Missing, Staged, Returned int
	Marked                                                       int // for the whole, or in every question
}

// SubmissionPage is a part of the table.
type SubmissionPage struct {
	Rows   []SubmissionRow
	Total  int // rows that the filter leaves
	Counts SubmissionCounts
}

// submissionStates are the conditions of the filter's states.
var submissionStates = map[string]string{
	"": "true", "submitted": "submission_id is not null", "late": "late_seconds > 0", "missing": "submission_id is null",
	"unopened": "fetched_at is null and submission_id is null", "marked": "marked",
	"unmarked": "submission_id is not null and not marked", "returned": "returned_at is not null",
}

var submissionOrders = map[string]string{
	"": "login", "name": "name", "submitted": "taken_at", "late": "late_seconds", "points": "points",
}

// submissionTable has one row a student who takes part, or has handed something in.
// What is shown beside is looked up for the rows of the page alone. The class is
// materialized: the planner otherwise thinks that the first rows of a page can be
// had without the others, and joins the class row by row. Its offset makes what
// lateness costs a column: a total uses that several times, and is put in place of
// its call only if that is cheap.
const submissionTable = `
	with class as materialized (
		select *, total_points(coalesce(excused, false), whole, earned, lost) as points,
			coalesce(excused or whole is not null or earned is not null and needs + waiting = 0, false) as marked from (
		select m.id as member_id, u.login, u.name, m.section, w.fetched_at, s.id as submission_id, s.taken_at, s.late_seconds,
			k.excused, k.whole, k.earned, k.needs, k.waiting, f.staged_at, f.returned_at,
			lost_by(a.late_unit, a.late_percent, a.late_cap, a.late_grace, a.late_zero_after, coalesce(e.due_at, a.due_at), s.taken_at, c.zone) as lost
		from assignments a
		join courses c on c.id = a.course_id
		join members m on m.course_id = a.course_id
		join users u on u.id = m.user_id
		left join works w on w.assignment_id = $1 and w.member_id = m.id
		left join extensions e on e.assignment_id = $1 and e.member_id = m.id
		left join submissions s on s.assignment_id = $1 and s.member_id = m.id and s.counts
		left join tallies k on k.assignment_id = $1 and k.member_id = m.id
		left join feedbacks f on f.assignment_id = $1 and f.member_id = m.id
		where a.id = $1 and (m.role = 'student' and m.dropped_at is null or s.id is not null) offset 0) parts
	)`

// SubmissionTable is a page of an assignment's submissions, with how many students
// are in each state: one statement, one pass over the class.
func (s *Store) SubmissionTable(ctx context.Context, id course.AssignmentID, f SubmissionFilter) (SubmissionPage, error) {
	state, known := submissionStates[f.State]
	order, sorted := submissionOrders[f.Sort]
	if !known || !sorted {
		return SubmissionPage{}, course.Problemf(course.Invalid, "The table knows no such filter or order.")
	}
	if f.Down {
		order += " desc"
	}
	type row struct {
		SubmissionRow
		SubmissionCounts
		Total int
	}
	chosen := state + ` and ($2 = '' or section = $2)
		and ($3 = '' or position(lower($3) in lower(login)) > 0 or position(lower($3) in lower(name)) > 0)`
	rows, err := many[row](ctx, s.db, "submissions", submissionTable+`, counts as (
			select count(*) as students, count(fetched_at) as opened, count(submission_id) as submitted,
				count(*) filter (where late_seconds > 0) as late, count(*) filter (where submission_id is null) as missing,
				count(*) filter (where marked) as marked, count(staged_at) as staged, count(returned_at) as returned, count(*) filter (where `+chosen+`) as total from class
		)
		select n.*, coalesce(p.member_id, 0) as member_id, coalesce(p.login, '') as login, coalesce(p.name, '') as name, coalesce(p.section, '') as section,
			m.dropped_at is not null as dropped, p.fetched_at, w.collected_at, w.collect_error, e.due_at as own_due_at,
			(select count(*) from submissions t where t.assignment_id = $1 and t.member_id = p.member_id) as attempts,
			p.submission_id, p.taken_at, s.kind, s.snapshot, p.late_seconds, coalesce(cardinality(s.notes), 0) as notes,
			p.points, coalesce(p.needs, 0) as needs, coalesce(p.waiting, 0) as waiting, p.staged_at, p.returned_at
		from counts n
		left join (select *, row_number() over () as rank from (
			select * from class where `+chosen+` order by `+order+` nulls last, login limit nullif($4, 0) offset $5) o) p on true
		left join members m on m.id = p.member_id
		left join works w on w.assignment_id = $1 and w.member_id = p.member_id
		left join extensions e on e.assignment_id = $1 and e.member_id = p.member_id
		left join submissions s on s.id = p.submission_id
		order by p.rank`, id, f.Section, f.Search, f.Limit, f.Offset)
	if err != nil || len(rows) == 0 {
		return SubmissionPage{}, err
	}
	page := SubmissionPage{Total: rows[0].Total, Counts: rows[0].SubmissionCounts}
	if rows[0].MemberID == 0 {
		return page, nil
	}
	page.Rows = make([]SubmissionRow, len(rows))
	for i, r := range rows {
		page.Rows[i] = r.SubmissionRow
	}
	return page, nil
}
