package moving

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"

	"lectern/course"
)

// book is what a gradebook.db says, by names. What its ids lead to nowhere is
// left out.
type book struct {
	due      map[string]*time.Time // of assignments, by name
	students []bookStudent
	works    map[[2]string]*bookWork // by assignment and student
	notes    []string
}

type bookStudent struct{ id, name, email string }

// bookWork is one student's assignment.
type bookWork struct {
	at        *time.Time // nil: nothing was handed in
	extension time.Duration
	penalty   float64
	flagged   int // notebooks
	marks     map[[2]string]*bookMark
}

// bookMark is one cell, by notebook and name.
type bookMark struct {
	auto, manual, extra  *float64
	comment, autoComment string
}

// Limits of a gradebook: more than the largest class makes, and bearable.
const (
	maxBook     = 2 << 30
	maxRows     = 2_000_000
	maxValue    = 16 << 20
	maxBookTime = 2 * time.Minute
)

// readBook reads a gradebook that may be anything: from a copy nobody else
// touches, read-only, plain tables only, one at a time. r is at most maxBook long.
func readBook(ctx context.Context, r io.Reader) (*book, error) {
	ctx, stop := context.WithTimeout(ctx, maxBookTime)
	defer stop()
	dir, err := os.MkdirTemp("", "lectern-gradebook-")
	if err != nil {
		return nil, fmt.Errorf("moving: gradebook: %w", err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, gradebookName)
	if err := copyBook(path, r); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro&immutable=1&_pragma=query_only(1)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)&_pragma=mmap_size(0)")
	if err != nil {
		return nil, unreadable(err)
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, unreadable(err)
	}
	defer conn.Close()
	// By sqlite3.h: length, columns, depth of expressions, attached databases, triggers.
	for id, most := range map[int]int{0: maxValue, 2: 100, 3: 50, 7: 0, 10: 0} {
		if _, err := sqlite.Limit(conn, id, most); err != nil {
			return nil, unreadable(err)
		}
	}
	b := &bookReader{ctx: ctx, conn: conn, book: book{due: map[string]*time.Time{}, works: map[[2]string]*bookWork{}}}
	if err := b.read(); err != nil {
		return nil, unreadable(err)
	}
	return &b.book, nil
}

func copyBook(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("moving: gradebook: %w", err)
	}
	defer f.Close()
	head := make([]byte, 16)
	if _, err := io.ReadFull(r, head); err != nil || string(head) != "SQLite format 3\x00" {
		return unreadable(fmt.Errorf("it is not an SQLite file"))
	}
	n, err := io.Copy(f, io.MultiReader(bytes.NewReader(head), io.LimitReader(r, maxBook)))
	if err != nil {
		return fmt.Errorf("moving: gradebook: %w", err)
	}
	if n > maxBook {
		return course.Problemf(course.TooLarge, "%s is larger than 2 GB.", gradebookName)
	}
	return nil
}

func unreadable(err error) error {
	if _, ok := course.AsProblem(err); ok {
		return err
	}
	return &course.Problem{Kind: course.Invalid, Field: "files", Err: err, Text: gradebookName + " cannot be read as nbgrader's gradebook: " + short(err.Error())}
}

// short makes words of others fit for a page.
func short(s string) string {
	s = strings.ToValidUTF8(s, "�")
	if r := []rune(s); len(r) > 160 {
		s = string(r[:160]) + "…"
	}
	return course.OneLine(s)
}

type bookReader struct {
	ctx  context.Context
	conn *sql.Conn
	book
}

// table reads columns of one plain table, at most maxRows of it. A column that
// begins with # is a number, nil if what is there is none.
func (b *bookReader) table(name string, columns []string, row func(text []string, number []*float64) error) error {
	var kind, made string
	err := b.conn.QueryRowContext(b.ctx, `select type, coalesce(sql, '') from sqlite_master where name = ?`, name).Scan(&kind, &made)
	if err != nil {
		return fmt.Errorf("table %s: %w", name, err)
	}
	var computed int
	if err := b.conn.QueryRowContext(b.ctx, `select count(*) from pragma_table_xinfo(?) where hidden <> 0`, name).Scan(&computed); err != nil {
		return fmt.Errorf("table %s: %w", name, err)
	}
	if kind != "table" || computed > 0 || strings.HasPrefix(strings.ToLower(strings.Join(strings.Fields(made), " ")), "create virtual") {
		return fmt.Errorf("%s is not a plain table", name)
	}
	var list []string
	var texts []string
	var numbers []*float64
	for _, c := range columns {
		if n, ok := strings.CutPrefix(c, "#"); ok {
			list = append(list, `case when typeof("`+n+`") in ('real', 'integer') then cast("`+n+`" as real) end`)
			numbers = append(numbers, nil)
			continue
		}
		list = append(list, `coalesce(cast("`+c+`" as text), '')`)
		texts = append(texts, "")
	}
	rows, err := b.conn.QueryContext(b.ctx, `select `+strings.Join(list, ", ")+` from "`+name+`" limit `+fmt.Sprint(maxRows+1))
	if err != nil {
		return fmt.Errorf("table %s: %w", name, err)
	}
	defer rows.Close()
	into := make([]any, 0, len(columns))
	t, n := 0, 0
	for _, c := range columns {
		if strings.HasPrefix(c, "#") {
			into = append(into, &numbers[n])
			n++
		} else {
			into = append(into, &texts[t])
			t++
		}
	}
	for count := 0; rows.Next(); count++ {
		if count == maxRows {
			return fmt.Errorf("table %s has more than %d rows", name, maxRows)
		}
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
		for i, s := range texts { // what Postgres can hold
			texts[i] = strings.ReplaceAll(strings.ToValidUTF8(s, "�"), "\x00", "")
		}
		for i, v := range numbers {
			if v != nil && (math.IsNaN(*v) || math.Abs(*v) > 1e6) {
				numbers[i] = nil
			}
		}
		if err := row(texts, numbers); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("table %s: %w", name, err)
	}
	return nil
}

// read follows the ids from assignments to grades.
func (b *bookReader) read() error {
	assignments, notebooks, cells := map[string]string{}, map[string]string{}, map[string]string{}
	err := b.table("assignment", []string{"id", "name", "duedate"}, func(t []string, _ []*float64) error {
		due, err := readDate(t[2])
		if err != nil {
			b.notes = append(b.notes, short(fmt.Sprintf("The due date of %s is %v; it is left out.", t[1], err)))
		}
		assignments[t[0]], b.due[t[1]] = t[1], due
		return nil
	})
	if err == nil {
		err = b.table("student", []string{"id", "first_name", "last_name", "email"}, func(t []string, _ []*float64) error {
			b.students = append(b.students, bookStudent{t[0], course.OneLine(t[1] + " " + t[2]), course.OneLine(t[3])})
			return nil
		})
	}
	if err == nil {
		err = b.table("notebook", []string{"id", "name"}, func(t []string, _ []*float64) error {
			notebooks[t[0]] = t[1]
			return nil
		})
	}
	if err == nil {
		err = b.table("base_cell", []string{"id", "name"}, func(t []string, _ []*float64) error {
			cells[t[0]] = t[1]
			return nil
		})
	}
	if err != nil {
		return err
	}
	return b.readWorks(assignments, notebooks, cells)
}

func (b *bookReader) readWorks(assignments, notebooks, cells map[string]string) error {
	byID := map[string]*bookWork{}
	err := b.table("submitted_assignment", []string{"id", "assignment_id", "student_id", "timestamp", "extension"}, func(t []string, _ []*float64) error {
		name, known := assignments[t[1]]
		if !known {
			return nil
		}
		w := &bookWork{marks: map[[2]string]*bookMark{}}
		var err error
		if w.at, err = readDate(t[3]); err != nil {
			b.notes = append(b.notes, short(fmt.Sprintf("The time of %s's %s is %v; it is left out.", t[2], name, err)))
		}
		if w.extension, err = readExtension(t[4]); err != nil {
			b.notes = append(b.notes, short(fmt.Sprintf("The extension of %s's %s is %v; it is left out.", t[2], name, err)))
		}
		byID[t[0]], b.works[[2]string{name, t[2]}] = w, w
		return nil
	})
	if err != nil {
		return err
	}
	type place struct {
		work     *bookWork
		notebook string
	}
	places := map[string]place{}
	err = b.table("submitted_notebook", []string{"id", "assignment_id", "notebook_id", "#flagged", "#late_submission_penalty"}, func(t []string, n []*float64) error {
		w := byID[t[1]]
		if w == nil || notebooks[t[2]] == "" {
			return nil
		}
		places[t[0]] = place{w, notebooks[t[2]]}
		if n[0] != nil && *n[0] != 0 {
			w.flagged++
		}
		if n[1] != nil {
			w.penalty += max(0, *n[1])
		}
		return nil
	})
	if err != nil {
		return err
	}
	mark := func(cell, notebook string) *bookMark {
		p, name := places[notebook], cells[cell]
		if p.work == nil || name == "" {
			return &bookMark{} // nobody's
		}
		key := [2]string{p.notebook, name}
		if p.work.marks[key] == nil {
			p.work.marks[key] = &bookMark{}
		}
		return p.work.marks[key]
	}
	err = b.table("grade", []string{"cell_id", "notebook_id", "#auto_score", "#manual_score", "#extra_credit"}, func(t []string, n []*float64) error {
		m := mark(t[0], t[1])
		m.auto, m.manual, m.extra = n[0], n[1], n[2]
		return nil
	})
	if err != nil {
		return err
	}
	return b.table("comment", []string{"cell_id", "notebook_id", "auto_comment", "manual_comment"}, func(t []string, _ []*float64) error {
		m := mark(t[0], t[1])
		m.autoComment, m.comment = t[2], t[3]
		return nil
	})
}
