package store

import (
	"context"
	"time"

	"lectern/course"
)

func minutes(n int64) time.Duration { return time.Duration(n) * time.Minute }

// Paper is one student's work as it is graded: by number, so that nobody has to
// know whose it is.
type Paper struct {
	Number       int
	MemberID     course.MemberID
	Login        string
	Name         string
	Section      string
	SubmissionID course.SubmissionID
	Snapshot     string
	TakenAt      time.Time
	LateSeconds  int64
	Notes        []string // what was left out or doubtful when it was taken
	RunID        *int64   // in effect; nil: not autograded
	RunFlags     []string
	Repairs      int
}

// Paper is the work with this number; NotFound if the assignment has none.
func (s *Store) Paper(ctx context.Context, id course.AssignmentID, number int) (Paper, error) {
	return one[Paper](ctx, s.db, "paper", `
		select p.number, p.member_id, u.login, u.name, m.section, s.id as submission_id, s.snapshot, s.taken_at, s.late_seconds, s.notes,
			r.id as run_id, coalesce(r.flags, '{}') as run_flags, coalesce(jsonb_array_length(r.repairs), 0) as repairs
		from papers p join members m on m.id = p.member_id join users u on u.id = m.user_id
		join submissions s on s.assignment_id = p.assignment_id and s.member_id = p.member_id and s.counts
		left join runs r on r.submission_id = s.id and r.effective
		where p.assignment_id = $1 and p.number = $2`, id, number)
}

// PaperOf is the number of a member's work; NotFound before there is any.
func (s *Store) PaperOf(ctx context.Context, id course.AssignmentID, m course.MemberID) (int, error) {
	r, err := one[struct{ Number int }](ctx, s.db, "paper", `select number from papers where assignment_id = $1 and member_id = $2`, id, m)
	return r.Number, err
}

// CellMark is one question of one paper with the mark it has.
type CellMark struct {
	GradeCell
	AnswerHash *string
	NoResponse bool
	TestReason *string  // why the tests gave less than full points
	TestFlags  []string // what looked odd in them
	EventID    *int64   // of the mark a person gave; what a form is made from
	Rubric     []int64
	ByRubric   bool
	Apart      bool
	Together   bool    // given at once to identical answers
	Comment    *string // of that mark
	Reason     *string
	By         *string // login
	At         *time.Time
	HeldBy     *string // the name of somebody else who reads it now
}

// Event is the id of the mark that a form is made from; 0 without one.
func (m CellMark) Event() int64 {
	if m.EventID == nil {
		return 0
	}
	return *m.EventID
}

// cellMarks finds questions of a paper. Of a student who handed in nothing and has
// no mark there is nothing to find.
const cellMarks = `
	select c.member_id, c.notebook, c.question, c.kind, c.max, c.state, c.auto, c.given, c.points, c.extra, e.flagged is true as flagged,
		c.answer_hash, c.no_response, x.reason as test_reason, coalesce(x.flags, '{}') as test_flags,
		c.event_id, c.rubric, c.by_rubric, e.apart is true as apart, e.together_with is not null as together,
		e.comment, e.reason, u.login as by, e.at,
		(select coalesce(nullif(n.name, ''), n.login) from grading_leases l join users n on n.id = l.user_id
			where l.assignment_id = c.assignment_id and l.notebook = c.notebook and l.question = c.question and l.member_id = c.member_id
				and l.expires_at > now() and l.user_id <> $3) as held_by
	from grade_cells c
	left join run_results x on x.run_id = c.run_id and x.notebook = c.notebook and x.question = c.question
	left join mark_events e on e.id = c.event_id
	left join users u on u.id = e.actor
	where c.assignment_id = $1 and c.member_id = $2`

// CellMark is the mark of one question; for whom tells whose lease is not somebody else's.
func (s *Store) CellMark(ctx context.Context, id course.AssignmentID, k course.QuestionKey, m course.MemberID, whom course.UserID) (CellMark, error) {
	return one[CellMark](ctx, s.db, "question", cellMarks+` and c.notebook = $4 and c.question = $5`, id, m, whom, k.Notebook, k.Question)
}

// QueueItem is a paper in the queue of a question.
type QueueItem struct {
	Number int
	Login  string
	Name   string
	State  string
	Points *float64
	Extra  float64
	Max    float64
	Held   bool // by somebody else
}

// Queue is the papers of a question around a number: at most before of smaller
// numbers and after of larger ones, in order.
func (s *Store) Queue(ctx context.Context, id course.AssignmentID, k course.QuestionKey, number, before, after int, whom course.UserID) ([]QueueItem, error) {
	return many[QueueItem](ctx, s.db, "queue", `
		with near as (
			(select number, member_id from papers where assignment_id = $1 and number < $4 order by number desc limit $5)
			union all
			(select number, member_id from papers where assignment_id = $1 and number >= $4 order by number limit $6 + 1)
		)
		select n.number, u.login, u.name, c.state, c.points, c.extra, c.max, l.user_id is not null as held
		from near n join grade_cells c on c.assignment_id = $1 and c.member_id = n.member_id and c.notebook = $2 and c.question = $3
		join members m on m.id = n.member_id join users u on u.id = m.user_id
		left join grading_leases l on l.assignment_id = $1 and l.notebook = $2 and l.question = $3 and l.member_id = n.member_id
			and l.expires_at > now() and l.user_id <> $7
		order by n.number`, id, k.Notebook, k.Question, number, before, after, whom)
}

// SourceCell is a cell of the instructor's version, to know which belong together.
type SourceCell struct {
	GradeID  string
	Kind     string
	Position int
	Points   float64
}

// SourceCells lists the marked cells of a notebook, in its order.
func (s *Store) SourceCells(ctx context.Context, id course.AssignmentID, notebook string) ([]SourceCell, error) {
	return many[SourceCell](ctx, s.db, "questions", `
		select grade_id, kind, position, points from questions where assignment_id = $1 and notebook = $2 order by position`, id, notebook)
}
