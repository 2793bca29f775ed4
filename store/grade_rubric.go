package store

import (
	"context"

	"lectern/course"
)

// Rubric is how a question is marked; the empty one, which adds, before anybody made one.
func (s *Store) Rubric(ctx context.Context, a course.AssignmentID, k course.QuestionKey) (course.Rubric, error) {
	type row struct {
		Mode   string
		ID     *int64
		Text   *string
		Points *float64
	}
	rows, err := many[row](ctx, s.db, "rubric", `
		select r.mode, i.id, i.text, i.points from rubrics r
		left join rubric_items i on i.assignment_id = r.assignment_id and i.notebook = r.notebook and i.question = r.question and i.deleted_at is null
		where r.assignment_id = $1 and r.notebook = $2 and r.question = $3 order by i.id`, a, k.Notebook, k.Question)
	out := course.Rubric{Mode: course.RubricAdds}
	for _, r := range rows {
		out.Mode = r.Mode
		if r.ID != nil {
			out.Items = append(out.Items, course.RubricItem{ID: *r.ID, Text: *r.Text, Points: *r.Points})
		}
	}
	return out, err
}

// RubricUse counts, by item, the current marks that were made with it, and those
// that have nothing else.
func (s *Store) RubricUse(ctx context.Context, a course.AssignmentID, k course.QuestionKey) (used, alone map[int64]int, err error) {
	type row struct {
		Item        int64
		Used, Alone int
	}
	rows, err := many[row](ctx, s.db, "rubric", `
		select item, count(*)::int as used, (count(*) filter (where cardinality(rubric) = 1 and by_rubric))::int as alone
		from grade_cells, unnest(rubric) item where assignment_id = $1 and notebook = $2 and question = $3 group by 1`, a, k.Notebook, k.Question)
	used, alone = map[int64]int{}, map[int64]int{}
	for _, r := range rows {
		used[r.Item], alone[r.Item] = r.Used, r.Alone
	}
	return used, alone, err
}

// lockRubric is the rubric, which stays as it is until the transaction ends: a
// mark ("share") must not be made from points that change at this moment.
func (s *Store) lockRubric(ctx context.Context, a course.AssignmentID, k course.QuestionKey, how string) (course.Rubric, error) {
	if _, err := exec(ctx, s.db, "rubric", `
		insert into rubrics (assignment_id, notebook, question) values ($1, $2, $3) on conflict do nothing`, a, k.Notebook, k.Question); err != nil {
		return course.Rubric{}, err
	}
	if _, err := exec(ctx, s.db, "rubric", `
		select from rubrics where assignment_id = $1 and notebook = $2 and question = $3 for `+how, a, k.Notebook, k.Question); err != nil {
		return course.Rubric{}, err
	}
	return s.Rubric(ctx, a, k)
}

// ChangeRubric replaces a question's rubric by what change makes of it: items
// with ID 0 are new, those left out are gone. All marks that follow the rubric
// follow, each by an event that says why; marked reports how many changed.
func (s *Store) ChangeRubric(ctx context.Context, a course.AssignmentID, k course.QuestionKey, max float64, reason string, actor course.UserID,
	change func(course.Rubric) (course.Rubric, error)) (marked int, err error) {
	err = s.InTx(ctx, func(tx *Store) error {
		was, err := tx.lockRubric(ctx, a, k, "update")
		if err != nil {
			return err
		}
		to, err := change(was)
		if err != nil {
			return err
		}
		if err := tx.writeRubric(ctx, a, k, to, actor); err != nil {
			return err
		}
		marked, err = tx.rerate(ctx, a, k, to, max, reason, actor)
		return err
	})
	return marked, err
}

func (s *Store) writeRubric(ctx context.Context, a course.AssignmentID, k course.QuestionKey, r course.Rubric, actor course.UserID) error {
	if _, err := exec(ctx, s.db, "rubric", `
		update rubrics set mode = $4 where assignment_id = $1 and notebook = $2 and question = $3`, a, k.Notebook, k.Question, r.Mode); err != nil {
		return err
	}
	ids := []int64{}
	for i, it := range r.Items {
		if it.ID == 0 {
			if err := s.db.QueryRow(ctx, `
				insert into rubric_items (assignment_id, notebook, question, text, points, created_by)
				values ($1, $2, $3, $4, $5, nullif($6::bigint, 0)) returning id`, a, k.Notebook, k.Question, it.Text, it.Points, actor).Scan(&r.Items[i].ID); err != nil {
				return wrap("rubric", err)
			}
		} else if _, err := exec(ctx, s.db, "rubric", `
			update rubric_items set text = $5, points = $6
			where id = $4 and assignment_id = $1 and notebook = $2 and question = $3 and (text, points) is distinct from ($5, $6)`,
			a, k.Notebook, k.Question, it.ID, it.Text, it.Points); err != nil {
			return err
		}
		ids = append(ids, r.Items[i].ID)
	}
	_, err := exec(ctx, s.db, "rubric", `
		update rubric_items set deleted_at = now()
		where assignment_id = $1 and notebook = $2 and question = $3 and deleted_at is null and id <> all($4)`, a, k.Notebook, k.Question, ids)
	return err
}

// rerate gives anew the marks that follow the rubric and come out differently.
func (s *Store) rerate(ctx context.Context, a course.AssignmentID, k course.QuestionKey, r course.Rubric, max float64, reason string, actor course.UserID) (int, error) {
	type head struct {
		EventID  int64
		Points   *float64
		Rubric   []int64
		ByRubric bool
	}
	// Locked, so that nobody saves a mark made from another one meanwhile.
	if _, err := exec(ctx, s.db, "rubric", `
		select from papers p join grade_cells h on h.assignment_id = p.assignment_id and h.member_id = p.member_id
		where p.assignment_id = $1 and h.notebook = $2 and h.question = $3 and h.rubric <> '{}' order by p.number for no key update of p`,
		a, k.Notebook, k.Question); err != nil {
		return 0, err
	}
	heads, err := many[head](ctx, s.db, "rubric", `
		select event_id, given as points, rubric, by_rubric from grade_cells
		where assignment_id = $1 and notebook = $2 and question = $3 and rubric <> '{}'`, a, k.Notebook, k.Question)
	if err != nil {
		return 0, err
	}
	var events []int64
	var points []*float64
	var by []bool
	for _, h := range heads {
		to, follows := h.Points, h.ByRubric
		if h.ByRubric {
			to = nil
			score, ok := r.Score(h.Rubric, max)
			if follows = ok; ok {
				to = &score
			}
		}
		same := to == nil && h.Points == nil || to != nil && h.Points != nil && *to == *h.Points
		if !same {
			events, points, by = append(events, h.EventID), append(points, to), append(by, follows)
		}
	}
	if len(events) == 0 {
		return 0, nil
	}
	kept := []int64{}
	for _, it := range r.Items {
		kept = append(kept, it.ID)
	}
	n, err := exec(ctx, s.db, "rubric", `
		insert into mark_events (assignment_id, member_id, notebook, question, points, comment, source, reason, actor,
			extra, excused, flagged, rubric, by_rubric, submission_id, together_with, apart)
		select e.assignment_id, e.member_id, e.notebook, e.question, x.points, e.comment, 'rubric', $5, nullif($6::bigint, 0),
			e.extra, e.excused, e.flagged, nullif(array(select i from unnest(e.rubric) i where i = any($4)), '{}'), x.by_rubric,
			e.submission_id, e.together_with, e.apart
		from unnest($1::bigint[], $2::float8[], $3::bool[]) as x (id, points, by_rubric) join mark_events e on e.id = x.id order by e.id`,
		events, points, by, kept, reason, actor)
	return int(n), err
}

// SavedComment is a comment to be used again.
type SavedComment struct {
	ID   int64
	Text string
}

// SavedComments lists those of a question, the oldest first.
func (s *Store) SavedComments(ctx context.Context, a course.AssignmentID, k course.QuestionKey) ([]SavedComment, error) {
	return many[SavedComment](ctx, s.db, "comments", `
		select id, text from saved_comments where assignment_id = $1 and notebook = $2 and question = $3 order by id`, a, k.Notebook, k.Question)
}

// KeepComment offers a comment for further use; one that is there already stays.
func (s *Store) KeepComment(ctx context.Context, a course.AssignmentID, k course.QuestionKey, text string, actor course.UserID) error {
	_, err := exec(ctx, s.db, "comments", `
		insert into saved_comments (assignment_id, notebook, question, text, created_by)
		values ($1, $2, $3, $4, nullif($5::bigint, 0)) on conflict do nothing`, a, k.Notebook, k.Question, text, actor)
	return err
}

// ForgetComment offers it no more; marks that have it keep it.
func (s *Store) ForgetComment(ctx context.Context, a course.AssignmentID, id int64) error {
	_, err := exec(ctx, s.db, "comments", `delete from saved_comments where assignment_id = $1 and id = $2`, a, id)
	return err
}
