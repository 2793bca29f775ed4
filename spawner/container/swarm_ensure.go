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
// at, and the network. It warns of machines that Lectern cannot reach.
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

// wire makes the network. An overlay is the operator's to make. A bridge exists
// on each machine by itself, made from that machine's own settings: the name of
// the network with -node behind it. Where the machine's engine can be asked,
// Lectern makes those as well.
func (w *Swarm) wire(ctx context.Context, api *client.Client, nodes []swarm.Node) error {
	name := w.options.Docker.Network
	got, err := api.NetworkInspect(ctx, name, network.InspectOptions{Scope: "swarm"})
	if err != nil && !errdefs.IsNotFound(err) {
		return w.manager.wrap(ctx, "inspect network", name, err)
	}
	switch {
	case w.options.Overlay && err != nil:
		return fmt.Errorf("container: there is no overlay network %s: make one that is attachable", name)
	case w.options.Overlay && got.Driver != "overlay":
		return fmt.Errorf("container: network %s is not an overlay", name)
	case w.options.Overlay:
		return nil
	case err == nil && got.Driver == "":
		return nil // it was made a moment ago
	case err == nil && (got.Driver != "bridge" || got.ConfigFrom.Network != name+"-node"):
		return fmt.Errorf("container: network %s exists but is not a bridge of each machine from %s-node; remove it or name another", name, name)
	}
	var failed []error
	for _, n := range nodes {
		if n.Status.State == swarm.NodeStateReady && w.machines.answers(n.ID) {
			failed = append(failed, w.wireNode(ctx, n))
		}
	}
	if err := errors.Join(failed...); err != nil || got.ID != "" {
		return err
	}
	_, err = api.NetworkCreate(ctx, name, network.CreateOptions{Driver: "bridge", Scope: "swarm",
		ConfigFrom: &network.ConfigReference{Network: name + "-node"}})
	if err != nil && !strings.Contains(err.Error(), "exists") {
		return w.manager.wrap(ctx, "make network", name, err)
	}
	return nil
}

// wireNode makes one machine's settings for the bridge, once: containers cannot
// reach each other, and ports are published on the machine's own address only.
func (w *Swarm) wireNode(ctx context.Context, n swarm.Node) error {
	at, err := w.engineAt(n)
	if err != nil {
		return nil // the operator makes them
	}
	if _, known := w.warned.Load("wired " + n.ID); known {
		return nil
	}
	api, err := at.api(ctx)
	if err != nil {
		w.once("engine "+n.ID, "a machine's engine cannot be asked", "machine", n.Description.Hostname, "err", err)
		return nil
	}
	name := w.options.Docker.Network + "-node"
	got, err := api.NetworkInspect(ctx, name, network.InspectOptions{})
	if errdefs.IsNotFound(err) {
		_, err = api.NetworkCreate(ctx, name, network.CreateOptions{ConfigOnly: true, Options: map[string]string{
			icc: "false", "com.docker.network.bridge.name": bridgeName(w.options.Docker.Network),
			"com.docker.network.bridge.host_binding_ipv4": address(n),
		}})
	} else if err == nil && got.Options[icc] != "false" {
		err = fmt.Errorf("container: network %s of %s lets containers reach each other; make it with %s=false", name, n.Description.Hostname, icc)
	}
	if err == nil {
		w.warned.Store("wired "+n.ID, true)
	}
	return err
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
