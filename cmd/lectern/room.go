package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"lectern/course"
	"lectern/spawner"
)

func parsePrestart(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 10_000 {
		return 0, fmt.Errorf("%q is not a number of workspaces", s)
	}
	return n, nil
}

// room reports whether this machine has the memory for a workspace that nobody
// asked for yet. It is nil, which is always, if workspaces run on others.
func (h *house) room() func() bool {
	if h.cfg.Spawner == "swarm" || strings.HasPrefix(h.cfg.Engine.Host, "tcp://") {
		return nil
	}
	return func() bool {
		text, err := os.ReadFile("/proc/meminfo")
		return err != nil || hasRoom(text, h.cfg.Memory)
	}
}

// hasRoom reports whether an eighth of the memory is left with one more
// workspace that uses all it may.
func hasRoom(meminfo []byte, workspace int64) bool {
	kib := map[string]int64{}
	for lines := bufio.NewScanner(bytes.NewReader(meminfo)); lines.Scan(); {
		var name string
		var n int64
		if _, err := fmt.Sscanf(lines.Text(), "%s %d", &name, &n); err == nil {
			kib[name] = n
		}
	}
	total, free := kib["MemTotal:"], kib["MemAvailable:"]
	return total == 0 || free<<10-workspace >= total<<10/8
}

// wants is the memory that the workspace of a row will be given when it starts.
func (h *house) wants(ctx context.Context, row spawner.Row) (int64, error) {
	all, err := h.store.WorkspaceLimits(ctx, row.ID, time.Now())
	site, most := h.cfg.limits()
	return course.Together(all, site, most).Memory, err
}
