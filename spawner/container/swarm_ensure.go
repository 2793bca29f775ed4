package container

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
)

// icc lets containers on one bridge reach each other.
const icc = "com.docker.network.bridge.enable_icc"

// Ensure makes the swarm fit for workspaces: a heartbeat under which a healed
// partition kills nothing, a history that keeps a dead task until it was looked
// at, and machines that keep workspaces apart. It warns of those that Lectern
// cannot reach.
func (w *Swarm) Ensure(ctx context.Context) error {
	ctx, done := bounded(ctx, change)
	defer done()
	api, err := w.manager.api(ctx)
	if err != nil {
		return err
	}
	if err := w.settle(ctx, api); err != nil {
		return err
	}
	nodes, err := api.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return w.manager.wrap(ctx, "list nodes", "", err)
	}
	w.machines.look(ctx, nodes)
	for _, n := range nodes {
		if n.Status.State == swarm.NodeStateReady && w.machines.heard(n.ID).IsZero() {
			w.once("silent "+n.ID, "a machine of the swarm does not answer Lectern: nothing is started on it; open the port",
				"machine", n.Description.Hostname, "address", net.JoinHostPort(address(n), strconv.Itoa(w.machines.port)))
		}
	}
	if err := w.wire(ctx, api, nodes); err != nil {
		return err
	}
	w.ensured.Store(true)
	return w.sweep(ctx, api)
}

// settle makes sure of what holds for the whole swarm.
func (w *Swarm) settle(ctx context.Context, api *client.Client) error {
	if w.managerID() == "" {
		info, err := api.Info(ctx)
		if err != nil {
			return w.manager.wrap(ctx, "ask", "the manager", err)
		}
		if !info.Swarm.ControlAvailable {
			return fmt.Errorf("container: the engine is not a manager of a swarm: see docs/swarm.md")
		}
		w.mu.Lock()
		w.self = info.Swarm.NodeID
		w.mu.Unlock()
	}
	now, err := api.SwarmInspect(ctx)
	if err != nil {
		return w.manager.wrap(ctx, "inspect", "the swarm", err)
	}
	spec, wanted := now.Spec, false
	if spec.Dispatcher.HeartbeatPeriod < w.options.Heartbeat {
		w.log.Warn("the swarm's heartbeat is raised: with a shorter one a network that fails for seconds ends every workspace beyond it",
			"was", spec.Dispatcher.HeartbeatPeriod, "is", w.options.Heartbeat)
		spec.Dispatcher.HeartbeatPeriod, wanted = w.options.Heartbeat, true
	}
	if limit := spec.Orchestration.TaskHistoryRetentionLimit; limit != nil && *limit < 1 {
		w.log.Warn("the swarm's task history is raised to 1: without it nobody could tell why a workspace ended")
		spec.Orchestration.TaskHistoryRetentionLimit, wanted = new(int64(1)), true
	}
	if !wanted {
		return nil
	}
	err = api.SwarmUpdate(ctx, now.Version, spec, swarm.UpdateFlags{})
	if err != nil && !strings.Contains(err.Error(), "out of sequence") { // another Lectern was quicker
		return w.manager.wrap(ctx, "update", "the swarm", err)
	}
	return nil
}

// wire looks at the networks. An overlay is the operator's to make; otherwise
// containers are on each machine's default bridge, with the machine's settings.
//
// A bridge of the swarm's own, made from settings of each machine, would be
// neater; but engines cannot use such a one again after they were restarted
// ("network … exists").
func (w *Swarm) wire(ctx context.Context, api *client.Client, nodes []swarm.Node) error {
	if !w.options.Overlay {
		for _, n := range nodes {
			if n.Status.State == swarm.NodeStateReady && w.machines.answers(n.ID) {
				w.check(ctx, n)
			}
		}
		return nil
	}
	name := w.options.Docker.Network
	got, err := api.NetworkInspect(ctx, name, network.InspectOptions{Scope: "swarm"})
	switch {
	case errdefs.IsNotFound(err):
		return fmt.Errorf("container: there is no overlay network %s: make one that is attachable", name)
	case err != nil:
		return w.manager.wrap(ctx, "inspect network", name, err)
	case got.Driver != "" && got.Driver != "overlay": // "" was made a moment ago
		return fmt.Errorf("container: network %s is not an overlay", name)
	}
	return nil
}

// check refuses a machine whose containers can reach each other, if its engine
// can be asked, and warns of one that shows them to the whole world.
func (w *Swarm) check(ctx context.Context, n swarm.Node) {
	name := n.Description.Hostname
	at, err := w.engineAt(n)
	if err != nil {
		w.once("unseen "+n.ID, "a machine's engine cannot be asked whether it keeps containers apart: make sure that its daemon.json has icc false and ip", "machine", name)
		return
	}
	var got network.Inspect
	api, err := at.api(ctx)
	if err == nil {
		got, err = api.NetworkInspect(ctx, "bridge", network.InspectOptions{})
	}
	if err != nil {
		w.once("engine "+n.ID, "a machine's engine cannot be asked", "machine", name, "err", err)
		return
	}
	open := got.Options[icc] != "false"
	w.mu.Lock()
	w.open[n.ID] = open
	w.mu.Unlock()
	if open {
		w.once("open "+n.ID, `nothing is started on a machine where containers can reach each other: set "icc": false in its daemon.json`, "machine", name)
	}
	if ip := got.Options["com.docker.network.bridge.host_binding_ipv4"]; ip == "" || ip == "0.0.0.0" {
		w.once("published "+n.ID, `a machine publishes workspaces on all its addresses: set "ip" in its daemon.json to its private one`, "machine", name)
	}
}

// sweep removes secrets whose service is gone, but none of a start in progress.
func (w *Swarm) sweep(ctx context.Context, api *client.Client) error {
	secrets, err := api.SecretList(ctx, swarm.SecretListOptions{})
	if err != nil {
		return w.manager.wrap(ctx, "list secrets", "", err)
	}
	services, err := api.ServiceList(ctx, swarm.ServiceListOptions{})
	if err != nil {
		return w.manager.wrap(ctx, "list services", "", err)
	}
	used := map[string]bool{}
	for _, s := range services {
		used[s.Spec.Labels[secretsLabel]] = true
	}
	for _, s := range secrets {
		group := s.Spec.Labels[secretsLabel]
		if group != "" && !used[group] && time.Since(s.CreatedAt) > 10*time.Minute {
			err = errors.Join(err, api.SecretRemove(ctx, s.ID))
		}
	}
	return err
}

// engineAt is the engine of one machine: the manager's own, or by TCP with the
// same certificates. It is [ErrEngineDown] where engines do not listen.
func (w *Swarm) engineAt(n swarm.Node) (*Docker, error) {
	host := ""
	switch {
	case n.ID == "":
		return nil, fmt.Errorf("container: the machine left the swarm: %w", ErrNotFound)
	case w.options.NodePort != 0:
		host = "tcp://" + net.JoinHostPort(address(n), strconv.Itoa(w.options.NodePort))
	case n.ID == w.managerID():
		return w.manager, nil
	default:
		return nil, fmt.Errorf("container: the engine of %s does not listen: %w", n.Description.Hostname, ErrEngineDown)
	}
	if at, ok := w.engines.Load(n.ID + host); ok {
		return at.(*Docker), nil
	}
	o := w.options.Docker
	o.Host = host
	at, err := NewDocker(o)
	if err != nil {
		return nil, err
	}
	kept, _ := w.engines.LoadOrStore(n.ID+host, at)
	return kept.(*Docker), nil
}

func (w *Swarm) managerID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.self
}
