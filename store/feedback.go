package store

import (
	"context"
	"time"

	"lectern/course"
)

// FeedbackRow is a student and the feedback that waits for, or is with, them.
type FeedbackRow struct {
	MemberID      course.MemberID
	Login         string
	Name          string
	Dropped       bool
	Submitted     bool
	Points        *float64
	StagedAt      *time.Time
	StagedFiles   []course.File
	ReturnedAt    *time.Time
	ReturnedFiles []course.File
	SeenAt        *time.Time
	Newer         bool // marks were given that the student has not been shown
	Open          int  // answers that nobody has marked and no run has scored yet
	Total         int  // rows of the whole answer, on every row
}

// Ready reports whether there is something to return that the student does not have.
func (f FeedbackRow) Ready() bool { return f.StagedAt != nil || f.Newer }

// FeedbackQuery is what part of a class is asked for. Zero fields ask for all, by login.
type FeedbackQuery struct {
	Logins []string // these only
	Text   string   // in login or name
	State  string   // "", ready, waiting (nothing to return yet), returned, unseen
	Sort   string   // "" by login, name, staged, returned
	Down   bool
	Limit  int // 0 is all
	Offset int
}

var feedbackStates = map[string]string{
	"": "true", "ready": "(staged_at is not null or newer)", "waiting": "staged_at is null and not newer and returned_at is null",
	"returned": "returned_at is not null", "unseen": "returned_at is not null and seen_at is null",
}

var feedbackOrders = map[string]string{"": "login", "name": "lower(name)", "staged": "staged_at", "returned": "returned_at"}

// feedbackTable is one row a person who submitted, or whom feedback concerns.
const feedbackTable = `
	with marked as materialized (
		select member_id, points, needs + waiting = 0 as whole from current_totals where assignment_id = $1 and points is not null
	), given as (select member_id, max(id) as last from mark_events where assignment_id = $1 group by 1
	), class as (
		select m.id as member_id, u.login, u.name, m.dropped_at is not null as dropped, s.id is not null as submitted, k.points,
			coalesce(t.needs + t.waiting, 0)::int as open,
			f.staged_at, coalesce(f.staged_files, '[]') as staged_files, f.returned_at,
			coalesce(f.returned_files, '[]') as returned_files, f.seen_at,
			coalesce(g.last > coalesce(f.marks_upto, 0) and (k.member_id is not null or f.marks_upto > 0), false)
				or coalesce(case when f.returned_at is null then k.whole else k.points is distinct from f.returned_points end, false) as newer
		from assignments a join members m on m.course_id = a.course_id join users u on u.id = m.user_id
		left join submissions s on s.assignment_id = a.id and s.member_id = m.id and s.counts
		left join marked k on k.member_id = m.id
		left join given g on g.member_id = m.id
		left join tallies t on t.assignment_id = a.id and t.member_id = m.id
		left join feedbacks f on f.assignment_id = a.id and f.member_id = m.id
		where a.id = $1 and (s.id is not null or k.member_id is not null or f.staged_at is not null or f.returned_at is not null)
	)`

// FeedbackTable lists the students who submitted, or whom feedback concerns.
func (s *Store) FeedbackTable(ctx context.Context, id course.AssignmentID, q FeedbackQuery) ([]FeedbackRow, error) {
	state, known := feedbackStates[q.State]
	order, sorted := feedbackOrders[q.Sort]
	if !known || !sorted {
		return nil, course.Problemf(course.Invalid, "The table knows no such filter or order.")
	}
	if q.Down {
		order += " desc"
	}
	return many[FeedbackRow](ctx, s.db, "feedback", feedbackTable+`
		select *, (count(*) over ())::int as total from class
		where `+state+` and (cardinality($2::text[]) = 0 or login = any($2))
			and ($3 = '' or strpos(lower(login || ' ' || name), lower($3)) > 0)
		order by `+order+` nulls last, login limit nullif($4, 0) offset $5`, id, texts(q.Logins), q.Text, q.Limit, q.Offset)
}

// FeedbackCounts is how far an assignment's feedback is, whatever the filter.
type FeedbackCounts struct {
	Students, Ready, Returned, Seen int
	Unfinished                      int // of those for whom some is ready, with answers still open
	Unmade                          int // of them, for whose work nothing was made or uploaded that they do not have
}

// FeedbackCounts counts who has feedback and for whom some is ready.
func (s *Store) FeedbackCounts(ctx context.Context, id course.AssignmentID) (FeedbackCounts, error) {
	return one[FeedbackCounts](ctx, s.db, "assignment", feedbackTable+`
		select count(*)::int as students, (count(*) filter (where staged_at is not null or newer))::int as ready,
			(count(*) filter (where (staged_at is not null or newer) and open > 0))::int as unfinished,
			(count(*) filter (where newer and staged_at is null and submitted))::int as unmade,
			count(returned_at)::int as returned, count(seen_at)::int as seen from class`, id)
}

// WithFeedback runs fn while nobody else stages, returns or withdraws feedback
// of the member: files are moved and recorded in one go.
func (s *Store) WithFeedback(ctx context.Context, id course.AssignmentID, m course.MemberID, fn func(*Store) error) error {
	return s.InTx(ctx, func(tx *Store) error {
		if _, err := exec(ctx, tx.db, "feedback", `
			insert into feedbacks (assignment_id, member_id) values ($1, $2) on conflict do nothing`, id, m); err != nil {
			return err
		}
		if _, err := exec(ctx, tx.db, "feedback", `
			select from feedbacks where assignment_id = $1 and member_id = $2 for update`, id, m); err != nil {
			return err
		}
		return fn(tx)
	})
}

// StageFeedback notes feedback files that wait to be returned, all of them uploaded.
func (s *Store) StageFeedback(ctx context.Context, id course.AssignmentID, m course.MemberID, files []course.File, at time.Time) error {
	if files == nil {
		files = []course.File{}
	}
	_, err := exec(ctx, s.db, "stage feedback", `
		insert into feedbacks (assignment_id, member_id, staged_at, staged_files) values ($1, $2, $3, $4)
		on conflict (assignment_id, member_id) do update set staged_at = excluded.staged_at, staged_files = excluded.staged_files, staged_made = '{}'`,
		id, m, at, files)
	return err
}

// MarkReturned notes that a member has their feedback and marks. Files that
// waited are theirs now, and marks given later wait for the next time.
func (s *Store) MarkReturned(ctx context.Context, id course.AssignmentID, m course.MemberID, by course.UserID, at time.Time) error {
	_, err := exec(ctx, s.db, "return feedback", `
		insert into feedbacks as f (assignment_id, member_id, returned_at, returned_by, marks_upto, returned_points, returned_penalty, returned_most, returned_lost, returned_questions)
		select $1, $2, $3, nullif($4::bigint, 0), coalesce((select max(id) from mark_events where assignment_id = $1 and member_id = $2), 0),
			t.points, coalesce(t.penalty, 0), t.most, coalesce(t.lost, 0), coalesce((
				select jsonb_agg(jsonb_build_object('notebook', k.notebook, 'question', k.question, 'position', k.position, 'max', k.max,
					'points', k.points, 'extra', k.extra, 'excused', k.excused, 'event', coalesce(k.event_id, 0)) order by k.notebook, k.position)
				from grade_cells k where k.assignment_id = $1 and k.member_id = $2), '[]')
		from (select) always left join current_totals t on t.assignment_id = $1 and t.member_id = $2
		on conflict (assignment_id, member_id) do update set returned_at = excluded.returned_at, returned_by = excluded.returned_by,
			marks_upto = excluded.marks_upto, returned_points = excluded.returned_points, returned_penalty = excluded.returned_penalty,
			returned_most = excluded.returned_most, returned_lost = excluded.returned_lost, returned_questions = excluded.returned_questions,
			returned_files = case when f.staged_at is null then f.returned_files else f.staged_files end,
			returned_made = case when f.staged_at is null then f.returned_made else f.staged_made end,
			staged_at = null, staged_files = '[]', staged_made = '{}', seen_at = null`, id, m, at, by)
	return err
}

// MarkWithdrawn notes that a member no longer has their feedback; it waits again,
// unless newer files do.
func (s *Store) MarkWithdrawn(ctx context.Context, id course.AssignmentID, m course.MemberID) error {
	_, err := exec(ctx, s.db, "withdraw feedback", `
		update feedbacks set
			staged_files = case when staged_at is null then returned_files else staged_files end,
			staged_made = case when staged_at is null then returned_made else staged_made end, returned_made = '{}',
			staged_at = case when staged_at is null and returned_files <> '[]' then returned_at else staged_at end,
			returned_at = null, returned_files = '[]', returned_by = null, seen_at = null, marks_upto = 0,
			returned_points = null, returned_penalty = 0, returned_most = null, returned_lost = 0, returned_questions = '[]'
		where assignment_id = $1 and member_id = $2`, id, m)
	return err
}

// MarkSeen notes when a member first looked at what was returned.
func (s *Store) MarkSeen(ctx context.Context, id course.AssignmentID, m course.MemberID, at time.Time) error {
	_, err := exec(ctx, s.db, "feedback", `
		update feedbacks set seen_at = $3
		where assignment_id = $1 and member_id = $2 and returned_at is not null and seen_at is null`, id, m, at)
	return err
}
