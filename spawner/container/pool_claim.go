package container

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Start implements [Engine]: one of the containers that wait becomes s, if one is
// just like it; else s is made as ever.
func (p *Pool) Start(ctx context.Context, s Spec) (Running, error) {
	defer p.started()()
	ctx, done := bounded(ctx, change)
	defer done()
	for range 3 {
		got, err := p.give(ctx, s)
		if err == nil {
			return got, nil
		}
		if !errors.Is(err, errNone) && !errors.Is(err, ErrConflict) {
			p.Docker.log.Warn("a container of the pool could not be given", "name", s.Name, "err", err)
		}
		got, err = p.Docker.Start(ctx, s)
		if !errors.Is(err, ErrConflict) {
			return got, err
		}
		// The name may be one that was given, or half given, before.
		got, again, err := p.given(ctx, s, err)
		if !again {
			return got, err
		}
	}
	return Running{}, fmt.Errorf("container: start %s: %w", s.Name, ErrConflict)
}

// errNone says that none waits that fits.
var errNone = errors.New("container: none of the pool fits")

// give turns a container that waits into s. If that fails the container is
// removed, with all that was mounted in it.
func (p *Pool) give(ctx context.Context, s Spec) (Running, error) {
	if p.options.Size <= 0 || s.Fresh {
		return Running{}, errNone
	}
	image, err := p.imageID(ctx, s.Image)
	if err != nil {
		return Running{}, err
	}
	key := p.learn(s, image)
	p.mu.Lock()
	scanned := p.scanned
	p.mu.Unlock()
	if !scanned { // an earlier Lectern may have left some
		if _, err := p.scan(ctx); err != nil {
			return Running{}, err
		}
	}
	var mine []Mount
	for _, m := range s.Mounts {
		if inHome(m) {
			mine = append(mine, m)
		}
	}
	list, err := p.trees(mine)
	if err != nil {
		return Running{}, err
	}
	defer shut(list)
	if configured(list) {
		return Running{}, errNone
	}
	for {
		c, ok := p.take(key)
		if !ok {
			return Running{}, errNone
		}
		p.look()
		got, err := p.claim(ctx, c, s, list)
		if !errors.Is(err, errLocked) && !errors.Is(err, errNone) {
			return got, err
		}
	}
}

// claim is give for one container. It is errLocked or errNone if somebody else
// has it, is about to, or removed it.
func (p *Pool) claim(ctx context.Context, c booted, s Spec, list []tree) (_ Running, err error) {
	m := p.mark(c.mark)
	lock, err := m.lock()
	if err != nil {
		return Running{}, errLocked
	}
	defer lock.Close()
	if !m.has(readyMark) || m.has(claimMark) {
		return Running{}, errNone
	}
	var at ready
	if err := m.read(readyMark, &at); err != nil {
		return Running{}, errNone
	}
	pid, still, err := p.process(ctx, c.id)
	if err != nil || !still {
		return Running{}, errors.Join(errNone, err)
	}
	p.step("locked")
	// From here on it is this workspace's or nobody's.
	if err := m.put(claimMark, claim{s.Name, s.Labels}); err != nil {
		return Running{}, err
	}
	defer func() {
		if err != nil {
			p.clear(c.id, c.secrets, m)
		}
	}()
	p.step("claimed")
	if err := p.Docker.secrets.add(c.secrets, s.User, s.Secrets); err != nil {
		return Running{}, fmt.Errorf("container: secrets of %s: %w", s.Name, err)
	}
	// The name first: while another container has it, that one may write to the home.
	p.step("secret")
	if err := p.rename(ctx, c.id, s.Name); err != nil {
		return Running{}, err
	}
	p.step("named")
	if err := within(pid, c.id, func() error { return attach(list) }); err != nil {
		return Running{}, err
	}
	p.step("mounted")
	if err := p.client.ContainerUnpause(ctx, c.id); err != nil {
		return Running{}, p.wrap(ctx, "wake", s.Name, err)
	}
	p.step("awake")
	if err := m.put(givenMark, struct{}{}); err != nil {
		return Running{}, err
	}
	p.step("given")
	return Running{ID: c.id, Addr: at.Addr}, nil
}

// given is what there is of s under its name, if the pool gave it. again is true
// if it was only half given: then it is gone now.
func (p *Pool) given(ctx context.Context, s Spec, conflict error) (got Running, again bool, err error) {
	c, err := p.Docker.Inspect(ctx, s.Name)
	if err != nil || c.Labels[poolLabel] != p.owner {
		return Running{}, false, conflict
	}
	m := p.mark(c.Labels[markLabel])
	lock, err := m.lock()
	if err != nil {
		return Running{}, false, conflict // it is being given now, or removed
	}
	defer lock.Close()
	of, ok, err := p.claimOf(c.Labels)
	switch {
	case err != nil:
		return Running{}, false, err
	case ok && m.has(givenMark) && has(of.Labels, s.Labels) && c.Phase == Up:
		return Running{ID: c.ID, Addr: c.Addr}, false, nil
	case ok && m.has(givenMark):
		return Running{}, false, conflict
	}
	p.clear(c.ID, c.Labels[secretsLabel], m)
	return Running{}, true, conflict
}

// configured reports whether a home holds settings that a Jupyter reads as it
// boots, from the directory it is started in: only a new one would heed them.
func configured(list []tree) bool {
	for _, t := range list {
		if t.to != HomeDir {
			continue
		}
		for _, name := range []string{"jupyter_config", "jupyter_server_config", "jupyter_lab_config"} {
			for _, kind := range []string{".py", ".json"} {
				var at unix.Stat_t
				if unix.Fstatat(t.fd, name+kind, &at, unix.AT_SYMLINK_NOFOLLOW) == nil {
					return true
				}
			}
		}
	}
	return false
}

// add puts more files into a container's directory of secrets, each as a whole.
func (s secrets) add(base, user string, files map[string]string) error {
	uid, gid, err := parseUser(user)
	if err != nil {
		return err
	}
	if !plainName(base) {
		return fmt.Errorf("container: %q is no directory of secrets", base)
	}
	for file, text := range maps.All(files) {
		if !plainName(file) {
			return fmt.Errorf("container: %q is no name for a secret", file)
		}
		path := filepath.Join(s.root, base, file)
		if err := os.WriteFile(path+".new", []byte(text), 0o400); err != nil {
			return err
		}
		if err := give(path+".new", uid, gid); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
	}
	return nil
}
