package notebook

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

var gradeIDPattern = regexp.MustCompile(`^[a-zA-Z0-9_\-]*$`)

const openPanel = "Open the notebook in JupyterLab, show the Create Assignment panel and "

// CheckMetadata applies nbgrader's rules for cell metadata to the whole notebook. Where nbgrader stops at the first
// mistake, this goes on, except that a cell whose keys have the wrong types is not judged further.
func CheckMetadata(nb *Notebook) []Problem {
	var list []Problem
	first := map[string]int{}
	for i := range nb.Cells {
		c := &nb.Cells[i]
		value, has := c.Metadata["nbgrader"]
		if !has {
			continue
		}
		raw, ok := value.(map[string]any)
		if !ok {
			list = append(list, Problem{Cell: i, Severity: Error,
				Text: "The nbgrader metadata of this cell is not an object.",
				Mend: openPanel + "choose the kind of this cell again."})
			continue
		}
		m, _ := c.Meta()
		found := checkSchema(raw)
		if len(found) == 0 {
			found = checkRules(c, m, raw)
		}
		if m.Kind() != KindPlain && m.GradeID != "" {
			if before, twice := first[m.GradeID]; twice {
				found = append(found, Problem{Severity: Error,
					Text: fmt.Sprintf("The ID %q is also used by cell %d.", m.GradeID, before+1),
					Mend: openPanel + "give one of the two cells another ID."})
			} else {
				first[m.GradeID] = i
			}
		}
		list = append(list, at(i, m.GradeID, found)...)
	}
	return list
}

func at(cell int, gradeID string, list []Problem) []Problem {
	for i := range list {
		list[i].Cell, list[i].GradeID = cell, gradeID
	}
	return list
}

// checkSchema is nbgrader's JSON schema, version 3.
func checkSchema(raw map[string]any) []Problem {
	var list []Problem
	bad := func(mend, format string, args ...any) {
		list = append(list, Problem{Severity: Error, Text: fmt.Sprintf(format, args...), Mend: mend})
	}
	again := openPanel + "choose the kind of this cell again."
	switch version, ok := intOf(raw["schema_version"]); {
	case !ok:
		bad(again, "The schema_version of this cell's nbgrader metadata is not a whole number.")
		return list
	case version > SchemaVersion:
		bad("Save the notebook with nbgrader 0.9, or remove the nbgrader metadata of this cell and choose its kind again.",
			"This cell's nbgrader metadata has version %d, which is newer than version %d.", version, SchemaVersion)
		return list
	}
	for _, flag := range []string{"grade", "solution", "locked", "task"} {
		v, has := raw[flag]
		if _, ok := v.(bool); has && !ok {
			bad(again, "%q in this cell's nbgrader metadata is not true or false.", flag)
		} else if !has && flag != "task" {
			bad(again, "%q is missing in this cell's nbgrader metadata.", flag)
		}
	}
	if v, has := raw["grade_id"]; has {
		if id, ok := v.(string); !ok {
			bad(openPanel+"give the cell an ID.", "The ID of this cell is not a text.")
		} else if !gradeIDPattern.MatchString(id) {
			bad(openPanel+"use only letters, digits, - and _ in the ID.",
				"The ID %q contains characters that nbgrader does not allow.", id)
		}
	}
	if v, has := raw["points"]; has {
		mend := openPanel + "set the points to 0 or more."
		_, text := v.(string)
		if f, ok := pointsOf(v); !ok || text || v == nil || math.IsNaN(f) || math.IsInf(f, 0) {
			bad(mend, "The points of this cell are not a number.")
		} else if f < 0 {
			bad(mend, "The points of this cell are %s; they cannot be below 0.", literal(v))
		}
	}
	if v, has := raw["checksum"]; has {
		if s, ok := v.(string); !ok || utf8.RuneCountInString(s) != 32 {
			bad("Remove \"checksum\" from the cell's nbgrader metadata; it is made anew at every release.",
				"The checksum of this cell does not have 32 characters.")
		}
	}
	if v, has := raw["cell_type"]; has && v != Code && v != Markdown && v != Raw {
		bad("Remove \"cell_type\" from the cell's nbgrader metadata; it is made anew at every release.",
			"The cell_type in this cell's nbgrader metadata is not code, markdown or raw.")
	}
	var unknown []string
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		if !slices.Contains(schemaKeys, key) {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) > 0 {
		bad("Remove these keys from metadata.nbgrader of the cell (Property Inspector, Advanced Tools).",
			"This cell's nbgrader metadata has keys that nbgrader does not know: %s.", strings.Join(unknown, ", "))
	}
	return list
}

// literal is a number as the person wrote it.
func literal(v any) string {
	if n, ok := v.(json.Number); ok {
		return string(n)
	}
	return fmt.Sprint(v)
}

// checkRules is what nbgrader asks of a cell beyond its schema.
func checkRules(c *Cell, m Meta, raw map[string]any) []Problem {
	var list []Problem
	add := func(s Severity, mend, format string, args ...any) {
		list = append(list, Problem{Severity: s, Text: fmt.Sprintf(format, args...), Mend: mend})
	}
	if m.CellType != "" && m.CellType != c.Type {
		add(Warning, "Nothing to do if that was meant.", "This cell was a %s cell and is now a %s cell.", m.CellType, c.Type)
	}
	if m.GradeID == "" && m.Kind() != KindPlain {
		add(Error, openPanel+"give the cell an ID.", "This %s cell has no ID: %s", m.Kind(), clip(firstLine(c.Source), 60))
	}
	if m.Grade && raw["points"] == nil {
		add(Error, openPanel+"set its points.", "This %s cell has no points.", m.Kind())
	}
	switch {
	case m.Task && (m.Grade || m.Solution):
		add(Error, openPanel+"choose one kind.", "This cell is a task and an answer or test at once.")
	case m.Task && c.Type != Markdown:
		add(Error, "Make it a Markdown cell.", "A manually graded task must be a Markdown cell; this is a %s cell.", c.Type)
	case m.Task || c.Type == Code:
	case m.Grade && !m.Solution:
		add(Error, "Make it a code cell, or choose manually graded answer.", "Autograder tests must stand in a code cell; this is a %s cell.", c.Type)
	case m.Solution && !m.Grade:
		add(Error, "Choose manually graded answer, or make it a code cell.", "An autograded answer must be a code cell; this is a %s cell, which nothing could score.", c.Type)
	}
	return list
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}
