package store

import (
	"context"

	"lectern/course"
)

// TrialChange is one question of one student whose points a dry run would change,
// or whose old or new points a person has to give.
type TrialChange struct {
	MemberID course.MemberID
	Login    string
	Name     string
	Notebook string
	Question string
	Old, New *float64 // of the tests; nil: a person marks it, or there is no such question
	OldMax   *float64 // nil: the question is new
	NewMax   *float64 // nil: the question is gone
	Given    *float64 // by a person: it stays what counts
	Reason   string   // of the dry run
	OldTotal *float64 // of the student's tests
	NewTotal *float64
	Students int // with any change, on every row
	Changes  int // on every row
}

// trialRuns are the last dry runs of submissions that still count, beside what is in effect.
const trialRuns = `
	with pair as (
		select distinct on (r.submission_id) r.id as new_id, r.member_id, r.submission_id, o.id as old_id
		from runs r join submissions b on b.id = r.submission_id and b.counts
		left join runs o on o.submission_id = r.submission_id and o.effective
		where r.assignment_id = $1 and r.trial and r.state = 'done'
		order by r.submission_id, r.id desc
	)`

// TrialChanges lists what a dry run would change, by student and question, a page
// of so many rows.
func (s *Store) TrialChanges(ctx context.Context, a course.AssignmentID, limit, offset int) ([]TrialChange, error) {
	return many[TrialChange](ctx, s.db, "dry run", trialRuns+`, old as (
			select p.member_id, x.notebook, x.question, x.position, x.points, x.max from pair p join run_results x on x.run_id = p.old_id
		), fresh as (
			select p.member_id, x.notebook, x.question, x.position, x.points, x.max, x.reason from pair p join run_results x on x.run_id = p.new_id
		), joined as (
			select member_id, notebook, question, coalesce(n.position, o.position) as position, o.points as old, n.points as new,
				o.max as old_max, n.max as new_max, coalesce(n.reason, '') as reason,
				sum(o.points) over (partition by member_id) as old_total, sum(n.points) over (partition by member_id) as new_total
			from old o full join fresh n using (member_id, notebook, question)
		), changed as (
			select * from joined where old is distinct from new or old_max is distinct from new_max
		)
		select c.member_id, u.login, u.name, c.notebook, c.question, c.old, c.new, c.old_max, c.new_max, h.given, c.reason,
			c.old_total, c.new_total, (select count(distinct member_id) from changed)::int as students, (count(*) over ())::int as changes
		from changed c join members m on m.id = c.member_id join users u on u.id = m.user_id
		left join grade_cells h on h.assignment_id = $1 and h.member_id = c.member_id and h.notebook = c.notebook and h.question = c.question
		order by u.login, c.notebook, c.position, c.question limit nullif($2, 0) offset $3`, a, limit, offset)
}

// ApplyTrial brings the dry run's results into effect, all or nothing, with the
// questions of the source they were made with, and says of which members and
// submissions. What people marked stays: it stands above any result. A run that
// was asked for after the dry run stays in effect.
func (s *Store) ApplyTrial(ctx context.Context, a course.AssignmentID) ([]RunWork, error) {
	var out []RunWork
	err := s.InTx(ctx, func(tx *Store) error {
		var pending int
		if err := tx.db.QueryRow(ctx, `select count(*) from runs where assignment_id = $1 and trial and state in ('queued', 'running')`, a).Scan(&pending); err != nil {
			return wrap("apply dry run", err)
		}
		if pending > 0 {
			return course.Problemf(course.Conflict, "The dry run is still under way. Nothing was changed.")
		}
		if _, err := exec(ctx, tx.db, "apply dry run", `
			select b.id from submissions b where b.assignment_id = $1 and b.counts order by b.id for no key update`, a); err != nil {
			return err
		}
		var versions, version, source int
		if err := tx.db.QueryRow(ctx, trialRuns+`
			select count(distinct r.source_version), coalesce(max(r.source_version), 0), (select checked_version from assignments where id = $1)
			from pair p join runs r on r.id = p.new_id`, a).Scan(&versions, &version, &source); err != nil {
			return wrap("apply dry run", err)
		}
		if versions > 1 || versions == 1 && version != source {
			return course.Problemf(course.Conflict, "The source was changed since the dry run began. Make another; nothing was changed.")
		}
		if err := tx.UseChecked(ctx, a); err != nil {
			return err
		}
		type row struct{ NewID RunID }
		rows, err := many[row](ctx, tx.db, "apply dry run", trialRuns+`
			update runs r set trial = false from pair p where r.id = p.new_id returning p.new_id`, a)
		if err != nil {
			return err
		}
		ids := make([]RunID, len(rows))
		for i, r := range rows {
			ids[i] = r.NewID
		}
		if ids, err = tx.takeEffect(ctx, ids); err != nil {
			return err
		}
		if out, err = many[RunWork](ctx, tx.db, "apply dry run", `
			select r.id, r.submission_id, r.assignment_id, r.member_id, c.id as course_id, c.slug as course_slug, a.slug, u.login, b.snapshot, b.counts
			from runs r join assignments a on a.id = r.assignment_id join courses c on c.id = a.course_id
			join members m on m.id = r.member_id join users u on u.id = m.user_id join submissions b on b.id = r.submission_id
			where r.id = any($1) order by r.id`, ids); err != nil {
			return err
		}
		return tx.DropTrial(ctx, a)
	})
	return out, err
}

// DropTrial forgets a dry run, also one that is under way.
func (s *Store) DropTrial(ctx context.Context, a course.AssignmentID) error {
	_, err := exec(ctx, s.db, "drop dry run", `delete from runs where assignment_id = $1 and trial`, a)
	return err
}

// UseChecked makes the questions those of the source as it was last checked, so
// that results and questions are of one version. Students keep the release they have.
func (s *Store) UseChecked(ctx context.Context, a course.AssignmentID) error {
	return s.InTx(ctx, func(tx *Store) error {
		const checked = `from checks k, jsonb_to_recordset(k.questions) as q (notebook text, grade_id text, position int, kind text,
				cell_type text, points float8, source text, checksum text)
			where k.assignment_id = $1 and k.ok and exists (select from assignments a where a.id = $1 and a.released_at is not null and a.checked_version = k.source_version)`
		for _, sql := range []string{
			`delete from questions o where o.assignment_id = $1 and exists (select ` + checked + `)
				and not exists (select ` + checked + ` and q.notebook = o.notebook and q.grade_id = o.grade_id)`,
			`insert into questions (assignment_id, notebook, grade_id, position, kind, cell_type, points, source, checksum)
				select $1, q.notebook, q.grade_id, q.position, q.kind, q.cell_type, q.points, q.source, q.checksum ` + checked + `
				on conflict (assignment_id, notebook, grade_id) do update set position = excluded.position, kind = excluded.kind,
					cell_type = excluded.cell_type, points = excluded.points, source = excluded.source, checksum = excluded.checksum`,
			`update assignments set points = coalesce((select sum(points) from questions where assignment_id = $1), 0)
				where id = $1 and exists (select ` + checked + `)`,
		} {
			if _, err := exec(ctx, tx.db, "questions", sql, a); err != nil {
				return err
			}
		}
		return nil
	})
}

// TrialLogins are those whose work has a dry run.
func (s *Store) TrialLogins(ctx context.Context, a course.AssignmentID) ([]string, error) {
	rows, err := s.db.Query(ctx, `
		select distinct u.login from runs r join members m on m.id = r.member_id join users u on u.id = m.user_id
		where r.assignment_id = $1 and r.trial order by 1`, a)
	if err != nil {
		return nil, wrap("dry run", err)
	}
	return collectTexts(rows)
}
