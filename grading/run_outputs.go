package grading

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"lectern/course/notebook"
)

// shown gathers the outputs of a notebook's cells as Jupyter does: streams of one
// name run together, displays are updated by their id, and cleared when asked.
type shown struct {
	nb    *notebook.Notebook
	at    int // the cell that runs
	clear bool
	bytes int
	cut   bool
	ids   map[string][]place // display id → where it is shown
}

type place struct{ cell, output int }

// What of a cell's outputs is kept: nbgrader's lines of text and traceback, and
// more pictures than anybody looks at.
const (
	keptLines     = 1000
	keptTraceback = 100
	keptOutputs   = 500
	keptBytes     = 16 << 20
)

func newShown(nb *notebook.Notebook) *shown { return &shown{nb: nb, ids: map[string][]place{}} }

func (s *shown) begin(cell int) {
	s.at, s.clear, s.bytes, s.cut = cell, false, 0, false
	s.nb.Cells[cell].Outputs = nil
}

// message is what a kernel publishes. Any of it may be wrong or missing.
type message struct {
	Type    string `json:"type"`
	Content struct {
		Name, Text string
		Data       map[string]any
		Metadata   map[string]any
		Transient  struct {
			DisplayID string `json:"display_id"`
		}
		ExecutionCount *int `json:"execution_count"`
		Wait           bool
		Ename, Evalue  string
		Traceback      []string
	} `json:"content"`
}

// add takes one message. What is no output of Jupyter's is passed over.
func (s *shown) add(text []byte) {
	var m message
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if dec.Decode(&m) != nil {
		s.cut = true
		return
	}
	c := &s.nb.Cells[s.at]
	v := &m.Content
	if m.Type == "clear_output" {
		if s.clear = v.Wait; !v.Wait {
			s.wipe(c)
		}
		return
	}
	if s.clear {
		s.clear = false
		s.wipe(c)
	}
	if s.bytes += len(text); s.bytes > keptBytes || len(c.Outputs) >= keptOutputs && m.Type != "stream" && m.Type != "update_display_data" {
		s.cut = true
		return
	}
	o := notebook.Output{Type: m.Type}
	switch m.Type {
	case notebook.Stream:
		s.stream(c, v.Name, v.Text)
		return
	case "update_display_data":
		for _, p := range s.ids[v.Transient.DisplayID] {
			if old := &s.nb.Cells[p.cell]; p.output < len(old.Outputs) {
				old.Outputs[p.output].Data, old.Outputs[p.output].Metadata = v.Data, meta(v.Metadata)
			}
		}
		return
	case notebook.DisplayData, notebook.ExecuteResult:
		o.Data, o.Metadata = v.Data, meta(v.Metadata)
		if m.Type == notebook.ExecuteResult {
			o.ExecutionCount = v.ExecutionCount
		}
		if id := v.Transient.DisplayID; id != "" {
			s.ids[id] = append(s.ids[id], place{s.at, len(c.Outputs)})
		}
	case notebook.ErrorOutput:
		o.Ename, o.Evalue, o.Traceback = v.Ename, v.Evalue, v.Traceback
	default:
		return
	}
	c.Outputs = append(c.Outputs, o)
}

func meta(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// stream appends text to the last output if that is the same stream.
func (s *shown) stream(c *notebook.Cell, name, text string) {
	if name != "stderr" {
		name = "stdout"
	}
	if n := len(c.Outputs); n > 0 && c.Outputs[n-1].Type == notebook.Stream && c.Outputs[n-1].Name == name {
		c.Outputs[n-1].Text += text
		return
	}
	if len(c.Outputs) >= keptOutputs {
		s.cut = true
		return
	}
	c.Outputs = append(c.Outputs, notebook.Output{Type: notebook.Stream, Name: name, Text: text})
}

// wipe forgets the cell's outputs and where they were.
func (s *shown) wipe(c *notebook.Cell) {
	c.Outputs = nil
	for id, places := range s.ids {
		s.ids[id] = slices.DeleteFunc(places, func(p place) bool { return p.cell == s.at })
	}
}

// end cuts what is too long, as nbgrader's LimitOutput does.
func (s *shown) end(c *notebook.Cell) {
	lines, kept := 0, c.Outputs[:0]
	for _, o := range c.Outputs {
		switch {
		case o.Type == notebook.Stream:
			if lines == keptLines {
				s.cut = true
				continue
			}
			text := strings.Split(o.Text, "\n")
			if len(text)+lines > keptLines {
				text = append(text[:keptLines-lines-1], "... Output truncated ...")
				o.Text = strings.Join(text, "\n")
			}
			lines += len(text)
		case len(o.Traceback) > keptTraceback:
			t := o.Traceback
			o.Traceback = slices.Concat(t[:keptTraceback/2], []string{"... Traceback truncated ..."}, t[len(t)-keptTraceback/2+1:])
		}
		kept = append(kept, o)
	}
	if c.Outputs = kept; len(kept) == 0 {
		c.Outputs = nil
	}
}
