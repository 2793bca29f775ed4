package store

import (
	"context"
	"errors"

	"lectern/course"
)

// MarkInput is what a grader says about one question of one paper.
type MarkInput struct {
	Points  *float64 // typed; nil leaves it to the rubric, or else to the tests
	Rubric  []int64  // chosen items
	Extra   float64
	Excused bool
	Flagged bool
	Comment string
	Reason  string // of an override
	Seen    int64  // the event that the form was made from; 0 is none
}

// MarkConflict is an error: somebody else marked in between. Nothing was saved.
type MarkConflict struct{ Theirs CellMark }

func (c *MarkConflict) Error() string { return "the mark was changed by somebody else" }

// AsMarkConflict finds the MarkConflict in err, if there is one.
func AsMarkConflict(err error) (*MarkConflict, bool) {
	var c *MarkConflict
	ok := errors.As(err, &c)
	return c, ok
}

// SaveMark gives a mark for one question and, with others, the same mark to the
// identical answers that nobody marked on their own. What already is so needs no
// event. It reports the current mark, and how many others got it.
func (s *Store) SaveMark(ctx context.Context, a course.AssignmentID, k course.QuestionKey, p Paper, in MarkInput, others bool, actor course.UserID) (now CellMark, together int, err error) {
	err = s.InTx(ctx, func(tx *Store) error {
		// The rubric first, then papers by number: everybody locks in this order.
		rubric, err := tx.lockRubric(ctx, a, k, "share")
		if err != nil {
			return err
		}
		numbers := []int{p.Number}
		if others {
			group, err := tx.Identical(ctx, a, k, p.MemberID)
			if err != nil {
				return err
			}
			for _, m := range group {
				numbers = append(numbers, m.Number)
			}
		}
		if _, err := exec(ctx, tx.db, "save mark", `
			select from papers where assignment_id = $1 and number = any($2) order by number for no key update`, a, numbers); err != nil {
			return err
		}
		if now, err = tx.CellMark(ctx, a, k, p.MemberID, actor); err != nil {
			return err
		}
		points, byRubric := in.Points, false
		if points == nil {
			if score, ok := rubric.Score(in.Rubric, now.Max); ok {
				points, byRubric = &score, true
			}
		}
		in.Rubric = rubric.Keep(in.Rubric)
		if !now.says(in, points, byRubric, p) {
			if now.Event() != in.Seen {
				return &MarkConflict{now}
			}
			event, err := tx.appendMark(ctx, a, k, p.MemberID, in, points, byRubric, actor)
			if err != nil {
				return err
			}
			now.EventID = &event
		}
		if others {
			if together, err = tx.markTogether(ctx, a, k, now); err != nil {
				return err
			}
		}
		now, err = tx.CellMark(ctx, a, k, p.MemberID, actor)
		return err
	})
	return now, together, err
}

// says reports whether the mark already is as in wants it, for this very work.
func (m CellMark) says(in MarkInput, points *float64, byRubric bool, p Paper) bool {
	same := func(a, b *float64) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }
	if m.EventID == nil {
		return points == nil && len(in.Rubric) == 0 && in.Extra == 0 && !in.Excused && !in.Flagged && in.Comment == ""
	}
	if m.State == "stale" || m.Together || m.Extra != in.Extra || m.Excused() != in.Excused || m.Flagged != in.Flagged || m.ByRubric != byRubric {
		return false
	}
	if len(m.Rubric) != len(in.Rubric) || !same(m.Given, points) || *m.Comment != in.Comment || in.Reason != "" && *m.Reason != in.Reason {
		return false
	}
	for i := range m.Rubric {
		if m.Rubric[i] != in.Rubric[i] {
			return false
		}
	}
	return true
}

// Excused reports whether the question does not count for this student.
func (m CellMark) Excused() bool { return m.State == "excused" }

// appendMark writes one event about the work that counts now.
func (s *Store) appendMark(ctx context.Context, a course.AssignmentID, k course.QuestionKey, m course.MemberID, in MarkInput,
	points *float64, byRubric bool, actor course.UserID) (int64, error) {
	var id int64
	var rubric any // null rather than empty
	if len(in.Rubric) > 0 {
		rubric = in.Rubric
	}
	err := s.db.QueryRow(ctx, `
		insert into mark_events (assignment_id, member_id, notebook, question, points, comment, source, reason, actor,
			extra, excused, flagged, rubric, by_rubric, submission_id)
		values ($1, $2, $3, $4, $5, $6, 'hand', $7, nullif($8::bigint, 0), $9, $10, $11, $12, $13,
			(select id from submissions where assignment_id = $1 and member_id = $2 and counts))
		returning id`,
		a, m, k.Notebook, k.Question, points, in.Comment, in.Reason, actor, in.Extra, in.Excused, in.Flagged, rubric, byRubric).Scan(&id)
	if err != nil {
		return 0, wrap("save mark", err)
	}
	return id, nil
}

// GroupMember is a paper whose answer is the same.
type GroupMember struct {
	Number   int
	MemberID course.MemberID
	Login    string
	Name     string
	State    string
	Points   *float64
	EventID  *int64
	Together bool // has the mark of the group
	Apart    bool // was taken out of it
}

// Follows reports whether a mark for the group is theirs too: nobody gave them
// one of their own.
func (m GroupMember) Follows() bool { return m.Together || !m.Apart && m.EventID == nil }

// Identical lists the other papers with the same answer to a question as a
// member's, by number; none if the answer was not hashed.
func (s *Store) Identical(ctx context.Context, a course.AssignmentID, k course.QuestionKey, m course.MemberID) ([]GroupMember, error) {
	return many[GroupMember](ctx, s.db, "identical answers", `
		select p.number, c.member_id, u.login, u.name, c.state, c.points, c.event_id, e.together_with is not null as together, e.apart is true as apart
		from grade_cells c join papers p on p.assignment_id = c.assignment_id and p.member_id = c.member_id
		join members n on n.id = c.member_id join users u on u.id = n.user_id
		left join mark_events e on e.id = c.event_id
		where c.assignment_id = $1 and c.notebook = $2 and c.question = $3 and c.member_id <> $4 and c.submission_id is not null
			and c.answer_hash = (select answer_hash from grade_cells where assignment_id = $1 and notebook = $2 and question = $3 and member_id = $4)
		order by p.number`, a, k.Notebook, k.Question, m)
}

// markTogether gives the mark to those of the group who follow it.
func (s *Store) markTogether(ctx context.Context, a course.AssignmentID, k course.QuestionKey, lead CellMark) (n int, err error) {
	if lead.EventID == nil {
		return 0, nil
	}
	// The group was read before its papers were locked.
	group, err := s.Identical(ctx, a, k, lead.MemberID)
	if err != nil {
		return 0, err
	}
	members := []course.MemberID{}
	for _, m := range group {
		if m.Follows() {
			members = append(members, m.MemberID)
		}
	}
	_, err = exec(ctx, s.db, "save mark", `
		insert into mark_events (assignment_id, member_id, notebook, question, points, comment, source, reason, actor,
			extra, excused, flagged, rubric, by_rubric, together_with, submission_id)
		select e.assignment_id, c.member_id, e.notebook, e.question, e.points, e.comment, 'hand', e.reason, e.actor,
			e.extra, e.excused, e.flagged, e.rubric, e.by_rubric, e.id, c.submission_id
		from mark_events e join grade_cells c on c.assignment_id = e.assignment_id and c.notebook = e.notebook and c.question = e.question
		left join mark_events had on had.id = c.event_id
		where e.id = $1 and c.member_id = any($2) and had.together_with is distinct from e.id
		order by c.member_id`, *lead.EventID, members)
	return len(members), err
}

// TakeApart undoes, for one member, a mark that was given to a group: what was
// before holds again, and later marks of the group pass them by.
func (s *Store) TakeApart(ctx context.Context, a course.AssignmentID, k course.QuestionKey, number int, actor course.UserID) error {
	return s.InTx(ctx, func(tx *Store) error {
		if _, err := exec(ctx, tx.db, "take apart", `select from papers where assignment_id = $1 and number = $2 for no key update`, a, number); err != nil {
			return err
		}
		n, err := exec(ctx, tx.db, "take apart", `
			insert into mark_events (assignment_id, member_id, notebook, question, source, reason, actor, apart,
				points, comment, extra, excused, flagged, rubric, by_rubric, submission_id)
			select h.assignment_id, h.member_id, h.notebook, h.question, 'hand', 'undone for this paper: identical answers', nullif($5::bigint, 0), true,
				b.points, coalesce(b.comment, ''), coalesce(b.extra, 0), coalesce(b.excused, false), coalesce(b.flagged, false), b.rubric,
				coalesce(b.by_rubric, false), b.submission_id
			from papers p
			join grade_cells h on h.assignment_id = p.assignment_id and h.member_id = p.member_id and h.notebook = $3 and h.question = $4
			join mark_events e on e.id = h.event_id and e.together_with is not null
			left join lateral (select * from mark_events b
				where b.assignment_id = h.assignment_id and b.member_id = h.member_id and b.notebook = h.notebook and b.question = h.question
					and b.together_with is null and b.id < e.id order by b.id desc limit 1) b on true
			where p.assignment_id = $1 and p.number = $2`, a, number, k.Notebook, k.Question, actor)
		if err == nil && n == 0 {
			return course.Problemf(course.Conflict, "This paper no longer has the mark of the group.")
		}
		return err
	})
}

// Unhashed is an answer that nothing has hashed yet.
type Unhashed struct {
	SubmissionID course.SubmissionID
	Login        string
	Snapshot     string
}

// Unhashed lists the submissions that count whose answer to a question has no hash.
func (s *Store) Unhashed(ctx context.Context, a course.AssignmentID, k course.QuestionKey) ([]Unhashed, error) {
	return many[Unhashed](ctx, s.db, "identical answers", `
		select c.submission_id, u.login, s.snapshot from grade_cells c
		join submissions s on s.id = c.submission_id join members m on m.id = c.member_id join users u on u.id = m.user_id
		where c.assignment_id = $1 and c.notebook = $2 and c.question = $3 and c.answer_hash is null order by c.submission_id`, a, k.Notebook, k.Question)
}

// SaveHashes keeps hashes of answers; those there are stay.
func (s *Store) SaveHashes(ctx context.Context, k course.QuestionKey, hashes map[course.SubmissionID]string) error {
	var ids []course.SubmissionID
	var list []string
	for id, h := range hashes {
		ids, list = append(ids, id), append(list, h)
	}
	_, err := exec(ctx, s.db, "identical answers", `
		insert into answer_hashes (submission_id, notebook, question, hash)
		select x.id, $3, $4, x.hash from unnest($1::bigint[], $2::text[]) as x (id, hash) on conflict do nothing`, ids, list, k.Notebook, k.Question)
	return err
}
