package tree

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Reason says in a few words, fit for the student, why something was left out.
type Reason string

const (
	SymbolicLink Reason = "a symbolic link"
	HardLink     Reason = "a hard link"
	Pipe         Reason = "a named pipe"
	Device       Reason = "a device"
	Socket       Reason = "a socket"
	Folder       Reason = "a folder where a file was"
	Unreadable   Reason = "not readable"
	Vanished     Reason = "gone before it was read"
	OtherSystem  Reason = "on another file system"
	TooLarge     Reason = "too large"
	OverTotal    Reason = "over the total size"
	TooMany      Reason = "too many files"
	TooDeep      Reason = "too many folders deep"
	TooSlow      Reason = "took too long to read"
	OddName      Reason = "a name that is not plain text"
	Junk         Reason = "made by a program, not by you"
	Reserved     Reason = "a name Lectern uses itself"

	replaced Reason = "replaced again and again"
)

// Odd is the error for something in a student's tree that is left out, not a
// fault of ours.
type Odd struct {
	Path   string
	Reason Reason
}

func (o *Odd) Error() string { return Printable(o.Path) + ": " + string(o.Reason) }

// IsOdd gives the reason if err is an Odd.
func IsOdd(err error) (Reason, bool) {
	var o *Odd
	if errors.As(err, &o) {
		return o.Reason, true
	}
	return "", false
}

// oddOpen turns an answer a student can provoke into an Odd; what remains is a
// fault of the machine.
func oddOpen(rel string, err error) error {
	switch {
	case errors.Is(err, unix.ELOOP):
		return &Odd{rel, SymbolicLink}
	case errors.Is(err, unix.EXDEV):
		return &Odd{rel, OtherSystem}
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return &Odd{rel, Unreadable}
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ESTALE):
		return &Odd{rel, Vanished}
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return &Odd{rel, Socket}
	case errors.Is(err, unix.ENAMETOOLONG), errors.Is(err, unix.EINVAL):
		return &Odd{rel, OddName}
	}
	return &fs.PathError{Op: "open", Path: rel, Err: err}
}

// judge is empty for a regular file with one name.
func judge(st unix.Stat_t) Reason {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		if st.Nlink > 1 {
			return HardLink
		}
		if st.Nlink == 0 {
			return replaced
		}
		return ""
	case unix.S_IFLNK:
		return SymbolicLink
	case unix.S_IFIFO:
		return Pipe
	case unix.S_IFSOCK:
		return Socket
	case unix.S_IFDIR:
		return Folder
	}
	return Device
}

// PlainName reports whether one component of a path is text that every page,
// zip and file system can show: UTF-8, no control or direction marks, no
// separators of any system, at most 255 bytes.
func PlainName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > 255 || !utf8.ValidString(name) {
		return false
	}
	for _, r := range name {
		if r == '/' || r == '\\' || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) ||
			r == utf8.RuneError || r == '\u2028' || r == '\u2029' || r == '\ufeff' {
			return false
		}
	}
	return true
}

// JunkName reports names that programs leave behind: nbgrader's own ignore
// patterns, Jupyter's half-written saves, and what desktops and tools hide.
func JunkName(name string) bool {
	switch name {
	case ".ipynb_checkpoints", "__pycache__", ".DS_Store", "__MACOSX", "Thumbs.db", "desktop.ini",
		".git", ".cache", ".local", ".ipython", ".jupyter", ".npm", ".config", ".virtual_documents",
		".pytest_cache", ".mypy_cache", ".ruff_cache", ".venv":
		return true
	}
	return strings.HasSuffix(name, ".pyc") || strings.HasPrefix(name, ".~") ||
		strings.HasPrefix(name, "._") || strings.HasPrefix(name, ".Trash") || strings.HasPrefix(name, ".nfs")
}

// Printable makes any path fit for a page or a log line.
func Printable(p string) string {
	for _, name := range strings.Split(p, "/") {
		if name != "" && name != "." && name != ".." && !PlainName(name) {
			q := strconv.QuoteToASCII(p)
			if len(q) > 300 {
				q = q[:300] + "…"
			}
			return q
		}
	}
	return p
}
