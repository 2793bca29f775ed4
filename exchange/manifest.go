package exchange

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"lectern/course"
	"lectern/exchange/tree"
)

// Snapshot is one immutable copy of a student's work, and as JSON its manifest.
type Snapshot struct {
	Course     string     `json:"course"`
	Login      string     `json:"login"`
	Assignment string     `json:"assignment"`
	At         time.Time  `json:"at"` // UTC, microseconds; names the directory
	Files      []File     `json:"files"`
	Skipped    tree.Skips `json:"skipped"`
}

// File is one file of a snapshot.
type File struct {
	Path       string    `json:"path"`
	Size       int64     `json:"size"` // bytes
	SHA256     string    `json:"sha256"`
	ModifiedAt time.Time `json:"modified_at"` // by the student's clock; proves nothing
	// Unsettled: the file was being written at every try, so this copy may mix
	// two versions.
	Unsettled bool `json:"unsettled,omitempty"`
	// Broken: a notebook that is not JSON, so Jupyter cannot open it either.
	Broken bool `json:"broken,omitempty"`
}

// Work is whose work the snapshot holds.
func (s Snapshot) Work() Work { return Work{s.Course, s.Login, s.Assignment} }

// Bytes is the size of all files.
func (s Snapshot) Bytes() int64 {
	var n int64
	for _, f := range s.Files {
		n += f.Size
	}
	return n
}

// Digest is a SHA-256 over the paths and contents alone: two snapshots of the
// same work at different times share it.
func (s Snapshot) Digest() string {
	h := sha256.New()
	for _, f := range s.Files {
		fmt.Fprintf(h, "%s  %s\n", f.SHA256, f.Path)
	}
	return sum(h)
}

// Doubtful names the files a grader should look at twice.
func (s Snapshot) Doubtful() []File {
	var out []File
	for _, f := range s.Files {
		if f.Unsettled || f.Broken {
			out = append(out, f)
		}
	}
	return out
}

// A snapshot's directory keeps what is said of the files out of the files' way.
const (
	manifestName = "manifest.json"
	filesName    = "files"
)

// Snapshot reads the manifest of the snapshot taken at this time.
func (x *Exchange) Snapshot(w Work, at time.Time) (s Snapshot, err error) {
	dir, err := x.Layout.History(w.Course, w.Login, w.Assignment, at)
	if err != nil {
		return s, err
	}
	data, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return s, course.Problemf(course.NotFound, "There is no copy of this work from that time.")
	}
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return s, fmt.Errorf("exchange: manifest of %s: %w", w, err)
	}
	return s, nil
}

// Snapshots lists the times of all snapshots on disk, recorded or not, oldest
// first.
func (x *Exchange) Snapshots(w Work) ([]time.Time, error) {
	dir, err := x.Layout.HistoryDir(w.Course, w.Login, w.Assignment)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("exchange: history of %s: %w", w, err)
	}
	var out []time.Time
	for _, e := range entries {
		if at, err := time.Parse(course.SnapshotForm, e.Name()); err == nil && e.IsDir() {
			out = append(out, at)
		}
	}
	return out, nil
}

// Verify reads a snapshot again and reports every file that is no longer what
// its manifest says, and every file the manifest does not know.
func (x *Exchange) Verify(w Work, at time.Time) error {
	s, err := x.Snapshot(w, at)
	if err != nil {
		return err
	}
	path, err := x.Layout.HistoryFiles(w.Course, w.Login, w.Assignment, at)
	if err != nil {
		return err
	}
	dir, err := tree.Open(path)
	if err != nil {
		return fmt.Errorf("exchange: verify %s: %w", w, err)
	}
	defer dir.Close()
	var bad []error
	known := map[string]bool{}
	for _, want := range s.Files {
		known[want.Path] = true
		f, err := dir.File(want.Path)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		n, hash, err := copyHash(io.Discard, f.File)
		f.Close()
		if err != nil || n != want.Size || hash != want.SHA256 {
			bad = append(bad, fmt.Errorf("%s is not what was collected", want.Path))
		}
	}
	found, err := x.List(path)
	if err != nil {
		return err
	}
	for _, e := range found {
		if !e.Dir && !known[e.Path] {
			bad = append(bad, fmt.Errorf("%s was added later", e.Path))
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("exchange: snapshot %s of %s is damaged: %w", at.UTC().Format(course.SnapshotForm), w, errors.Join(bad...))
	}
	return nil
}
