package moving

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"lectern/course"
	"lectern/exchange/tree"
	"lectern/store"
)

// reason is what the events of imported marks say.
const reason = "imported from nbgrader"

// compare holds every assignment against what the course has.
func (l *looking) compare() error {
	here := map[string]course.Assignment{}
	list, err := l.m.Store.AllAssignments(l.ctx, l.course.ID)
	if err != nil {
		return err
	}
	for _, a := range list {
		here[a.Slug] = a
	}
	for _, a := range l.planned {
		if h, ok := here[a.slug]; ok {
			a.here = &h
		}
		shown := PlannedAssignment{Name: a.extra.Title, Slug: a.slug, DueAt: a.due, New: a.here == nil}
		if a.here != nil && a.due != nil && a.here.DueAt != nil && !a.here.DueAt.Equal(*a.due) {
			l.note("%s is due at another time here; that stays.", a.slug)
		}
		if err := l.compareSource(a, &shown); err != nil {
			return fmt.Errorf("%s: %w", a.slug, err)
		}
		if err := l.compareWorks(a); err != nil {
			return fmt.Errorf("%s: %w", a.slug, err)
		}
		if err := l.compareMarks(a); err != nil {
			return fmt.Errorf("%s: %w", a.slug, err)
		}
		shown.Submissions = a.found
		l.Assignments = append(l.Assignments, shown)
	}
	return nil
}

// compareSource takes a source only where there is none: whoever works on an
// assignment here would lose it otherwise.
func (l *looking) compareSource(a *planned, shown *PlannedAssignment) error {
	entries := l.entries["source/"+a.name]
	shown.Files = len(entries)
	if len(entries) == 0 {
		return nil
	}
	dir, err := l.m.Exchange.Layout.Source(l.course.Slug, a.slug)
	if err != nil {
		return err
	}
	present, err := l.m.Exchange.List(dir)
	if err != nil {
		return err
	}
	present = slices.DeleteFunc(present, func(e tree.Entry) bool { return e.Dir })
	if len(present) == 0 {
		a.source, shown.NewSource = entries, true
		return nil
	}
	own, err := tree.Open(dir)
	if err != nil {
		return err
	}
	defer own.Close()
	same := len(present) == len(entries)
	for _, e := range entries {
		if same {
			same, err = sameFile(l.dir, l.base+path.Join("source", a.name, e.Path), own, e.Path)
			if err != nil {
				return err
			}
		}
	}
	switch {
	case !same:
		l.note("%s has other source files here; those stay.", a.slug)
	case a.here != nil && a.here.SourceVersion == 0: // the import before this one did not get further
		a.source, shown.NewSource = entries, true
	}
	return nil
}

// sameFile compares two files, if both can be read.
func sameFile(d1 *tree.Dir, rel1 string, d2 *tree.Dir, rel2 string) (bool, error) {
	var sums [2]string
	for i, open := range []func() (*tree.File, error){func() (*tree.File, error) { return d1.File(rel1) }, func() (*tree.File, error) { return d2.File(rel2) }} {
		f, err := open()
		if _, odd := tree.IsOdd(err); odd {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		sums[i], err = hash(f.File)
		f.Close()
		if err != nil {
			return false, err
		}
	}
	return sums[0] == sums[1], nil
}

// sameTime: two names of one snapshot may be microseconds apart.
const sameTime = time.Millisecond

func (l *looking) compareWorks(a *planned) error {
	taken := map[string][]time.Time{}
	if a.here != nil {
		var err error
		if taken, err = l.m.Store.TakenAt(l.ctx, a.here.ID); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(l.logins)) {
		login, folder := l.logins[id], path.Join("submitted", id, a.name)
		work := l.book.works[[2]string{a.name, id}]
		if work != nil && work.extension != 0 && a.due != nil {
			a.extensions[login] = work.extension
		}
		if work != nil && work.penalty > 0 && a.extra.Late.Unit == "" {
			l.note("%s of %s has lost %s points for lateness. Here that follows from a rule: set it for the assignment.", a.slug, login, course.FormatPoints(&work.penalty))
		}
		if work != nil && work.flagged > 0 && l.extras.Title == "" {
			l.note("%s of %s is flagged in the gradebook; flags are not taken.", a.slug, login)
		}
		entries := l.entries[folder]
		if len(entries) == 0 {
			continue
		}
		at, err := l.takenAt(folder, entries, work)
		if err != nil {
			return err
		}
		if at.IsZero() || at.After(l.m.Now().Add(24*time.Hour)) {
			l.note("%s of %s is left out: it is not known when it was handed in.", a.slug, login)
			continue
		}
		a.found++
		l.Submissions.All++
		if slices.ContainsFunc(taken[login], func(t time.Time) bool { return t.Sub(at).Abs() < sameTime }) {
			continue
		}
		l.Submissions.New++
		a.works = append(a.works, plannedWork{login, at, l.base + folder})
	}
	return nil
}

// takenAt is the time in timestamp.txt, else the gradebook's, else that of the
// file changed last.
func (l *looking) takenAt(folder string, entries []tree.Entry, work *bookWork) (time.Time, error) {
	f, err := l.open(path.Join(folder, stampName))
	if err != nil {
		return time.Time{}, err
	}
	if f != nil {
		text, err := io.ReadAll(f.Limited(200))
		f.Close()
		if _, odd := tree.IsOdd(err); err != nil && !odd {
			return time.Time{}, err
		}
		if at, err := readStamp(string(text)); err == nil && at.Year() >= 1980 {
			return at, nil
		}
		l.note("%s/%s is not a time that can be read.", folder, stampName)
	}
	if work != nil && work.at != nil {
		return *work.at, nil
	}
	newest := slices.MaxFunc(entries, func(a, b tree.Entry) int { return a.ModifiedAt.Compare(b.ModifiedAt) })
	return newest.ModifiedAt.UTC().Truncate(time.Second), nil
}

func (l *looking) compareMarks(a *planned) error {
	key := func(m store.MovingMark) [3]string { return [3]string{m.Login, m.Notebook, m.Question} }
	current := map[[3]string]store.MovingMark{}
	if a.here != nil {
		list, err := l.m.Store.MovingMarks(l.ctx, a.here.ID)
		if err != nil {
			return err
		}
		for _, m := range list {
			current[key(m)] = m
		}
	}
	for _, m := range l.marksOf(a) {
		l.Marks.All++
		now := current[key(m)]
		switch {
		case sameMark(now, m):
			continue
		case now.Marked && now.Reason != reason:
			l.Marks.Kept++
			l.note("%s already has another mark here for %s; it stays.", m.Login, strings.Trim(path.Join(a.slug, m.Notebook, m.Question), "/"))
			continue
		}
		l.Marks.New++
		a.marks = append(a.marks, m)
	}
	return nil
}

// sameMark reports whether what stands says the same, be it given or from tests.
func sameMark(now, m store.MovingMark) bool {
	points := now.Given
	if points == nil && !now.Excused {
		points = now.Auto
	}
	a := course.Score{Points: points, Comment: now.Comment}
	return a.Equal(course.Score{Points: m.Given, Comment: m.Comment}) && now.Extra == m.Extra && now.Excused == m.Excused && (now.Flagged == m.Flagged || !now.Marked)
}

// marksOf are the gradebook's scores as marks, by login, notebook and question;
// where Lectern wrote more of one beside the gradebook, that.
func (l *looking) marksOf(a *planned) []store.MovingMark {
	marks := map[[3]string]store.MovingMark{}
	for id, login := range l.logins {
		work := l.book.works[[2]string{a.name, id}]
		if work == nil {
			continue
		}
		for cell, b := range work.marks {
			m := store.MovingMark{Login: login, Notebook: cell[0], Question: cell[1], Given: b.manual, Comment: l.comment(login, b.comment)}
			if m.Given == nil {
				m.Given = b.auto
			}
			if b.extra != nil && *b.extra > 0 {
				m.Extra = *b.extra
			}
			if m.Given != nil || m.Comment != "" || m.Extra > 0 {
				marks[[3]string{login, cell[0], cell[1]}] = m
			}
		}
	}
	for _, e := range a.extra.Marks {
		login := l.logins[e.Login]
		if login == "" || e.Extra < 0 || e.Points != nil && (*e.Points > 1e6 || *e.Points < -1e6) {
			continue
		}
		marks[[3]string{login, e.Notebook, e.Question}] = store.MovingMark{Login: login, Notebook: noNUL(e.Notebook), Question: noNUL(e.Question),
			Given: e.Points, Extra: e.Extra, Excused: e.Excused, Flagged: e.Flagged, Comment: l.comment(login, noNUL(e.Comment))}
	}
	return slices.SortedFunc(maps.Values(marks), func(a, b store.MovingMark) int {
		return cmp.Or(cmp.Compare(a.Login, b.Login), cmp.Compare(a.Notebook, b.Notebook), cmp.Compare(a.Question, b.Question))
	})
}

func noNUL(s string) string { return strings.ReplaceAll(s, "\x00", "") }

func (l *looking) comment(login, text string) string {
	if short := clip(text, course.MaxComment); short != text {
		l.note("A comment for %s is longer than %d characters; the rest is left out.", login, course.MaxComment)
		return short
	}
	return text
}

var errGone = errors.New("the files are no longer there")
