package store

import (
	"context"
	"errors"
	"math"
	"time"

	"lectern/course"
)

// RegradeReason is what the history says of a mark that an answer changed.
const RegradeReason = "regrade request"

// RegradeAnswer is what a grader says about a request.
type RegradeAnswer struct {
	Text   string
	Points *float64 // the mark from now on, without extra credit; nil leaves it
	Seen   int64    // the mark that the form was made from; 0 is none
}

// ErrRegradeClosed says that the request was answered or withdrawn in between.
// Nothing was saved.
var ErrRegradeClosed = errors.New("the request is closed")

// AnswerRegrade closes a request with an answer and, if it says so, a new mark,
// which is an event like any other. The student sees both at once: this one
// question of what was returned follows, the others stay as they were. The errors
// are ErrRegradeClosed, and a MarkConflict if the mark is not the one that was seen.
func (s *Store) AnswerRegrade(ctx context.Context, g Regrade, in RegradeAnswer, by course.UserID, at time.Time) error {
	return s.InTx(ctx, func(tx *Store) error {
		state, _, err := tx.lockRegrade(ctx, g.ID)
		if err == nil && state != "open" {
			err = ErrRegradeClosed
		}
		if err != nil {
			return err
		}
		mark, err := tx.regradedMark(ctx, g, in, by)
		if err != nil {
			return err
		}
		if err := tx.regradeEvent(ctx, g.ID, "answered", by, at, in.Text, mark.Shown(), mark.Excused, mark.Event); err != nil {
			return err
		}
		if _, err := exec(ctx, tx.db, "regrade request", `update regrades set state = 'answered' where id = $1`, g.ID); err != nil {
			return err
		}
		return tx.showRegraded(ctx, g, mark)
	})
}

// regradedMark gives the new mark, if there is one, and says what holds.
func (s *Store) regradedMark(ctx context.Context, g Regrade, in RegradeAnswer, by course.UserID) (ReturnedMark, error) {
	out := ReturnedMark{Notebook: g.Notebook, Question: g.Question, Max: g.Max}
	cell, err := s.CellMark(ctx, g.AssignmentID, g.QuestionKey, g.MemberID, by)
	if course.IsKind(err, course.NotFound) { // a later release has left the question out
		if in.Points != nil {
			return out, course.Problemf(course.Conflict, "The assignment no longer has this question, so its mark cannot change. Answer without new points.")
		}
		out.Points, out.Excused, out.Event = g.Old, g.OldOut, g.OldMark
		return out, nil
	}
	if err != nil {
		return out, err
	}
	if cell.Event() != in.Seen {
		return out, &MarkConflict{cell}
	}
	if p := in.Points; p != nil && (cell.Points == nil || *cell.Points != *p) {
		paper := Paper{MemberID: g.MemberID}
		if g.Number != nil {
			paper.Number = *g.Number
		}
		input := MarkInput{Points: p, Rubric: cell.Rubric, Extra: cell.Extra, Excused: cell.Excused(), Flagged: cell.Flagged, Reason: RegradeReason, Seen: in.Seen}
		if cell.Comment != nil {
			input.Comment = *cell.Comment
		}
		if cell, _, err = s.SaveMark(ctx, g.AssignmentID, g.QuestionKey, paper, input, false, by); err != nil {
			return out, err
		}
	}
	out.Max, out.Points, out.Extra, out.Excused, out.Event = cell.Max, cell.Points, cell.Extra, cell.Excused(), cell.Event()
	return out, nil
}

// showRegraded puts the mark of one question in the place of the one that was
// returned, and makes the returned total anew. Without returned feedback there is
// nothing to do: the next return shows everything.
func (s *Store) showRegraded(ctx context.Context, g Regrade, mark ReturnedMark) error {
	type returned struct {
		Questions []ReturnedMark
		Lost      float64
	}
	rows, err := many[returned](ctx, s.db, "feedback", `
		select returned_questions as questions, returned_lost as lost from feedbacks
		where assignment_id = $1 and member_id = $2 and returned_at is not null for update`, g.AssignmentID, g.MemberID)
	if err != nil || len(rows) == 0 {
		return err
	}
	list, found := rows[0].Questions, false
	var marks []course.QuestionMark
	for i := range list {
		if list[i].Key() == g.QuestionKey {
			mark.Position, found = list[i].Position, true
			list[i] = mark
		}
	}
	if !found {
		list = append(list, mark)
	}
	for _, q := range list {
		marks = append(marks, course.QuestionMark{Max: q.Max, Given: q.Points, Extra: q.Extra, Excused: q.Excused})
	}
	total := course.Sum(marks)
	total.Lost = rows[0].Lost
	points := total.Points()
	if points != nil {
		*points = math.Round(*points*1e9) / 1e9 // sums of other orders differ in the last digits
	}
	// A mark for the whole is the total whatever the questions say. What was marked
	// otherwise since then still waits for the next return; if nothing was, nothing waits.
	_, err = exec(ctx, s.db, "feedback", `
		with whole as (select coalesce((select l.points is not null or l.excused from mark_events l join feedbacks f using (assignment_id, member_id)
			where l.assignment_id = $1 and l.member_id = $2 and l.notebook = '' and l.question = '' and l.id <= f.marks_upto order by l.id desc limit 1), false) as holds)
		update feedbacks f set returned_questions = $3,
			returned_points = case when w.holds then returned_points
				else coalesce((select t.points from current_totals t where t.assignment_id = $1 and t.member_id = $2 and abs(t.points - $4) < 1e-6), $4) end,
			returned_penalty = case when w.holds then returned_penalty else $5 end,
			returned_most = case when w.holds then returned_most else $6 end,
			marks_upto = case when exists (
				select from (select distinct on (e.notebook, e.question) e.id from mark_events e where e.assignment_id = $1 and e.member_id = $2
					and e.id > f.marks_upto order by e.notebook, e.question, e.id desc) latest
				where not $3::jsonb @> jsonb_build_array(jsonb_build_object('event', latest.id))) then marks_upto
				else coalesce((select max(e.id) from mark_events e where e.assignment_id = $1 and e.member_id = $2), 0) end
		from whole w where f.assignment_id = $1 and f.member_id = $2`,
		g.AssignmentID, g.MemberID, list, points, total.Penalty(), total.Most)
	return err
}

// RegradeStep is one line of a request's history.
type RegradeStep struct {
	Kind    string // asked, taken, withdrawn, answered, or mark: one that was given meanwhile
	At      time.Time
	ActorID *course.UserID
	Actor   *string // login; nil is the autograder
	Name    *string
	Text    string   // reason, answer, or why a mark was given
	Points  *float64 // with extra credit
	Excused bool
}

// RegradeSteps is the whole exchange, with every mark of the question that was
// given between the mark that was asked about and the end of the request.
func (s *Store) RegradeSteps(ctx context.Context, g Regrade) ([]RegradeStep, error) {
	upto := int64(math.MaxInt64)
	if g.NewMark != nil {
		upto = *g.NewMark
	}
	return many[RegradeStep](ctx, s.db, "regrade request", `
		select x.kind, x.at, x.actor as actor_id, u.login as actor, u.name, x.text, x.points, x.excused from (
			select 'mark' as kind, e.at, e.actor, e.reason as text, e.points + e.extra as points, e.excused, e.id from mark_events e
			where e.assignment_id = $2 and e.member_id = $3 and e.notebook = $4 and e.question = $5 and e.id > $6 and e.id <= $7
			union all
			select kind, at, actor, text, points, excused, id from regrade_events where regrade_id = $1) x
		left join users u on u.id = x.actor
		order by x.kind <> 'asked', x.kind in ('answered', 'withdrawn'), x.at, x.id`,
		g.ID, g.AssignmentID, g.MemberID, g.Notebook, g.Question, g.OldMark, upto)
}
