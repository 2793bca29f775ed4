package exchange

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lectern/exchange/fail"
	"lectern/exchange/tree"
)

// stage is a tree in the making, under a fresh name nobody looks at. What is
// made in it is rushed to the disk while more is written, so that settling many
// small files costs about one commit of the file system's journal.
type stage struct {
	dir   string // holds tree and whatever scratch files the move needs
	root  *os.Root
	owner *owner // of all that is made; nil for Lectern itself
	dirs  map[string]bool
	open  []*os.File // written, not yet fsynced
}

// openAtOnce bounds the descriptors one stage holds.
const openAtOnce = 64

// newStage makes a stage below a staging directory of the Layout.
func newStage(staging, purpose string, own *owner) (*stage, error) {
	if err := ensureDir(staging, 0o700); err != nil {
		return nil, err
	}
	s := &stage{dir: filepath.Join(staging, purpose+"-"+fresh()), owner: own, dirs: map[string]bool{}}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	err := os.Mkdir(s.tree(), 0o755)
	if err == nil {
		s.root, err = os.OpenRoot(s.tree())
	}
	if err == nil {
		err = s.adopt(".", 0o755)
	}
	if err != nil {
		s.drop()
		return nil, err
	}
	return s, nil
}

// remade has the tree, empty still, made anew in another way; by nil it stays.
func (s *stage) remade(by func(dir string) error) error {
	if by == nil {
		return nil
	}
	err := s.root.Close()
	if err == nil {
		err = by(s.tree())
	}
	if err == nil {
		s.root, err = os.OpenRoot(s.tree())
	}
	return err
}

func fresh() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// tree is the path of the tree itself, to be renamed into place.
func (s *stage) tree() string { return filepath.Join(s.dir, "tree") }

// adopt gives a directory its mode, in spite of any umask, and its owner.
func (s *stage) adopt(rel string, mode fs.FileMode) error {
	if err := s.root.Chmod(rel, mode); err != nil {
		return err
	}
	if s.owner == nil {
		return nil
	}
	return s.root.Chown(rel, s.owner.uid, s.owner.gid)
}

// mkdir makes a directory and those above it; rel is slash-separated and clean.
func (s *stage) mkdir(rel string) error {
	if rel == "." || s.dirs[rel] {
		return nil
	}
	if err := s.mkdir(path.Dir(rel)); err != nil {
		return err
	}
	if err := s.root.Mkdir(rel, 0o755); err != nil {
		return err
	}
	s.dirs[rel] = true
	return s.adopt(rel, 0o755)
}

// create makes a new file in the tree; keep it with done or undo it with remove.
func (s *stage) create(rel string) (*os.File, error) {
	if err := s.mkdir(path.Dir(rel)); err != nil {
		return nil, err
	}
	f, err := s.root.OpenFile(rel, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	if err = f.Chmod(0o644); err == nil && s.owner != nil {
		err = f.Chown(s.owner.uid, s.owner.gid)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// done takes a written file over, to be fsynced with the others. modified zero
// leaves the file's time alone.
func (s *stage) done(f *os.File, modified time.Time) error {
	if !modified.IsZero() {
		tv := []unix.Timeval{unix.NsecToTimeval(modified.UnixNano()), unix.NsecToTimeval(modified.UnixNano())}
		if err := unix.Futimes(int(f.Fd()), tv); err != nil {
			f.Close()
			return err
		}
	}
	fail.At("stage.file")
	// Only a hint; fsync is what counts, and reports what went wrong.
	_ = unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
	if s.open = append(s.open, f); len(s.open) >= openAtOnce {
		return s.flush()
	}
	return nil
}

// remove takes a file back that was created and not done.
func (s *stage) remove(f *os.File, rel string) error {
	f.Close()
	return s.root.Remove(rel)
}

func (s *stage) flush() error {
	var first error
	for _, f := range s.open {
		first = errors.Join(first, f.Sync(), f.Close())
	}
	s.open = nil
	return first
}

// write makes a small file of Lectern's own making.
func (s *stage) write(rel string, data []byte, modified time.Time) error {
	f, err := s.create(rel)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	return s.done(f, modified)
}

// copyFile copies one file out of an open tree of Lectern's own and says what
// was copied. A block is shared rather than copied where the file system can.
func (s *stage) copyFile(from *tree.Dir, rel, to string) error {
	src, err := from.File(rel)
	if err != nil {
		return err
	}
	defer src.Close()
	f, err := s.create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, src.File); err != nil {
		f.Close()
		return err
	}
	return s.done(f, src.Was.ModifiedAt)
}

// settle returns when everything in the tree would survive a power cut.
func (s *stage) settle() error {
	if err := s.flush(); err != nil {
		return err
	}
	fail.At("stage.files")
	dirs := []string{"."}
	for d := range s.dirs {
		dirs = append(dirs, d)
	}
	slices.Sort(dirs)
	for _, d := range slices.Backward(dirs) {
		f, err := s.root.Open(d)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// drop removes whatever is left of the stage, after success and failure alike.
// What cannot be removed is the sweeper's.
func (s *stage) drop() {
	for _, f := range s.open {
		f.Close()
	}
	s.open = nil
	fail.At("stage.drop")
	if s.root != nil {
		s.root.Close()
	}
	_ = os.RemoveAll(s.dir)
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 128<<10); return &b }}

// copyHash copies and returns the number of bytes and their SHA-256.
func copyHash(w io.Writer, r io.Reader) (int64, string, error) {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	h := sha256.New()
	// The wrappers hide io.ReaderFrom, which would bring its own buffer.
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(w, h)}, struct{ io.Reader }{r}, *buf)
	return n, sum(h), err
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
