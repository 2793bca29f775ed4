package moving

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"lectern/course"
	"lectern/exchange"
	"lectern/exchange/tree"
	"lectern/store"
)

// Plan is what an import would do, found by Look. Its exported fields are for a
// person to read before saying yes.
type Plan struct {
	Assignments []PlannedAssignment // by name
	Students    Count
	Submissions Count
	Marks       Count
	Notes       []string // what is left out, or stays as it is, and why; a sentence each

	m        *Mover
	course   course.Course
	root     string // what the layout lies in
	base     string // and where in it; "" or a folder with its slash
	extras   extras
	students []store.NewStudent
	planned  []*planned
	into     []exchange.CourseFile // new to the course
}

// courseFiles are what may lie beside the assignments and goes into all of them.
var courseFiles = []exchange.CourseFile{exchange.CourseHeader, exchange.CourseFooter, exchange.CourseAutotests}

// Count says how many there are, and of them how many are new to the course. Kept
// are those that the course has otherwise; they stay.
type Count struct{ All, New, Kept int }

// PlannedAssignment is one assignment as it was found.
type PlannedAssignment struct {
	Name, Slug  string
	DueAt       *time.Time
	Files       int  // of the source
	Submissions int  // all that were found
	New         bool // to the course
	NewSource   bool // the source will be taken
}

// Empty reports whether the import would change nothing.
func (p *Plan) Empty() bool {
	if p.Students.New+p.Submissions.New+p.Marks.New+len(p.into) > 0 {
		return false
	}
	return !slices.ContainsFunc(p.Assignments, func(a PlannedAssignment) bool { return a.New || a.NewSource })
}

// planned is one assignment on its way in.
type planned struct {
	name, slug string
	extra      extraAssign
	due        *time.Time
	here       *course.Assignment // nil: to be made
	source     []tree.Entry       // nil: nothing to take
	works      []plannedWork
	extensions map[string]time.Duration // by login
	marks      []store.MovingMark
	found      int
}

// plannedWork is a submission that the course does not have.
type plannedWork struct {
	login string
	at    time.Time
	dir   string // below root
}

// looking is a Plan in the making.
type looking struct {
	*Plan
	ctx     context.Context
	dir     *tree.Dir
	entries map[string][]tree.Entry // by folder of the layout: "source/ps1", "submitted/alice/ps1"
	book    *book
	byName  map[string]*planned
	logins  map[string]string // by nbgrader's id
	members map[string]course.Member
}

// Look finds out what is in a directory and what an import of it into the course
// would do. It changes nothing. A course with ID 0 is one still to be made.
func (m *Mover) Look(ctx context.Context, c course.Course, root string) (*Plan, error) {
	l := &looking{Plan: &Plan{m: m, course: c, root: root}, ctx: ctx, entries: map[string][]tree.Entry{},
		byName: map[string]*planned{}, logins: map[string]string{}, members: map[string]course.Member{}}
	var err error
	if l.dir, err = tree.Open(root); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = course.Problemf(course.NotFound, "There is no folder %s.", root)
		}
		return nil, err
	}
	defer l.dir.Close()
	for _, step := range []func() error{l.list, l.readBook, l.readExtras, l.findCourseFiles, l.nameAssignments, l.nameStudents, l.compare} {
		if err := step(); err != nil {
			if _, ok := course.AsProblem(err); ok {
				return nil, err
			}
			return nil, fmt.Errorf("moving: look: %w", err)
		}
	}
	return l.Plan, nil
}

func (l *looking) note(format string, args ...any) {
	const most = 200
	switch len(l.Notes) {
	case most:
		l.Notes = append(l.Notes, "There is more to say like this, and it is not shown.")
		fallthrough
	case most + 1:
		return
	}
	l.Notes = append(l.Notes, fmt.Sprintf(format, args...))
}

var layoutNames = []string{"source", "submitted", gradebookName}

// list finds the layout, at the top or in the one folder there, and sorts its files.
func (l *looking) list() error {
	entries, skips, err := l.dir.List(l.ctx, tree.Own)
	if err != nil {
		return err
	}
	for _, k := range skips.Named {
		if k.Reason != tree.Junk {
			l.note("%s is left out: it is %s.", k.Path, k.Reason)
		}
	}
	tops := map[string]bool{}
	for _, e := range entries {
		parts := strings.SplitN(e.Path, "/", 3)
		if slices.Contains(layoutNames, parts[0]) {
			tops[""] = true
		} else if len(parts) > 1 && slices.Contains(layoutNames, parts[1]) {
			tops[parts[0]+"/"] = true
		}
	}
	switch {
	case tops[""]:
	case len(tops) == 1:
		for l.base = range tops {
		}
	case len(tops) > 1:
		return course.Fieldf("files", "There are several courses in it: %s. Import one at a time.", strings.Join(slices.Sorted(maps.Keys(tops)), ", "))
	default:
		return course.Fieldf("files", "This is no nbgrader course: there is neither source/ nor submitted/ nor %s in it.", gradebookName)
	}
	for _, e := range entries {
		rel, ok := strings.CutPrefix(e.Path, l.base)
		if !ok || e.Dir {
			continue
		}
		parts := strings.Split(rel, "/")
		depth := map[string]int{"source": 2, "submitted": 3}[parts[0]]
		if depth == 0 || len(parts) <= depth {
			continue
		}
		folder := path.Join(parts[:depth]...)
		e.Path = path.Join(parts[depth:]...)
		l.entries[folder] = append(l.entries[folder], e)
	}
	return nil
}

// open opens a file of the layout; nil without an error if there is none.
func (l *looking) open(rel string) (*tree.File, error) {
	f, err := l.dir.File(l.base + rel)
	if _, odd := tree.IsOdd(err); odd {
		return nil, nil
	}
	return f, err
}

func (l *looking) readBook() error {
	l.book = &book{}
	f, err := l.open(gradebookName)
	if err != nil {
		return err
	}
	if f == nil {
		l.note("There is no %s: dates, names and marks are not known.", gradebookName)
		return nil
	}
	defer f.Close()
	if l.book, err = readBook(l.ctx, f.File); err != nil {
		return err
	}
	for _, n := range l.book.notes {
		l.note("%s", n)
	}
	return nil
}

// readExtras reads what Lectern itself wrote beside the gradebook, if it did.
func (l *looking) readExtras() error {
	f, err := l.open(extrasName)
	if err != nil || f == nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(f.Limited(64 << 20))
	if err == nil {
		err = json.Unmarshal(data, &l.extras)
	}
	if err != nil {
		l.note("%s cannot be read and is left out: %s", extrasName, short(err.Error()))
		l.extras = extras{}
	}
	return nil
}

// findCourseFiles finds what goes into every release, and takes it where the course
// has nothing of its own.
func (l *looking) findCourseFiles() error {
	for _, name := range courseFiles {
		f, err := l.open(string(name))
		if err != nil {
			return err
		}
		if f == nil {
			continue
		}
		f.Close()
		if l.course.ID != 0 {
			own, err := l.m.Exchange.OpenCourseFile(l.course.Slug, name)
			if err == nil {
				own.Close()
				l.note("%s stays here as it is.", name)
				continue
			}
			if !course.IsKind(err, course.NotFound) {
				return err
			}
		}
		l.into = append(l.into, name)
		l.note("%s is taken: it goes into every release.", name)
	}
	return nil
}

// nameAssignments gives every assignment a short name.
func (l *looking) nameAssignments() error {
	names := map[string]bool{}
	for folder := range l.entries {
		names[path.Base(folder)] = true
	}
	for name := range l.book.due {
		names[name] = true
	}
	taken := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		slug := slugOf(name)
		switch {
		case slug == "":
			l.note("The assignment %q is left out: it cannot have that name here.", short(name))
			continue
		case taken[slug] != "":
			l.note("The assignment %q is left out: here it would have the same name as %q.", short(name), short(taken[slug]))
			continue
		}
		taken[slug] = name
		a := &planned{name: name, slug: slug, due: l.book.due[name], extra: l.extras.Assignments[name], extensions: map[string]time.Duration{}}
		a.extra.Title = cmp.Or(course.OneLine(a.extra.Title), course.OneLine(name))
		l.byName[name] = a
		l.planned = append(l.planned, a)
	}
	return nil
}

// nameStudents finds a login for everybody whom the gradebook or a folder names.
func (l *looking) nameStudents() error {
	people := slices.Clone(l.book.students)
	known := map[string]bool{}
	for _, s := range people {
		known[s.id] = true
	}
	for _, folder := range slices.Sorted(maps.Keys(l.entries)) {
		if id, ok := strings.CutPrefix(path.Dir(folder), "submitted/"); ok && !known[id] {
			known[id] = true
			people = append(people, bookStudent{id: id})
		}
	}
	members, err := l.m.Store.Members(l.ctx, l.course.ID)
	if err != nil {
		return err
	}
	for _, p := range members {
		l.members[p.Login] = p
	}
	taken := map[string]string{}
	for _, s := range people {
		login := loginOf(s.id)
		switch {
		case login == "":
			l.note("The student %q is left out: a login has lower-case letters, digits, dots, hyphens and underscores.", short(s.id))
			continue
		case taken[login] != "":
			l.note("The student %q is left out: %q has the same login here.", short(s.id), short(taken[login]))
			continue
		}
		taken[login], l.logins[s.id] = s.id, login
		l.Students.All++
		if _, here := l.members[login]; !here {
			l.Students.New++
			l.students = append(l.students, store.NewStudent{Login: login, Name: clip(s.name, 200), Email: clip(s.email, 200), Section: clip(course.OneLine(l.extras.Sections[s.id]), 100)})
		}
	}
	return nil
}

// clip keeps the first n characters.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
