package store

import (
	"context"
	"time"

	"lectern/course"
)

// What a course that moves in or out is, in whole: an assignment at a time.

// AllAssignments lists a course's assignments by name, archived ones too.
func (s *Store) AllAssignments(ctx context.Context, c course.ID) ([]course.Assignment, error) {
	return many[course.Assignment](ctx, s.db, "assignments", `
		select `+assignmentColumns+` from assignments a where a.course_id = $1 order by a.slug`, c)
}

// LatestQuestions are the questions that students have, or of an assignment not
// yet released those it will have.
func (s *Store) LatestQuestions(ctx context.Context, id course.AssignmentID) ([]Question, error) {
	return many[Question](ctx, s.db, "questions", `
		select notebook, grade_id, position, kind, cell_type, points, source, checksum from questions where assignment_id = $1
		union all
		select q.notebook, q.grade_id, q.position, q.kind, q.cell_type, q.points, q.source, q.checksum
		from checks k, jsonb_to_recordset(k.questions) as q (notebook text, grade_id text, position int, kind text,
			cell_type text, points float8, source text, checksum text)
		where k.assignment_id = $1 and not exists (select from questions where assignment_id = $1)
		order by notebook, position`, id)
}

// MovingWork is what one member has to do with an assignment: handed in, marked,
// or given a due time of their own.
type MovingWork struct {
	Login    string
	TakenAt  *time.Time // of the submission that counts; nil without one
	Snapshot string
	OwnDueAt *time.Time
	Penalty  float64 // what lateness costs, in points
}

// MovingWorks lists them by login.
func (s *Store) MovingWorks(ctx context.Context, id course.AssignmentID) ([]MovingWork, error) {
	return many[MovingWork](ctx, s.db, "submissions", `
		select u.login, b.taken_at, coalesce(b.snapshot, '') as snapshot, e.due_at as own_due_at, coalesce(t.penalty, 0) as penalty
		from (select member_id from submissions where assignment_id = $1
			union select member_id from mark_events where assignment_id = $1
			union select member_id from extensions where assignment_id = $1) w
		join members m on m.id = w.member_id join users u on u.id = m.user_id
		left join submissions b on b.assignment_id = $1 and b.member_id = m.id and b.counts
		left join extensions e on e.assignment_id = $1 and e.member_id = m.id
		left join current_totals t on t.assignment_id = $1 and t.member_id = m.id
		order by u.login`, id)
}

// TakenAt are the times of all submissions of an assignment, by login.
func (s *Store) TakenAt(ctx context.Context, id course.AssignmentID) (map[string][]time.Time, error) {
	type row struct {
		Login   string
		TakenAt time.Time
	}
	rows, err := many[row](ctx, s.db, "submissions", `
		select u.login, b.taken_at from submissions b join members m on m.id = b.member_id join users u on u.id = m.user_id
		where b.assignment_id = $1`, id)
	out := map[string][]time.Time{}
	for _, r := range rows {
		out[r.Login] = append(out[r.Login], r.TakenAt)
	}
	return out, err
}

// MovingMark is a mark as it stands: what the tests did and what a person said.
// Notebook and Question are empty for the whole assignment.
type MovingMark struct {
	Login              string
	Notebook, Question string
	Auto               *float64 // by the run in effect
	NoResponse         bool
	Given              *float64 // by a person; it replaces Auto
	Extra              float64
	Excused, Flagged   bool
	Comment            string
	Reason             string // of the event that is current
	Marked             bool   // there is such an event
}

// MovingMarks lists an assignment's marks by login, notebook and question.
func (s *Store) MovingMarks(ctx context.Context, id course.AssignmentID) ([]MovingMark, error) {
	return many[MovingMark](ctx, s.db, "marks", `
		with auto as (
			select b.member_id, x.notebook, x.question, x.points, x.no_response from submissions b
			join runs r on r.submission_id = b.id and r.effective join run_results x on x.run_id = r.id
			where b.assignment_id = $1 and b.counts
		), given as (
			select distinct on (member_id, notebook, question) * from mark_events
			where assignment_id = $1 order by member_id, notebook, question, id desc
		)
		select u.login, notebook, question, t.points as auto, coalesce(t.no_response, false) as no_response, g.points as given,
			coalesce(g.extra, 0) as extra, coalesce(g.excused, false) as excused, coalesce(g.flagged, false) as flagged,
			coalesce(g.comment, '') as comment, coalesce(g.reason, '') as reason, g.id is not null as marked
		from auto t full join given g using (member_id, notebook, question)
		join members m on m.id = member_id join users u on u.id = m.user_id
		order by 1, 2, 3`, id)
}

// ImportMarks appends one event a mark, for the work that counts. Given, Extra,
// Excused, Flagged and Comment are what it says; the reason is the same for all.
func (s *Store) ImportMarks(ctx context.Context, id course.AssignmentID, marks []MovingMark, actor course.UserID, reason string) error {
	var logins, notebooks, questions, comments []string
	var points []*float64
	var extra []float64
	var excused, flagged []bool
	for _, m := range marks {
		logins, notebooks, questions = append(logins, m.Login), append(notebooks, m.Notebook), append(questions, m.Question)
		points, extra, comments = append(points, m.Given), append(extra, m.Extra), append(comments, m.Comment)
		excused, flagged = append(excused, m.Excused), append(flagged, m.Flagged)
	}
	_, err := exec(ctx, s.db, "import marks", `
		insert into mark_events (assignment_id, member_id, notebook, question, points, extra, excused, flagged, comment, source, reason, actor, submission_id)
		select a.id, m.id, x.notebook, x.question, x.points, x.extra, x.excused, x.flagged, x.comment, 'csv', $10, nullif($11::bigint, 0), b.id
		from unnest($2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::bool[], $8::bool[], $9::text[])
			as x (login, notebook, question, points, extra, excused, flagged, comment)
		join assignments a on a.id = $1 join users u on u.login = x.login
		join members m on m.user_id = u.id and m.course_id = a.course_id
		left join submissions b on b.assignment_id = a.id and b.member_id = m.id and b.counts`,
		id, logins, notebooks, questions, points, extra, excused, flagged, comments, reason, actor)
	return err
}

// NewStudent is somebody who comes onto a roster with a course that moves in.
type NewStudent struct{ Login, Name, Email, Section string }

// AddStudents puts people on a course's roster as students, and makes accounts
// that nobody claimed yet for those whom the site does not know. Who is on the
// roster stays as they are there.
func (s *Store) AddStudents(ctx context.Context, c course.ID, students []NewStudent) error {
	var logins, names, emails, sections []string
	for _, p := range students {
		logins, names, emails, sections = append(logins, p.Login), append(names, p.Name), append(emails, p.Email), append(sections, p.Section)
	}
	return s.InTx(ctx, func(tx *Store) error {
		if err := tx.lockRoster(ctx, c); err != nil {
			return err
		}
		if _, err := exec(ctx, tx.db, "import people", `
			insert into users (login, name, email)
			select * from unnest($1::text[], $2::text[], $3::text[]) on conflict (login) do nothing`, logins, names, emails); err != nil {
			return err
		}
		_, err := exec(ctx, tx.db, "import members", `
			insert into members (course_id, user_id, role, section)
			select $1, u.id, 'student', t.section from unnest($2::text[], $3::text[]) t (login, section) join users u on u.login = t.login
			on conflict (course_id, user_id) do nothing`, c, logins, sections)
		return err
	})
}
