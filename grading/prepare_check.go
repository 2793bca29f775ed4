package grading

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/exchange"
	"lectern/store"
)

// Checks carries out what a check of an assignment finds out by running, in sealed
// containers: the tests of AUTOTEST lines, whether the solution earns full marks,
// and whether the untouched release earns nothing. Whatever happens, also to
// Lectern itself, a check ends: done, or failed and left to a person.
type Checks struct {
	Store    *store.Store
	Exchange *exchange.Exchange
	Preparer *Preparer
	Runner   tester
	Log      *slog.Logger
	Now      func() time.Time

	Wait []time.Duration // before the second try, the third…; then it is left to a person; nil is from 2 s to 2 min
	Beat time.Duration   // between signs of life; 0 is 2 s
}

// tester is what a Runner does.
type tester interface {
	Autograde(ctx context.Context, a *Assignment, submitted []File) (*Graded, error)
	Instantiate(ctx context.Context, image, folder string, files []File, templates []byte) func(*notebook.Notebook) error
}

// Next does an assignment's check, if it waits. Only a failure that says nothing
// about the check is an error: the database is away.
func (c *Checks) Next(ctx context.Context, id course.AssignmentID) error {
	w, err := c.Store.TakeCheck(ctx, id, c.Now())
	if course.IsKind(err, course.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	err = c.alive(ctx, w)
	record, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	switch {
	case err == nil, errors.Is(err, errLost):
		return nil
	case errors.Is(err, errChanged): // another check has been asked for, or will be
		return c.Store.SaveCheckResult(record, w, nil, true)
	case ctx.Err() != nil:
		return c.Store.GiveCheckBack(record, w)
	}
	c.Log.Error("check failed", "assignment", w.AssignmentID, "failures", w.Failures, "error", err)
	waits := c.Wait
	if waits == nil {
		waits = []time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second, 2 * time.Minute}
	}
	why, final := reason(err)
	var again time.Time
	if !final && w.Failures < len(waits) {
		again = c.Now().Add(waits[w.Failures])
	}
	return c.Store.FailCheck(record, w, why, tail(err.Error()), again)
}

// Mend takes back the checks of a Lectern that was killed.
func (c *Checks) Mend(ctx context.Context) error {
	n, err := c.Store.MendChecks(ctx, c.Now())
	if n > 0 {
		c.Log.Info("checks taken back", "checks", n)
	}
	return err
}

// alive does a check, giving signs of life on the way.
func (c *Checks) alive(ctx context.Context, w store.CheckWork) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ctx, cancel := context.WithTimeout(ctx, longestRun)
	defer cancel()
	beat := c.Beat
	if beat == 0 {
		beat = 2 * time.Second
	}
	go func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if ours, err := c.Store.KeepCheck(ctx, w, "", c.Now()); err == nil && !ours {
				stop(errLost)
				return
			}
		}
	}()
	err := c.do(ctx, w)
	if errors.Is(context.Cause(ctx), errLost) {
		return errLost
	}
	return err
}

// step says on the page what is being done.
func (c *Checks) step(ctx context.Context, w store.CheckWork, text string) error {
	ours, err := c.Store.KeepCheck(ctx, w, text, c.Now())
	if err == nil && !ours {
		return errLost
	}
	return err
}

func (c *Checks) do(ctx context.Context, w store.CheckWork) error {
	report, err := c.report(ctx, w)
	if err != nil || !report.OK() {
		if err == nil {
			err = c.Store.SaveCheckResult(ctx, w, nil, true)
		}
		return err
	}
	a, err := loadAssignment(ctx, c.Store, c.Exchange, w.AssignmentID, w.SourceVersion, w.CourseSlug, w.Slug, w.Image)
	if err != nil {
		return err
	}
	a.Rules = notebook.Rules{Exact: w.Exact}
	return c.try(ctx, w, a)
}

// report is that of the version; tests are made first if it needs any.
func (c *Checks) report(ctx context.Context, w store.CheckWork) (Report, error) {
	nothing := func(Report, *store.Store) error { return nil }
	now, err := c.Store.AssignmentByID(ctx, w.AssignmentID)
	if err != nil {
		return Report{}, err
	}
	if now.SourceVersion != w.SourceVersion {
		return Report{}, errChanged
	}
	var report Report
	version, _, err := c.Store.Check(ctx, w.AssignmentID, &report)
	if err == nil && version != w.SourceVersion {
		if err = c.step(ctx, w, "Checking the files"); err == nil {
			report, err = c.Preparer.prepare(ctx, w.CourseSlug, w.AssignmentID, nothing, nil)
		}
	}
	if err != nil || !report.Waiting || !report.passed() {
		return report, err
	}
	if err := c.step(ctx, w, "Making the autotests, by running the solution"); err != nil {
		return report, err
	}
	tests, err := c.tests(ctx, w)
	if err != nil {
		return report, err
	}
	return c.Preparer.prepare(ctx, w.CourseSlug, w.AssignmentID, nothing, &testsOf{w.SourceVersion, tests})
}

// tests makes the tests of all notebooks that have AUTOTEST lines. What is wrong
// with a notebook or the templates is in the result; an error is a failure of ours.
func (c *Checks) tests(ctx context.Context, w store.CheckWork) (map[string]madeTests, error) {
	files, err := sourceFiles(c.Exchange, w.CourseSlug, w.Slug)
	if err != nil {
		return nil, err
	}
	templates, err := templatesIn(files)
	if err == nil && templates == nil {
		templates, err = courseFile(c.Exchange, w.CourseSlug, exchange.CourseAutotests)
	}
	if err != nil {
		return nil, err
	}
	how, err := wayOf(ctx, c.Store, c.Exchange, w.AssignmentID, w.SourceVersion)
	if err != nil {
		return nil, err
	}
	made := map[string]madeTests{}
	for _, f := range files {
		if !isNotebook(f.Path) {
			continue
		}
		nb, err := readNotebook(f)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(f.Path, ".ipynb")
		var failed error
		options := how.options(name)
		options.Instantiate = func(nb *notebook.Notebook) error {
			if templates == nil {
				made[name] = madeTests{Problem: "there is no " + AutotestFile + ", neither beside the notebooks nor in the course's settings"}
				return nil
			}
			was := nb.Clone()
			switch err := c.Runner.Instantiate(ctx, w.Image, w.Slug, files, templates)(nb); {
			case Ours(err) || ctx.Err() != nil:
				failed = errors.Join(err, ctx.Err())
			case err != nil:
				made[name] = madeTests{Problem: clean(err.Error())}
			default:
				made[name] = changed(was, nb)
			}
			return nil
		}
		_, _, err = notebook.Release(nb, options)
		var problems notebook.Problems
		if failed == nil && err != nil && !errors.As(err, &problems) {
			failed = err
		}
		if failed != nil {
			return nil, fmt.Errorf("grading: autotests of %s: %w", f.Path, failed)
		}
	}
	return made, nil
}

// changed are the cells that making tests has changed.
func changed(was, nb *notebook.Notebook) madeTests {
	t := madeTests{Cells: map[int]string{}}
	for i := range nb.Cells {
		if nb.Cells[i].Source != was.Cells[i].Source {
			t.Cells[i] = nb.Cells[i].Source
		}
	}
	return t
}
