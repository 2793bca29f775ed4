package tree

import (
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Limits bound the work one tree can cause. All must be set.
type Limits struct {
	Files    int           // files taken
	Entries  int           // directory entries looked at, taken or not
	FileSize int64         // bytes
	Total    int64         // bytes of all files taken
	Depth    int           // directories above a file
	Time     time.Duration // for the whole tree
}

// Homes are the limits for a student's working copy.
var Homes = Limits{Files: 2_000, Entries: 20_000, FileSize: 100 << 20, Total: 200 << 20, Depth: 20, Time: time.Minute}

// Own are the limits for Lectern's own trees: those of one upload, many times.
var Own = Limits{Files: 100_000, Entries: 200_000, FileSize: 1 << 40, Total: 1 << 40, Depth: 64, Time: time.Hour}

// Entry is a file or directory as it was when listed. It may be anything by the
// time it is opened; only Dir.File decides.
type Entry struct {
	Path string // slash-separated, below the listed directory
	Dir  bool
	Stamp
}

// Skip is something that was left out, and why. Path is fit for printing.
type Skip struct {
	Path   string `json:"path"`
	Reason Reason `json:"reason"`
}

// Skips names the first things left out and counts the rest, so that a hostile
// tree cannot grow a record without end.
type Skips struct {
	Named []Skip `json:"named,omitempty"`
	More  int    `json:"more,omitempty"`
}

const namedSkips = 200

// Add records one thing left out.
func (s *Skips) Add(p string, why Reason) {
	if len(s.Named) < namedSkips {
		s.Named = append(s.Named, Skip{Printable(p), why})
		return
	}
	s.More++
}

// Has reports whether p was named among the things left out.
func (s *Skips) Has(p string) bool {
	p = Printable(p)
	return slices.ContainsFunc(s.Named, func(k Skip) bool { return k.Path == p })
}

// Len is how many things were left out.
func (s *Skips) Len() int { return len(s.Named) + s.More }

// List names what can be taken from d, directories before what they hold, each
// directory in order of names. What a student did wrong or a limit forbids is
// in the skips; an error is a fault of the machine or the end of ctx. Only the
// limits on entries, depth, time and the size of one file apply here.
func (d *Dir) List(ctx context.Context, lim Limits) ([]Entry, Skips, error) {
	l := lister{root: d, lim: lim, until: time.Now().Add(lim.Time)}
	err := l.dir(ctx, "", 0)
	return l.found, l.skips, err
}

type lister struct {
	root  *Dir
	lim   Limits
	until time.Time
	seen  int
	done  bool // a limit on the whole tree was met and recorded
	found []Entry
	skips Skips
}

func (l *lister) dir(ctx context.Context, rel string, depth int) error {
	names, err := l.names(rel)
	if err != nil {
		if reason, odd := IsOdd(err); odd {
			l.skips.Add(rel, reason)
			return nil
		}
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if l.done {
			return nil
		}
		if time.Now().After(l.until) {
			l.skips.Add(path.Join(rel, name), TooSlow)
			l.done = true
			return nil
		}
		if err := l.entry(ctx, path.Join(rel, name), name, depth); err != nil {
			return err
		}
	}
	return nil
}

func (l *lister) entry(ctx context.Context, p, name string, depth int) error {
	if l.seen++; l.seen > l.lim.Entries {
		l.skips.Add(p, TooMany)
		l.done = true
		return nil
	}
	if JunkName(name) {
		l.skips.Add(p, Junk)
		return nil
	}
	if !PlainName(name) {
		l.skips.Add(p, OddName)
		return nil
	}
	st, err := l.root.stat(p)
	if err != nil {
		err = oddOpen(p, err)
		if reason, odd := IsOdd(err); odd {
			l.skips.Add(p, reason)
			return nil
		}
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if depth+1 > l.lim.Depth {
			l.skips.Add(p, TooDeep)
			return nil
		}
		l.found = append(l.found, Entry{Path: p, Dir: true, Stamp: stamp(st)})
		return l.dir(ctx, p, depth+1)
	}
	if reason := judge(st); reason != "" {
		l.skips.Add(p, reason)
		return nil
	}
	if st.Size > l.lim.FileSize {
		l.skips.Add(p, TooLarge)
		return nil
	}
	l.found = append(l.found, Entry{Path: p, Stamp: stamp(st)})
	return nil
}

// names reads a directory, sorted, but never more than may still be looked at:
// one more than that makes the limit visible to the caller.
func (l *lister) names(rel string) ([]string, error) {
	if rel == "" {
		rel = "."
	}
	d, err := l.root.Sub(rel)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var names []string
	for len(names) <= l.lim.Entries-l.seen {
		batch, err := d.f.Readdirnames(1024)
		names = append(names, batch...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(names)
	return names, nil
}
