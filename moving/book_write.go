package moving

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	_ "modernc.org/sqlite" // the gradebook's format

	"lectern/course"
	"lectern/store"
)

// bookWriter fills a new gradebook.db.
type bookWriter struct {
	ctx   context.Context
	tx    *sql.Tx
	stmts map[string]*sql.Stmt
}

// writeBook makes a gradebook at path, a file that is not there yet.
func writeBook(ctx context.Context, path string, fill func(*bookWriter) error) error {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(off)&_pragma=synchronous(off)")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := fill(&bookWriter{ctx, tx, map[string]*sql.Stmt{}}); err != nil {
		return err
	}
	return tx.Commit()
}

// add inserts one row; sql is prepared once.
func (w *bookWriter) add(sql string, args ...any) error {
	st := w.stmts[sql]
	if st == nil {
		var err error
		if st, err = w.tx.PrepareContext(w.ctx, sql); err != nil {
			return err
		}
		w.stmts[sql] = st
	}
	_, err := st.ExecContext(w.ctx, args...)
	return err
}

func newID() string {
	id := uuid.New()
	return hex.EncodeToString(id[:])
}

func (w *bookWriter) course(c course.Course, students []course.Member) error {
	if err := w.add(`insert into course (id) values (?)`, c.Slug); err != nil {
		return err
	}
	for _, m := range students {
		first, last := splitName(m.Name)
		if err := w.add(`insert into student (id, first_name, last_name, email) values (?, ?, ?, ?)`, m.Login, orNull(first), orNull(last), orNull(m.Email)); err != nil {
			return err
		}
	}
	return nil
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// bookAssignment is an assignment that was written, to hang work on.
type bookAssignment struct {
	id        string
	notebooks []string          // by name, in order
	ids       map[string]string // of notebooks, by name
	cells     map[[2]string]bookCell
}

type bookCell struct {
	grade, solution string // ids of base_cell rows; "" is none
	task            bool
}

// assignment writes an assignment with its notebooks and cells. kernels are
// kernelspecs by notebook.
func (w *bookWriter) assignment(c course.Course, a course.Assignment, questions []store.Question, kernels map[string]map[string]any) (*bookAssignment, error) {
	b := &bookAssignment{newID(), nil, map[string]string{}, map[[2]string]bookCell{}}
	if err := w.add(`insert into assignment (id, name, duedate, course_id) values (?, ?, ?, ?)`, b.id, a.Slug, dateText(a.DueAt), c.Slug); err != nil {
		return nil, err
	}
	for name := range kernels {
		if err := w.notebook(b, name, kernels); err != nil {
			return nil, err
		}
	}
	for _, q := range questions {
		if err := w.notebook(b, q.Notebook, kernels); err != nil {
			return nil, err
		}
		if err := w.cell(b, q); err != nil {
			return nil, fmt.Errorf("cell %s of %s: %w", q.GradeID, q.Notebook, err)
		}
	}
	return b, nil
}

func (w *bookWriter) notebook(b *bookAssignment, name string, kernels map[string]map[string]any) error {
	if b.ids[name] != "" {
		return nil
	}
	spec := kernels[name]
	if spec == nil {
		spec = map[string]any{}
	}
	kernel, err := json.Marshal(spec)
	if err != nil || len(kernel) > 1024 {
		kernel = []byte("{}")
	}
	b.ids[name] = newID()
	b.notebooks = append(b.notebooks, name)
	return w.add(`insert into notebook (id, name, assignment_id, kernelspec) values (?, ?, ?, ?)`, b.ids[name], name, b.id, string(kernel))
}

func (w *bookWriter) cell(b *bookAssignment, q store.Question) error {
	nb := b.ids[q.Notebook]
	key := [2]string{q.Notebook, q.GradeID}
	locked := q.Kind == "tests" || q.Kind == "task" || q.Kind == "readonly"
	if err := w.add(`insert into source_cell (id, name, cell_type, source, checksum, locked, notebook_id) values (?, ?, ?, ?, ?, ?, ?)`,
		newID(), q.GradeID, q.CellType, q.Source, orNull(q.Checksum), locked, nb); err != nil {
		return err
	}
	var cell bookCell
	base := func(kind, sql string, args ...any) (string, error) {
		id := newID()
		if err := w.add(`insert into base_cell (id, name, notebook_id, type) values (?, ?, ?, ?)`, id, q.GradeID, nb, kind); err != nil {
			return "", err
		}
		return id, w.add(sql, append([]any{id}, args...)...)
	}
	var err error
	if q.Kind == "tests" || q.Kind == "manual" {
		cell.grade, err = base("GradeCell", `insert into grade_cells (id, max_score, cell_type) values (?, ?, ?)`, q.Points, q.CellType)
	}
	if err == nil && (q.Kind == "answer" || q.Kind == "manual") {
		cell.solution, err = base("SolutionCell", `insert into solution_cells (id) values (?)`)
	}
	if err == nil && q.Kind == "task" {
		cell.task = true
		cell.grade, err = base("TaskCell", `insert into task_cells (id, max_score, cell_type) values (?, ?, ?)`, q.Points, q.CellType)
	}
	b.cells[key] = cell
	return err
}

// work writes what one student handed in and was given for it.
func (w *bookWriter) work(b *bookAssignment, a course.Assignment, work store.MovingWork, marks []store.MovingMark) error {
	extension := any(nil)
	if work.OwnDueAt != nil && a.DueAt != nil {
		extension = extensionText(work.OwnDueAt.Sub(*a.DueAt))
	}
	sub := newID()
	if err := w.add(`insert into submitted_assignment (id, assignment_id, student_id, timestamp, extension) values (?, ?, ?, ?, ?)`,
		sub, b.id, work.Login, dateText(work.TakenAt), extension); err != nil {
		return err
	}
	byCell := map[[2]string]store.MovingMark{}
	flagged := map[string]bool{}
	for _, m := range marks {
		byCell[[2]string{m.Notebook, m.Question}] = m
		flagged[m.Notebook] = flagged[m.Notebook] || m.Flagged
	}
	penalty := any(nil)
	if work.Penalty > 0 {
		penalty = work.Penalty
	}
	for _, name := range b.notebooks {
		nb := newID()
		// The gradebook has a penalty for each notebook, we have one for the work.
		if err := w.add(`insert into submitted_notebook (id, assignment_id, notebook_id, flagged, late_submission_penalty) values (?, ?, ?, ?, ?)`,
			nb, sub, b.ids[name], flagged[name], penalty); err != nil {
			return err
		}
		penalty = nil
		if err := w.grades(b, name, nb, byCell); err != nil {
			return err
		}
	}
	return nil
}

func (w *bookWriter) grades(b *bookAssignment, name, nb string, marks map[[2]string]store.MovingMark) error {
	for key, cell := range b.cells {
		if key[0] != name {
			continue
		}
		m := marks[key]
		if cell.grade != "" {
			extra := any(nil)
			if m.Extra != 0 {
				extra = m.Extra
			}
			if err := w.add(`insert into grade (id, cell_id, notebook_id, auto_score, manual_score, extra_credit, needs_manual_grade) values (?, ?, ?, ?, ?, ?, ?)`,
				newID(), cell.grade, nb, m.Auto, m.Given, extra, m.Auto == nil && m.Given == nil); err != nil {
				return err
			}
		}
		home := cell.solution
		if home == "" {
			home = cell.grade
		}
		auto := any(nil)
		if m.NoResponse {
			auto = "No response."
		}
		if home == "" || m.Comment == "" && auto == nil && cell.solution == "" && !cell.task {
			continue
		}
		if err := w.add(`insert into comment (id, cell_id, notebook_id, auto_comment, manual_comment) values (?, ?, ?, ?, ?)`,
			newID(), home, nb, auto, orNull(m.Comment)); err != nil {
			return err
		}
	}
	return nil
}
