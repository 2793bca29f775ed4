package exchange

import (
	"os"
	"path/filepath"
	"regexp"

	"lectern/course"
)

// trialName is the home of one test of an image: which test, and its start.
var trialName = regexp.MustCompile(`^test-[0-9]{1,18}-[0-9]{1,9}$`)

func (x *Exchange) trial(name string) (string, error) {
	if !trialName.MatchString(name) {
		return "", course.Problemf(course.NotFound, "There is no such test.")
	}
	return filepath.Join(x.Layout.Trials(), name), nil
}

// TrialHome makes an empty home for a test of an image, and is its path. One that
// is there already is left as it is.
func (x *Exchange) TrialHome(name string) (home string, err error) {
	defer explain("home of "+name, &err)
	if home, err = x.trial(name); err != nil {
		return "", err
	}
	if there, err := exists(home); err != nil || there {
		return home, err
	}
	if err := ensureDir(x.Layout.Trials(), 0o711); err != nil {
		return "", err
	}
	if err := os.Mkdir(home, 0o700); err != nil {
		return "", err
	}
	if x.owner == nil {
		return home, nil
	}
	return home, os.Lchown(home, x.owner.uid, x.owner.gid)
}

// DropTrial removes such a home with all that was done in it.
func (x *Exchange) DropTrial(name string) (err error) {
	defer explain("drop "+name, &err)
	home, err := x.trial(name)
	if err != nil {
		return err
	}
	if err = os.RemoveAll(home); err != nil {
		openUp(home) // a directory that its program closed keeps us out, too
		err = os.RemoveAll(home)
	}
	return err
}

// Trials lists the homes of tests.
func (x *Exchange) Trials() (names []string, err error) {
	defer explain("list tests", &err)
	dirs, err := filepath.Glob(filepath.Join(x.Layout.Trials(), "test-*"))
	for _, dir := range dirs {
		if name := filepath.Base(dir); trialName.MatchString(name) {
			names = append(names, name)
		}
	}
	return names, err
}
