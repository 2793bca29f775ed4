package remote

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"lectern/spawner/container"
)

// identity is a directory, whatever it is called.
type identity struct{ device, inode uint64 }

type identityList []identity

func (a identityList) same(b identityList) bool { return slices.Equal(a, b) }

// identities are the directories that the mounts name, found below the data root
// without following any link on the way.
func identities(data string, mounts []container.Mount) (identityList, error) {
	root, err := unix.Open(data, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: the data root: %v", container.ErrMount, err)
	}
	defer unix.Close(root)
	var list identityList
	for _, m := range mounts {
		one, err := identify(root, data, m.From)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

func identify(root int, data, path string) (identity, error) {
	rel, below := strings.CutPrefix(path, strings.TrimSuffix(data, "/")+"/")
	if !below {
		return identity{}, fmt.Errorf("%w: %q is not below the data root", container.ErrMount, path)
	}
	fd, err := unix.Openat2(root, rel, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return identity{}, fmt.Errorf("%w: %s: %v", container.ErrMount, path, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return identity{}, fmt.Errorf("%w: %s: %v", container.ErrMount, path, err)
	}
	return identity{uint64(st.Dev), st.Ino}, nil
}
