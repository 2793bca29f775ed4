package moving

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/exchange"
	"lectern/store"
)

// Export streams a course as a zip in nbgrader's layout: source, release, the
// submissions that count, what was autograded and returned, and a gradebook.
// Earlier submissions and the history of marks stay here. An error before the
// first byte is like any other; behind it the caller can only cut the connection.
func (m *Mover) Export(ctx context.Context, w io.Writer, c course.Course) error {
	if err := m.export(ctx, w, c); err != nil {
		if _, ok := course.AsProblem(err); ok {
			return err
		}
		return fmt.Errorf("moving: export %s: %w", c.Slug, err)
	}
	return nil
}

func (m *Mover) export(ctx context.Context, w io.Writer, c course.Course) error {
	dir, err := os.MkdirTemp("", "lectern-gradebook-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	x := &exporting{m: m, c: c, extras: extras{Title: c.Title, Term: c.Term, Zone: c.Zone, Assignments: map[string]extraAssign{}, Sections: map[string]string{}}}
	if x.members, err = m.Store.Members(ctx, c.ID); err != nil {
		return err
	}
	if x.extras.Preparing, err = m.Store.Preparation(ctx, c.ID); err != nil {
		return err
	}
	if x.assignments, err = m.Store.AllAssignments(ctx, c.ID); err != nil {
		return err
	}
	book := filepath.Join(dir, gradebookName)
	if err := writeBook(ctx, book, func(b *bookWriter) error { return x.fill(ctx, b) }); err != nil {
		return fmt.Errorf("gradebook: %w", err)
	}
	z := exchange.NewZip(w)
	if err = x.files(ctx, z, book); err == nil {
		err = z.Close()
	}
	if err != nil { // no longer a Problem: nobody could be shown one
		return fmt.Errorf("%v", err)
	}
	return nil
}

// exporting is a course on its way out.
type exporting struct {
	m           *Mover
	c           course.Course
	members     []course.Member
	assignments []course.Assignment
	works       [][]store.MovingWork // by assignment
	extras      extras
}

// fill writes the gradebook, and gathers what goes beside it.
func (x *exporting) fill(ctx context.Context, b *bookWriter) error {
	var students []course.Member
	staff := map[string]course.Member{}
	for _, p := range x.members {
		if p.Section != "" {
			x.extras.Sections[p.Login] = p.Section
		}
		if p.Role == course.Student {
			students = append(students, p)
		} else {
			staff[p.Login] = p
		}
	}
	marks := make([][]store.MovingMark, len(x.assignments))
	for i, a := range x.assignments {
		works, err := x.m.Store.MovingWorks(ctx, a.ID)
		if err != nil {
			return err
		}
		if marks[i], err = x.m.Store.MovingMarks(ctx, a.ID); err != nil {
			return err
		}
		x.works = append(x.works, works)
		for _, w := range works { // staff who tried it themselves have grades, so they need a row
			if p, ok := staff[w.Login]; ok {
				students = append(students, p)
				delete(staff, w.Login)
			}
		}
	}
	if err := b.course(x.c, students); err != nil {
		return err
	}
	for i, a := range x.assignments {
		if err := x.assignment(ctx, b, a, x.works[i], marks[i]); err != nil {
			return fmt.Errorf("%s: %w", a.Slug, err)
		}
	}
	return nil
}

func (x *exporting) assignment(ctx context.Context, b *bookWriter, a course.Assignment, works []store.MovingWork, marks []store.MovingMark) error {
	questions, err := x.m.Store.LatestQuestions(ctx, a.ID)
	if err != nil {
		return err
	}
	late, err := x.m.Store.LateRule(ctx, a.ID)
	if err != nil {
		return err
	}
	kernels, err := x.kernels(a)
	if err != nil {
		return err
	}
	written, err := b.assignment(x.c, a, questions, kernels)
	if err != nil {
		return err
	}
	extra := extraAssign{Title: a.Title, OpensAt: a.OpensAt, Late: late}
	byLogin := map[string][]store.MovingMark{}
	for _, k := range marks {
		byLogin[k.Login] = append(byLogin[k.Login], k)
		if needsExtra(k) {
			extra.Marks = append(extra.Marks, extraMark{k.Login, k.Notebook, k.Question, k.Given, k.Extra, k.Excused, k.Flagged, k.Comment})
		}
	}
	x.extras.Assignments[a.Slug] = extra
	for _, w := range works {
		if err := b.work(written, a, w, byLogin[w.Login]); err != nil {
			return fmt.Errorf("%s: %w", w.Login, err)
		}
	}
	return nil
}

// kernels reads the kernelspecs of an assignment's notebooks. One that cannot be
// read has none: the file itself is in the zip as it is.
func (x *exporting) kernels(a course.Assignment) (map[string]map[string]any, error) {
	dir, err := x.m.Exchange.Layout.Source(x.c.Slug, a.Slug)
	if err != nil {
		return nil, err
	}
	entries, err := x.m.Exchange.List(dir)
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]any{}
	for _, e := range entries {
		name, is := strings.CutSuffix(e.Path, ".ipynb")
		if e.Dir || !is {
			continue
		}
		f, err := x.m.Exchange.Open(dir, e.Path)
		if err != nil {
			return nil, err
		}
		nb, err := notebook.Read(f)
		f.Close()
		out[name] = map[string]any{}
		if err == nil {
			if spec, ok := nb.Metadata["kernelspec"].(map[string]any); ok {
				out[name] = spec
			}
		}
	}
	return out, nil
}

// files streams everything; what is small and tells what this is comes first.
func (x *exporting) files(ctx context.Context, z *exchange.Zip, book string) error {
	now := x.m.Now()
	config := fmt.Sprintf("c = get_config()\nc.CourseDirectory.course_id = %q\n", x.c.Slug)
	if err := z.File(configName, now, strings.NewReader(config)); err != nil {
		return err
	}
	data, err := json.MarshalIndent(x.extras, "", " ")
	if err != nil {
		return err
	}
	if err := z.File(extrasName, now, bytes.NewReader(append(data, '\n'))); err != nil {
		return err
	}
	f, err := os.Open(book)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := z.File(gradebookName, now, f); err != nil {
		return err
	}
	if err := x.courseFiles(z, now); err != nil {
		return err
	}
	for i, a := range x.assignments {
		for step, where := range map[string]func(string, string) (string, error){"source": x.m.Exchange.Layout.Source, "release": x.m.Exchange.Layout.Release} {
			dir, err := where(x.c.Slug, a.Slug)
			if err != nil {
				return err
			}
			if _, err := z.Tree(ctx, dir, path.Join(step, a.Slug)); err != nil {
				return err
			}
		}
		for _, w := range x.works[i] {
			if err := x.work(ctx, z, a, w); err != nil {
				return fmt.Errorf("%s of %s: %w", a.Slug, w.Login, err)
			}
		}
	}
	return nil
}

// courseFiles streams what goes into every release.
func (x *exporting) courseFiles(z *exchange.Zip, now time.Time) error {
	for _, name := range courseFiles {
		f, err := x.m.Exchange.OpenCourseFile(x.c.Slug, name)
		if course.IsKind(err, course.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		err = z.File(string(name), now, f)
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// work streams one student's trees. The snapshot itself is read, not submitted/,
// which a new submission may replace meanwhile.
func (x *exporting) work(ctx context.Context, z *exchange.Zip, a course.Assignment, w store.MovingWork) error {
	layout := x.m.Exchange.Layout
	if w.TakenAt != nil {
		at, err := time.Parse(course.SnapshotForm, w.Snapshot)
		if err != nil {
			return err
		}
		dir, err := layout.HistoryFiles(x.c.Slug, w.Login, a.Slug, at)
		if err != nil {
			return err
		}
		base := path.Join("submitted", w.Login, a.Slug)
		there, err := z.Tree(ctx, dir, base)
		if err == nil && !there {
			err = fmt.Errorf("the snapshot %s is recorded and not on disk", w.Snapshot)
		}
		if err == nil {
			err = z.File(path.Join(base, stampName), *w.TakenAt, strings.NewReader(w.TakenAt.UTC().Format(dateForm)+" UTC"))
		}
		if err != nil {
			return err
		}
	}
	for step, where := range map[string]func(string, string, string) (string, error){"autograded": layout.Autograded, "feedback": layout.Feedback} {
		dir, err := where(x.c.Slug, w.Login, a.Slug)
		if err != nil {
			return err
		}
		if _, err := z.Tree(ctx, dir, path.Join(step, w.Login, a.Slug)); err != nil {
			return err
		}
	}
	return nil
}
