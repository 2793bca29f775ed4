package store

import (
	"context"

	"lectern/course"
)

// GradeQuestion is a question that gives points, and how far the class is marked.
type GradeQuestion struct {
	course.QuestionKey
	Kind     string // tests, manual, task
	Position int
	Max      float64
	Papers   int // students whose work is in
	Needs    int // of them, who wait for a person
	Waiting  int // of them, whose tests have not run
	Flagged  int
	Mean     *float64 // of what is marked
}

// GradeQuestions lists an assignment's questions in the order of its notebooks.
func (s *Store) GradeQuestions(ctx context.Context, id course.AssignmentID) ([]GradeQuestion, error) {
	return many[GradeQuestion](ctx, s.db, "questions", `
		select q.notebook, q.grade_id as question, q.kind, q.position, q.points as max, coalesce(c.papers, 0) as papers,
			coalesce(c.needs, 0) as needs, coalesce(c.waiting, 0) as waiting, coalesce(c.flagged, 0) as flagged, c.mean
		from questions q left join (
			select notebook, question, count(number)::int as papers, (count(*) filter (where state in ('needs', 'stale')))::int as needs,
				(count(*) filter (where state = 'waiting'))::int as waiting, (count(*) filter (where flagged))::int as flagged,
				avg(points) filter (where not excused) as mean
			from grade_cells where assignment_id = $1 group by 1, 2) c on c.notebook = q.notebook and c.question = q.grade_id
		where q.assignment_id = $1 and q.points > 0 and q.kind in ('tests', 'manual', 'task') order by q.notebook, q.position`, id)
}

// QuestionProgress is how far a question is; the zero question is all of them.
type QuestionProgress struct{ Papers, Needs, Waiting int }

// QuestionProgress counts the answers to one question, or to all.
func (s *Store) QuestionProgress(ctx context.Context, id course.AssignmentID, k course.QuestionKey) (QuestionProgress, error) {
	return one[QuestionProgress](ctx, s.db, "question", `
		select count(number)::int as papers, (count(*) filter (where state in ('needs', 'stale')))::int as needs,
			(count(*) filter (where state = 'waiting'))::int as waiting
		from grade_cells where assignment_id = $1 and ($3 = '' or notebook = $2 and question = $3)`, id, k.Notebook, k.Question)
}

// OpenAnswers counts the answers to a question, or to all, that wait for a person.
func (s *Store) OpenAnswers(ctx context.Context, id course.AssignmentID, k course.QuestionKey) (int, error) {
	r, err := one[struct{ N int }](ctx, s.db, "question", `
		select count(*)::int as n from grade_cells
		where assignment_id = $1 and ($3 = '' or notebook = $2 and question = $3) and state in ('needs', 'stale')`, id, k.Notebook, k.Question)
	return r.N, err
}

// GradeQuery is what part of a class is asked for. Zero fields ask for all who
// take part or have handed in, in the order of their numbers.
type GradeQuery struct {
	Section  string
	State    string             // "", needs, waiting, flagged, stale, missing
	Question course.QuestionKey // the states needs to stale are of this question only; zero is of any
	Sort     string             // "" by number, login, name, section, points, needs, question (by its points)
	Down     bool
	Limit    int // 0 is all
	Offset   int
}

// GradeRow is one student in the grid, with the total as it stands.
type GradeRow struct {
	MemberID course.MemberID
	Login    string
	Name     string
	Section  string
	Number   *int // nil: nothing handed in
	Late     bool
	Points   *float64
	Penalty  float64
	Whole    *float64
	Extra    float64
	Most     float64
	Excused  bool
	Needs    int
	Flagged  bool
	Total    int         // rows of the whole answer, on every row
	Cells    []GradeCell `db:"-"` // in the order of GradeQuestions
}

// GradeCell is one question of one student. State is one of grade_cells'.
type GradeCell struct {
	course.QuestionKey
	MemberID course.MemberID
	Kind     string
	Max      float64
	State    string // needs, stale, waiting, missing, auto, failed, marked, overridden, excused
	Auto     *float64
	Given    *float64
	Points   *float64
	Extra    float64
	Flagged  bool
}

var gradeOrders = map[string]string{
	"": "t.number", "login": "t.login", "name": "lower(t.name)", "section": "t.section", "points": "t.points", "needs": "t.needs", "question": "k.points",
}

// gradeStates are conditions on the whole row, and on one question's cell.
var gradeStates = map[string][2]string{
	"":        {"true", "true"},
	"needs":   {"t.needs > 0", "k.state in ('needs', 'stale')"},
	"waiting": {"t.waiting > 0", "k.state = 'waiting'"},
	"flagged": {"t.flagged", "k.flagged"},
	"missing": {"t.submission_id is null", "t.submission_id is null"},
}

// gradeTable is the class with its totals, in the rules of current_totals, which
// would be joined once for the order and once for the page: that takes longer to
// plan than this does to run. Each part is a range of an index, put together by
// hashing; the planner, who thinks of few students, would ask for them one by one.
const gradeTable = `
	with who as materialized (
		select m.id as member_id, u.login, u.name, m.section, m.role = 'student' and m.dropped_at is null as active,
			a.points as most, a.late_unit, a.late_percent, a.late_cap, a.late_grace, a.late_zero_after, a.due_at, c.zone
		from assignments a join courses c on c.id = a.course_id join members m on m.course_id = a.course_id join users u on u.id = m.user_id where a.id = $1
	), tally as materialized (
		select * from tallies where assignment_id = $1
	), work as materialized (
		select id, member_id, taken_at, late_seconds from submissions where assignment_id = $1 and counts
	), paper as materialized (
		select member_id, number from papers where assignment_id = $1
	), class as materialized (
		select w.member_id, w.login, w.name, w.section, p.number, s.id as submission_id, coalesce(s.late_seconds > 0, false) as late,
			k.whole, coalesce(k.excused, false) as excused, k.earned, coalesce(k.extra, 0) as extra, coalesce(k.most, w.most) as most,
			coalesce(k.needs, 0) as needs, coalesce(k.waiting, 0) as waiting, coalesce(k.flagged, false) as flagged,
			lost_by(w.late_unit, w.late_percent, w.late_cap, w.late_grace, w.late_zero_after, coalesce(e.due_at, w.due_at), s.taken_at, w.zone) as lost
		from who w
		left join tally k using (member_id)
		left join work s using (member_id)
		left join paper p using (member_id)
		left join extensions e on e.assignment_id = $1 and e.member_id = w.member_id
		where w.active or k.member_id is not null
	), totals as (
		select *, total_points(excused, whole, earned, lost) as points,
			case when excused or whole is not null or earned is null then 0 else round(earned * lost * 100) / 100 end as penalty
		from class
	)`

// GradeTable is a page of the grid, in two statements however large the class.
func (s *Store) GradeTable(ctx context.Context, id course.AssignmentID, q GradeQuery) ([]GradeRow, error) {
	states, known := gradeStates[q.State]
	order, sorted := gradeOrders[q.Sort]
	if !known || !sorted {
		return nil, course.Problemf(course.Invalid, "The grid knows no such filter or order.")
	}
	state, join := states[0], ""
	if q.Question.Question != "" {
		state = states[1]
		join = `left join grade_cells k on k.assignment_id = $1 and k.member_id = t.member_id and k.notebook = $5 and k.question = $6`
	} else if q.Sort == "question" {
		order = gradeOrders[""]
	}
	if q.Down {
		order += " desc"
	}
	args := []any{id, q.Section, q.Limit, q.Offset}
	if join != "" {
		args = append(args, q.Question.Notebook, q.Question.Question)
	}
	rows, err := many[GradeRow](ctx, s.db, "grades", gradeTable+`
		select t.member_id, t.login, t.name, t.section, t.number, t.late, t.points, t.penalty, t.whole, t.extra, t.most, t.excused, t.needs, t.flagged,
			(count(*) over ())::int as total
		from totals t `+join+`
		where ($2 = '' or t.section = $2) and `+state+`
		order by `+order+` nulls last, t.number nulls last, t.login limit nullif($3, 0) offset $4`, args...)
	if err != nil || len(rows) == 0 {
		return rows, err
	}
	members, at := make([]course.MemberID, len(rows)), make(map[course.MemberID]int, len(rows))
	for i, r := range rows {
		members[i], at[r.MemberID] = r.MemberID, i
	}
	cells, err := s.GradeCells(ctx, id, members)
	for _, c := range cells {
		row := &rows[at[c.MemberID]]
		row.Cells = append(row.Cells, c)
	}
	return rows, err
}

// GradeCells lists every question of these members, in the order of GradeQuestions.
func (s *Store) GradeCells(ctx context.Context, id course.AssignmentID, members []course.MemberID) ([]GradeCell, error) {
	return many[GradeCell](ctx, s.db, "grades", `
		select member_id, notebook, question, kind, max, state, auto, given, points, extra, flagged
		from grade_cells where assignment_id = $1 and member_id = any($2) order by notebook, position`, id, members)
}

// TotalRow is what an assignment comes to for one student.
type TotalRow struct {
	AssignmentID course.AssignmentID
	MemberID     course.MemberID
	course.Total
}

// Totals are the current totals of these members in an assignment, by member.
// Every page that shows a total takes it from here, or from the view below it.
func (s *Store) Totals(ctx context.Context, id course.AssignmentID, members []course.MemberID) (map[course.MemberID]course.Total, error) {
	rows, err := many[TotalRow](ctx, s.db, "totals", `
		select assignment_id, member_id, whole, earned, extra, most, lost, excused, needs::int as needs, waiting::int as waiting
		from current_totals where assignment_id = $1 and member_id = any($2)`, id, members)
	out := make(map[course.MemberID]course.Total, len(rows))
	for _, r := range rows {
		out[r.MemberID] = r.Total
	}
	return out, err
}

// LateRule is what lateness costs in an assignment.
func (s *Store) LateRule(ctx context.Context, id course.AssignmentID) (course.LateRule, error) {
	type row struct {
		course.LateRule
		Minutes int64
	}
	r, err := one[row](ctx, s.db, "assignment", `
		select late_unit as unit, late_percent as percent, late_cap as cap, late_grace as minutes, late_zero_after as zero_after
		from assignments where id = $1`, id)
	r.Grace = minutes(r.Minutes)
	return r.LateRule, err
}

// SaveLateRule changes what lateness costs, for all work there is and will be.
func (s *Store) SaveLateRule(ctx context.Context, id course.AssignmentID, r course.LateRule) error {
	_, err := exec(ctx, s.db, "late rule", `
		update assignments set late_unit = $2, late_percent = $3, late_cap = $4, late_grace = $5, late_zero_after = $6 where id = $1`,
		id, r.Unit, r.Percent, r.Cap, int64(r.Grace.Minutes()), r.ZeroAfter)
	return err
}
