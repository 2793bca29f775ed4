package handlers

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"lectern/store"
	"lectern/views"
)

// machines says what the machines have left; why it is not known, if it is not.
func (s *Site) machines(ctx context.Context, rows []store.Server) (out []views.MachineRow, why string) {
	list, err := s.Workspaces.Machines(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Warn("machines", "error", err)
		}
		return nil, "What the machines have left is not known: the container engine does not answer."
	}
	up := map[string]int{}
	for _, row := range rows {
		up[row.Node]++
	}
	for _, m := range list {
		row := views.MachineRow{Name: cmp.Or(m.Name, "This machine"), Workspaces: strconv.Itoa(up[m.Name]),
			Memory: fmt.Sprintf("%s of %s %s", sizeText(max(0, m.Free)), sizeText(m.Total), pick(m.Booked, "not reserved", "free"))}
		if m.Total > 0 {
			row.MemoryOf = int(100 * min(m.Total, m.Total-m.Free) / m.Total)
		}
		if m.CPUs > 0 {
			row.CPUs, row.Load = strconv.Itoa(m.CPUs), strconv.FormatFloat(m.Load, 'f', 1, 64)
		}
		out = append(out, row)
	}
	return out, ""
}
