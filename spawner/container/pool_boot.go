package container

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"golang.org/x/sys/unix"
)

// boot makes one container of a kind that waits, and leaves it paused. It is
// proven before it is offered that something can be mounted into it from here.
func (p *Pool) boot(ctx context.Context, kind Spec) (err error) {
	ctx, done := bounded(ctx, bootWithin)
	defer done()
	api, err := p.api(ctx)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: this process is not root's", errOff)
	}
	image, err := api.ImageInspect(ctx, kind.Image)
	if err != nil {
		return p.wrap(ctx, "inspect image", kind.Image, err)
	}
	if image.Config == nil || image.Config.Labels[waitsLabel] == "" {
		return fmt.Errorf("container: the jupyter-lab of %s cannot wait (label %s)", kind.Image, waitsLabel)
	}
	m, lock, err := p.newMark()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := m.put(kindMark, kept{kind, image.ID}); err != nil {
		return err
	}
	s := kind
	s.Name = "lectern-pool-" + strings.ToLower(rand.Text()[:16])
	s.Labels = map[string]string{poolLabel: p.owner, markLabel: m.name()}
	s.Secrets = map[string]string{waitsFile: ""}
	s.Env = maps.Clone(kind.Env)
	defer func() {
		if err != nil { // also if the context ended
			err = errors.Join(err, p.Docker.Remove(context.WithoutCancel(ctx), s.Name), m.remove())
		}
	}()
	got, err := p.Docker.Start(ctx, s)
	if err != nil {
		return err
	}
	if err := p.await(ctx, api, got.ID, kind.Image); err != nil {
		return err
	}
	if err := api.ContainerPause(ctx, got.ID); err != nil {
		return p.wrap(ctx, "pause", s.Name, err)
	}
	if err := p.probe(ctx, got.ID, m); err != nil {
		return fmt.Errorf("%w: %w", errOff, err)
	}
	return m.put(readyMark, ready{got.Addr})
}

// await returns when a container that boots waits. While somebody else starts it
// is paused, so that it costs nobody time.
func (p *Pool) await(ctx context.Context, api *client.Client, id, image string) (err error) {
	still := false
	for text := ""; !strings.Contains(text, waitsLine); {
		select {
		case <-ctx.Done():
			return fmt.Errorf("container: %s did not boot in time: %.500s", image, text)
		case <-time.After(100 * time.Millisecond):
		}
		if busy := !p.quiet(); busy != still {
			turn := api.ContainerUnpause
			if busy {
				turn = api.ContainerPause
			}
			if err := turn(ctx, id); err != nil {
				return p.wrap(ctx, "hold", id, err)
			}
			still = busy
		}
		if still {
			continue
		}
		if text, err = p.Docker.Logs(ctx, id, 50); err != nil {
			return err
		}
		if now, err := p.Docker.Inspect(ctx, id); err != nil || now.Phase != Up {
			return errors.Join(fmt.Errorf("container: %s ended while it booted: %.500s", image, text), err)
		}
	}
	return nil
}

// errOff says that containers cannot be given on this machine.
var errOff = errors.New("container: nothing can be mounted into a container from here")

// probe mounts an empty directory into a container that waits, looks at it from
// within and takes it away again.
func (p *Pool) probe(ctx context.Context, id string, m mark) error {
	pid, err := p.waiting(ctx, id)
	if err != nil {
		return err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(p.Docker.options.Data.Inside, &fs); err != nil {
		return err
	}
	if fs.Flags&unix.ST_RDONLY != 0 {
		return fmt.Errorf("%w: the data root is read-only here", ErrMount)
	}
	list, err := p.trees([]Mount{{From: string(m) + "/" + probeMark, To: HomeDir, Writable: true}})
	if err != nil {
		return err
	}
	defer shut(list)
	return within(pid, id, func() error { return errors.Join(attach(list), detach(HomeDir)) })
}

// waiting is the first process of a container that is paused, and errNone for
// any other.
func (p *Pool) waiting(ctx context.Context, id string) (pid int, err error) {
	api, err := p.api(ctx)
	if err != nil {
		return 0, err
	}
	c, err := api.ContainerInspect(ctx, id)
	if err != nil {
		return 0, errors.Join(errNone, p.wrap(ctx, "inspect", id, err))
	}
	if c.State == nil || !c.State.Paused {
		return 0, errNone
	}
	return c.State.Pid, nil
}

func (p *Pool) rename(ctx context.Context, id, name string) error {
	api, err := p.api(ctx)
	if err != nil {
		return err
	}
	if err := api.ContainerRename(ctx, id, name); err != nil {
		return p.wrap(ctx, "rename to", name, err)
	}
	return nil
}

// clear removes one of the pool's containers and all that belongs to it. What it
// cannot remove the next look finds.
func (p *Pool) clear(id, secretsDir string, m mark) {
	ctx, done := context.WithTimeout(context.Background(), change)
	defer done()
	err := p.client.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil {
		err = p.wrap(ctx, "remove", id, err)
	}
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) {
		err = errors.Join(p.Docker.secrets.remove(secretsDir), m.remove())
	}
	if err != nil {
		p.Docker.log.Warn("a container of the pool could not be removed", "id", id, "err", err)
	}
}
