package exchange

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"lectern/course"
	"lectern/exchange/fail"
	"lectern/exchange/tree"
)

// FeedbackReport says what an uploaded zip of feedback became.
type FeedbackReport struct {
	Staged  []FeedbackItem // ready to be returned, by login
	Refused []FeedbackItem // left out, with Why
	Stray   []string       // paths that lie nowhere in the layout, left out
}

// FeedbackItem is one student's folder in the zip.
type FeedbackItem struct {
	Login, Assignment string
	Files             []string
	Why               string // a sentence, for a refused one
}

// UploadFeedback stages the files of a zip laid out as
// feedback/<login>/<assignment>/… or autograded/<login>/<assignment>/…, perhaps
// with one folder around it. check says whether feedback for this work is wanted
// (nil) or why not (a Problem). A folder that is refused does not hold up the
// others; a zip that is damaged or hostile stages nothing and is a Problem.
func (x *Exchange) UploadFeedback(ctx context.Context, slug, name string, r io.Reader,
	check func(login, assignment string) error) (report FeedbackReport, err error) {
	defer explain("upload of feedback", &err)
	u, err := x.NewUpload(slug)
	if err != nil {
		return report, err
	}
	defer u.Discard()
	z, err := spoolZip(u.stage.dir, name, r, u.bounds)
	if err != nil {
		return report, err
	}
	defer z.Close()
	items, err := u.addFeedback(ctx, z, check, &report)
	if err != nil {
		return report, err
	}
	if u.Problems() != nil && len(u.problems) > 0 {
		return FeedbackReport{}, u.Problems()
	}
	if err := u.stage.settle(); err != nil {
		return report, err
	}
	for _, item := range items {
		if item.Why != "" {
			report.Refused = append(report.Refused, *item)
			continue
		}
		if err := x.stageItem(u, item); err != nil {
			return report, err
		}
		report.Staged = append(report.Staged, *item)
	}
	return report, nil
}

func (x *Exchange) stageItem(u *Upload, item *FeedbackItem) error {
	to, err := x.Layout.StagedFeedback(u.course, item.Login, item.Assignment)
	if err != nil {
		return err
	}
	defer x.locks.lock(to)()
	if err := ensureDir(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	fail.At("feedback.settled")
	err = swapIn(filepath.Join(u.stage.tree(), item.Login, item.Assignment), to)
	fail.At("feedback.renamed")
	return err
}

// addFeedback unpacks the folders that are wanted and returns all, by login.
func (u *Upload) addFeedback(ctx context.Context, z *zipped, check func(login, assignment string) error, report *FeedbackReport) ([]*FeedbackItem, error) {
	members, refused := z.members()
	for _, bad := range refused {
		u.refuse(bad.name, z.name, bad.why)
	}
	items := map[[2]string]*FeedbackItem{}
	for _, m := range members {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		clean, _ := cleanName(m.name)
		if m.dir || junk(clean) || u.over || z.bomb {
			continue
		}
		login, assignment, rel, ok := feedbackPath(clean)
		if !ok {
			report.Stray = append(report.Stray, tree.Printable(m.name))
			continue
		}
		item := items[[2]string{login, assignment}]
		if item == nil {
			item = &FeedbackItem{Login: login, Assignment: assignment}
			items[[2]string{login, assignment}] = item
			if err := check(login, assignment); err != nil {
				p, ok := course.AsProblem(err)
				if !ok {
					return nil, err
				}
				item.Why = p.Text
			} else if _, err := u.x.Layout.StagedFeedback(u.course, login, assignment); err != nil {
				item.Why = err.Error()
			}
		}
		// nbgrader writes the submission's time beside its feedback.
		if rel == timestampName {
			continue
		}
		item.Files = append(item.Files, rel)
		if item.Why != "" {
			continue
		}
		m.name = path.Join(login, assignment, rel)
		if err := u.addMember(z, m); err != nil {
			return nil, err
		}
	}
	var out []*FeedbackItem
	for _, item := range items {
		if item.Why == "" && len(item.Files) == 0 {
			item.Why = "There is no file of feedback in this folder."
		}
		out = append(out, item)
	}
	slices.SortFunc(out, func(a, b *FeedbackItem) int {
		return strings.Compare(a.Login+"/"+a.Assignment, b.Login+"/"+b.Assignment)
	})
	return out, nil
}

// feedbackPath takes a clean path of the layout apart.
func feedbackPath(clean string) (login, assignment, rel string, ok bool) {
	parts := strings.SplitN(clean, "/", 5)
	for skip := range 2 {
		if len(parts) < 4+skip || parts[skip] != "feedback" && parts[skip] != "autograded" {
			continue
		}
		return parts[skip+1], parts[skip+2], strings.Join(parts[skip+3:], "/"), true
	}
	return "", "", "", false
}

// Return shows the staged feedback to its student, in one step, instead of what
// was returned before. Returning twice does no harm; if nothing was ever staged it
// is a NotFound Problem.
func (x *Exchange) Return(ctx context.Context, w Work) (err error) {
	defer explain("return of "+w.String(), &err)
	staged, shown, err := x.feedbackPaths(w)
	if err != nil {
		return err
	}
	defer x.locks.lock(shown)()
	defer x.locks.lock(staged)()
	st, err := x.copyStaged(ctx, w.Course, staged)
	if err != nil {
		return err
	}
	if st == nil {
		there, err := exists(shown)
		if err == nil && !there {
			err = course.Problemf(course.NotFound, "There is no feedback for %s to return.", w.Login)
		}
		return err
	}
	defer st.drop()
	fail.At("return.settled")
	if err := x.ensureShown(w.Course, filepath.Dir(shown)); err != nil {
		return err
	}
	if err := swapIn(st.tree(), shown); err != nil {
		return err
	}
	fail.At("return.renamed")
	// Only now: a crash before this returns the same feedback again.
	return x.away(w.Course, staged)
}

// Withdraw takes returned feedback out of the student's sight and keeps it staged,
// unless newer feedback is staged already. What was never returned is no error.
func (x *Exchange) Withdraw(_ context.Context, w Work) (err error) {
	defer explain("withdrawal of "+w.String(), &err)
	staged, shown, err := x.feedbackPaths(w)
	if err != nil {
		return err
	}
	defer x.locks.lock(shown)()
	defer x.locks.lock(staged)()
	if there, err := exists(shown); err != nil || !there {
		return err
	}
	if err := ensureDir(filepath.Dir(staged), 0o700); err != nil {
		return err
	}
	fail.At("withdraw.ready")
	err = moveNew(shown, staged)
	fail.At("withdraw.renamed")
	if errors.Is(err, fs.ErrExist) {
		return x.away(w.Course, shown)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(shown))
}

func (x *Exchange) feedbackPaths(w Work) (staged, shown string, err error) {
	if staged, err = x.Layout.StagedFeedback(w.Course, w.Login, w.Assignment); err != nil {
		return "", "", err
	}
	shown, err = x.Layout.Feedback(w.Course, w.Login, w.Assignment)
	return staged, shown, err
}

// away removes a tree: out of sight by one rename, then file by file.
func (x *Exchange) away(slug, dir string) error {
	staging, err := x.Layout.Staging(slug)
	if err != nil {
		return err
	}
	st, err := newStage(staging, "away", nil)
	if err != nil {
		return err
	}
	defer st.drop()
	if err := moveNew(dir, filepath.Join(st.dir, "old")); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func exists(name string) (bool, error) {
	_, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	return err == nil, err
}
