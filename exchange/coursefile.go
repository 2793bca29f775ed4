package exchange

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"lectern/exchange/fail"
	"lectern/exchange/tree"
)

// CourseFile is one of the files that go into every assignment of a course, named
// by where nbgrader looks for it below the course.
type CourseFile string

// The files of a course.
const (
	CourseHeader    CourseFile = "source/header.ipynb"
	CourseFooter    CourseFile = "source/footer.ipynb"
	CourseAutotests CourseFile = "autotests.yml"
)

// OpenCourseFile opens one to be read; NotFound if the course has none.
func (x *Exchange) OpenCourseFile(slug string, f CourseFile) (*tree.File, error) {
	dir, err := x.Layout.Course(slug)
	if err != nil {
		return nil, err
	}
	return x.Open(filepath.Join(dir, filepath.FromSlash(path.Dir(string(f)))), path.Base(string(f)))
}

// SaveCourseFile puts one where it belongs, in one step, instead of what was there.
func (x *Exchange) SaveCourseFile(slug string, f CourseFile, data []byte) (err error) {
	defer explain("save "+string(f), &err)
	dir, err := x.Layout.Course(slug)
	if err != nil {
		return err
	}
	d, err := x.NewDraft(slug)
	if err != nil {
		return err
	}
	defer d.Discard()
	name := path.Base(string(f))
	if err := d.Write(name, data); err != nil {
		return err
	}
	if err := d.stage.settle(); err != nil {
		return err
	}
	to := filepath.Join(dir, filepath.FromSlash(string(f)))
	defer x.locks.lock(to)()
	if err := ensureDir(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	fail.At("coursefile.settled")
	if err := os.Rename(filepath.Join(d.Path(), name), to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// RemoveCourseFile takes one away; that there is none is no error.
func (x *Exchange) RemoveCourseFile(slug string, f CourseFile) (err error) {
	defer explain("remove "+string(f), &err)
	dir, err := x.Layout.Course(slug)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, filepath.FromSlash(string(f)))
	defer x.locks.lock(name)()
	if err := os.Remove(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}
