package exchange

import (
	"context"
	"fmt"
	"io"
	"path"

	"github.com/klauspost/compress/zip"

	"lectern/exchange/tree"
)

// ZipWork streams a student's working copy as it is now, for that student: a way
// to one's files when no workspace will start. What a snapshot would leave out is
// left out. A Problem comes before the first byte; behind it the caller can only
// cut the connection.
func (x *Exchange) ZipWork(ctx context.Context, w io.Writer, work Work) (err error) {
	defer explain("download of "+work.String(), &err)
	home, err := x.Layout.Home(work.Course, work.Login)
	if err != nil {
		return err
	}
	from, err := openWork(home, work.Assignment)
	if err != nil {
		return err
	}
	defer from.Close()
	entries, _, err := from.List(ctx, x.limits)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	left := x.limits.Total
	for _, e := range entries {
		if e.Dir {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := zipLive(z, from, e.Path, path.Join(work.Assignment, e.Path), min(left, x.limits.FileSize))
		if _, odd := tree.IsOdd(err); odd {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		left -= n
	}
	return z.Close()
}

// zipLive packs a file that may change, or grow, under way.
func zipLive(z *zip.Writer, from *tree.Dir, rel, name string, limit int64) (int64, error) {
	src, err := from.File(rel)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	if src.Was.Size > limit {
		return 0, nil
	}
	f, err := z.CreateHeader(header(name, src.Was.ModifiedAt))
	if err != nil {
		return 0, err
	}
	n, _, err := copyHash(f, io.LimitReader(src.File, limit))
	return n, err
}
