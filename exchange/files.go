package exchange

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lectern/course"
	"lectern/exchange/tree"
)

// List names everything in one of Lectern's own trees, a path from Layout; a tree
// that does not exist is empty.
func (x *Exchange) List(dir string) ([]tree.Entry, error) {
	d, err := tree.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("exchange: list: %w", err)
	}
	defer d.Close()
	entries, _, err := d.List(context.Background(), tree.Own)
	if err != nil {
		return nil, fmt.Errorf("exchange: list: %w", err)
	}
	return entries, nil
}

// Open opens one file of a tree, a path from Layout, to be read; rel comes from a
// link and may be anything. The tree may be a student's.
func (x *Exchange) Open(dir, rel string) (*tree.File, error) {
	none := course.Problemf(course.NotFound, "There is no file %s.", tree.Printable(rel))
	d, err := tree.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, none
	}
	if err != nil {
		return nil, fmt.Errorf("exchange: open: %w", err)
	}
	defer d.Close()
	f, err := d.File(rel)
	if _, odd := tree.IsOdd(err); odd {
		return nil, none
	}
	return f, err
}

// copyTree copies a tree of Lectern's own into the stage, empty directories too,
// except what keep says no to; nil keeps all.
func copyTree(ctx context.Context, dir string, st *stage, keep func(tree.Entry) bool) error {
	from, err := tree.Open(dir)
	if err != nil {
		return err
	}
	defer from.Close()
	entries, _, err := from.List(ctx, tree.Own)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if keep != nil && !keep(e) {
			continue
		}
		if e.Dir {
			err = st.mkdir(e.Path)
		} else {
			err = st.copyFile(from, e.Path, e.Path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// DeleteSource removes one file or folder from an assignment's source, at once.
func (x *Exchange) DeleteSource(slug, assignment, rel string) (err error) {
	defer explain("delete from source of "+assignment, &err)
	source, err := x.Layout.Source(slug, assignment)
	if err != nil {
		return err
	}
	staging, err := x.Layout.Staging(slug)
	if err != nil {
		return err
	}
	defer x.locks.lock(source)()
	clean, bad := cleanName(rel)
	if bad != "" {
		return course.Problemf(course.NotFound, "There is no file %s.", tree.Printable(rel))
	}
	st, err := newStage(staging, "delete", nil)
	if err != nil {
		return err
	}
	defer st.drop()
	// Renamed away first: a folder goes as a whole or not at all.
	name := filepath.Join(source, filepath.FromSlash(clean))
	err = moveNew(name, filepath.Join(st.tree(), path.Base(clean)))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return course.Problemf(course.NotFound, "There is no file %s.", tree.Printable(rel))
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}
