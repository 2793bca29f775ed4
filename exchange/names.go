package exchange

import (
	"path"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"lectern/exchange/tree"
)

// cleanName is the slash-separated path an uploaded name stands for, in composed
// form as most systems write it, or why there is none.
func cleanName(name string) (clean, why string) {
	switch {
	case !utf8.ValidString(name):
		return "", "the name is not UTF-8 text"
	case strings.ContainsRune(name, '\\'):
		return "", `the name contains a backslash; make the zip with folders separated by "/"`
	case strings.HasPrefix(name, "/") || len(name) > 1 && name[1] == ':':
		return "", "the name starts at the root of a disk; only names inside the assignment are taken"
	case len(name) > 1000:
		return "", "the name is too long"
	}
	name = strings.TrimSuffix(norm.NFC.String(name), "/")
	parts := strings.Split(name, "/")
	if len(parts) > tree.Homes.Depth {
		return "", "it lies too many folders deep"
	}
	for _, p := range parts {
		switch {
		case p == "..":
			return "", `the name leads out of the folder with ".."`
		case p == "" || p == ".":
			return "", "the name has an empty part"
		case !tree.PlainName(p):
			return "", "the name is too long or contains characters that cannot be shown"
		}
	}
	if strings.EqualFold(name, timestampName) {
		return "", "Lectern writes a file of that name itself; please rename yours"
	}
	return path.Join(parts...), ""
}

// junk reports whether any part of a clean name is one that programs leave behind.
func junk(clean string) bool {
	for _, p := range strings.Split(clean, "/") {
		if tree.JunkName(p) {
			return true
		}
	}
	return false
}

// names notices names that some system would take for the same file.
type names struct{ seen map[string]named }

type named struct {
	path string
	dir  bool
}

// add is empty for a name that may stand beside all others, or says why not. A
// directory may be added many times.
func (n *names) add(clean string, dir bool) (why string) {
	if n.seen == nil {
		n.seen = map[string]named{}
	}
	if parent := path.Dir(clean); parent != "." {
		if why := n.add(parent, true); why != "" {
			return why
		}
	}
	key := fold(clean)
	old, taken := n.seen[key]
	switch {
	case !taken:
		n.seen[key] = named{clean, dir}
		return ""
	case old.path != clean:
		return "it differs from " + old.path + " only in capital letters, and some computers take both for one"
	case dir && old.dir:
		return ""
	case dir || old.dir:
		return "there are a file and a folder of that name"
	}
	return "there are two files of that name"
}

// has is the name already there for what some system takes for the same file.
func (n *names) has(clean string) (named, bool) {
	old, ok := n.seen[fold(clean)]
	return old, ok
}

func fold(s string) string { return norm.NFC.String(cases.Fold().String(s)) }
