package container

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// bridge is a network of Lectern's own on which containers cannot reach each
// other.
type bridge struct {
	name     string
	internal bool // without a way out: only the host, by its address on it
	// wired is the host's address once the network was seen: a start need not
	// look again.
	wired atomic.Pointer[string]
}

func (b *bridge) gateway() string {
	if at := b.wired.Load(); at != nil {
		return *at
	}
	return ""
}

// closedNetwork is the name of the network without a way out that goes with one.
func closedNetwork(network string) string { return network + "-closed" }

// ClosedInterface is the host's network interface on the network without a way
// out that goes with the one of this name. It is made for the first container.
func ClosedInterface(network string) string { return bridgeName(closedNetwork(network)) }

// bridgeOf is the network that a container is to be on.
func (d *Docker) bridgeOf(s Spec) *bridge {
	if s.Closed {
		return &d.closed
	}
	return &d.open
}

// Ensure makes the bridge if it is missing and refuses to use one of that name
// where containers could reach each other.
func (d *Docker) Ensure(ctx context.Context) error {
	ctx, done := bounded(ctx, change)
	defer done()
	api, err := d.api(ctx)
	if err != nil {
		return err
	}
	if _, err := d.ensureNetwork(ctx, api, &d.open); err != nil {
		return err
	}
	all, err := api.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return d.wrap(ctx, "list", "", err)
	}
	keep := map[string]bool{}
	for _, c := range all {
		keep[c.Labels[secretsLabel]] = true
	}
	return d.secrets.sweep(keep, 10*time.Minute)
}

// wire makes sure of the network before a start, once.
func (d *Docker) wire(ctx context.Context, api *client.Client, b *bridge) error {
	if b.wired.Load() != nil {
		return nil
	}
	gateway, err := d.ensureNetwork(ctx, api, b)
	if err == nil {
		b.wired.Store(&gateway)
	}
	return err
}

// ensureNetwork makes a network if it is missing and is the host's address on it.
func (d *Docker) ensureNetwork(ctx context.Context, api *client.Client, b *bridge) (gateway string, err error) {
	name := b.name
	var made error
	for {
		got, err := api.NetworkInspect(ctx, name, network.InspectOptions{})
		switch {
		case err == nil && got.Internal != b.internal:
			return "", fmt.Errorf("container: network %s exists and is %s; remove it or name another", name,
				map[bool]string{true: "without a way out", false: "not without a way out"}[got.Internal])
		case err == nil && got.Driver == "bridge" && got.Options[icc] == "false":
			if len(got.IPAM.Config) > 0 {
				gateway = got.IPAM.Config[0].Gateway
			}
			return gateway, nil
		case err == nil:
			return "", fmt.Errorf("container: network %s exists but lets containers reach each other; remove it or name another", name)
		case !errdefs.IsNotFound(err):
			return "", d.wrap(ctx, "inspect network", name, err)
		}
		// Engines accept two networks of one name, and then no container can
		// start on either. An interface of a fixed name exists only once: of
		// two that make the network together one is refused, and looks again.
		// It also gives an operator's firewall rules something to name.
		_, made = api.NetworkCreate(ctx, name, network.CreateOptions{
			Driver:   "bridge",
			Internal: b.internal,
			Options:  map[string]string{icc: "false", "com.docker.network.bridge.name": bridgeName(name)},
			Labels:   map[string]string{"lectern.network": "workspaces"},
		})
		if made == nil {
			continue
		}
		if !strings.Contains(made.Error(), "exists") && !strings.Contains(made.Error(), "same bridge name") {
			return "", d.wrap(ctx, "make network", name, made)
		}
		select {
		case <-ctx.Done():
			return "", d.wrap(ctx, "make network", name, made)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// bridgeName fits a network's name into the 15 bytes of an interface's.
func bridgeName(network string) string {
	if len(network) <= 15 {
		return network
	}
	sum := sha256.Sum256([]byte(network))
	return network[:8] + hex.EncodeToString(sum[:3])
}
