package container

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/swarm"
)

// promise is a place given to a service whose task swarm does not show yet.
type promise struct {
	node   string
	memory int64
	until  time.Time
}

const promiseTime = 15 * time.Second

// place chooses the machine with the most memory that is not reserved. Swarm's
// own strategy spreads the tasks of one service, and here every service has only
// one; and bound to a machine, a service can never come up on another.
//
// Two Lecterns may choose the same at once. Swarm counts reservations too: what
// does not fit stays pending, and is placed anew.
func (w *Swarm) place(v view, s Spec) (node string, err error) {
	w.placing.Lock()
	defer w.placing.Unlock()
	now := time.Now()
	free := w.unreserved(v, s.Name, now)
	ids := slices.Collect(maps.Keys(free))
	want := s.Limits.Or(DefaultLimits).Reservation
	if len(ids) == 0 {
		// After a restart of the managers machines take seconds to report.
		return "", fmt.Errorf("container: start %s: no active machine%s answers: %w", s.Name, w.labelled(), ErrEngineDown)
	}
	node = slices.MaxFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(free[a], free[b]), strings.Compare(a, b))
	})
	if free[node] < want {
		return "", fmt.Errorf("container: start %s: %d MiB are free where most are, %d are reserved for it: %w",
			s.Name, free[node]>>20, want>>20, ErrNoRoom)
	}
	w.promised[s.Name] = promise{node, want, now.Add(promiseTime)}
	return node, nil
}

// unreserved is what no task reserves of the memory of each machine that new
// workspaces may be started on. A place that was promised counts unless it was
// promised to the container of this name. The caller holds placing.
func (w *Swarm) unreserved(v view, name string, now time.Time) map[string]int64 {
	free := map[string]int64{}
	for id, n := range v.nodes {
		if w.usable(n) {
			free[id] = n.Description.Resources.MemoryBytes - v.others[id]
		}
	}
	take := func(node string, bytes int64) {
		if _, ok := free[node]; ok {
			free[node] -= bytes
		}
	}
	for name, tasks := range v.tasks {
		for _, t := range tasks {
			if t.NodeID != "" && w.mayRun(v, t) {
				take(t.NodeID, reserved(t))
				delete(w.promised, name)
			}
		}
	}
	for promised, p := range w.promised {
		if now.After(p.until) || promised == name {
			delete(w.promised, promised)
			continue
		}
		take(p.node, p.memory)
	}
	return free
}

// usable reports whether new workspaces may be started on a machine.
func (w *Swarm) usable(n swarm.Node) bool {
	if n.Status.State != swarm.NodeStateReady || n.Spec.Availability != swarm.NodeAvailabilityActive || n.Spec.Labels[OffLabel] != "" {
		return false
	}
	key, value, given := strings.Cut(w.options.Label, "=")
	have, ok := n.Spec.Labels[key]
	if w.options.Label != "" && (!ok || given && have != value) {
		return false
	}
	w.mu.Lock()
	open := w.open[n.ID]
	w.mu.Unlock()
	return !open && w.machines.answers(n.ID)
}

func (w *Swarm) labelled() string {
	if w.options.Label == "" {
		return ""
	}
	return " labelled " + w.options.Label
}

func reserved(t swarm.Task) int64 {
	if r := t.Spec.Resources; r != nil && r.Reservations != nil {
		return r.Reservations.MemoryBytes
	}
	return 0
}
