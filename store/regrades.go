package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"lectern/course"
)

// regradesEach bounds how often one question can be asked about: each is kept.
const regradesEach = 10

// ReturnedMark is one question as the student was shown it.
type ReturnedMark struct {
	Notebook string   `json:"notebook"`
	Question string   `json:"question"`
	Position int      `json:"position"`
	Max      float64  `json:"max"`
	Points   *float64 `json:"points"` // without extra credit; nil is no mark
	Extra    float64  `json:"extra"`
	Excused  bool     `json:"excused"`
	Event    int64    `json:"event"` // the mark a person gave; 0 is none
}

// Key is the question.
func (m ReturnedMark) Key() course.QuestionKey {
	return course.QuestionKey{Notebook: m.Notebook, Question: m.Question}
}

// Shown is the points with extra credit; nil if the question has no mark or is excused.
func (m ReturnedMark) Shown() *float64 {
	if m.Points == nil || m.Excused {
		return nil
	}
	p := *m.Points + m.Extra
	return &p
}

// RegradeTerms is what decides whether a member may ask for a regrade, and of what.
type RegradeTerms struct {
	course.RegradeRule
	ReturnedAt *time.Time // nil: nothing is returned, or it was withdrawn
	Questions  []ReturnedMark
}

// RegradeTerms are those of one member.
func (s *Store) RegradeTerms(ctx context.Context, a course.AssignmentID, m course.MemberID) (RegradeTerms, error) {
	return one[RegradeTerms](ctx, s.db, "assignment", `
		select a.regrades, a.regrade_days, f.returned_at, coalesce(f.returned_questions, '[]') as questions
		from assignments a left join feedbacks f on f.assignment_id = a.id and f.member_id = $2 and f.returned_at is not null
		where a.id = $1`, a, m)
}

// RegradeRule is the assignment's.
func (s *Store) RegradeRule(ctx context.Context, a course.AssignmentID) (course.RegradeRule, error) {
	return one[course.RegradeRule](ctx, s.db, "assignment", `select regrades, regrade_days from assignments where id = $1`, a)
}

// SaveRegradeRule changes it. Requests that were made stay.
func (s *Store) SaveRegradeRule(ctx context.Context, a course.AssignmentID, r course.RegradeRule) error {
	_, err := exec(ctx, s.db, "assignment", `update assignments set regrades = $2, regrade_days = $3 where id = $1`, a, r.Regrades, r.RegradeDays)
	return err
}

// Regrade is a request with what has become of it.
type Regrade struct {
	ID           course.RegradeID
	AssignmentID course.AssignmentID
	Assignment   string // slug
	Title        string // of the assignment
	MemberID     course.MemberID
	Login        string // of the student
	Name         string
	Dropped      bool // the student has left the course
	Number       *int // of their paper; nil: nothing was handed in
	course.QuestionKey
	Max     float64
	State   string // open, answered, withdrawn
	Reason  string
	AskedAt time.Time
	Old     *float64 // as the student saw the mark when they asked
	OldOut  bool     // it was excused
	OldMark int64    // the event behind it

	GraderID   *course.UserID // whose it is; nil: the instructors'. Who left the staff has none
	Grader     *string        // login
	GraderName *string
	Mine       bool // waits for whoever asks

	ClosedAt   *time.Time // answered or withdrawn
	CloserID   *course.UserID
	Closer     *string // login
	Answer     *string
	New        *float64
	NewOut     *bool
	NewMark    *int64
	Unreturned bool // the feedback is not with the student now
	Total      int  // rows of the whole list, on every row of RegradeList
}

// Open reports whether it waits for an answer.
func (g Regrade) Open() bool { return g.State == "open" }

// isMine is true of a request that waits for the user $1: theirs, or nobody's if
// they are an instructor.
const isMine = `coalesce(h.user_id = $1 or h.user_id is null and i.role = 'instructor', false)`

// regrades finds requests; $1 is the user who asks.
const regrades = `
	select g.id, g.assignment_id, a.slug as assignment, a.title, g.member_id, u.login, u.name, m.dropped_at is not null as dropped, p.number,
		g.notebook, g.question, g.max, g.state, q.text as reason, q.at as asked_at, q.points as old, q.excused as old_out, q.mark_event as old_mark,
		h.user_id as grader_id, hu.login as grader, hu.name as grader_name,
		` + isMine + ` as mine,
		e.at as closed_at, e.actor as closer_id, eu.login as closer, e.text as answer, e.points as new, e.excused as new_out, e.mark_event as new_mark,
		f.returned_at is null as unreturned` + regradesFrom + `
	left join feedbacks f on f.assignment_id = g.assignment_id and f.member_id = g.member_id`

// regradesFrom is what a request hangs together with. A grader who is no longer on
// the staff holds nothing: what was theirs is the instructors'.
const regradesFrom = `
	from regrades g
	join assignments a on a.id = g.assignment_id
	join members m on m.id = g.member_id join users u on u.id = m.user_id
	join regrade_events q on q.regrade_id = g.id and q.kind = 'asked'
	left join regrade_events e on e.regrade_id = g.id and e.kind in ('answered', 'withdrawn')
	left join users eu on eu.id = e.actor
	left join papers p on p.assignment_id = g.assignment_id and p.member_id = g.member_id
	left join members h on h.course_id = a.course_id and h.user_id = g.grader_id and h.role <> 'student' and h.dropped_at is null
	left join users hu on hu.id = h.user_id
	left join members i on i.course_id = a.course_id and i.user_id = $1 and i.dropped_at is null`

// RegradesOf lists a member's requests in an assignment, the latest first.
func (s *Store) RegradesOf(ctx context.Context, a course.AssignmentID, m course.MemberID) ([]Regrade, error) {
	return many[Regrade](ctx, s.db, "regrade requests", regrades+` where g.assignment_id = $2 and g.member_id = $3 order by g.id desc`, course.UserID(0), a, m)
}

// Regrade is one request of a course; NotFound for another course's.
func (s *Store) Regrade(ctx context.Context, c course.ID, id course.RegradeID, whom course.UserID) (Regrade, error) {
	return one[Regrade](ctx, s.db, "regrade request", regrades+` where g.id = $2 and a.course_id = $3`, whom, id, c)
}

// RegradeAbout is the request about a question that waits, else the last one that
// was answered; nil without either.
func (s *Store) RegradeAbout(ctx context.Context, a course.AssignmentID, k course.QuestionKey, m course.MemberID, whom course.UserID) (*Regrade, error) {
	rows, err := many[Regrade](ctx, s.db, "regrade request", regrades+`
		where g.assignment_id = $2 and g.member_id = $3 and g.notebook = $4 and g.question = $5 and g.state <> 'withdrawn'
		order by g.state <> 'open', g.id desc limit 1`, whom, a, m, k.Notebook, k.Question)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// AskRegrade records a request about a mark as it was returned. The same form is
// the same request: fresh is false for one that was made before. A Conflict if
// another request about the question waits.
func (s *Store) AskRegrade(ctx context.Context, a course.Assignment, m course.MemberID, by course.UserID, form uuid.UUID, mark ReturnedMark, reason string,
	at time.Time) (id course.RegradeID, fresh bool, err error) {
	err = s.InTx(ctx, func(tx *Store) error {
		type row struct{ ID course.RegradeID }
		made, err := many[row](ctx, tx.db, "ask for a regrade", `
			insert into regrades (assignment_id, member_id, notebook, question, key, max, grader_id)
			select $1, $2, $3, $4, $5, $6, (select h.user_id from (
				select actor from mark_events where assignment_id = $1 and member_id = $2 and notebook = $3 and question = $4 order by id desc limit 1) last
				join members h on h.course_id = $7 and h.user_id = last.actor and h.role <> 'student' and h.dropped_at is null)
			where (select count(*) from regrades where assignment_id = $1 and member_id = $2 and notebook = $3 and question = $4) < $8
			on conflict do nothing returning id`, a.ID, m, mark.Notebook, mark.Question, form, mark.Max, a.CourseID, regradesEach)
		if err != nil {
			return err
		}
		if len(made) == 0 {
			id, err = tx.regradeByForm(ctx, a.ID, m, mark.Key(), form)
			return err
		}
		id, fresh = made[0].ID, true
		return tx.regradeEvent(ctx, id, "asked", by, at, reason, mark.Shown(), mark.Excused, mark.Event)
	})
	return id, fresh, err
}

// regradeByForm is the request that the form has led to, or why there is none.
func (s *Store) regradeByForm(ctx context.Context, a course.AssignmentID, m course.MemberID, k course.QuestionKey, form uuid.UUID) (course.RegradeID, error) {
	type row struct {
		ID    course.RegradeID
		Same  bool
		State string
	}
	rows, err := many[row](ctx, s.db, "regrade request", `
		select id, key = $5 as same, state from regrades where assignment_id = $1 and member_id = $2 and notebook = $3 and question = $4
		order by key = $5 desc, state = 'open' desc limit 1`, a, m, k.Notebook, k.Question, form)
	switch {
	case err != nil:
		return 0, err
	case len(rows) == 0: // the key is somebody else's
		return 0, course.Problemf(course.Invalid, "This form was not complete. Go back, reload the page and ask again.")
	case rows[0].Same:
		return rows[0].ID, nil
	case rows[0].State == "open":
		return 0, course.Problemf(course.Conflict, "You have already asked about this question, and the request waits for an answer. Withdraw it to ask something else.")
	}
	return 0, course.Problemf(course.Conflict, "You have asked about this question %d times; that is all there is. Talk to your instructor.", regradesEach)
}

func (s *Store) regradeEvent(ctx context.Context, id course.RegradeID, kind string, by course.UserID, at time.Time, text string, points *float64, excused bool, mark int64) error {
	_, err := exec(ctx, s.db, "regrade request", `
		insert into regrade_events (regrade_id, kind, actor, at, text, points, excused, mark_event) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		id, kind, by, at, text, points, excused, mark)
	return err
}

// lockRegrade waits for whoever changes the request, and says how it stands.
func (s *Store) lockRegrade(ctx context.Context, id course.RegradeID) (state string, grader *course.UserID, err error) {
	r, err := one[struct {
		State    string
		GraderID *course.UserID
	}](ctx, s.db, "regrade request", `select state, grader_id from regrades where id = $1 for update`, id)
	return r.State, r.GraderID, err
}

// WithdrawRegrade takes a request back; done is false if it was withdrawn before,
// and a Conflict says that it was answered.
func (s *Store) WithdrawRegrade(ctx context.Context, id course.RegradeID, by course.UserID, at time.Time) (done bool, err error) {
	err = s.InTx(ctx, func(tx *Store) error {
		state, _, err := tx.lockRegrade(ctx, id)
		switch {
		case err != nil || state == "withdrawn":
			return err
		case state != "open":
			return course.Problemf(course.Conflict, "Your request has just been answered: there is nothing left to withdraw.")
		}
		if _, err := exec(ctx, tx.db, "regrade request", `
			insert into regrade_events (regrade_id, kind, actor, at, mark_event)
			select g.id, 'withdrawn', $2, $3, coalesce((select max(e.id) from mark_events e where e.assignment_id = g.assignment_id
				and e.member_id = g.member_id and e.notebook = g.notebook and e.question = g.question), 0)
			from regrades g where g.id = $1`, id, by, at); err != nil {
			return err
		}
		_, err = exec(ctx, tx.db, "regrade request", `update regrades set state = 'withdrawn' where id = $1`, id)
		done = err == nil
		return err
	})
	return done, err
}

// TakeRegrade makes a request somebody's own; done is false if it was already.
func (s *Store) TakeRegrade(ctx context.Context, id course.RegradeID, by course.UserID, at time.Time) (done bool, err error) {
	err = s.InTx(ctx, func(tx *Store) error {
		state, grader, err := tx.lockRegrade(ctx, id)
		switch {
		case err != nil || grader != nil && *grader == by:
			return err
		case state != "open":
			return course.Problemf(course.Conflict, "This request is closed: nobody needs to take it over.")
		}
		if err := tx.regradeEvent(ctx, id, "taken", by, at, "", nil, false, 0); err != nil {
			return err
		}
		_, err = exec(ctx, tx.db, "regrade request", `update regrades set grader_id = $2 where id = $1`, id, by)
		done = err == nil
		return err
	})
	return done, err
}
