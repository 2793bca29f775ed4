package exchange

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"lectern/course"
	"lectern/exchange/fail"
	"lectern/exchange/tree"
)

// Mounts are the directories a student's container sees.
type Mounts struct {
	Home     string // read-write, as the student's home
	Release  string // read-only, as release/ in it
	Feedback string // read-only, as feedback/ in it
}

// Home makes a student's home if there is none, and what is mounted into it.
func (x *Exchange) Home(slug, login string) (m Mounts, err error) {
	defer explain("home of "+login, &err)
	if m.Home, err = x.Layout.Home(slug, login); err != nil {
		return m, err
	}
	if m.Release, err = x.Layout.ReleaseDir(slug); err != nil {
		return m, err
	}
	if m.Feedback, err = x.Layout.FeedbackDir(slug, login); err != nil {
		return m, err
	}
	if err := x.ensureShown(slug, m.Release); err != nil {
		return m, err
	}
	if err := x.ensureShown(slug, m.Feedback); err != nil {
		return m, err
	}
	if there, err := exists(m.Home); err != nil {
		return m, err
	} else if there {
		return m, x.mountPoints(m.Home)
	}
	st, err := x.homeStage(slug, "home")
	if err != nil {
		return m, err
	}
	defer st.drop()
	if err := st.remade(x.newHome); err != nil {
		return m, err
	}
	// Docker mounts over these; it would make them itself, but as root.
	for _, dir := range shown {
		if err := st.mkdir(dir); err != nil {
			return m, err
		}
	}
	if err := st.adopt(".", 0o700); err != nil {
		return m, err
	}
	if err := st.settle(); err != nil {
		return m, err
	}
	err = moveNew(st.tree(), m.Home)
	if errors.Is(err, fs.ErrExist) {
		return m, x.mountPoints(m.Home)
	}
	return m, err
}

// homeStage is a stage on the file system of the homes, where no student can look,
// whose files will be the student's.
func (x *Exchange) homeStage(slug, purpose string) (*stage, error) {
	homes, err := x.Layout.Homes(slug)
	if err != nil {
		return nil, err
	}
	if err := ensureDir(homes, 0o711); err != nil {
		return nil, err
	}
	staging, err := x.Layout.HomeStaging(slug)
	if err != nil {
		return nil, err
	}
	return newStage(staging, purpose, x.owner)
}

// Fetch lays out the working copy of a released assignment and reports whether it
// did: whatever has that name in the home already is never touched.
func (x *Exchange) Fetch(ctx context.Context, w Work) (fresh bool, err error) {
	return x.fetch(ctx, w, x.Layout.Release)
}

// FetchPrepared is Fetch of a release that was prepared and not yet given out,
// for whoever may try it before.
func (x *Exchange) FetchPrepared(ctx context.Context, w Work) (fresh bool, err error) {
	return x.fetch(ctx, w, x.Layout.StagedRelease)
}

// Fetched reports whether anything has the working copy's name in the home.
func (x *Exchange) Fetched(w Work) (yes bool, err error) {
	defer explain("look for "+w.String(), &err)
	homePath, err := x.Layout.Home(w.Course, w.Login)
	if err != nil {
		return false, err
	}
	home, err := tree.Open(homePath)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer home.Close()
	return home.Has(w.Assignment)
}

// given is the tree that working copies are laid out from; NotFound while there
// is none.
func given(w Work, from func(course, assignment string) (string, error)) (string, error) {
	release, err := from(w.Course, w.Assignment)
	if err != nil {
		return "", err
	}
	there, err := exists(release)
	if err == nil && !there {
		err = course.Problemf(course.NotFound, "%s has not been released.", w.Assignment)
	}
	return release, err
}

func (x *Exchange) fetch(ctx context.Context, w Work, from func(course, assignment string) (string, error)) (fresh bool, err error) {
	defer explain("fetch of "+w.String(), &err)
	release, err := given(w, from)
	if err != nil {
		return false, err
	}
	m, err := x.Home(w.Course, w.Login)
	if err != nil {
		return false, err
	}
	defer x.locks.lock(m.Home)()
	return x.layOut(ctx, w, m.Home, release)
}

func (x *Exchange) layOut(ctx context.Context, w Work, homePath, release string) (bool, error) {
	home, err := tree.Open(homePath)
	if err != nil {
		return false, err
	}
	defer home.Close()
	if there, err := home.Has(w.Assignment); err != nil || there {
		return false, err
	}
	st, err := x.homeStage(w.Course, "fetch")
	if err != nil {
		return false, err
	}
	defer st.drop()
	fail.At("fetch.staged")
	// The release may be replaced meanwhile; its lock keeps the copy whole.
	unlock := x.locks.lock(release)
	err = copyTree(ctx, release, st, nil)
	unlock()
	if err != nil {
		return false, err
	}
	if err := st.settle(); err != nil {
		return false, err
	}
	fail.At("fetch.settled")
	err = moveInto(st.tree(), home.Fd(), w.Assignment)
	fail.At("fetch.renamed")
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// StartOver lays out a fresh working copy and keeps the old one beside it; kept is
// its name, or "" if there was none.
func (x *Exchange) StartOver(ctx context.Context, w Work, now time.Time) (kept string, err error) {
	return x.startOver(ctx, w, x.Layout.Release, now)
}

// StartOverPrepared is StartOver with a release that was prepared and not yet
// given out.
func (x *Exchange) StartOverPrepared(ctx context.Context, w Work, now time.Time) (kept string, err error) {
	return x.startOver(ctx, w, x.Layout.StagedRelease, now)
}

func (x *Exchange) startOver(ctx context.Context, w Work, from func(course, assignment string) (string, error), now time.Time) (kept string, err error) {
	defer explain("start over of "+w.String(), &err)
	release, err := given(w, from)
	if err != nil {
		return "", err
	}
	m, err := x.Home(w.Course, w.Login)
	if err != nil {
		return "", err
	}
	defer x.locks.lock(m.Home)()
	home, err := tree.Open(m.Home)
	if err != nil {
		return "", err
	}
	defer home.Close()
	if there, err := home.Has(w.Assignment); err != nil {
		return "", err
	} else if there {
		kept = w.Assignment + "-" + now.UTC().Format("2006-01-02-150405")
		err := moveAside(home.Fd(), w.Assignment, kept)
		if errors.Is(err, fs.ErrExist) {
			return "", course.Problemf(course.Conflict, "You started over only just now; the copy from then is in %s.", kept)
		}
		if err != nil {
			return "", err
		}
	}
	fail.At("startover.kept")
	_, err = x.layOut(ctx, w, m.Home, release)
	return kept, err
}

// RestoreFile puts one file of a snapshot into the working copy under a name that
// is free there, and returns that name; nothing is overwritten. If the file's
// folder is gone, it goes into the working copy itself.
func (x *Exchange) RestoreFile(ctx context.Context, w Work, at time.Time, rel string) (name string, err error) {
	defer explain("restore for "+w.String(), &err)
	files, err := x.Layout.HistoryFiles(w.Course, w.Login, w.Assignment, at)
	if err != nil {
		return "", err
	}
	src, err := x.Open(files, rel)
	if err != nil {
		return "", err
	}
	defer src.Close()
	homePath, err := x.Layout.Home(w.Course, w.Login)
	if err != nil {
		return "", err
	}
	work, err := openWork(homePath, w.Assignment)
	if err != nil {
		return "", err
	}
	defer work.Close()
	into, dir := work, path.Dir(rel)
	if sub, err := work.Sub(dir); err == nil {
		defer sub.Close()
		into = sub
	} else if _, odd := tree.IsOdd(err); odd {
		dir = "."
	} else {
		return "", err
	}
	st, err := x.homeStage(w.Course, "restore")
	if err != nil {
		return "", err
	}
	defer st.drop()
	f, err := st.create("file")
	if err != nil {
		return "", err
	}
	if _, _, err := copyHash(f, src.File); err != nil {
		f.Close()
		return "", err
	}
	if err := st.done(f, time.Time{}); err != nil {
		return "", err
	}
	if err := st.settle(); err != nil {
		return "", err
	}
	fail.At("restore.settled")
	// A name may have 255 bytes; what is added to it has about 40.
	ext := path.Ext(rel)
	if len(ext) > 32 {
		ext = ""
	}
	stem := strings.TrimSuffix(path.Base(rel), ext)
	for len(stem) > 180 {
		_, last := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-last]
	}
	stem += " (saved " + at.UTC().Format("2006-01-02 15.04.05")
	for try := 1; try < 100; try++ {
		name := stem + ")" + ext
		if try > 1 {
			name = fmt.Sprintf("%s, %d)%s", stem, try, ext)
		}
		err := moveInto(filepath.Join(st.tree(), "file"), into.Fd(), name)
		if !errors.Is(err, fs.ErrExist) {
			return path.Join(dir, name), err
		}
	}
	return "", course.Problemf(course.Conflict, "This file was restored many times already; remove some of the copies first.")
}
