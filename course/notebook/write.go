package notebook

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Write writes the notebook byte for byte as Jupyter does: keys sorted, an indent of one space, line lists, Python's
// numbers, non-ASCII as it is, a line break at the end. What Jupyter never stores is left out: the cells' trusted
// flag, the notebook's signature and orig_nbformat.
func (n *Notebook) Write(w io.Writer) error {
	_, err := w.Write(n.Bytes())
	return err
}

// Bytes returns what Write writes.
func (n *Notebook) Bytes() []byte {
	e := encoder{out: make([]byte, 0, 64<<10)}
	e.value(n.tree(), 0)
	return append(e.out, '\n')
}

// lines is a text that the file holds as a list of lines.
type lines string

func (n *Notebook) tree() map[string]any {
	t := maps.Clone(n.Extra)
	if t == nil {
		t = map[string]any{}
	}
	cells := make([]any, len(n.Cells))
	for i := range n.Cells {
		cells[i] = n.Cells[i].tree()
	}
	t["cells"] = cells
	t["metadata"] = without(n.Metadata, "orig_nbformat", "orig_nbformat_minor", "signature")
	t["nbformat"] = 4
	t["nbformat_minor"] = n.Minor
	return t
}

func (c *Cell) tree() map[string]any {
	t := make(map[string]any, 8)
	maps.Copy(t, c.Extra)
	t["cell_type"] = c.Type
	t["metadata"] = without(c.Metadata, "trusted")
	t["source"] = lines(c.Source)
	if c.ID != "" {
		t["id"] = c.ID
	}
	if c.Attachments != nil {
		files := make(map[string]any, len(c.Attachments))
		for name, v := range c.Attachments {
			if b, ok := v.(map[string]any); ok {
				v = splitBundle(b)
			}
			files[name] = v
		}
		t["attachments"] = files
	}
	if c.Type == Code {
		outputs := make([]any, len(c.Outputs))
		for i := range c.Outputs {
			outputs[i] = c.Outputs[i].tree()
		}
		t["outputs"] = outputs
		t["execution_count"] = orNull(c.ExecutionCount)
	}
	return t
}

func (o *Output) tree() map[string]any {
	t := make(map[string]any, 6)
	maps.Copy(t, o.Extra)
	t["output_type"] = o.Type
	switch o.Type {
	case Stream:
		t["name"] = o.Name
		t["text"] = lines(o.Text)
	case DisplayData, ExecuteResult:
		t["data"] = splitBundle(o.Data)
		t["metadata"] = without(o.Metadata)
		if o.Type == ExecuteResult {
			t["execution_count"] = orNull(o.ExecutionCount)
		}
	case ErrorOutput:
		traceback := make([]any, len(o.Traceback))
		for i, line := range o.Traceback {
			traceback[i] = line
		}
		t["ename"] = o.Ename
		t["evalue"] = o.Evalue
		t["traceback"] = traceback
	}
	return t
}

// without returns m, which it leaves alone, less some keys; never nil.
func without(m map[string]any, keys ...string) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	for _, k := range keys {
		if _, ok := m[k]; ok {
			m = maps.Clone(m)
			for _, k := range keys {
				delete(m, k)
			}
			return m
		}
	}
	return m
}

func orNull(p *int) any {
	if p == nil {
		return nil
	}
	return *p
}

func splitBundle(b map[string]any) map[string]any {
	t := make(map[string]any, len(b))
	for mime, v := range b {
		text, ok := v.(string)
		if ok && (strings.HasPrefix(mime, "text/") || mime == "application/javascript" || mime == "image/svg+xml") {
			v = lines(text)
		}
		t[mime] = v
	}
	return t
}

// encoder writes as json.dumps(indent=1, sort_keys=True, ensure_ascii=False) does.
type encoder struct{ out []byte }

func (e *encoder) newline(depth int) {
	e.out = append(e.out, '\n')
	for range depth {
		e.out = append(e.out, ' ')
	}
}

func (e *encoder) value(v any, depth int) {
	switch v := v.(type) {
	case nil:
		e.out = append(e.out, "null"...)
	case bool:
		e.out = strconv.AppendBool(e.out, v)
	case string:
		e.string(v)
	case json.Number:
		e.out = append(e.out, pyNumber(string(v))...)
	case int:
		e.out = strconv.AppendInt(e.out, int64(v), 10)
	case float64:
		e.out = append(e.out, pyFloat(v)...)
	case lines:
		e.lines(string(v), depth)
	case []any:
		e.list(len(v), depth, func(i int) { e.value(v[i], depth+1) })
	case map[string]any:
		e.object(v, depth)
	default:
		e.other(v, depth)
	}
}

// other takes what a caller of ours put into metadata: a struct, a []string. What JSON cannot say becomes null.
func (e *encoder) other(v any, depth int) {
	data, err := json.Marshal(v)
	if err != nil {
		data = []byte("null")
	}
	tree, _ := parseJSON(string(data))
	e.value(tree, depth)
}

func (e *encoder) list(n, depth int, item func(i int)) {
	e.out = append(e.out, '[')
	for i := range n {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.newline(depth + 1)
		item(i)
	}
	if n > 0 {
		e.newline(depth)
	}
	e.out = append(e.out, ']')
}

func (e *encoder) object(m map[string]any, depth int) {
	keys := slices.Sorted(maps.Keys(m))
	e.out = append(e.out, '{')
	for i, k := range keys {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.newline(depth + 1)
		e.string(k)
		e.out = append(e.out, ": "...)
		e.value(m[k], depth+1)
	}
	if len(keys) > 0 {
		e.newline(depth)
	}
	e.out = append(e.out, '}')
}

func (e *encoder) lines(text string, depth int) {
	split := splitLines(text)
	e.list(len(split), depth, func(i int) { e.string(split[i]) })
}

func (e *encoder) string(s string) {
	const hex = "0123456789abcdef"
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	e.out = append(e.out, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		e.out = append(e.out, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			e.out = append(e.out, '\\', c)
		case '\b':
			e.out = append(e.out, `\b`...)
		case '\f':
			e.out = append(e.out, `\f`...)
		case '\n':
			e.out = append(e.out, `\n`...)
		case '\r':
			e.out = append(e.out, `\r`...)
		case '\t':
			e.out = append(e.out, `\t`...)
		default:
			e.out = append(e.out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	e.out = append(e.out, s[start:]...)
	e.out = append(e.out, '"')
}
