package container

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// Swarm runs each container as a service of one task, on the machines of a
// Docker swarm. Swarm never decides where or whether one runs again: a service
// is bound to the one machine that Lectern chose and is never restarted, so
// that no second program can start to write to a home behind Lectern's back.
//
// Homes lie on a file system that every machine has mounted at the same path.
type Swarm struct {
	manager  *Docker // the engine that is asked, of a manager
	options  SwarmOptions
	log      *slog.Logger
	machines *machines

	placing  sync.Mutex
	promised map[string]promise // by name: places given to services that have no task yet

	ensured atomic.Bool // Ensure went through once; nothing is started before
	engines sync.Map    // of machines, by id and address
	warned  sync.Map    // what was said once

	mu   sync.Mutex
	self string          // id of the manager's own machine
	open map[string]bool // machines by id where containers can reach each other
}

// SwarmOptions is what an operator decides.
type SwarmOptions struct {
	// Docker is the manager's engine. Network is the overlay, if there is one, and
	// Data the shared mount; Secrets is not used: they are swarm's.
	Docker DockerOptions
	// Label is what a machine must have to run workspaces, such as
	// "lectern.workspaces=yes"; empty: every active machine.
	Label string
	// Overlay dials containers at their address on the overlay network Network,
	// which Lectern's host or container must be on. False: at a port published on
	// their machine's address, on its default bridge.
	Overlay bool
	// NodePort is where every machine's engine listens, with the manager's
	// certificates; 0: they do not, and usage and the cause of deaths are unknown.
	NodePort int
	// Heartbeat is the least that machines may have between signs of life to
	// the managers; 0 is a minute. A machine that misses three is given up by
	// swarm, which then ends what runs on it as soon as it is back.
	Heartbeat time.Duration
	// Lease is how long a machine must have been silent before an operator's
	// word that it is off is believed; 0 is a minute.
	Lease time.Duration
	// Volume, if set, mounts homes as volumes of a driver instead of directories.
	Volume *VolumeOptions
}

// VolumeOptions names a volume driver. {path} in the values of Options becomes a
// directory's path relative to the data root.
type VolumeOptions struct {
	Driver  string // such as local
	Options map[string]string
}

// OffLabel is what an operator puts on a machine that is certainly off.
const OffLabel = "lectern.off"

// NewSwarm prepares a driver without calling the engine yet.
func NewSwarm(o SwarmOptions) (*Swarm, error) {
	if o.Docker.Network == "" {
		o.Docker.Network = "lectern-workspaces"
	}
	if o.Docker.Secrets == "" {
		o.Docker.Secrets = o.Docker.Data.Inside + "/secrets"
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = time.Minute
	}
	if o.Lease == 0 {
		o.Lease = time.Minute
	}
	manager, err := NewDocker(o.Docker)
	if err != nil {
		return nil, err
	}
	w := &Swarm{manager: manager, options: o, log: manager.log, promised: map[string]promise{}, open: map[string]bool{}}
	port := o.NodePort
	if port == 0 {
		port = gossipPort
	}
	w.machines = newMachines(port, o.Lease)
	return w, nil
}

// Manager is the engine that is asked, for what does not run on the swarm.
func (w *Swarm) Manager() *Docker { return w.manager }

// Close lets go of the connections. Containers are not touched.
func (w *Swarm) Close() error { return w.manager.Close() }

// Image looks on the manager, and on every other machine whose engine answers.
// A reference with a digest need not be there: machines fetch it themselves.
func (w *Swarm) Image(ctx context.Context, ref string) (Image, error) {
	got, err := w.manager.Image(ctx, ref)
	if err == nil || !strings.Contains(ref, "@sha256:") {
		return got, err
	}
	return Image{Ref: ref, ID: ref[strings.Index(ref, "sha256:"):]}, nil
}

// pin is ref as every machine understands it alike: by the digest it was pulled
// with, or by its id if it was made or loaded by hand. Neither makes a machine
// that has it ask a registry.
func (w *Swarm) pin(ctx context.Context, api *client.Client, ref string) (string, error) {
	if strings.Contains(ref, "@sha256:") {
		return ref, nil
	}
	if strings.HasPrefix(ref, "sha256:") {
		return w.repoDigest(ctx, ref), nil
	}
	got, err := w.manager.Image(ctx, ref)
	if err != nil {
		return "", err
	}
	full, err := api.ImageInspect(ctx, got.ID)
	if err != nil {
		return "", w.manager.wrap(ctx, "inspect image", ref, err)
	}
	return pinned(ref, full), nil
}

func pinned(ref string, full image.InspectResponse) string {
	name := ref
	if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") {
		name = ref[:i]
	}
	for _, digest := range full.RepoDigests {
		if strings.HasPrefix(digest, name+"@") {
			return digest
		}
	}
	return full.ID
}

// once logs a warning only the first time that key comes up.
func (w *Swarm) once(key, text string, args ...any) {
	if _, known := w.warned.LoadOrStore(key, true); !known {
		w.log.Warn(text, args...)
	}
}

// refused is for what the Services API cannot be asked.
func refused(name, what string) error {
	return fmt.Errorf("container: start %s: a swarm cannot %s", name, what)
}
