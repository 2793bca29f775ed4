package container

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Gauge is an engine that can tell what its machines have left.
type Gauge interface {
	// Free lists the machines on which containers may be started now. None means
	// that it is not known.
	Free(ctx context.Context) ([]Free, error)
}

// Free is what one machine has left.
type Free struct {
	Node   string `json:"node"`   // "" where there is only one
	Total  int64  `json:"total"`  // bytes of memory
	Memory int64  `json:"memory"` // of them, for further programs; below zero if more is promised than there is
	// Booked: Memory is what is not reserved for a container, whatever those use.
	// Otherwise it is what is not in use, whatever programs may still take.
	Booked bool    `json:"booked"`
	CPUs   int     `json:"cpus"` // 0 where Load is not known
	Load   float64 `json:"load"` // programs that ran or wanted to, over the last minute
}

// Free implements [Gauge] for an engine on this machine; of another nothing is
// known.
func (d *Docker) Free(context.Context) ([]Free, error) {
	if !strings.HasPrefix(d.client.DaemonHost(), "unix://") {
		return nil, nil
	}
	return here()
}

// Free implements [Gauge].
func (p *Process) Free(context.Context) ([]Free, error) { return here() }

// Free implements [Gauge]: the machines that a workspace may be placed on, with
// the memory that no task of the swarm reserves.
func (w *Swarm) Free(ctx context.Context) ([]Free, error) {
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
	w.placing.Lock()
	defer w.placing.Unlock()
	var list []Free
	for id, free := range w.unreserved(v, "", time.Now()) {
		n := v.nodes[id].Description
		list = append(list, Free{Node: n.Hostname, Total: n.Resources.MemoryBytes, Memory: free, Booked: true})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("container: no active machine%s answers: %w", w.labelled(), ErrEngineDown)
	}
	return list, nil
}

// here is this machine, as its kernel counts.
func here() ([]Free, error) {
	memory, err := os.ReadFile("/proc/meminfo")
	load, err2 := os.ReadFile("/proc/loadavg")
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("container: what the machine has left: %w", err)
	}
	f, err := parseFree(memory, load)
	f.CPUs = runtime.NumCPU()
	return []Free{f}, err
}

func parseFree(memory, load []byte) (f Free, err error) {
	kib := map[string]int64{}
	for lines := bufio.NewScanner(bytes.NewReader(memory)); lines.Scan(); {
		var name string
		var n int64
		if _, err := fmt.Sscanf(lines.Text(), "%s %d", &name, &n); err == nil {
			kib[name] = n
		}
	}
	free, known := kib["MemAvailable:"]
	if kib["MemTotal:"] == 0 || !known {
		return f, errors.New("container: the kernel does not tell what memory is available")
	}
	f.Total, f.Memory = kib["MemTotal:"]<<10, free<<10
	if _, err := fmt.Sscanf(string(load), "%g", &f.Load); err != nil {
		return f, fmt.Errorf("container: the machine's load: %w", err)
	}
	return f, nil
}
