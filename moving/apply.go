package moving

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	"github.com/google/uuid"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/exchange"
	"lectern/exchange/tree"
	"lectern/store"
)

// Done is what an import did.
type Done struct {
	Students, Assignments, Submissions, Marks int // new ones
	Notes                                     []string
}

// Apply makes the changes of the plan, into a course that exists by now. It
// stops at the first fault of the machine; the next Look finds what is left. What
// is wrong with one assignment or one student's work is a note, and does not hold
// up the others.
func (p *Plan) Apply(ctx context.Context, c course.Course, actor course.UserID) (Done, error) {
	p.course = c
	a := &applying{Plan: p, ctx: ctx, actor: actor, done: Done{Students: len(p.students)}}
	if err := a.apply(); err != nil {
		return a.done, fmt.Errorf("moving: import into %s: %w", c.Slug, err)
	}
	return a.done, nil
}

type applying struct {
	*Plan
	ctx     context.Context
	actor   course.UserID
	members map[string]course.MemberID
	done    Done
}

func (a *applying) note(format string, args ...any) {
	a.done.Notes = append(a.done.Notes, fmt.Sprintf(format, args...))
}

func (a *applying) apply() error {
	if p := a.Plan; p.Empty() {
		return nil
	}
	if err := a.m.Store.AddStudents(a.ctx, a.course.ID, a.students); err != nil {
		return err
	}
	list, err := a.m.Store.Members(a.ctx, a.course.ID)
	if err != nil {
		return err
	}
	a.members = map[string]course.MemberID{}
	for _, m := range list {
		a.members[m.Login] = m.ID
	}
	dir, err := tree.Open(a.root)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := a.preparing(dir); err != nil {
		return err
	}
	for _, p := range a.planned {
		if err := a.assignment(dir, p); err != nil {
			return fmt.Errorf("%s: %w", p.slug, err)
		}
	}
	return a.m.Store.Record(a.ctx, course.Activity{Actor: a.actor, CourseID: a.course.ID, Verb: "imported a course",
		Detail: fmt.Sprintf("%d assignments, %d students, %d submissions and %d marks were new", a.done.Assignments, a.done.Students, a.done.Submissions, a.done.Marks)})
}

// preparing takes what every release is made with, before the first one is checked.
// Texts of the course's own stay.
func (a *applying) preparing(dir *tree.Dir) error {
	for _, name := range a.into {
		f, err := dir.File(a.base + string(name))
		if err != nil {
			return err
		}
		data, err := io.ReadAll(f.Limited(16 << 20))
		f.Close()
		if err == nil && path.Ext(string(name)) == ".ipynb" {
			_, err = notebook.Read(bytes.NewReader(data))
		}
		if err != nil {
			a.note("%s is not taken: %s", name, short(err.Error()))
			continue
		}
		if err := a.m.Exchange.SaveCourseFile(a.course.Slug, name, data); err != nil {
			return err
		}
	}
	now, err := a.m.Store.Preparation(a.ctx, a.course.ID)
	if err != nil || len(now.CodeStubs) > 0 || now.TextStub != "" {
		return err
	}
	return a.m.Store.SavePreparation(a.ctx, a.course.ID, a.extras.Preparing)
}

// assignment goes from the ground up: dates before submissions, which are late by
// them, and submissions before marks, which are for one.
func (a *applying) assignment(dir *tree.Dir, p *planned) error {
	if err := a.make(p); err != nil {
		return err
	}
	if p.source != nil {
		if err := a.source(dir, p); err != nil {
			return err
		}
	}
	if err := a.extend(p); err != nil {
		return err
	}
	if err := a.release(p); err != nil {
		return err
	}
	for _, w := range p.works {
		if err := a.collect(p, w); err != nil {
			return fmt.Errorf("%s: %w", w.login, err)
		}
	}
	for marks := range slices.Chunk(p.marks, 5_000) {
		if err := a.m.Store.ImportMarks(a.ctx, p.here.ID, marks, a.actor, reason); err != nil {
			return err
		}
		a.done.Marks += len(marks)
	}
	return nil
}

// make makes an assignment that is new, and fills in a due time that is not set.
func (a *applying) make(p *planned) error {
	if p.here != nil {
		if p.here.DueAt == nil && p.due != nil {
			p.here.DueAt = p.due
			return a.m.Store.SaveAssignment(a.ctx, *p.here)
		}
		return nil
	}
	n := course.Assignment{CourseID: a.course.ID, Slug: p.slug, Title: clip(p.extra.Title, 200), DueAt: p.due, OpensAt: p.extra.OpensAt}
	if n.OpensAt != nil && n.DueAt != nil && !n.OpensAt.Before(*n.DueAt) {
		n.OpensAt = nil
	}
	err := a.m.Store.InTx(a.ctx, func(tx *store.Store) error {
		if err := tx.AddAssignment(a.ctx, &n); err != nil || p.extra.Late.Unit == "" || p.extra.Late.Check() != nil {
			return err
		}
		return tx.SaveLateRule(a.ctx, n.ID, p.extra.Late)
	})
	if err != nil {
		return err
	}
	p.here = &n
	a.done.Assignments++
	return nil
}

// source takes the source files and has them checked.
func (a *applying) source(dir *tree.Dir, p *planned) error {
	u, err := a.m.Exchange.NewUpload(a.course.Slug)
	if err != nil {
		return err
	}
	defer u.Discard()
	for _, e := range p.source {
		f, err := dir.File(a.base + path.Join("source", p.name, e.Path))
		if _, odd := tree.IsOdd(err); odd {
			return errGone
		}
		if err != nil {
			return err
		}
		err = u.AddPlain(a.ctx, e.Path, f.File)
		f.Close()
		if err != nil {
			return err
		}
	}
	if _, err := u.Import(a.ctx, p.slug, true); err != nil {
		if problem, ok := course.AsProblem(err); ok {
			a.note("The source of %s is not taken: %s", p.slug, problem.Text)
			return nil
		}
		return err
	}
	if _, err := a.m.Store.BumpSource(a.ctx, p.here.ID); err != nil {
		return err
	}
	problems, err := a.m.Prepare(a.ctx, a.course, p.here.ID)
	if problems > 0 {
		a.note("%s cannot be released as it is. Its page lists what to mend; marks are shown once it is released.", p.slug)
	}
	return err
}

// extend gives the due times of their own that members have not.
func (a *applying) extend(p *planned) error {
	if len(p.extensions) == 0 {
		return nil
	}
	list, err := a.m.Store.Extensions(a.ctx, p.here.ID)
	if err != nil {
		return err
	}
	for _, e := range list {
		delete(p.extensions, e.Login)
	}
	for login, d := range p.extensions {
		if err := a.m.Store.Extend(a.ctx, p.here.ID, []course.MemberID{a.members[login]}, p.due.Add(d), reason, a.actor); err != nil {
			return err
		}
	}
	return nil
}

// release gives out an assignment that has work or marks: it was given out where
// it comes from, and marks need its questions.
func (a *applying) release(p *planned) error {
	if p.here.ReleasedAt != nil || len(p.works)+len(p.marks) == 0 {
		return nil
	}
	now, err := a.m.Store.AssignmentByID(a.ctx, p.here.ID)
	if err != nil || now.CheckedVersion == 0 || now.CheckedVersion != now.SourceVersion {
		return err
	}
	return a.m.Release(a.ctx, a.course, p.here.ID, a.m.Now())
}

// collect records one submission at the time it was handed in.
func (a *applying) collect(p *planned, w plannedWork) error {
	work := exchange.Work{Course: a.course.Slug, Login: w.login, Assignment: p.slug}
	sub := course.Submission{AssignmentID: p.here.ID, MemberID: a.members[w.login], Kind: course.ByCollect, TakenAt: w.at.UTC().Truncate(time.Microsecond)}
	form := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "import %d", sub.TakenAt.UnixMicro()))
	_, err := a.m.Exchange.CollectFrom(a.ctx, work, sub.TakenAt, a.root, w.dir, func(ctx context.Context, s exchange.Snapshot) (bool, error) {
		sub.Snapshot, sub.Digest = s.At.UTC().Format(course.SnapshotForm), s.Digest()
		sub.Notes = leftOut(s)
		for _, f := range s.Files {
			sub.Files = append(sub.Files, course.File{Path: f.Path, Bytes: f.Size, SHA256: f.SHA256})
		}
		got, fresh, err := a.m.Store.RecordSubmission(ctx, sub, form, a.actor)
		if fresh {
			a.done.Submissions++
		}
		return fresh && got.Counts, err
	})
	if problem, ok := course.AsProblem(err); ok && (problem.Kind == course.Invalid || problem.Kind == course.NotFound) {
		a.note("%s of %s is left out: %s", p.slug, w.login, problem.Text)
		return nil
	}
	return err
}

func leftOut(s exchange.Snapshot) (notes []string) {
	for _, f := range s.Files {
		if f.Broken {
			notes = append(notes, f.Path+" is not a valid notebook: JupyterLab cannot open it either.")
		}
	}
	for _, k := range s.Skipped.Named {
		if k.Path != stampName && k.Reason != tree.Junk {
			notes = append(notes, "Left out: "+k.Path+" ("+string(k.Reason)+").")
		}
	}
	if n := s.Skipped.More; n > 0 {
		notes = append(notes, fmt.Sprintf("Left out: %d more files.", n))
	}
	return notes
}

func hash(r io.Reader) (string, error) {
	h := sha256.New()
	_, err := io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), err
}
