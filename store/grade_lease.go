package store

import (
	"context"
	"time"

	"lectern/course"
)

// leaseLife is how long a paper is a grader's own without a sign of life.
const leaseLife = 5 * time.Minute

// NextPaper hands out the next paper, in the order of numbers after this one and
// then from the start, whose question waits for a person and that nobody else
// reads: neither it nor an identical answer, which is marked with it, unless its
// reader has marked it alone. It is the
// grader's own for five minutes from the last sign of life. A zero question asks
// for a paper with any question that waits. 0 is none left.
func (s *Store) NextPaper(ctx context.Context, a course.AssignmentID, k course.QuestionKey, after int, actor course.UserID) (number int, at course.QuestionKey, err error) {
	for _, from := range []int{after, 0} {
		if number, at, err = s.nextAfter(ctx, a, k, from, actor); number > 0 || err != nil {
			return number, at, err
		}
	}
	return 0, at, nil
}

func (s *Store) nextAfter(ctx context.Context, a course.AssignmentID, k course.QuestionKey, after int, actor course.UserID) (number int, at course.QuestionKey, err error) {
	type found struct {
		Number   int
		MemberID course.MemberID
	}
	for number == 0 {
		none := false
		err = s.InTx(ctx, func(tx *Store) error {
			// Who reaches for the same paper at this moment is passed over; who had
			// it a moment earlier is found out by hold.
			question, args := "", []any{a, after, actor}
			if k.Question != "" {
				question, args = "and c.notebook = $4 and c.question = $5", append(args, k.Notebook, k.Question)
			}
			rows, err := many[found](ctx, tx.db, "next paper", `
				select p.number, p.member_id from grade_cells c join papers p on p.assignment_id = c.assignment_id and p.number = c.number
				where c.assignment_id = $1 and c.number > $2 and c.state in ('needs', 'stale') `+question+`
					and not exists (select from grading_leases l where l.assignment_id = c.assignment_id and l.notebook = c.notebook
						and l.question = c.question and l.expires_at > now() and l.user_id <> $3
						and (l.member_id = c.member_id or exists (select from grade_cells h where h.assignment_id = l.assignment_id and h.notebook = l.notebook
							and h.question = l.question and h.member_id = l.member_id and h.answer_hash = c.answer_hash and h.state in ('needs', 'stale'))))
				order by c.number limit 1 for no key update of p skip locked`, args...)
			if err != nil || len(rows) == 0 {
				none = len(rows) == 0
				return err
			}
			held, err := tx.hold(ctx, a, k, rows[0].MemberID, actor)
			if err == nil && len(held) > 0 {
				number, at = rows[0].Number, held[0]
			}
			return err
		})
		if err != nil || none {
			return 0, at, err
		}
	}
	return number, at, nil
}

// hold makes the waiting questions of a paper that k names the actor's own,
// except those that are somebody else's, and lists them.
func (s *Store) hold(ctx context.Context, a course.AssignmentID, k course.QuestionKey, m course.MemberID, actor course.UserID) ([]course.QuestionKey, error) {
	type held struct{ Notebook, Question string }
	rows, err := many[held](ctx, s.db, "hold paper", `
		with mine as (
			insert into grading_leases as l (assignment_id, notebook, question, member_id, user_id, expires_at)
			select c.assignment_id, c.notebook, c.question, c.member_id, $5, now() + make_interval(secs => $6)
			from grade_cells c where c.assignment_id = $1 and c.member_id = $4
				and ($3 = '' or c.notebook = $2 and c.question = $3) and c.state in ('needs', 'stale')
			order by c.notebook, c.question
			on conflict (assignment_id, notebook, question, member_id) do update set user_id = excluded.user_id, expires_at = excluded.expires_at
			where l.user_id = excluded.user_id or l.expires_at <= now()
			returning notebook, question
		)
		select mine.notebook, mine.question from mine join questions q on q.assignment_id = $1 and q.notebook = mine.notebook and q.grade_id = mine.question
		order by q.notebook, q.position`, a, k.Notebook, k.Question, m, actor, leaseLife.Seconds())
	out := make([]course.QuestionKey, len(rows))
	for i, r := range rows {
		out[i] = course.QuestionKey(r)
	}
	return out, err
}

// Hold is a sign of life: who reads a question of a paper keeps it, or takes it
// if it is nobody's. other names who has it instead; "" is nobody.
func (s *Store) Hold(ctx context.Context, a course.AssignmentID, k course.QuestionKey, m course.MemberID, actor course.UserID) (other string, err error) {
	rows, err := many[struct{ Name string }](ctx, s.db, "hold paper", `
		with mine as (
			insert into grading_leases as l (assignment_id, notebook, question, member_id, user_id, expires_at)
			values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
			on conflict (assignment_id, notebook, question, member_id) do update set user_id = excluded.user_id, expires_at = excluded.expires_at
			where l.user_id = excluded.user_id or l.expires_at <= now()
			returning 1
		)
		select coalesce(nullif(u.name, ''), u.login) as name from grading_leases l join users u on u.id = l.user_id
		where not exists (select from mine) and l.assignment_id = $1 and l.notebook = $2 and l.question = $3 and l.member_id = $4`,
		a, k.Notebook, k.Question, m, actor, leaseLife.Seconds())
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0].Name, nil
}

// LetGo gives back what a grader holds of an assignment, for who leaves.
func (s *Store) LetGo(ctx context.Context, a course.AssignmentID, actor course.UserID) error {
	_, err := exec(ctx, s.db, "let go", `delete from grading_leases where user_id = $2 and assignment_id = $1 or expires_at < now() - interval '1 day'`, a, actor)
	return err
}
