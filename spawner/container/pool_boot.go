package container

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
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
	if err := able(); err != nil {
		return fmt.Errorf("%w: %w", errOff, err)
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
	if err := m.put(kindMark, kind); err != nil {
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
	if err := p.probe(ctx, got.ID, m); err != nil {
		return fmt.Errorf("%w: %w", errOff, err)
	}
	if err := api.ContainerPause(ctx, got.ID); err != nil {
		return p.wrap(ctx, "pause", s.Name, err)
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

// probe mounts an empty directory into a container, waits until the program in it
// sees it, and takes it away again.
func (p *Pool) probe(ctx context.Context, id string, m mark) error {
	pid, _, err := p.process(ctx, id)
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
	if err := within(pid, id, func() error { return attach(list) }); err != nil {
		return err
	}
	sees := func() bool {
		text, err := p.Docker.Logs(ctx, id, 50)
		return err == nil && strings.Contains(text, seesLine)
	}
	for until := time.Now().Add(probeWithin); !sees(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) || ctx.Err() != nil {
			return fmt.Errorf("%w: the program in it does not see what was mounted", ErrMount)
		}
	}
	return within(pid, id, func() error { return detach(HomeDir) })
}

// process is the first process of a container, and whether it is paused. One that
// does not run is [ErrNotFound].
func (p *Pool) process(ctx context.Context, id string) (pid int, paused bool, err error) {
	api, err := p.api(ctx)
	if err != nil {
		return 0, false, err
	}
	c, err := api.ContainerInspect(ctx, id)
	if err != nil {
		return 0, false, p.wrap(ctx, "inspect", id, err)
	}
	if c.State == nil || !c.State.Running {
		return 0, false, fmt.Errorf("container: %s does not run: %w", id, ErrNotFound)
	}
	return c.State.Pid, c.State.Paused, nil
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
