package notebook

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// SchemaVersion is the version of nbgrader's cell metadata that we write. Older ones are understood everywhere.
const SchemaVersion = 3

// Kind is what nbgrader makes of a cell; the values are what people call them.
type Kind string

const (
	KindPlain    Kind = ""                  // not an nbgrader cell
	KindAnswer   Kind = "autograded answer" // the student writes here, tests elsewhere score it
	KindTests    Kind = "autograder tests"
	KindManual   Kind = "manually graded answer"
	KindTask     Kind = "manually graded task" // a locked text; the student answers in cells of their own
	KindReadOnly Kind = "read-only"
)

// Answer reports whether the student's text of such a cell is an answer.
func (k Kind) Answer() bool { return k == KindAnswer || k == KindManual }

// Scored reports whether such a cell carries points.
func (k Kind) Scored() bool { return k == KindTests || k == KindManual || k == KindTask }

// Meta is a cell's metadata.nbgrader, whatever its version, as version 3.
type Meta struct {
	GradeID       string
	Grade         bool
	Solution      bool
	Locked        bool // as written; IsLocked is what counts
	Task          bool
	Points        float64 // 0 unless Grade or Task
	SchemaVersion int     // as written; 0 if missing
	Checksum      string
	CellType      string // the type when the release was made; empty in sources
}

// IsLocked derives lockedness as nbgrader does, because old test cells say locked: false.
func (m Meta) IsLocked() bool { return !m.Solution && (m.Grade || m.Locked) }

// Kind names the combination of flags.
func (m Meta) Kind() Kind {
	switch {
	case m.Grade && m.Solution:
		return KindManual
	case m.Grade:
		return KindTests
	case m.Solution:
		return KindAnswer
	case m.Task:
		return KindTask
	case m.Locked:
		return KindReadOnly
	}
	return KindPlain
}

// Meta reads metadata.nbgrader; false if the cell has none. Values of the wrong type count as absent.
func (c *Cell) Meta() (Meta, bool) {
	raw, ok := c.Metadata["nbgrader"].(map[string]any)
	if !ok {
		return Meta{}, false
	}
	m := Meta{}
	m.GradeID, _ = raw["grade_id"].(string)
	m.Grade, _ = raw["grade"].(bool)
	m.Solution, _ = raw["solution"].(bool)
	m.Locked, _ = raw["locked"].(bool)
	m.Task, _ = raw["task"].(bool)
	m.Checksum, _ = raw["checksum"].(string)
	m.CellType, _ = raw["cell_type"].(string)
	m.SchemaVersion, _ = intOf(raw["schema_version"])
	if m.Grade || m.Task {
		m.Points, _ = pointsOf(raw["points"])
		m.Points = max(m.Points, 0)
	}
	return m, true
}

// Kind is the kind its metadata gives the cell.
func (c *Cell) Kind() Kind {
	m, _ := c.Meta()
	return m.Kind()
}

// MaxPoints is the sum of the points of all scored cells.
func (n *Notebook) MaxPoints() float64 {
	var sum float64
	for i := range n.Cells {
		if m, _ := n.Cells[i].Meta(); m.Kind().Scored() {
			sum += m.Points
		}
	}
	return sum
}

// pointsOf reads a number as old nbgrader versions wrote it, which includes text.
func pointsOf(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case json.Number:
		f, err := strconv.ParseFloat(string(v), 64)
		return f, err == nil
	case string:
		if v == "" {
			return 0, true
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return f, err == nil
	}
	return 0, v == nil
}

var schemaKeys = []string{
	"cell_type", "checksum", "grade", "grade_id", "locked", "points", "schema_version", "solution", "task",
}

// Upgrade brings all cells' nbgrader metadata from versions 0 to 2 to version 3, in place, as nbgrader update does, and
// tells what it did as warnings. Newer versions are left alone.
func Upgrade(nb *Notebook) []Problem {
	var told []Problem
	for i := range nb.Cells {
		c := &nb.Cells[i]
		raw, ok := c.Metadata["nbgrader"].(map[string]any)
		if !ok {
			continue
		}
		version, ok := intOf(raw["schema_version"])
		if raw["schema_version"] != nil && !ok || version >= SchemaVersion {
			continue
		}
		up, dropped := upgraded(raw, version, c.Type)
		c.Metadata = maps.Clone(c.Metadata)
		if up == nil {
			delete(c.Metadata, "nbgrader")
			continue
		}
		c.Metadata["nbgrader"] = up
		id, _ := up["grade_id"].(string)
		p := Problem{Cell: i, GradeID: id, Severity: Warning,
			Text: fmt.Sprintf("This cell has nbgrader metadata of the old version %d.", version),
			Mend: "Nothing to do: it is read as version 3."}
		if len(dropped) > 0 {
			p.Text += fmt.Sprintf(" Keys that nbgrader does not know were left out: %s.", strings.Join(dropped, ", "))
		}
		told = append(told, p)
	}
	return told
}

// upgraded returns the version 3 form of raw, nil where nbgrader removes the metadata, and the keys it left out.
func upgraded(raw map[string]any, version int, cellType string) (map[string]any, []string) {
	m := maps.Clone(raw)
	if version < 1 {
		marked := false
		for _, flag := range []string{"grade", "solution", "locked"} {
			if m[flag] == nil {
				m[flag] = false
			}
			marked = marked || m[flag] == true
		}
		if !marked {
			return nil, nil
		}
		if m["grade"] != true {
			delete(m, "points")
		} else if points, ok := pointsOf(m["points"]); ok {
			m["points"] = max(points, 0)
		}
	}
	if version < 2 && m["checksum"] != nil && m["cell_type"] == nil {
		m["cell_type"] = cellType
	}
	m["schema_version"] = SchemaVersion
	var dropped []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(schemaKeys, key) {
			delete(m, key)
			dropped = append(dropped, key)
		}
	}
	return m, dropped
}

// set changes keys of a cell's nbgrader metadata without touching maps that another notebook may share.
func (c *Cell) set(values map[string]any) {
	raw, _ := c.Metadata["nbgrader"].(map[string]any)
	raw = maps.Clone(raw)
	if raw == nil {
		raw = map[string]any{}
	}
	maps.Copy(raw, values)
	c.Metadata = maps.Clone(c.Metadata)
	if c.Metadata == nil {
		c.Metadata = map[string]any{}
	}
	c.Metadata["nbgrader"] = raw
}
