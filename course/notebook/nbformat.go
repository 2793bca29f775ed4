// Package notebook reads, checks, releases, rebuilds, scores and writes Jupyter notebooks in nbgrader's format,
// without Python. It owns the bytes of nbformat 4 and the meaning of nbgrader's cell metadata. It refuses everything
// else: it touches no disk and no database, runs no code, and imports the standard library only.
//
// Every key it does not know survives reading and writing. A person's mistake is a Problem or a Repair in plain
// words, never a panic; what a student wrote is treated as hostile.
package notebook

// Cell types of nbformat 4.
const (
	Code     = "code"
	Markdown = "markdown"
	Raw      = "raw"
)

// Output types of nbformat 4.
const (
	Stream        = "stream"
	DisplayData   = "display_data"
	ExecuteResult = "execute_result"
	ErrorOutput   = "error"
)

// Notebook is one nbformat 4 document.
type Notebook struct {
	Nbformat int            // always 4
	Minor    int            // nbformat_minor; cells have ids from 5 on
	Metadata map[string]any // kernelspec, language_info and whatever else was there
	Cells    []Cell
	Extra    map[string]any // top-level keys nbformat does not name
}

// Cell is one cell. Source and texts are joined strings; Write splits them into Jupyter's line lists again.
type Cell struct {
	Type           string // Code, Markdown or Raw
	ID             string // empty where the file has none, as in every file below 4.5
	Source         string
	Metadata       map[string]any
	Outputs        []Output       // code cells only
	ExecutionCount *int           // code cells only; nil is null
	Attachments    map[string]any // file name → Bundle's JSON; nil is absent
	Extra          map[string]any // keys nbformat does not name, and outputs of cells that may have none
}

// Output is one output of a code cell. Which fields count depends on Type.
type Output struct {
	Type           string         // Stream, DisplayData, ExecuteResult or ErrorOutput
	Name           string         // Stream: "stdout" or "stderr"
	Text           string         // Stream
	Data           Bundle         // DisplayData, ExecuteResult
	Metadata       map[string]any // DisplayData, ExecuteResult
	ExecutionCount *int           // ExecuteResult
	Ename          string         // ErrorOutput
	Evalue         string         // ErrorOutput
	Traceback      []string       // ErrorOutput; lines with ANSI colours
	Extra          map[string]any
}

// Bundle maps a MIME type to its value: a joined string for text and base64 data, any JSON value for JSON types.
// JSON values, here and in all metadata, are nil, bool, string, json.Number, []any and map[string]any.
type Bundle map[string]any

// Text returns the string stored for a MIME type, and false if there is none or it is not a string.
func (b Bundle) Text(mime string) (string, bool) {
	s, ok := b[mime].(string)
	return s, ok
}

// Language is the kernel's language as nbgrader asks for it: metadata.kernelspec.language, "python" if absent.
func (n *Notebook) Language() string {
	if s, ok := n.Kernelspec()["language"].(string); ok && s != "" {
		return s
	}
	return "python"
}

// Kernelspec is metadata.kernelspec, nil if the notebook names none.
func (n *Notebook) Kernelspec() map[string]any {
	spec, _ := n.Metadata["kernelspec"].(map[string]any)
	return spec
}

// Clone returns a notebook that shares nothing that can be changed with n.
func (n *Notebook) Clone() *Notebook {
	c := &Notebook{Nbformat: n.Nbformat, Minor: n.Minor, Metadata: cloneMap(n.Metadata), Extra: cloneMap(n.Extra)}
	c.Cells = make([]Cell, len(n.Cells))
	for i := range n.Cells {
		c.Cells[i] = n.Cells[i].Clone()
	}
	return c
}

// Clone returns a cell that shares nothing that can be changed with c.
func (c Cell) Clone() Cell {
	c.Metadata = cloneMap(c.Metadata)
	c.Attachments = cloneMap(c.Attachments)
	c.Extra = cloneMap(c.Extra)
	c.ExecutionCount = cloneInt(c.ExecutionCount)
	if c.Outputs != nil {
		outputs := make([]Output, len(c.Outputs))
		for i, o := range c.Outputs {
			o.Data = cloneMap(o.Data)
			o.Metadata = cloneMap(o.Metadata)
			o.Extra = cloneMap(o.Extra)
			o.ExecutionCount = cloneInt(o.ExecutionCount)
			o.Traceback = append([]string(nil), o.Traceback...)
			outputs[i] = o
		}
		c.Outputs = outputs
	}
	return c
}

func cloneInt(p *int) *int {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func cloneMap(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	c := make(map[string]any, len(m))
	for k, v := range m {
		c[k] = cloneValue(v)
	}
	return c
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneMap(v)
	case []any:
		c := make([]any, len(v))
		for i := range v {
			c[i] = cloneValue(v[i])
		}
		return c
	}
	return v
}
