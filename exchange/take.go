package exchange

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lectern/exchange/fail"
	"lectern/exchange/tree"
)

// JupyterLab saves in place: it empties the file and writes it again, so a reader
// may find nothing, a part, or two versions. A version is whole if nothing wrote
// to the file for a while before it was read and nothing did while it was read;
// the change time tells, which no student can set, and a notebook must be JSON.
const (
	// quiet outlasts the tick of the clock that stamps files (at most 10 ms), in
	// which a second write would leave the same stamp.
	quiet = 15 * time.Millisecond
	// abandoned: nobody is half way through saving a file this old.
	abandoned = 3 * time.Second
)

// pauses are between the tries to find a file whole, in milliseconds.
var pauses = []int{20, 25, 30, 40, 50, 60, 80, 100, 150, 250, 400}

// taker copies files out of a student's tree, a whole version of each.
type taker struct {
	from     *tree.Dir
	to       *stage
	below    string        // directory of the stage the copies go to
	patience time.Duration // left for pauses, for all files together
}

// take copies rel, at most limit bytes. An error that is an Odd leaves the file
// out; any other ends the snapshot. A file that was seen is waited for if it is
// gone: some editors save by taking the old one away first.
func (t *taker) take(ctx context.Context, rel string, limit int64, seen bool) (File, error) {
	to := path.Join(t.below, rel)
	f, err := t.to.create(to)
	if err != nil {
		return File{}, err
	}
	for try := 0; ; try++ {
		got, whole, err := t.once(f, rel, limit)
		last := try == len(pauses) || t.patience <= 0
		if why, _ := tree.IsOdd(err); err != nil && (last || !seen || why != tree.Vanished) {
			if err2 := t.to.remove(f, to); err2 != nil {
				return File{}, err2
			}
			return File{}, err
		}
		if whole || last {
			got.Unsettled = !whole
			return got, t.to.done(f, got.ModifiedAt)
		}
		pause := time.Duration(pauses[try]) * time.Millisecond
		t.patience -= pause
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// once copies rel over whatever f holds and says whether that was one version.
func (t *taker) once(f *os.File, rel string, limit int64) (got File, whole bool, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return got, false, err
	}
	if err := f.Truncate(0); err != nil {
		return got, false, err
	}
	src, err := t.from.File(rel)
	if err != nil {
		return got, false, err
	}
	defer src.Close()
	age := time.Since(src.Was.ChangedAt)
	got = File{Path: rel, ModifiedAt: sane(src.Was.ModifiedAt)}
	if got.Size, got.SHA256, err = copyHash(f, src.Limited(limit)); err != nil {
		return got, false, err
	}
	fail.At("collect.copying")
	now, err := src.Now()
	if err != nil {
		return got, false, err
	}
	whole = now == src.Was && age > quiet && got.Size == now.Size
	if strings.HasSuffix(rel, ".ipynb") {
		got.Broken, err = broken(f, got.Size)
		if err != nil {
			return got, false, err
		}
		whole = whole && (!got.Broken || age > abandoned)
	}
	return got, whole, nil
}

// sane keeps a time a student set within what manifests and zips can hold.
func sane(t time.Time) time.Time {
	if t.Year() < 1980 || t.Year() > 2100 {
		return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return t.Truncate(time.Microsecond)
}

// broken reports whether our own copy of a notebook is not JSON. It is mapped, not
// read: a hundred students may send a hundred megabytes each.
func broken(f *os.File, size int64) (bool, error) {
	if size == 0 {
		return true, nil
	}
	if size > math.MaxInt32 {
		return true, nil
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return false, os.NewSyscallError("mmap", err)
	}
	defer unix.Munmap(data)
	return !json.Valid(data), nil
}
