package exchange

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"lectern/exchange/fail"
	"lectern/exchange/tree"
)

// timestampForm is nbgrader's, followed by the zone.
const timestampForm = "2006-01-02 15:04:05.000000"

// Count makes submitted/ hold the snapshot of this time, with timestamp.txt. It
// does nothing if that is so already, hence whoever reads submitted/ may call it
// first to be sure. The files are checked against the manifest on the way.
func (x *Exchange) Count(ctx context.Context, w Work, at time.Time) (err error) {
	defer explain("submitted of "+w.String(), &err)
	to, err := x.Layout.Submitted(w.Course, w.Login, w.Assignment)
	if err != nil {
		return err
	}
	staging, err := x.Layout.Staging(w.Course)
	if err != nil {
		return err
	}
	defer x.locks.lock(to)()
	if now, ok, err := x.counted(to); err != nil || ok && now.Equal(at) {
		return err
	}
	st, err := newStage(staging, "submitted", nil)
	if err != nil {
		return err
	}
	defer st.drop()
	if err := x.copySnapshot(ctx, w, at, st, ""); err != nil {
		return err
	}
	stamp := at.UTC().Format(timestampForm) + " UTC"
	if err := st.write(timestampName, []byte(stamp), at); err != nil {
		return err
	}
	if err := st.settle(); err != nil {
		return err
	}
	fail.At("submitted.settled")
	if err := ensureDir(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	err = swapIn(st.tree(), to)
	fail.At("submitted.renamed")
	return err
}

// Counted is the time of the snapshot in submitted/, and whether there is one.
func (x *Exchange) Counted(w Work) (time.Time, bool, error) {
	dir, err := x.Layout.Submitted(w.Course, w.Login, w.Assignment)
	if err != nil {
		return time.Time{}, false, err
	}
	return x.counted(dir)
}

func (x *Exchange) counted(dir string) (time.Time, bool, error) {
	data, err := os.ReadFile(filepath.Join(dir, timestampName))
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, err
	}
	// A tree that came from elsewhere may name another zone: then it is not ours.
	at, err := time.Parse(timestampForm+" UTC", strings.TrimSpace(string(data)))
	return at, err == nil, nil
}

// copySnapshot copies the files of a snapshot into a folder of the stage, and
// fails if they are no longer what the manifest says.
func (x *Exchange) copySnapshot(ctx context.Context, w Work, at time.Time, st *stage, folder string) error {
	s, err := x.Snapshot(w, at)
	if err != nil {
		return err
	}
	dir, err := x.Layout.HistoryFiles(w.Course, w.Login, w.Assignment, at)
	if err != nil {
		return err
	}
	from, err := tree.Open(dir)
	if err != nil {
		return err
	}
	defer from.Close()
	for _, want := range s.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		src, err := from.File(want.Path)
		if err != nil {
			return err
		}
		f, err := st.create(path.Join(folder, want.Path))
		if err != nil {
			src.Close()
			return err
		}
		n, hash, err := copyHash(f, src.File)
		src.Close()
		if err == nil && (n != want.Size || hash != want.SHA256) {
			err = fmt.Errorf("%s is not what was collected", want.Path)
		}
		if err != nil {
			f.Close()
			return err
		}
		if err := st.done(f, want.ModifiedAt); err != nil {
			return err
		}
	}
	return nil
}
