package handlers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"lectern/spawner"
	"lectern/store"
	"lectern/views"
)

// serverHeads are the columns; key names one in the address.
var serverHeads = []struct {
	key, text string
	numeric   bool
}{{"name", "Whose", false}, {"course", "Course", false}, {"image", "Environment", false}, {"node", "Machine", false}, {"state", "State", false},
	{"memory", "Memory", true}, {"cpu", "CPU", true}, {"home", "Files", true}, {"tabs", "Tabs", true}, {"since", "Since", false}, {"idle", "Idle for", true}}

// serverRow is one workspace, as the table shows it.
func serverRow(row store.Server, base string, now time.Time, loc *time.Location) views.ServerRow {
	line := views.ServerRow{ID: row.ID, Login: row.Login, Name: cmp.Or(row.Name, row.Login), Image: imageText(row.Image), CopyOf: row.CopyOf, Node: row.Node,
		Course: row.Course, CourseURL: serversPath(row.CourseSlug), Stop: base + "/stop?workspace=" + row.ID}
	line.State, line.StateText = workspaceState(row.Workspace)
	if !row.StartedAt.IsZero() {
		line.Since = when(row.StartedAt, now, loc)
	}
	if !row.ReadAt.IsZero() {
		line.Memory = sizeText(row.MemoryUsed)
		if row.MemoryLimit > 0 {
			line.MemoryOf = int(min(100, row.MemoryUsed*100/row.MemoryLimit))
			line.MemoryText = line.Memory + " of " + sizeText(row.MemoryLimit)
		}
		if row.CPU != nil {
			line.CPU = fmt.Sprintf("%.0f %%", *row.CPU*100)
		}
	}
	if row.Home > 0 {
		line.Home = sizeText(row.Home)
		if row.HomeQuota > 0 {
			line.HomeOf = int(min(100, row.Home*100/row.HomeQuota))
			line.HomeText = line.Home + " of " + sizeText(row.HomeQuota)
		}
	}
	if spawner.State(row.State) != spawner.Running {
		return line
	}
	line.Tabs, line.Idle = fmt.Sprint(row.Tabs), "in use"
	if rest := now.Sub(row.LastActivityAt); rest >= time.Minute {
		line.Idle = lasting(rest)
	}
	if row.Ahead {
		line.Idle = "not opened yet"
	}
	return line
}

// serversSum is the line above the table.
type serversSum struct {
	running, idle int
	memory        int64
	cpu           float64
}

func (t *serversSum) add(row store.Server, now time.Time) {
	if spawner.State(row.State) == spawner.Running {
		t.running++
	}
	if isIdle(row, now) {
		t.idle++
	}
	if !row.ReadAt.IsZero() {
		t.memory += row.MemoryUsed
		t.cpu += max(0, cores(row))
	}
}

func (t *serversSum) text() string {
	text := fmt.Sprintf("%d running, %d idle for %s or longer", t.running, t.idle, lasting(idleSince))
	if t.memory > 0 {
		text += fmt.Sprintf("; together %s of memory and %.1f cores", sizeText(t.memory), t.cpu)
	}
	return text
}

// sortServers puts rows in the order of a column; the order of the store, the
// longest idle first, is kept among equals.
func sortServers(rows []store.Server, key string, down bool) {
	by := map[string]func(a, b store.Server) int{
		"name": func(a, b store.Server) int {
			return cmp.Or(cmp.Compare(strings.ToLower(cmp.Or(a.Name, a.Login)), strings.ToLower(cmp.Or(b.Name, b.Login))), cmp.Compare(a.Login, b.Login))
		},
		"course": func(a, b store.Server) int { return cmp.Compare(a.Course, b.Course) },
		"image":  func(a, b store.Server) int { return cmp.Compare(a.Image, b.Image) },
		"node":   func(a, b store.Server) int { return cmp.Compare(a.Node, b.Node) },
		"state":  func(a, b store.Server) int { return cmp.Compare(a.State, b.State) },
		"memory": func(a, b store.Server) int { return cmp.Compare(a.MemoryUsed, b.MemoryUsed) },
		"cpu":    func(a, b store.Server) int { return cmp.Compare(cores(a), cores(b)) },
		"home":   func(a, b store.Server) int { return cmp.Compare(a.Home, b.Home) },
		"tabs":   func(a, b store.Server) int { return cmp.Compare(a.Tabs, b.Tabs) },
		"since":  func(a, b store.Server) int { return a.StartedAt.Compare(b.StartedAt) },
		"idle":   func(a, b store.Server) int { return b.LastActivityAt.Compare(a.LastActivityAt) },
	}[key]
	if by == nil {
		return
	}
	slices.SortStableFunc(rows, func(a, b store.Server) int { return pick(down, -1, 1) * by(a, b) })
}

// cores is what a workspace uses of the processor; less than nothing if unknown.
func cores(row store.Server) float64 {
	if row.CPU == nil {
		return -1
	}
	return *row.CPU
}
