package exchange

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"lectern/course"
	"lectern/exchange/fail"
)

// Copy names a throw-away home: whose workspace it was made for, and at which of
// its starts, so that no start ever finds what an earlier one left.
type Copy struct {
	Course     string
	Workspace  string
	Generation int64
}

func (c Copy) name() string { return c.Workspace + "-" + strconv.FormatInt(c.Generation, 10) }

var copyName = regexp.MustCompile(`^([a-z2-7]{16})-([0-9]{1,18})$`)

// Copy makes a throw-away home that holds nothing but a copy of the snapshot, in
// the assignment's folder, and is its path. One that is there already is left as
// it is. A snapshot is what students wrote, but copied out of their reach: each
// file is checked against the manifest on the way.
func (x *Exchange) Copy(ctx context.Context, c Copy, w Work, at time.Time) (home string, err error) {
	defer explain("copy of "+w.String(), &err)
	if !copyName.MatchString(c.name()) {
		return "", course.Problemf(course.NotFound, "There is no such workspace.")
	}
	copies, err := x.Layout.Copies(c.Course)
	if err != nil {
		return "", err
	}
	home = filepath.Join(copies, c.name())
	defer x.locks.lock(home)()
	if there, err := exists(home); err != nil || there {
		return home, err
	}
	st, err := x.homeStage(c.Course, "copy")
	if err != nil {
		return "", err
	}
	defer st.drop()
	if err := st.mkdir(w.Assignment); err != nil {
		return "", err
	}
	if err := x.copySnapshot(ctx, w, at, st, w.Assignment); err != nil {
		return "", err
	}
	if err := st.adopt(".", 0o700); err != nil {
		return "", err
	}
	if err := st.settle(); err != nil {
		return "", err
	}
	fail.At("copy.settled")
	if err := ensureDir(copies, 0o711); err != nil {
		return "", err
	}
	err = moveNew(st.tree(), home)
	fail.At("copy.renamed")
	return home, err
}

// Copies lists the throw-away homes of all courses.
func (x *Exchange) Copies() (out []Copy, err error) {
	defer explain("list copies", &err)
	dirs, err := filepath.Glob(filepath.Join(x.Layout.HomesDir(), "*", ".copies", "*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		slug := filepath.Base(filepath.Dir(filepath.Dir(dir)))
		m := copyName.FindStringSubmatch(filepath.Base(dir))
		if m == nil || !course.ValidSlug(slug) {
			continue
		}
		n, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, Copy{slug, m[1], n})
	}
	return out, nil
}

// DropCopy removes a throw-away home with all that was done in it. It may be
// called again after a crash, and for one that is gone.
func (x *Exchange) DropCopy(c Copy) (err error) {
	defer explain("drop copy "+c.name(), &err)
	copies, err := x.Layout.Copies(c.Course)
	if err != nil {
		return err
	}
	if !copyName.MatchString(c.name()) {
		return course.Problemf(course.NotFound, "There is no such workspace.")
	}
	home := filepath.Join(copies, c.name())
	defer x.locks.lock(home)()
	fail.At("copy.drop")
	err = os.RemoveAll(home)
	if errors.Is(err, fs.ErrPermission) {
		// Without root, a directory that its program closed keeps us out too.
		openUp(home)
		err = os.RemoveAll(home)
	}
	fail.At("copy.dropped")
	return err
}

// openUp makes every directory of a tree one's own to read and write; nothing
// outside the tree is touched, whatever links are in it.
func openUp(dir string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		if os.Chmod(dir, 0o700) != nil {
			return
		}
		if root, err = os.OpenRoot(dir); err != nil {
			return
		}
	}
	defer root.Close()
	_ = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && err == nil {
			_ = root.Chmod(name, 0o700)
		}
		return nil
	})
}
