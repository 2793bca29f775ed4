package notebook

import (
	"crypto/md5"
	"encoding/hex"
	"hash"
	"io"
)

// Checksum is nbgrader's checksum of a cell: an MD5 over its text, type, flags, id and points. It finds accidents, not
// attacks: whoever can edit a cell can compute it. The task flag and a task's points are not part of it.
func Checksum(c *Cell) string {
	m, _ := c.Meta()
	h := md5.New()
	io.WriteString(h, c.Source)
	io.WriteString(h, c.Type)
	pyBool(h, m.Grade)
	pyBool(h, m.Solution)
	pyBool(h, m.IsLocked())
	io.WriteString(h, m.GradeID)
	if m.Grade {
		io.WriteString(h, pyRepr(m.Points))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func pyBool(h hash.Hash, b bool) {
	if b {
		io.WriteString(h, "True")
	} else {
		io.WriteString(h, "False")
	}
}

// pyRepr is Python's str(float); it differs from JSON's form in the name of infinity only.
func pyRepr(f float64) string {
	switch s := pyFloat(f); s {
	case "Infinity":
		return "inf"
	case "NaN":
		return "nan"
	default:
		return s
	}
}

// stampChecksums sets checksum and cell_type on every nbgrader cell, as ComputeChecksums does.
func stampChecksums(nb *Notebook) {
	for i := range nb.Cells {
		c := &nb.Cells[i]
		m, ok := c.Meta()
		if ok && (m.Grade || m.Solution || m.IsLocked()) {
			c.set(map[string]any{"checksum": Checksum(c), "cell_type": c.Type})
		}
	}
}
