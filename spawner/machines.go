package spawner

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Machine is one on which workspaces may start now.
type Machine struct {
	Name   string // "" where there is only one
	Total  int64  // bytes of memory
	Free   int64  // of them, for further programs; below zero if more is promised than there is
	Booked bool   // Free is what is not reserved, rather than what is not in use
	CPUs   int    // 0 where Load is not known
	Load   float64
}

// Machines lists them by name; none where that is not known.
func (s *Spawner) Machines(ctx context.Context) ([]Machine, error) {
	if s.gauge == nil {
		return nil, nil
	}
	ctx, done := context.WithTimeout(ctx, 3*time.Second)
	defer done()
	list, err := s.gauge.Free(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Machine, len(list))
	for i, f := range list {
		out[i] = Machine{Name: f.Node, Total: f.Total, Free: f.Memory, Booked: f.Booked, CPUs: f.CPUs, Load: f.Load}
	}
	slices.SortFunc(out, func(a, b Machine) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}
