package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/pkg/stdcopy"
)

// List implements [Engine]. ExitCode, OOM and times need Inspect: the engine's
// list does not carry them.
func (d *Docker) List(ctx context.Context, labels map[string]string) ([]Status, error) {
	ctx, done := bounded(ctx, quick)
	defer done()
	api, err := d.api(ctx)
	if err != nil {
		return nil, err
	}
	found, err := api.ContainerList(ctx, container.ListOptions{All: true, Filters: byLabel(labels)})
	if err != nil {
		return nil, d.wrap(ctx, "list", "", err)
	}
	list := make([]Status, 0, len(found))
	for _, c := range found {
		s := Status{ID: c.ID, Labels: c.Labels, Phase: phase(string(c.State))}
		if len(c.Names) > 0 {
			s.Name = strings.TrimPrefix(c.Names[0], "/")
		}
		if c.NetworkSettings != nil && s.Phase == Up {
			s.Addr = d.address(c.NetworkSettings.Networks, c.Labels)
		}
		list = append(list, s)
	}
	return list, nil
}

// Inspect implements [Engine].
func (d *Docker) Inspect(ctx context.Context, name string) (Status, error) {
	ctx, done := bounded(ctx, quick)
	defer done()
	api, err := d.api(ctx)
	if err != nil {
		return Status{}, err
	}
	c, err := api.ContainerInspect(ctx, name)
	if err != nil {
		return Status{}, d.wrap(ctx, "inspect", name, err)
	}
	s := Status{
		ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Labels: c.Config.Labels, Phase: phase(string(c.State.Status)),
		OOM: c.State.OOMKilled, StartedAt: moment(c.State.StartedAt),
	}
	switch s.Phase {
	case Exited:
		s.ExitCode, s.EndedAt = c.State.ExitCode, moment(c.State.FinishedAt)
	case Up:
		s.Addr = d.address(c.NetworkSettings.Networks, c.Config.Labels)
	}
	return s, nil
}

// Events implements [Engine].
func (d *Docker) Events(ctx context.Context, labels map[string]string, see func(Event)) error {
	ctx, done := context.WithCancel(ctx)
	defer done()
	filter := byLabel(labels)
	filter.Add("type", string(events.ContainerEventType))
	api, err := d.api(ctx)
	if err != nil {
		return err
	}
	messages, failed := api.Events(ctx, events.ListOptions{Filters: filter})
	for {
		select {
		case m := <-messages:
			// Exact matches only: actions such as "exec_create: …" carry
			// text that a student may have chosen.
			switch kind := Kind(m.Action); kind {
			case Started, OutOfMemory, Died, Removed:
				code, _ := strconv.Atoi(m.Actor.Attributes["exitCode"])
				see(Event{Name: m.Actor.Attributes["name"], Labels: maps.Clone(m.Actor.Attributes), Kind: kind,
					ExitCode: code, At: time.Unix(0, m.TimeNano)})
			}
		case err := <-failed:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("container: events: %w", errors.Join(ErrEngineDown, err))
		}
	}
}

// Usage implements [Engine].
func (d *Docker) Usage(ctx context.Context, name string) (Usage, error) {
	ctx, done := bounded(ctx, quick)
	defer done()
	api, err := d.api(ctx)
	if err != nil {
		return Usage{}, err
	}
	got, err := api.ContainerStatsOneShot(ctx, name)
	if err != nil {
		return Usage{}, d.wrap(ctx, "usage of", name, err)
	}
	defer got.Body.Close()
	var s container.StatsResponse
	if err := json.NewDecoder(io.LimitReader(got.Body, 1<<20)).Decode(&s); err != nil {
		return Usage{}, d.wrap(ctx, "usage of", name, err)
	}
	if s.Read.IsZero() || s.MemoryStats.Limit == 0 && s.PidsStats.Current == 0 {
		return Usage{}, fmt.Errorf("container: usage of %s: %w", name, ErrNotFound)
	}
	// Page cache that the kernel can drop is not what presses on the limit;
	// the two cgroup layouts name it differently.
	reclaimable := s.MemoryStats.Stats["total_inactive_file"] + s.MemoryStats.Stats["inactive_file"]
	if _, v1 := s.MemoryStats.Stats["total_inactive_file"]; v1 {
		reclaimable = s.MemoryStats.Stats["total_inactive_file"]
	}
	return Usage{
		At: s.Read, CPU: time.Duration(s.CPUStats.CPUUsage.TotalUsage),
		Memory:      int64(s.MemoryStats.Usage - min(reclaimable, s.MemoryStats.Usage)),
		MemoryLimit: int64(s.MemoryStats.Limit), PIDs: int64(s.PidsStats.Current),
	}, nil
}

// maxLog bounds what is read of a log, since a student decides what is in it.
const maxLog = 64 << 10

// Logs implements [Engine].
func (d *Docker) Logs(ctx context.Context, name string, n int) (string, error) {
	ctx, done := bounded(ctx, quick)
	defer done()
	api, err := d.api(ctx)
	if err != nil {
		return "", err
	}
	r, err := api.ContainerLogs(ctx, name, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(n)})
	if err != nil {
		return "", d.wrap(ctx, "logs of", name, err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := stdcopy.StdCopy(&b, &b, io.LimitReader(r, maxLog)); err != nil && b.Len() == 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", d.wrap(ctx, "logs of", name, err)
	}
	return b.String(), nil
}

// PortLabel says which port the program listens on, so that a container found
// again by label can be dialled without its spec.
const PortLabel = "lectern.port"

// address is where to dial a container, by the network of ours that it is on.
func (d *Docker) address(on map[string]*network.EndpointSettings, labels map[string]string) string {
	for _, b := range []*bridge{&d.open, &d.closed} {
		if n := on[b.name]; n != nil {
			return dialable(n.IPAddress, labels)
		}
	}
	return ""
}

func dialable(ip string, labels map[string]string) string {
	if ip == "" || labels[PortLabel] == "" {
		return ""
	}
	return net.JoinHostPort(ip, labels[PortLabel])
}

func byLabel(labels map[string]string) filters.Args {
	f := filters.NewArgs()
	for k, v := range labels {
		f.Add("label", k+"="+v)
	}
	return f
}

func phase(state string) Phase {
	switch state {
	case "created":
		return Created
	case "running", "paused", "restarting":
		return Up
	}
	return Exited
}

func moment(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.Year() < 2000 {
		return time.Time{}
	}
	return at
}
