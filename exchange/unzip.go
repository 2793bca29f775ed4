package exchange

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lectern/course"
	"lectern/exchange/tree"
)

// addZip unpacks one zip. It is spooled first: a zip is read from its end.
func (u *Upload) addZip(ctx context.Context, name string, r io.Reader) error {
	z, err := spoolZip(u.stage.dir, name, r, u.bounds)
	if p, ok := course.AsProblem(err); ok {
		u.problems = append(u.problems, p)
		return nil
	}
	if err != nil {
		return err
	}
	defer z.Close()
	members, refused := z.members()
	for _, bad := range refused {
		u.refuse(bad.name, name, bad.why)
	}
	if u.entries += len(members) + len(refused); u.entries > u.bounds.entries {
		u.stop("An upload may hold %s files at most.", u.bounds.entriesText)
		return nil
	}
	top := z.wrapper(members)
	for _, m := range members {
		if err := ctx.Err(); err != nil {
			return err
		}
		if u.over || z.bomb {
			return nil
		}
		m.name = strings.TrimPrefix(m.name, top)
		if err := u.addMember(z, m); err != nil {
			return err
		}
	}
	return nil
}

func (u *Upload) addMember(z *zipped, m member) error {
	if m.dir {
		return u.addDir(m.name, z.name)
	}
	r, err := m.file.Open()
	if err != nil {
		u.refuse(m.name, z.name, "it cannot be unpacked: "+unzipFault(err))
		return nil
	}
	defer r.Close()
	err = u.add(m.name, z.name, m.modified, &unpacking{r: r}, z.rate(m))
	var broken *damaged
	if errors.As(err, &broken) {
		u.refuse(m.name, z.name, "it cannot be unpacked: "+unzipFault(broken.err))
		return nil
	}
	return err
}

// addDir keeps an empty folder: a notebook may want to write into it.
func (u *Upload) addDir(name, in string) error {
	if strings.Trim(name, "/") == "" {
		return nil
	}
	clean, why := cleanName(name)
	if why == "" && junk(clean) {
		return nil
	}
	if why == "" {
		why = u.names.add(clean, true)
	}
	if why != "" {
		u.refuse(name, in, why)
		return nil
	}
	return u.stage.mkdir(clean)
}

// zipped is an uploaded zip on disk. What it says of itself is never believed.
type zipped struct {
	*zip.Reader
	file *os.File
	name string
	most bounds
	size int64
	out  int64 // bytes unpacked of all members
	bomb bool
}

func (z *zipped) Close() error { return errors.Join(z.file.Close(), os.Remove(z.file.Name())) }

// spoolZip writes a zip to disk, at most as much as an upload may hold, and opens
// it. What is wrong with it is a Problem.
func spoolZip(dir, name string, r io.Reader, most bounds) (*zipped, error) {
	f, err := os.Create(filepath.Join(dir, "zip-"+fresh()))
	if err != nil {
		return nil, err
	}
	z := &zipped{file: f, name: name, most: most}
	heads := &headers{}
	z.size, err = io.Copy(io.MultiWriter(f, heads), io.LimitReader(r, most.upload+1))
	if err == nil {
		err = z.open(heads.n)
	}
	if err != nil {
		z.Close()
		return nil, err
	}
	return z, nil
}

func (z *zipped) open(heads int) (err error) {
	shown := tree.Printable(z.name)
	tooLarge := func(format string, args ...any) error {
		p := course.Problemf(course.TooLarge, format, args...)
		p.Field = "files"
		return p
	}
	// Every member costs memory before its first byte is read, so members are
	// counted by the mark each must have. Data may hold the mark too: hence the
	// generous factor.
	switch {
	case z.size > z.most.upload:
		return tooLarge("%s is larger than %s.", shown, z.most.uploadText)
	case heads > 10*z.most.entries:
		return tooLarge("%s holds more than %s files.", shown, z.most.entriesText)
	}
	z.Reader, err = zip.NewReader(z.file, z.size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return course.Fieldf("files", "%s is not a zip that can be read: %s.", shown, unzipFault(err))
	}
	if len(z.File) > z.most.entries {
		return tooLarge("%s holds %d files; %s are the most.", shown, len(z.File), z.most.entriesText)
	}
	return nil
}

// member is one entry of a zip that may be looked into.
type member struct {
	name     string
	dir      bool
	modified time.Time
	file     *zip.File
}

type refusal struct{ name, why string }

// members sorts the entries into those that may be unpacked and those that may
// not, by their heads alone.
func (z *zipped) members() (ok []member, refused []refusal) {
	for _, f := range z.File {
		mode := f.Mode()
		why := ""
		switch {
		case !mode.IsRegular() && !mode.IsDir():
			why = "it is a link or a special file; only plain files are taken"
		case f.Flags&1 != 0:
			why = "it is encrypted"
		case f.Method != zip.Store && f.Method != zip.Deflate:
			why = "it is packed in a way that cannot be read here; use plain zip"
		}
		if _, bad := cleanName(f.Name); why == "" && bad != "" && strings.Trim(f.Name, "/") != "" {
			why = bad
		}
		if why != "" {
			refused = append(refused, refusal{f.Name, why})
			continue
		}
		ok = append(ok, member{f.Name, mode.IsDir(), sane(f.Modified), f})
	}
	return ok, refused
}

// wrapper is the one folder around everything, with its slash, if it holds a
// notebook: who zips the folder ps1 means what is in it, but who zips data/ beside
// the notebooks means the folder.
func (z *zipped) wrapper(members []member) string {
	top, notebook := "", false
	for _, m := range members {
		if clean, _ := cleanName(m.name); junk(clean) {
			continue
		}
		first, rest, deep := strings.Cut(m.name, "/")
		if !deep || top != "" && first+"/" != top {
			return ""
		}
		top = first + "/"
		notebook = notebook || strings.HasSuffix(rest, ".ipynb")
	}
	if !notebook {
		return ""
	}
	return top
}

// rate refuses a member, and with it the zip, once what comes out is out of all
// proportion to what went in. Members that overlap are seen by the whole.
func (z *zipped) rate(m member) func(int64) string {
	var out int64
	packed := int64(min(m.file.CompressedSize64, uint64(z.size)))
	return func(n int64) string {
		out += n
		z.out += n
		if out > freeRatio && out > maxRatio*packed || z.out > freeRatio && z.out > maxRatio*z.size {
			z.bomb = true
			return "it unpacks to more than a hundred times its size"
		}
		return ""
	}
}

// unpacking tells faults of the archive from faults of the disk.
type unpacking struct{ r io.Reader }

type damaged struct{ err error }

func (d *damaged) Error() string { return "zip: " + d.err.Error() }
func (d *damaged) Unwrap() error { return d.err }

func (m *unpacking) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && err != io.EOF {
		err = &damaged{err}
	}
	return n, err
}

func unzipFault(err error) string {
	switch {
	case errors.Is(err, zip.ErrChecksum):
		return "its checksum is wrong"
	case errors.Is(err, zip.ErrAlgorithm):
		return "it is packed in a way that cannot be read here"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends too early"
	case errors.Is(err, zip.ErrFormat):
		return "it is damaged or not a zip"
	}
	return fmt.Sprintf("it is damaged (%.100s)", err)
}

// headers counts the mark of a member's head in what is written to it.
type headers struct {
	n    int
	tail []byte
}

func (h *headers) Write(p []byte) (int, error) {
	mark := []byte("PK\x01\x02")
	joint := append(h.tail, p[:min(len(p), 3)]...)
	h.n += bytes.Count(joint, mark) + bytes.Count(p, mark)
	if len(p) >= 3 {
		h.tail = append(h.tail[:0], p[len(p)-3:]...)
	} else {
		h.tail = append([]byte(nil), joint[max(0, len(joint)-3):]...)
	}
	return len(p), nil
}
