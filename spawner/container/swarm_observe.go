package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
)

// view is what the managers say at one moment. Swarm tells of everything with a
// delay; a service may have no task yet, and tasks outlive their service.
type view struct {
	services map[string]swarm.Service // by name
	tasks    map[string][]swarm.Task  // by name of the service, without those that never can start
	nodes    map[string]swarm.Node
	others   map[string]int64 // bytes reserved on each node by what is not Lectern's
}

// see asks the managers: of one name, or of everything if name is empty.
func (w *Swarm) see(ctx context.Context, api *client.Client, name string) (view, error) {
	v := view{services: map[string]swarm.Service{}, tasks: map[string][]swarm.Task{}, nodes: map[string]swarm.Node{}, others: map[string]int64{}}
	filter := filters.NewArgs()
	if name != "" {
		filter.Add("name", name)
	}
	services, err := api.ServiceList(ctx, swarm.ServiceListOptions{Filters: filter})
	if err != nil {
		return v, w.manager.wrap(ctx, "list services", name, err)
	}
	for _, s := range services { // the filter takes prefixes
		if name == "" || s.Spec.Name == name {
			v.services[s.Spec.Name] = s
		}
	}
	tasks, err := api.TaskList(ctx, swarm.TaskListOptions{Filters: filter})
	if err != nil {
		return v, w.manager.wrap(ctx, "list tasks", name, err)
	}
	for _, t := range tasks {
		spec := t.Spec.ContainerSpec
		switch {
		case spec == nil || spec.Labels[nameLabel] == "":
			if !ended(t) {
				v.others[t.NodeID] += reserved(t)
			}
		case t.Spec.Placement != nil && slices.Contains(t.Spec.Placement.Constraints, stoppedConstraint):
		case name == "" || spec.Labels[nameLabel] == name:
			of := spec.Labels[nameLabel]
			v.tasks[of] = append(v.tasks[of], t)
		}
	}
	nodes, err := api.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return v, w.manager.wrap(ctx, "list nodes", "", err)
	}
	for _, n := range nodes {
		v.nodes[n.ID] = n
	}
	w.machines.look(ctx, nodes)
	return v, nil
}

// nameLabel is the container's name on the container itself: once the service
// is gone, its tasks are still known by it.
const nameLabel = "lectern.name"

// status is one container, or false if there is none: no service, and no task
// that may still run.
func (w *Swarm) status(v view, name string) (Status, bool) {
	service, exists := v.services[name]
	s := Status{Name: name, Labels: service.Spec.Labels, Phase: Created}
	if exists && stopped(service) {
		s.Phase = Exited
	}
	t, found := w.latest(v, name)
	// Swarm forgets what ran on a machine that was removed from it, and would
	// start anew; what is there, nobody has ended.
	if contact := w.left(v, service); contact != Reached && (!found || t.NodeID == "") {
		s.ID, s.Phase, s.Contact = service.ID, Up, contact
		return s, exists
	}
	if !found {
		return s, exists
	}
	s.ID, s.Labels = t.ID, t.Spec.ContainerSpec.Labels
	s.Contact = w.contact(v, t)
	switch {
	case t.Status.State == swarm.TaskStateRunning, t.Status.State == swarm.TaskStateOrphaned:
		s.Phase, s.StartedAt, s.Addr = Up, t.Status.Timestamp, w.addr(v, t)
	case ended(t):
		s.Phase, s.StartedAt, s.EndedAt, s.Contact = Exited, t.CreatedAt, t.Status.Timestamp, Reached
		if c := t.Status.ContainerStatus; c != nil {
			s.ExitCode = c.ExitCode
		}
		if s.ExitCode == 0 && exists && !stopped(service) && t.DesiredState == swarm.TaskStateShutdown {
			s.ExitCode = 143 // it was told to end, by a drain of its machine; nobody here wanted that
		}
		if strings.Contains(t.Status.Err, "executable file not found") {
			s.ExitCode = 127
		}
	}
	return s, true
}

// left is the contact with the machine that a service is bound to, if that is no
// longer of the swarm; [Reached] if it is, or the service is bound to none.
func (w *Swarm) left(v view, service swarm.Service) Contact {
	p := service.Spec.TaskTemplate.Placement
	if p == nil || stopped(service) {
		return Reached
	}
	for _, c := range p.Constraints {
		id, bound := strings.CutPrefix(c, "node.id==")
		if _, there := v.nodes[id]; bound && !there {
			return w.machines.contact(id, nil)
		}
	}
	return Reached
}

// latest is the task that counts: one that may run before one that has ended,
// then the newest. Of a service that is gone only what may run counts: swarm
// forgets its ended tasks a little later.
func (w *Swarm) latest(v view, name string) (best swarm.Task, found bool) {
	for _, t := range v.tasks[name] {
		if t.ServiceID != v.services[name].ID && !w.mayRun(v, t) {
			continue
		}
		better := t.CreatedAt.After(best.CreatedAt)
		if a, b := w.mayRun(v, t), found && w.mayRun(v, best); a != b {
			better = a
		}
		if !found || better {
			best, found = t, true
		}
	}
	return best, found
}

// ended reports whether a task is known to have stopped. An orphan is not: swarm
// calls so what it lost sight of.
func ended(t swarm.Task) bool {
	switch t.Status.State {
	case swarm.TaskStateComplete, swarm.TaskStateShutdown, swarm.TaskStateFailed, swarm.TaskStateRejected, swarm.TaskStateRemove:
		return true
	case swarm.TaskStateNew, swarm.TaskStateAllocated, swarm.TaskStatePending:
		return t.NodeID == "" && t.DesiredState != swarm.TaskStateRunning && t.DesiredState != swarm.TaskStateReady
	}
	return false
}

// mayRun reports whether a task's program runs or could come to, for all that is
// known: the question before a home gets another writer.
func (w *Swarm) mayRun(v view, t swarm.Task) bool {
	return !ended(t) && w.contact(v, t) != Lost
}

func (w *Swarm) contact(v view, t swarm.Task) Contact {
	if t.NodeID == "" {
		return Reached
	}
	if n, ok := v.nodes[t.NodeID]; ok {
		return w.machines.contact(t.NodeID, &n)
	}
	return w.machines.contact(t.NodeID, nil)
}

// addr is where a running task is dialled, "" if nowhere.
func (w *Swarm) addr(v view, t swarm.Task) string {
	if w.options.Overlay {
		for _, a := range t.NetworksAttachments {
			if a.Network.Spec.Name == w.options.Docker.Network && len(a.Addresses) > 0 {
				ip, _, _ := strings.Cut(a.Addresses[0], "/")
				return dialable(ip, t.Spec.ContainerSpec.Labels)
			}
		}
		return ""
	}
	host := address(v.nodes[t.NodeID])
	for _, p := range t.Status.PortStatus.Ports {
		if host != "" && p.PublishedPort != 0 {
			return net.JoinHostPort(host, strconv.Itoa(int(p.PublishedPort)))
		}
	}
	return ""
}

// List implements [Engine]. OOM needs Inspect, and engines that can be asked.
func (w *Swarm) List(ctx context.Context, labels map[string]string) ([]Status, error) {
	ctx, done := bounded(ctx, quick)
	defer done()
	api, err := w.manager.api(ctx)
	if err != nil {
		return nil, err
	}
	v, err := w.see(ctx, api, "")
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for name := range v.services {
		names[name] = true
	}
	for name := range v.tasks {
		names[name] = true
	}
	var list []Status
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if s, ok := w.status(v, name); ok && has(s.Labels, labels) {
			list = append(list, s)
		}
	}
	return list, nil
}

// Inspect implements [Engine].
func (w *Swarm) Inspect(ctx context.Context, name string) (Status, error) {
	ctx, done := bounded(ctx, quick)
	defer done()
	api, err := w.manager.api(ctx)
	if err != nil {
		return Status{}, err
	}
	v, err := w.see(ctx, api, name)
	if err != nil {
		return Status{}, err
	}
	s, ok := w.status(v, name)
	if !ok {
		return s, fmt.Errorf("container: inspect %s: %w", name, ErrNotFound)
	}
	if s.Phase == Exited && s.ExitCode != 0 {
		if at, id, err := w.engineOf(v, name); err == nil {
			if c, err := at.Inspect(ctx, id); err == nil {
				s.OOM, s.StartedAt = c.OOM, c.StartedAt
			}
		}
	}
	return s, nil
}

// Events implements [Engine]. Swarm has no events of tasks, so the managers are
// asked each second, and differences told.
func (w *Swarm) Events(ctx context.Context, labels map[string]string, see func(Event)) error {
	var before map[string]Status
	for {
		list, err := w.List(ctx, labels)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("container: events: %w", err)
		}
		now := map[string]Status{}
		for _, s := range list {
			now[s.Name] = s
		}
		for _, e := range changes(before, now, time.Now()) {
			see(e)
		}
		before = now
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// changes are the events between two looks, by name; none before the first.
func changes(before, now map[string]Status, at time.Time) (list []Event) {
	if before == nil {
		return nil
	}
	add := func(s Status, kind Kind) {
		e := Event{Name: s.Name, Labels: s.Labels, Kind: kind, At: at}
		if kind == Died {
			e.ExitCode = s.ExitCode
		}
		list = append(list, e)
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		old, s := before[name], now[name]
		if s.ID == old.ID {
			continue
		}
		if _, there := now[name]; there && old.ID == "" {
			continue
		}
		if old.Phase == Up {
			add(old, Died)
		}
		add(old, Removed)
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		s, old := now[name], before[name]
		if old.ID != s.ID {
			old = Status{}
		}
		if s.Phase != Created && old.Phase != Up && old.Phase != Exited {
			add(s, Started)
		}
		if s.Phase == Exited && old.Phase != Exited {
			add(s, Died)
		}
		if old.ID != "" && old.Contact != s.Contact {
			add(s, Sighted)
		}
	}
	return list
}

// engineOf is the engine of the machine that a container is on, and the
// container's id there.
func (w *Swarm) engineOf(v view, name string) (*Docker, string, error) {
	t, ok := w.latest(v, name)
	if !ok || t.Status.ContainerStatus == nil || t.Status.ContainerStatus.ContainerID == "" {
		return nil, "", fmt.Errorf("container: %s: %w", name, ErrNotFound)
	}
	if w.contact(v, t) != Reached {
		return nil, "", fmt.Errorf("container: %s: its machine is out of reach: %w", name, ErrEngineDown)
	}
	at, err := w.engineAt(v.nodes[t.NodeID])
	return at, t.Status.ContainerStatus.ContainerID, err
}

// Usage implements [Engine]. The managers do not know it; where the machine's
// engine cannot be asked it is [ErrEngineDown].
func (w *Swarm) Usage(ctx context.Context, name string) (Usage, error) {
	ctx, done := bounded(ctx, quick)
	defer done()
	api, err := w.manager.api(ctx)
	if err != nil {
		return Usage{}, err
	}
	v, err := w.see(ctx, api, name)
	if err != nil {
		return Usage{}, err
	}
	at, id, err := w.engineOf(v, name)
	if err != nil {
		return Usage{}, err
	}
	u, err := at.Usage(ctx, id)
	if t, ok := w.latest(v, name); ok {
		u.Node = v.nodes[t.NodeID].Description.Hostname
	}
	return u, err
}

// Logs implements [Engine]. The machine's engine is asked if it can be, else the
// managers, who pass the question on.
func (w *Swarm) Logs(ctx context.Context, name string, n int) (string, error) {
	ctx, done := bounded(ctx, quick)
	defer done()
	api, err := w.manager.api(ctx)
	if err != nil {
		return "", err
	}
	v, err := w.see(ctx, api, name)
	if err != nil {
		return "", err
	}
	if at, id, err := w.engineOf(v, name); err == nil {
		if text, err := at.Logs(ctx, id, n); err == nil {
			return text, nil
		}
	}
	t, ok := w.latest(v, name)
	if !ok {
		return "", fmt.Errorf("container: logs of %s: %w", name, ErrNotFound)
	}
	if w.contact(v, t) != Reached {
		return "", fmt.Errorf("container: logs of %s: its machine is out of reach: %w", name, ErrEngineDown)
	}
	r, err := api.TaskLogs(ctx, t.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(n)})
	if err != nil {
		return "", w.manager.wrap(ctx, "logs of", name, err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := stdcopy.StdCopy(&b, &b, io.LimitReader(r, maxLog)); err != nil && b.Len() == 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", w.manager.wrap(ctx, "logs of", name, err)
	}
	return b.String(), nil
}

// stopped reports whether a service was told to stop.
func stopped(s swarm.Service) bool {
	p := s.Spec.TaskTemplate.Placement
	return p != nil && slices.Contains(p.Constraints, stoppedConstraint)
}
