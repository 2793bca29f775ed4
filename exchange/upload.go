package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lectern/course"
	"lectern/exchange/fail"
	"lectern/exchange/tree"
)

// Limits of one upload, in bytes and number of files, as people are told them.
const (
	maxFile    = 100 << 20
	maxUpload  = 200 << 20
	maxEntries = 5_000
	maxRatio   = 100     // unpacked over packed bytes of a zip
	freeRatio  = 1 << 20 // unpacked bytes before the ratio is looked at
	maxNamed   = 50      // problems named before the rest are only counted
)

// Upload takes files into a stage that nobody sees until Import. Everything wrong
// with an upload is told at once; nothing of it is kept then. Not safe for
// concurrent use: the parts of a form come one by one.
type Upload struct {
	x        *Exchange
	course   string
	stage    *stage
	names    names
	files    []string
	ignored  []string
	bytes    int64
	entries  int
	bounds   bounds
	problems course.Problems
	more     int  // problems not named
	over     bool // a limit of the whole upload was met: nothing more is read
}

// bounds are the limits of one kind of upload, as numbers and as people are told them.
type bounds struct {
	file, upload                      int64
	entries                           int
	fileText, uploadText, entriesText string
}

var usual = bounds{maxFile, maxUpload, maxEntries, "100 MB", "200 MB", "5,000"}

// Imported says what an upload did to an assignment's source.
type Imported struct {
	Added    []string // paths that are new
	Replaced []string // paths that were there before
	Removed  []string // paths that were there and are gone, if the upload replaced all
	Ignored  []string // files that programs leave behind, not taken
	Bytes    int64
}

// NewUpload begins an upload for a course. Discard it in any case.
func (x *Exchange) NewUpload(slug string) (u *Upload, err error) {
	defer explain("upload", &err)
	staging, err := x.Layout.Staging(slug)
	if err != nil {
		return nil, err
	}
	st, err := newStage(staging, "import", nil)
	if err != nil {
		return nil, err
	}
	fail.At("import.staged")
	return &Upload{x: x, course: slug, stage: st, bounds: usual}, nil
}

// Discard removes what was not imported.
func (u *Upload) Discard() { u.stage.drop() }

// Add takes one file, or everything in a file whose name ends in .zip; zips
// within are kept as they are. The name may hold folders. What is wrong with the
// file is kept for Import to tell; an error is a fault of the machine or the
// connection.
func (u *Upload) Add(ctx context.Context, name string, r io.Reader) (err error) {
	defer explain("upload", &err)
	if u.over {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if u.entries++; u.entries > u.bounds.entries {
		u.stop("An upload may hold %s files at most.", u.bounds.entriesText)
		return nil
	}
	if strings.HasSuffix(strings.ToLower(name), ".zip") {
		return u.addZip(ctx, name, r)
	}
	return u.add(name, "", time.Time{}, r, nil)
}

// add takes one file; in names the zip it came from. rate, if any, looks at the
// progress of the bytes and may refuse the rest.
func (u *Upload) add(name, in string, modified time.Time, r io.Reader, rate func(n int64) string) error {
	clean, why := cleanName(name)
	if why == "" && junk(clean) {
		u.ignored = append(u.ignored, clean)
		return nil
	}
	if why == "" {
		why = u.names.add(clean, false)
	}
	if why != "" {
		u.refuse(name, in, why)
		return nil
	}
	f, err := u.stage.create(clean)
	if err != nil {
		return err
	}
	why, err = u.fill(f, r, rate)
	if why != "" || err != nil {
		if err := u.stage.remove(f, clean); err != nil {
			return err
		}
		if why != "" {
			u.refuse(name, in, why)
		}
		return err
	}
	u.files = append(u.files, clean)
	return u.stage.done(f, modified)
}

// fill copies within the limits, and says why not if one was met.
func (u *Upload) fill(f *os.File, r io.Reader, rate func(n int64) string) (why string, err error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var size int64
	for {
		n, err := r.Read(*buf)
		size += int64(n)
		u.bytes += int64(n)
		if rate != nil {
			why = rate(int64(n))
		}
		switch {
		case why != "":
			return why, nil
		case size > u.bounds.file:
			return "it is larger than " + u.bounds.fileText, nil
		case u.bytes > u.bounds.upload:
			u.stop("An upload may hold %s at most.", u.bounds.uploadText)
			return "", nil
		}
		if _, err := f.Write((*buf)[:n]); err != nil {
			return "", err
		}
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
	}
}

// refuse keeps a problem with one file.
func (u *Upload) refuse(name, in, why string) {
	if len(u.problems) >= maxNamed {
		u.more++
		return
	}
	where := ""
	if in != "" {
		where = " in " + tree.Printable(in)
	}
	u.problems = append(u.problems, course.Fieldf("files", "%s%s: %s.", tree.Printable(name), where, why))
}

// stop ends the upload at a limit of the whole.
func (u *Upload) stop(format string, args ...any) {
	u.over = true
	p := course.Problemf(course.TooLarge, format, args...)
	p.Field = "files"
	u.problems = append(course.Problems{p}, u.problems...)
}

// Problems is everything found wrong so far, or nil.
func (u *Upload) Problems() error {
	ps := slices.Clone(u.problems)
	if u.more > 0 {
		ps = append(ps, course.Fieldf("files", "And %d more files like these.", u.more))
	}
	if len(ps) == 0 && len(u.files) == 0 {
		return course.Fieldf("files", "There is no file to take. Choose at least one notebook.")
	}
	return ps.OrNil()
}

// Import puts the files into the assignment's source, in one step, beside or
// instead of what is there; with all it replaces everything. Problems leave the
// source as it was.
func (u *Upload) Import(ctx context.Context, assignment string, all bool) (done Imported, err error) {
	defer explain("import into "+assignment, &err)
	source, err := u.x.Layout.Source(u.course, assignment)
	if err != nil {
		return done, err
	}
	if err := u.Problems(); err != nil {
		return done, err
	}
	defer u.x.locks.lock(source)()
	done = Imported{Ignored: u.ignored, Bytes: u.bytes}
	if err := u.merge(ctx, source, all, &done); err != nil {
		return done, err
	}
	fail.At("import.merged")
	if err := u.stage.settle(); err != nil {
		return done, err
	}
	if err := ensureDir(filepath.Dir(source), 0o700); err != nil {
		return done, err
	}
	fail.At("import.settled")
	err = swapIn(u.stage.tree(), source)
	fail.At("import.renamed")
	return done, err
}

// merge completes the stage with what stays of the present source.
func (u *Upload) merge(ctx context.Context, source string, all bool, done *Imported) error {
	present, err := u.x.List(source)
	if err != nil {
		return err
	}
	uploaded := map[string]bool{}
	for _, p := range u.files {
		uploaded[p] = true
	}
	before := map[string]bool{}
	var clash course.Problems
	for _, e := range present {
		if old, ok := u.names.has(e.Path); ok && !all && (old.path != e.Path || old.dir != e.Dir) {
			clash = append(clash, course.Fieldf("files", "%s: the assignment has %s already, which some computers take for the same name.", old.path, e.Path))
		}
		if e.Dir {
			continue
		}
		before[e.Path] = true
		if all && !uploaded[e.Path] {
			done.Removed = append(done.Removed, e.Path)
		}
	}
	if len(clash) > 0 {
		return clash
	}
	for _, p := range u.files {
		if before[p] {
			done.Replaced = append(done.Replaced, p)
		} else {
			done.Added = append(done.Added, p)
		}
	}
	if all || len(present) == 0 {
		return nil
	}
	err = copyTree(ctx, source, u.stage, func(e tree.Entry) bool { return !uploaded[e.Path] })
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("source changed under the lock: %w", err)
	}
	return err
}
