package container

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/client"
)

// Docker runs containers on one engine, on a bridge network of Lectern's own
// where containers cannot reach each other. No port is published: Lectern dials
// the container's address, from the host or from a container that shares the
// host's network. From any other container no workspace can be reached.
//
// Containers belong to the engine, not to this process: they go on when Lectern
// ends, and the next one finds them by label.
type Docker struct {
	client  *client.Client
	options DockerOptions
	secrets secrets
	log     *slog.Logger

	mu     sync.Mutex
	agreed bool // on the version of the interface

	open, closed bridge // what containers are on
}

// DockerOptions is what an operator decides.
type DockerOptions struct {
	Host    string // such as unix:///var/run/docker.sock; empty asks DOCKER_HOST
	Certs   string // directory of certificates for a Host of tcp://; see newClient
	Network string // name of the bridge; empty is lectern-workspaces. With -closed behind it, that of the one without a way out
	Data    Paths  // mounts come from below here
	// Secrets is a directory of Lectern's own, below the data root, best on a
	// file system in memory.
	Secrets string
	// FetchPatience is how long a download may bring nothing; 0 is two minutes.
	FetchPatience time.Duration
	Log           *slog.Logger
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
	c, err := newClient(o.Host, o.Certs)
	if err != nil {
		return nil, err
	}
	return &Docker{client: c, options: o, secrets: secrets{o.Secrets}, log: o.Log,
		open: bridge{name: o.Network}, closed: bridge{name: closedNetwork(o.Network), internal: true}}, nil
}

// Close lets go of the connections. Containers are not touched.
func (d *Docker) Close() error { return d.client.Close() }

// api is the client once it has agreed with the engine on a version. The client
// would do that by itself at its first call, while other calls read the version
// it writes; and it would ask for events in a version that the engine may lack.
func (d *Docker) api(ctx context.Context) (*client.Client, error) {
	d.mu.Lock()
	agreed := d.agreed
	d.mu.Unlock()
	if agreed {
		return d.client, nil
	}
	pong, err := d.client.Ping(ctx) // not under mu: it may take the whole deadline
	if err != nil {
		return nil, d.wrap(ctx, "ask", "the engine", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.agreed {
		d.client.NegotiateAPIVersionPing(pong)
		d.agreed = true
	}
	return d.client, nil
}

// Image looks on the engine only; nothing is pulled while a student waits.
func (d *Docker) Image(ctx context.Context, ref string) (Image, error) {
	ctx, done := bounded(ctx, quick)
	defer done()
	api, err := d.api(ctx)
	if err != nil {
		return Image{}, err
	}
	got, err := api.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) || errdefs.IsInvalidArgument(err) {
		return Image{}, fmt.Errorf("container: %s: %w", ref, ErrImageMissing)
	}
	if err != nil {
		return Image{}, d.wrap(ctx, "inspect image", ref, err)
	}
	return imageOf(ref, got), nil
}

// Start implements [Engine]. If it fails, nothing of the container is left.
func (d *Docker) Start(ctx context.Context, s Spec) (Running, error) {
	ctx, done := bounded(ctx, change)
	defer done()
	if _, _, err := parseUser(s.User); err != nil {
		return Running{}, err
	}
	api, err := d.api(ctx)
	if err != nil {
		return Running{}, err
	}
	// A start may come before the first Ensure is through, or after somebody
	// removed the network.
	on := d.bridgeOf(s)
	if err := d.wire(ctx, api, on); err != nil {
		return Running{}, err
	}
	// Made first and looked at only if the name is taken: the usual case is
	// that it is not, and each question costs the waiting student time.
	err = d.create(ctx, api, s)
	if errors.Is(err, ErrConflict) {
		var found Status
		found, err = d.Inspect(ctx, s.Name)
		if errors.Is(err, ErrNotFound) { // it is being made, or removed
			return Running{}, fmt.Errorf("container: start %s: %w", s.Name, ErrConflict)
		}
		if err != nil {
			return Running{}, err
		}
		if !has(found.Labels, s.Labels) || found.Phase == Exited {
			return Running{}, fmt.Errorf("container: start %s: %w", s.Name, ErrConflict)
		}
		if found.Phase == Up {
			return Running{ID: found.ID, Addr: found.Addr}, nil
		}
	}
	if err != nil {
		return Running{}, err
	}
	if err := api.ContainerStart(ctx, s.Name, container.StartOptions{}); err != nil {
		if strings.Contains(err.Error(), "network") {
			on.wired.Store(nil)
		}
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

func (d *Docker) create(ctx context.Context, api *client.Client, s Spec) error {
	mounts, err := d.mounts(s)
	if err != nil {
		return err
	}
	labels := map[string]string{}
	maps.Copy(labels, s.Labels)
	if s.Port != 0 {
		labels[PortLabel] = strconv.Itoa(s.Port)
	}
	if len(s.Secrets) > 0 {
		dir, err := d.secrets.write(s.Name, s.User, s.Secrets)
		if err != nil {
			return fmt.Errorf("container: secrets of %s: %w", s.Name, err)
		}
		from, err := d.options.Data.Translate(dir)
		if err != nil {
			return err
		}
		labels[secretsLabel] = filepath.Base(dir)
		mounts = append(mounts, bind(from, SecretsDir, false))
	}
	s.Labels = labels
	on := d.bridgeOf(s)
	config, host := body(s, on.name, on.gateway(), mounts)
	_, err = api.ContainerCreate(ctx, config, host, nil, nil, s.Name)
	if err == nil {
		return nil
	}
	if errdefs.IsNotFound(err) {
		err = fmt.Errorf("container: create %s from %s: %w", s.Name, s.Image, ErrImageMissing)
	} else {
		err = d.wrap(ctx, "create", s.Name, err)
	}
	// The engine may have made it and only failed to say so; then its secrets
	// stay until the container goes, by label.
	if !errors.Is(err, ErrEngineDown) {
		err = errors.Join(err, d.secrets.remove(labels[secretsLabel]))
	}
	return err
}

// mounts translates and checks the directories that s wants to see.
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
	return list, nil
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
	api, err := d.api(ctx)
	if err != nil {
		return err
	}
	err = api.ContainerStop(ctx, name, container.StopOptions{Timeout: &seconds})
	if err == nil || errdefs.IsNotFound(err) {
		return nil
	}
	return d.wrap(ctx, "stop", name, err)
}

// Remove implements [Engine].
func (d *Docker) Remove(ctx context.Context, name string) error {
	ctx, done := bounded(ctx, change)
	defer done()
	api, err := d.api(ctx)
	if err != nil {
		return err
	}
	found, err := d.Inspect(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	// By id: meanwhile the name may have gone to a new container.
	err = api.ContainerRemove(ctx, found.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	// "Removal already in progress" is a conflict, and as good as done.
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return d.wrap(ctx, "remove", name, err)
	}
	return d.secrets.remove(found.Labels[secretsLabel])
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
	case strings.Contains(text, "bind source path does not exist"), strings.Contains(text, "error mounting"):
		kind = errors.Join(ErrMount, err)
	case strings.Contains(text, "executable file not found"):
		kind = errors.Join(ErrNoProgram, err)
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
