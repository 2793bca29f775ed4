package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// secrets keeps one directory for each container below root. Lectern owns root,
// so nothing a student wrote is ever on the path.
type secrets struct{ root string }

// write makes the container's directory anew, so that a half-written one of a
// crashed start is never used, and gives its files to user.
func (s secrets) write(name, user string, files map[string]string) (dir string, err error) {
	uid, gid, err := parseUser(user)
	if err != nil {
		return "", err
	}
	if !plainName(name) {
		return "", fmt.Errorf("container: %q is no name for a directory", name)
	}
	dir = filepath.Join(s.root, name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(s.root, 0o711); err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	for file, text := range files {
		if !plainName(file) {
			return "", fmt.Errorf("container: %q is no name for a secret", file)
		}
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, []byte(text), 0o400); err != nil {
			return "", err
		}
		if err := give(path, uid, gid); err != nil {
			return "", err
		}
	}
	return dir, give(dir, uid, gid)
}

// give changes the owner. Lectern that is not root can only serve its own uid,
// and then there is nothing to change.
func give(path string, uid, gid int) error {
	if os.Geteuid() == uid {
		return nil
	}
	return os.Chown(path, uid, gid)
}

func (s secrets) remove(name string) error {
	if !plainName(name) {
		return nil
	}
	return os.RemoveAll(filepath.Join(s.root, name))
}

// sweep removes the directories of containers that are not in keep.
func (s secrets) sweep(keep map[string]bool) error {
	entries, err := os.ReadDir(s.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if !keep[e.Name()] {
			err = errors.Join(err, s.remove(e.Name()))
		}
	}
	return err
}

func plainName(name string) bool {
	return name != "" && name[0] != '.' && !strings.ContainsAny(name, "/\x00")
}

// parseUser reads "uid:gid". Names are refused: they mean another number in
// every image.
func parseUser(user string) (uid, gid int, err error) {
	u, g, ok := strings.Cut(user, ":")
	uid, err1 := strconv.Atoi(u)
	gid, err2 := strconv.Atoi(g)
	if !ok || err1 != nil || err2 != nil || uid <= 0 || gid < 0 {
		return 0, 0, fmt.Errorf("container: user %q is not uid:gid of somebody other than root", user)
	}
	return uid, gid, nil
}
