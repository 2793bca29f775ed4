package grading

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/exchange"
	"lectern/store"
)

// Runs carries out the autograding that was asked for: it takes a run that waits,
// has the submission graded, and records what was found. Whatever happens, also to
// Lectern itself, a run ends: done, cancelled, or failed and left to a person.
type Runs struct {
	Store    *store.Store
	Exchange *exchange.Exchange
	Runner   autograder
	Log      *slog.Logger
	Now      func() time.Time

	Tries int             // how often a failure of ours is tried; 0 is 6
	Wait  []time.Duration // before the second try, the third…; the last holds for the rest; nil is from 5 s to 10 min
	Beat  time.Duration   // between signs of life; 0 is 2 s

	mu   sync.Mutex
	last map[course.AssignmentID]*loaded
}

// autograder is what a Runner does.
type autograder interface {
	Autograde(ctx context.Context, a *Assignment, submitted []File) (*Graded, error)
}

// loaded is an assignment taken apart, and what it was made from.
type loaded struct {
	version int
	image   string
	exact   bool
	*Assignment
}

// longestRun bounds one submission, whatever its notebooks may take.
const longestRun = 45 * time.Minute

var (
	errLost    = errors.New("the run was cancelled or taken over")
	errChanged = errors.New("the source changed meanwhile")
)

// Next does one run, if one waits. Only a failure that says nothing about the run
// is an error: the database is away.
func (r *Runs) Next(ctx context.Context) error {
	w, err := r.Store.TakeRun(ctx, r.Now())
	if course.IsKind(err, course.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	err = r.do(ctx, w)
	record, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	switch {
	case err == nil, errors.Is(err, errLost):
		return nil
	case ctx.Err() != nil || errors.Is(err, errChanged):
		return r.Store.GiveRunBack(record, w, r.Now())
	}
	r.Log.Error("autograding failed", "run", w.ID, "submission", w.SubmissionID, "attempt", w.Attempts, "error", err)
	why, final := reason(err)
	again := r.Now().Add(r.wait(w.Attempts))
	if final || w.Attempts >= r.tries() {
		again = time.Time{}
	}
	return r.Store.FailRun(record, w, why, tail(err.Error()), r.Now(), again)
}

// Mend takes back the runs of a Lectern that was killed.
func (r *Runs) Mend(ctx context.Context) error {
	n, err := r.Store.MendRuns(ctx, r.Now(), r.tries())
	if n > 0 {
		r.Log.Info("autograding taken back", "runs", n)
	}
	return err
}

func (r *Runs) tries() int {
	if r.Tries == 0 {
		return 6
	}
	return r.Tries
}

func (r *Runs) wait(attempt int) time.Duration {
	waits := r.Wait
	if waits == nil {
		waits = []time.Duration{5 * time.Second, 20 * time.Second, time.Minute, 3 * time.Minute, 10 * time.Minute}
	}
	return waits[min(attempt, len(waits))-1]
}

// reason says what failed to staff, and whether trying again is of no use.
func reason(err error) (why string, final bool) {
	var wrong notebook.Problems
	switch p, ok := course.AsProblem(err); {
	case ok && p.Kind != course.Busy:
		return p.Text, true
	case ok:
		return p.Text, false
	case errors.As(err, &wrong):
		return "The assignment's source cannot be graded with: " + wrong.Error(), true
	case errors.Is(err, ErrKernel):
		return "The notebook image has no kernel of the kind that the assignment names.", false
	case errors.Is(err, context.DeadlineExceeded):
		return "Grading did not end in time.", false
	}
	return "Lectern could not grade this: the container engine or the notebook image was not there. The log says more.", false
}

// clean makes a text that may quote a student fit for the database and a page.
func clean(s string) string {
	const most = 500
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "�"), "�")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// tail is the end of a log, as much as a person reads.
func tail(s string) string {
	const most = 4000
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "�")
	if len(s) > most {
		s = "…" + strings.ToValidUTF8(s[len(s)-most:], "")
	}
	return s
}

// do grades one submission and records it, giving signs of life on the way.
func (r *Runs) do(ctx context.Context, w store.RunWork) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ctx, cancel := context.WithTimeout(ctx, longestRun)
	defer cancel()
	go r.keep(ctx, w, stop)
	err := r.grade(ctx, w)
	if errors.Is(context.Cause(ctx), errLost) {
		return errLost
	}
	return err
}

func (r *Runs) keep(ctx context.Context, w store.RunWork, stop context.CancelCauseFunc) {
	every := r.Beat
	if every == 0 {
		every = 2 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if ours, err := r.Store.KeepRun(ctx, w, r.Now()); err == nil && !ours {
			stop(errLost)
			return
		}
	}
}

func (r *Runs) grade(ctx context.Context, w store.RunWork) error {
	a, err := r.load(ctx, w)
	if err != nil {
		return err
	}
	work := exchange.Work{Course: w.CourseSlug, Login: w.Login, Assignment: w.Slug}
	submitted, at, err := r.submitted(ctx, w, work)
	if err != nil {
		return err
	}
	began := r.Now()
	g, err := r.Runner.Autograde(ctx, a.Assignment, submitted)
	if err != nil {
		return err
	}
	draft, err := r.Exchange.NewDraft(w.CourseSlug)
	if err != nil {
		return err
	}
	defer draft.Discard()
	// The time is Lectern's word, whatever file of that name was handed in.
	beside := slices.DeleteFunc(slices.Clone(submitted), func(f File) bool { return f.Path == stampName })
	if err := g.Save(draft, a.Assignment, beside); err != nil {
		return err
	}
	if err := draft.Write(stampName, []byte(at.UTC().Format("2006-01-02 15:04:05.000000")+" UTC")); err != nil {
		return err
	}
	now, err := r.Store.AssignmentByID(ctx, w.AssignmentID)
	if err != nil {
		return err
	}
	if now.SourceVersion != a.version { // files may have been read on either side of it
		return errChanged
	}
	found := g.found()
	found.SourceVersion, found.Image, found.Exact = a.version, w.Image, w.Exact
	found.Log = fmt.Sprintf("Graded in %s with version %d of the source, in %s.", r.Now().Sub(began).Round(10*time.Millisecond), a.version, g.Image)
	_, err = r.Store.FinishRun(ctx, w, found, r.Now(), func() error {
		if w.Trial {
			return r.Exchange.StageAutograded(draft, work, int64(w.ID))
		}
		return r.Exchange.SaveAutograded(draft, w.Login, w.Slug)
	})
	return err
}

// load takes the assignment's source apart, or remembers it from the run before.
func (r *Runs) load(ctx context.Context, w store.RunWork) (*loaded, error) {
	image := w.Image
	if w.Pinned != "" {
		image = w.Pinned
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.last[w.AssignmentID]; l != nil && l.version == w.SourceVersion && l.image == image && l.exact == w.Exact {
		return l, nil
	}
	a, err := loadAssignment(ctx, r.Store, r.Exchange, w.AssignmentID, w.SourceVersion, w.CourseSlug, w.Slug, image)
	if err != nil {
		return nil, err
	}
	a.Rules = notebook.Rules{Exact: w.Exact}
	if r.last == nil {
		r.last = map[course.AssignmentID]*loaded{}
	}
	if len(r.last) > 16 { // a handful are graded at a time
		clear(r.last)
	}
	l := &loaded{w.SourceVersion, image, w.Exact, a}
	r.last[w.AssignmentID] = l
	return l, nil
}

// submitted is the snapshot of the submission. What counts is laid out in
// submitted/ on the way, which checks every file against its manifest.
func (r *Runs) submitted(ctx context.Context, w store.RunWork, work exchange.Work) ([]File, time.Time, error) {
	at, err := time.Parse(course.SnapshotForm, w.Snapshot)
	if err != nil {
		return nil, at, fmt.Errorf("grading: snapshot of submission %d: %w", w.SubmissionID, err)
	}
	if w.Counts {
		if err := r.Exchange.Count(ctx, work, at); err != nil {
			return nil, at, err
		}
	}
	s, err := r.Exchange.Snapshot(work, at)
	if err != nil {
		return nil, at, err
	}
	dir, err := r.Exchange.Layout.HistoryFiles(w.CourseSlug, w.Login, w.Slug, at)
	if err != nil {
		return nil, at, err
	}
	var files []File
	for _, f := range s.Files {
		files = append(files, fileIn(r.Exchange, dir, f.Path, f.Size))
	}
	return files, at, nil
}

// stampName is nbgrader's file with the time of a submission.
const stampName = "timestamp.txt"

// found is what is recorded of a graded submission.
func (g *Graded) found() store.RunFound {
	f := store.RunFound{ImageDigest: g.Image}
	flag := func(nb, text string) {
		if len(g.Notebooks) > 1 && nb != "" {
			text = nb + ": " + text
		}
		f.Flags = append(f.Flags, clean(text))
	}
	if g.Failed != "" {
		flag("", "nbgrader would give no marks at all, so a person has to: "+g.Failed)
	}
	if len(g.Others) > 0 {
		flag("", "Handed in besides, and not run: "+strings.Join(clipList(g.Others, 10), ", ")+".")
	}
	for _, nb := range g.Notebooks {
		name := strings.TrimSuffix(nb.Path, ".ipynb")
		for _, text := range nb.Flags {
			flag(name, text)
		}
		for _, p := range nb.Repairs {
			f.Repairs = append(f.Repairs, store.RunRepair{Notebook: name, Question: p.GradeID, Text: clean(p.Text)})
		}
		at := map[string]int{}
		var cells []course.MarkedCell
		for i := range nb.Notebook.Cells {
			if m, ok := nb.Notebook.Cells[i].Meta(); ok {
				at[m.GradeID] = i
				cells = append(cells, course.MarkedCell{GradeID: m.GradeID, Kind: kindNames[m.Kind()]})
			}
		}
		for _, m := range nb.Marks {
			if !m.Kind.Scored() {
				for _, text := range m.Flags { // tests beside it score the answer, a person looks at it
					flag(name, m.GradeID+": "+text)
				}
				continue
			}
			res := store.RunResult{Notebook: name, Question: m.GradeID, Position: at[m.GradeID], Points: m.Points, Max: m.Max,
				NoResponse: m.NoResponse, Reason: clean(m.Reason)}
			for _, text := range m.Flags {
				res.Flags = append(res.Flags, clean(text))
			}
			if g.Failed != "" {
				res.Points = nil
			}
			if answers, _ := course.CellsOf(cells, m.GradeID); !nb.Missing {
				res.AnswerHash = AnswerHash(nb.Notebook, answers)
			}
			f.Results = append(f.Results, res)
		}
	}
	return f
}

func clipList(list []string, most int) []string {
	if len(list) > most {
		return append(list[:most:most], fmt.Sprintf("and %d more", len(list)-most))
	}
	return list
}
