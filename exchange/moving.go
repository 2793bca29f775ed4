package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/klauspost/compress/zip"

	"lectern/course"
	"lectern/exchange/tree"
)

// CollectFrom is Collect for work that lies in the folder rel below root, such as
// the submitted/ of a course that moves in. The folder is as hostile as a home,
// and is read in the same way.
func (x *Exchange) CollectFrom(ctx context.Context, w Work, at time.Time, root, rel string, record Record) (Snapshot, error) {
	s, err := x.snapshot(ctx, w, at, func() (*tree.Dir, error) {
		d, err := tree.Open(root)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return d.Sub(rel)
	})
	if err != nil {
		return s, err
	}
	return x.record(ctx, w, s, record)
}

// moved are the limits of a course from the command line.
var moved = bounds{1 << 30, 5 << 30, 100_000, "1 GB", "5 GB", "100,000"}

// Unpacked is a course that came as a zip, laid out where nobody looks. It waits
// for a person to say yes; Discard it after that, or leave it to the sweeper.
type Unpacked struct {
	ID   string   // finds it again with Exchange.Unpacked
	Left []string // what was not taken, a sentence each
	dir  string
}

// leftName is where Left is kept, beside the tree.
const leftName = "left.json"

// Path is the folder with what was in the zip, to be read.
func (u *Unpacked) Path() string { return filepath.Join(u.dir, "tree") }

// Discard removes it.
func (u *Unpacked) Discard() { _ = os.RemoveAll(u.dir) }

// Unpack lays out the zip of a whole course under the rules of every upload; the
// limits are higher for a large one. A file that cannot be taken is left out and
// named; a zip that is damaged or hostile as a whole is a Problem.
func (x *Exchange) Unpack(ctx context.Context, slug, name string, r io.Reader, large bool) (done *Unpacked, err error) {
	defer explain("unpack a course", &err)
	staging, err := x.Layout.Staging(slug)
	if err != nil {
		return nil, err
	}
	st, err := newStage(staging, "course", nil)
	if err != nil {
		return nil, err
	}
	u := &Upload{x: x, course: slug, stage: st, bounds: usual}
	if large {
		u.bounds = moved
	}
	if err := u.unpack(ctx, name, r); err != nil {
		st.drop()
		return nil, err
	}
	if err := errors.Join(st.flush(), st.root.Close()); err != nil {
		st.drop()
		return nil, err
	}
	done = &Unpacked{ID: strings.TrimPrefix(filepath.Base(st.dir), "course-"), dir: st.dir}
	if ps := (course.Problems)(nil); len(u.problems) > 0 {
		errors.As(u.Problems(), &ps)
		for _, p := range ps {
			done.Left = append(done.Left, p.Text)
		}
	}
	data, err := json.Marshal(done.Left)
	if err == nil {
		err = os.WriteFile(filepath.Join(done.dir, leftName), data, 0o600)
	}
	if err != nil {
		done.Discard()
		return nil, err
	}
	return done, nil
}

func (u *Upload) unpack(ctx context.Context, name string, r io.Reader) error {
	z, err := spoolZip(u.stage.dir, name, r, u.bounds)
	if err != nil {
		return err
	}
	defer z.Close()
	members, refused := z.members()
	for _, bad := range refused {
		u.refuse(bad.name, "", bad.why)
	}
	for _, m := range members {
		if err := ctx.Err(); err != nil {
			return err
		}
		if m.dir {
			continue // an empty folder says nothing about a course
		}
		if err := u.addMember(z, m); err != nil {
			return err
		}
		switch {
		case u.over:
			return u.problems[0]
		case z.bomb:
			return course.Fieldf("files", "%s unpacks to more than a hundred times its size.", tree.Printable(name))
		}
	}
	return nil
}

var unpackedForm = regexp.MustCompile(`^[0-9a-f]{24}$`)

// Unpacked finds what Unpack laid out for this course.
func (x *Exchange) Unpacked(slug, id string) (*Unpacked, error) {
	staging, err := x.Layout.Staging(slug)
	if err != nil {
		return nil, err
	}
	gone := course.Problemf(course.NotFound, "The uploaded course is no longer here. Please upload it again.")
	if !unpackedForm.MatchString(id) {
		return nil, gone
	}
	u := &Unpacked{ID: id, dir: filepath.Join(staging, "course-"+id)}
	if ok, err := exists(u.Path()); err != nil || !ok {
		return nil, errors.Join(err, gone)
	}
	data, err := os.ReadFile(filepath.Join(u.dir, leftName))
	if errors.Is(err, fs.ErrNotExist) { // the unpacking did not come to its end
		return nil, gone
	}
	if err == nil {
		err = json.Unmarshal(data, &u.Left)
	}
	if err != nil {
		return nil, fmt.Errorf("exchange: unpacked course: %w", err)
	}
	return u, nil
}

// Zip streams several trees into one zip. When a method fails bytes have been
// sent: the caller can only cut the connection, which leaves a zip that will not
// open.
type Zip struct {
	z *zip.Writer
	w io.Writer
}

// NewZip begins a zip; nothing is sent before its first file.
func NewZip(w io.Writer) *Zip { return &Zip{zip.NewWriter(w), w} }

// Tree adds one of Lectern's own trees, a path from Layout, below base, and says
// whether there is such a tree.
func (z *Zip) Tree(ctx context.Context, dir, base string) (there bool, err error) {
	defer explain("zip "+base, &err)
	err = zipTree(ctx, z.z, z.w, dir, base)
	if errors.Is(err, fs.ErrNotExist) {
		if there, err2 := exists(dir); err2 == nil && !there {
			return false, nil
		}
	}
	return err == nil, err
}

// File adds one file.
func (z *Zip) File(name string, modified time.Time, r io.Reader) (err error) {
	defer explain("zip "+name, &err)
	f, err := z.z.CreateHeader(header(name, modified))
	if err != nil {
		return err
	}
	_, _, err = copyHash(f, r)
	return err
}

// Close ends the zip.
func (z *Zip) Close() error { return z.z.Close() }

// AddPlain takes one file as it is, a zip too: what lies in a course's source
// was meant to lie there.
func (u *Upload) AddPlain(ctx context.Context, name string, r io.Reader) (err error) {
	defer explain("upload", &err)
	if u.over || ctx.Err() != nil {
		return ctx.Err()
	}
	if u.entries++; u.entries > u.bounds.entries {
		u.stop("An upload may hold %s files at most.", u.bounds.entriesText)
		return nil
	}
	return u.add(name, "", time.Time{}, r, nil)
}
