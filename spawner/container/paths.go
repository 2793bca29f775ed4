package container

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Paths is the data root twice: as this process sees it, and as the engine sees
// it. They differ when Lectern itself runs in a container with the engine's
// socket mounted, since the engine resolves every mount on the host. An empty
// Host means the same path.
type Paths struct{ Inside, Host string }

// Translate turns a path below Inside into the engine's path. Everything else,
// the root itself included, is [ErrMount]: nothing but course data is ever
// mounted, whatever a caller asks for.
func (p Paths) Translate(path string) (string, error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return "", fmt.Errorf("%w: %q is not a clean absolute path", ErrMount, path)
	}
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(p.Inside, "/")+"/")
	if !ok || p.Inside == "" || p.Inside == "/" {
		return "", fmt.Errorf("%w: %q is not below the data root %q", ErrMount, path, p.Inside)
	}
	if p.Host == "" {
		return path, nil
	}
	return filepath.Join(p.Host, rest), nil
}
