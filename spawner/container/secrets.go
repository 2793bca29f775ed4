package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// secrets keeps one directory for each start of a container below root. Lectern
// owns root, so nothing a student wrote is ever on the path. The directory's
// name is new each time: of two copies of Lectern that start the same container
// at once, the one that loses must not pull the files from under the other.
type secrets struct{ root string }

// secretsLabel names a container's directory below the root of secrets.
const secretsLabel = "lectern.secrets"

// write makes the directory and gives it to user, readable by nobody else.
func (s secrets) write(name, user string, files map[string]string) (dir string, err error) {
	uid, gid, err := parseUser(user)
	if err != nil {
		return "", err
	}
	if !plainName(name) {
		return "", fmt.Errorf("container: %q is no name for a directory", name)
	}
	if err := os.MkdirAll(s.root, 0o711); err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp(s.root, name+"."); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
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

// remove forgets one directory, named as the label has it.
func (s secrets) remove(base string) error {
	if !plainName(base) {
		return nil
	}
	return os.RemoveAll(filepath.Join(s.root, base))
}

// sweep removes directories that are not in keep and older than any start takes,
// so that a start in progress elsewhere keeps its own.
func (s secrets) sweep(keep map[string]bool, age time.Duration) error {
	entries, err := os.ReadDir(s.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		info, gone := e.Info()
		if gone != nil || keep[e.Name()] || time.Since(info.ModTime()) < age {
			continue
		}
		err = errors.Join(err, s.remove(e.Name()))
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
