package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/zip"

	"lectern/exchange/tree"
)

// Download is one student's folder in a zip.
type Download struct {
	Login, Assignment string
	// At names the snapshot; zero is whatever counts when its turn comes.
	At time.Time
}

// flusher is what an http.ResponseWriter offers to send what it has.
type flusher interface{ Flush() }

// ZipSubmissions streams submitted/<login>/<assignment>/… with timestamp.txt, for
// each item in turn, in nbgrader's layout. Each folder is one snapshot, however
// long the reader takes and whatever is submitted meanwhile. An item without a
// submission is named in missing.txt. Bytes have been sent when an error occurs:
// the caller can only cut the connection, which leaves a zip that will not open.
func (x *Exchange) ZipSubmissions(ctx context.Context, w io.Writer, slug string, items []Download) error {
	z := zip.NewWriter(w)
	var missing []string
	for _, item := range items {
		err := x.zipItem(ctx, z, w, slug, item)
		if errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, "submitted/"+item.Login+"/"+item.Assignment)
			continue
		}
		if err != nil {
			return fmt.Errorf("exchange: download of %s: %w", item.Login, err)
		}
	}
	if len(missing) > 0 {
		f, err := z.Create("missing.txt")
		if err != nil {
			return fmt.Errorf("exchange: download: %w", err)
		}
		if _, err := io.WriteString(f, "No submission was found for:\n"+strings.Join(missing, "\n")+"\n"); err != nil {
			return fmt.Errorf("exchange: download: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("exchange: download: %w", err)
	}
	return nil
}

func (x *Exchange) zipItem(ctx context.Context, z *zip.Writer, w io.Writer, slug string, item Download) error {
	submitted, err := x.Layout.Submitted(slug, item.Login, item.Assignment)
	if err != nil {
		return err
	}
	at, known := item.At, true
	if at.IsZero() {
		if at, known, err = x.counted(submitted); err != nil {
			return err
		}
	}
	dir := submitted
	if known {
		// A snapshot never changes, but submitted/ may be replaced while this streams.
		files, err := x.Layout.HistoryFiles(slug, item.Login, item.Assignment, at)
		if err != nil {
			return err
		}
		if there, err := exists(files); err != nil {
			return err
		} else if there {
			dir = files
		} else if !item.At.IsZero() {
			return fs.ErrNotExist
		}
	}
	base := path.Join("submitted", item.Login, item.Assignment)
	if err := zipTree(ctx, z, w, dir, base); err != nil || dir == submitted {
		return err
	}
	f, err := z.CreateHeader(header(path.Join(base, timestampName), at))
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, at.UTC().Format(timestampForm)+" UTC")
	return err
}

// ZipTree streams one of Lectern's own trees, a path from Layout, below base.
func (x *Exchange) ZipTree(ctx context.Context, w io.Writer, dir, base string) error {
	z := zip.NewWriter(w)
	err := zipTree(ctx, z, w, dir, base)
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return fmt.Errorf("exchange: download: %w", err)
	}
	return nil
}

func zipTree(ctx context.Context, z *zip.Writer, w io.Writer, dir, base string) error {
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
		if e.Dir {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := zipFile(z, from, e.Path, path.Join(base, e.Path)); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		// The reader sees progress with every file, not only when a buffer is full.
		if err := z.Flush(); err != nil {
			return err
		}
		if f, ok := w.(flusher); ok {
			f.Flush()
		}
	}
	return nil
}

func zipFile(z *zip.Writer, from *tree.Dir, rel, name string) error {
	src, err := from.File(rel)
	if err != nil {
		return err
	}
	defer src.Close()
	f, err := z.CreateHeader(header(name, src.Was.ModifiedAt))
	if err != nil {
		return err
	}
	_, _, err = copyHash(f, src.File)
	return err
}

// header packs text and stores what is packed already.
func header(name string, modified time.Time) *zip.FileHeader {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: sane(modified).UTC()}
	switch strings.ToLower(path.Ext(name)) {
	case ".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".mp3", ".mp4", ".webm", ".ogg",
		".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".xlsx", ".docx", ".pptx", ".npz", ".parquet", ".pdf":
		h.Method = zip.Store
	}
	h.SetMode(0o644)
	return h
}
