package container

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// Docker runs containers on one engine, on a bridge network of Lectern's own
// where containers cannot reach each other. No port is published: Lectern dials
// the container's address, which is reachable from the host and from a Lectern
// that is itself a container on that network.
//
// Containers belong to the engine, not to this process: they go on when Lectern
// ends, and the next one finds them by label.
type Docker struct {
	client  *client.Client
	options DockerOptions
	secrets secrets
	log     *slog.Logger
}

// DockerOptions is what an operator decides.
type DockerOptions struct {
	Host    string // such as unix:///var/run/docker.sock; empty asks DOCKER_HOST
	Network string // name of the bridge; empty is lectern-workspaces
	Data    Paths  // mounts come from below here
	// Secrets is a directory of Lectern's own, below the data root, best on a
	// file system in memory.
	Secrets string
	Log     *slog.Logger
}

// NewDocker prepares a driver without calling the engine yet.
func NewDocker(o DockerOptions) (*Docker, error) {
	if o.Network == "" {
		o.Network = "lectern-workspaces"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if _, err := o.Data.Translate(o.Secrets); err != nil {
		return nil, fmt.Errorf("container: secrets directory: %w", err)
	}
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if o.Host != "" {
		opts = append(opts, client.WithHost(o.Host))
	}
	c, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("container: docker client: %w", err)
	}
	return &Docker{client: c, options: o, secrets: secrets{o.Secrets}, log: o.Log}, nil
}

// Close lets go of the connections. Containers are not touched.
func (d *Docker) Close() error { return d.client.Close() }

// Ensure makes the bridge if it is missing and refuses to use one of that name
// where containers could reach each other.
func (d *Docker) Ensure(ctx context.Context) error {
	ctx, done := bounded(ctx, change)
	defer done()
	const icc = "com.docker.network.bridge.enable_icc"
	_, err := d.client.NetworkCreate(ctx, d.options.Network, network.CreateOptions{
		Driver:  "bridge",
		Options: map[string]string{icc: "false"},
		Labels:  map[string]string{"lectern.network": "workspaces"},
	})
	if err != nil && !errdefs.IsConflict(err) && !strings.Contains(err.Error(), "already exists") {
		return d.wrap(ctx, "make network", d.options.Network, err)
	}
	got, err := d.client.NetworkInspect(ctx, d.options.Network, network.InspectOptions{})
	if err != nil {
		return d.wrap(ctx, "inspect network", d.options.Network, err)
	}
	if got.Driver != "bridge" || got.Options[icc] != "false" {
		return fmt.Errorf("container: network %s exists but lets containers reach each other; remove it or name another", d.options.Network)
	}
	all, err := d.client.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return d.wrap(ctx, "list", "", err)
	}
	keep := map[string]bool{}
	for _, c := range all {
		for _, name := range c.Names {
			keep[strings.TrimPrefix(name, "/")] = true
		}
	}
	return d.secrets.sweep(keep)
}

// Image looks on the engine only; nothing is pulled while a student waits.
func (d *Docker) Image(ctx context.Context, ref string) (Image, error) {
	ctx, done := bounded(ctx, quick)
	defer done()
	got, err := d.client.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) || errdefs.IsInvalidArgument(err) {
		return Image{}, fmt.Errorf("container: %s: %w", ref, ErrImageMissing)
	}
	if err != nil {
		return Image{}, d.wrap(ctx, "inspect image", ref, err)
	}
	return Image{Ref: ref, ID: got.ID, Size: got.Size}, nil
}

// Start implements [Engine]. If it fails, nothing of the container is left.
func (d *Docker) Start(ctx context.Context, s Spec) (Running, error) {
	ctx, done := bounded(ctx, change)
	defer done()
	if _, _, err := parseUser(s.User); err != nil {
		return Running{}, err
	}
	found, err := d.Inspect(ctx, s.Name)
	switch {
	case errors.Is(err, ErrNotFound):
		if err := d.create(ctx, s); err != nil {
			return Running{}, err
		}
	case err != nil:
		return Running{}, err
	case !has(found.Labels, s.Labels) || found.Phase == Exited:
		return Running{}, fmt.Errorf("container: start %s: %w", s.Name, ErrConflict)
	case found.Phase == Up:
		return Running{ID: found.ID, Addr: found.Addr}, nil
	}
	if err := d.client.ContainerStart(ctx, s.Name, container.StartOptions{}); err != nil {
		err = d.wrap(ctx, "start", s.Name, err)
		d.discard(s.Name)
		return Running{}, err
	}
	now, err := d.Inspect(ctx, s.Name)
	if err != nil {
		return Running{}, err
	}
	return Running{ID: now.ID, Addr: now.Addr}, nil
}

func (d *Docker) create(ctx context.Context, s Spec) error {
	mounts, err := d.mounts(s)
	if err != nil {
		return err
	}
	config, host := body(s, d.options.Network, mounts)
	_, err = d.client.ContainerCreate(ctx, config, host, nil, nil, s.Name)
	switch {
	case err == nil:
		return nil
	case errdefs.IsConflict(err):
		// Somebody else made it since we looked; its secrets are theirs.
		return fmt.Errorf("container: create %s: %w", s.Name, ErrConflict)
	case errdefs.IsNotFound(err):
		err = fmt.Errorf("container: create %s from %s: %w", s.Name, s.Image, ErrImageMissing)
	default:
		err = d.wrap(ctx, "create", s.Name, err)
	}
	d.discard(s.Name)
	return err
}

// mounts translates and checks what s wants to see, and lays out its secrets.
func (d *Docker) mounts(s Spec) ([]mount.Mount, error) {
	var list []mount.Mount
	for _, m := range s.Mounts {
		from, err := d.options.Data.Translate(m.From)
		if err != nil {
			return nil, err
		}
		if info, err := os.Lstat(m.From); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("%w: %s is not a directory", ErrMount, m.From)
		}
		list = append(list, bind(from, m.To, m.Writable))
	}
	if len(s.Secrets) == 0 {
		return list, nil
	}
	dir, err := d.secrets.write(s.Name, s.User, s.Secrets)
	if err != nil {
		return nil, fmt.Errorf("container: secrets of %s: %w", s.Name, err)
	}
	from, err := d.options.Data.Translate(dir)
	if err != nil {
		return nil, err
	}
	return append(list, bind(from, SecretsDir, false)), nil
}

// discard removes what a failed start left behind, even if the caller is gone.
// What it cannot remove now, the reconciler finds by label.
func (d *Docker) discard(name string) {
	ctx, done := context.WithTimeout(context.Background(), quick)
	defer done()
	if err := d.Remove(ctx, name); err != nil {
		d.log.Warn("a failed container could not be removed", "name", name, "err", err)
	}
}

// Stop implements [Engine].
func (d *Docker) Stop(ctx context.Context, name string, grace time.Duration) error {
	ctx, done := bounded(ctx, grace+quick)
	defer done()
	seconds := int(grace.Round(time.Second) / time.Second)
	err := d.client.ContainerStop(ctx, name, container.StopOptions{Timeout: &seconds})
	if err == nil || errdefs.IsNotFound(err) {
		return nil
	}
	return d.wrap(ctx, "stop", name, err)
}

// Remove implements [Engine].
func (d *Docker) Remove(ctx context.Context, name string) error {
	ctx, done := bounded(ctx, change)
	defer done()
	err := d.client.ContainerRemove(ctx, name, container.RemoveOptions{Force: true, RemoveVolumes: true})
	// "Removal already in progress" is a conflict, and as good as done.
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return d.wrap(ctx, "remove", name, err)
	}
	return d.secrets.remove(name)
}

// wrap gives an engine's error its kind. A call that ran into a deadline of
// ours, rather than the caller giving up, means the engine does not answer.
func (d *Docker) wrap(ctx context.Context, act, name string, err error) error {
	kind := err
	switch text := err.Error(); {
	case client.IsErrConnectionFailed(err), errors.Is(ctx.Err(), context.DeadlineExceeded):
		kind = errors.Join(ErrEngineDown, err)
	case errdefs.IsNotFound(err):
		kind = errors.Join(ErrNotFound, err)
	case errdefs.IsConflict(err):
		kind = errors.Join(ErrConflict, err)
	case strings.Contains(text, "executable file not found"), strings.Contains(text, "no such file or directory: unknown"):
		kind = errors.Join(ErrNoProgram, err)
	case strings.Contains(text, "bind source path does not exist"):
		kind = errors.Join(ErrMount, err)
	}
	return fmt.Errorf("container: %s %s: %w", act, name, kind)
}

func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}

func has(labels, want map[string]string) bool {
	for k, v := range want {
		if labels[k] != v {
			return false
		}
	}
	return true
}
