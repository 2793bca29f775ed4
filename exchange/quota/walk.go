package quota

import (
	"context"
	"errors"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"lectern/exchange/tree"
)

// Walk counts what a home holds and bounds nothing. A home is hostile: no link
// is followed, no file is opened, and it ends, however much there is.
type Walk struct{}

const (
	walkMost  = 200_000 // entries
	walkDepth = 64
	walkTime  = 20 * time.Second
)

// New implements [Driver].
func (Walk) New(context.Context, string) error { return nil }

// Bound implements [Driver].
func (Walk) Bound(context.Context, string, uint32, int64) error { return nil }

// Used implements [Driver].
func (Walk) Used(ctx context.Context, home string) (Usage, error) {
	ctx, done := context.WithTimeout(ctx, walkTime)
	defer done()
	root, err := tree.Open(home)
	if err != nil {
		return Usage{}, err
	}
	defer root.Close()
	w := walk{root: root, linked: map[uint64]bool{}}
	err = w.dir(ctx, ".", 0)
	if errors.Is(err, context.DeadlineExceeded) {
		w.use.More, err = true, nil
	}
	return w.use, err
}

type walk struct {
	root   *tree.Dir
	use    Usage
	seen   int
	linked map[uint64]bool // files of several names, counted once
}

// dir counts one directory. What goes away meanwhile, or cannot be entered, is
// not there.
func (w *walk) dir(ctx context.Context, rel string, depth int) error {
	if depth > walkDepth {
		w.use.More = true
		return nil
	}
	d, err := w.root.Sub(rel)
	if err != nil {
		return nil
	}
	defer d.Close()
	fd, err := unix.Dup(d.Fd())
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), rel)
	defer f.Close()
	for {
		names, err := f.Readdirnames(500)
		for _, name := range names {
			if w.seen++; w.seen > walkMost {
				w.use.More = true
				return nil
			}
			var st unix.Stat_t
			if unix.Fstatat(d.Fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
				continue
			}
			if st.Mode&unix.S_IFMT == unix.S_IFDIR {
				if err := w.dir(ctx, path.Join(rel, name), depth+1); err != nil {
					return err
				}
			} else if st.Nlink > 1 {
				if w.linked[st.Ino] {
					continue
				}
				w.linked[st.Ino] = true
			}
			w.use.Bytes += st.Blocks * 512
		}
		if err != nil || len(names) == 0 {
			return ctx.Err()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
