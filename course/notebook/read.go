package notebook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxSize is the number of bytes Read takes before it refuses a notebook.
const MaxSize = 50 << 20

// FormatError says why a file is not a notebook we can read, in words for the person who made it.
type FormatError struct{ Text string }

func (e *FormatError) Error() string { return e.Text }

func formatErrorf(format string, args ...any) error {
	return &FormatError{fmt.Sprintf(format, args...)}
}

// Read reads a notebook of at most MaxSize bytes. What is wrong with the file comes back as a *FormatError.
func Read(r io.Reader) (*Notebook, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("notebook: read: %w", err)
	}
	return Parse(data)
}

// Parse is Read for bytes already in memory.
func Parse(data []byte) (*Notebook, error) {
	tree, err := parseFile(data)
	if err != nil {
		return nil, err
	}
	top, ok := tree.(map[string]any)
	if !ok {
		return nil, formatErrorf("This is not a notebook: the file does not hold an object.")
	}
	s := shaper{}
	nb, err := s.notebook(top)
	if err != nil {
		return nil, err
	}
	if len(s.odd) > 0 {
		return nil, &FormatError{s.odd[0]}
	}
	return nb, nil
}

// Salvage reads what can be read of a student's notebook, however damaged: a file cut short, cells of the wrong
// shape, an old format. The texts say what was passed over; the notebook is nil only if nothing was found.
func Salvage(data []byte) (*Notebook, []string) {
	var texts []string
	// What another program saved is mostly legible all the same.
	if bytes.IndexByte(data, 0) >= 0 {
		data = bytes.ReplaceAll(data, []byte{0}, nil)
		texts = append(texts, "This file contains NUL bytes; they were left out.")
	}
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
		texts = append(texts, "This file is not UTF-8 text; what could not be read in it was replaced.")
	}
	tree, err := parseFile(data)
	if err != nil {
		texts = append(texts, err.Error())
	}
	top, ok := tree.(map[string]any)
	if !ok {
		return nil, append(texts, "No cell could be read from the file.")
	}
	s := shaper{lenient: true}
	nb, err := s.notebook(top)
	if err != nil {
		return nil, append(texts, err.Error())
	}
	return nb, append(texts, s.odd...)
}

func parseFile(data []byte) (any, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	switch {
	case len(data) > MaxSize:
		return nil, formatErrorf("This notebook is larger than %d MB. Clear its outputs and save it again.", MaxSize>>20)
	case len(bytes.TrimSpace(data)) == 0:
		return nil, formatErrorf("This file is empty. Save the notebook again.")
	case bytes.IndexByte(data, 0) >= 0:
		return nil, formatErrorf("This file contains NUL bytes, so it is not a text file and not a notebook.")
	case !utf8.Valid(data):
		return nil, formatErrorf("This file is not UTF-8 text. Open the notebook in JupyterLab and save it again.")
	}
	tree, err := parseJSON(string(data))
	if err != nil {
		return tree, formatErrorf("This file is not valid JSON: %v.", err)
	}
	return tree, nil
}

// shaper turns a JSON tree into a Notebook and collects what did not have the shape that nbformat asks for.
type shaper struct {
	lenient bool
	odd     []string
}

func (s *shaper) oddf(format string, args ...any) {
	s.odd = append(s.odd, fmt.Sprintf(format, args...))
}

// take removes a key from m and returns its value as T; a value of another type is passed over and noted.
func take[T any](s *shaper, m map[string]any, where, key string) T {
	var zero T
	v, ok := m[key]
	if !ok {
		return zero
	}
	delete(m, key)
	t, ok := v.(T)
	if !ok && v != nil {
		s.oddf("%s: %q does not have the form a notebook needs.", where, key)
	}
	return t
}

func (s *shaper) notebook(top map[string]any) (*Notebook, error) {
	nb := &Notebook{Nbformat: 4}
	major, known := intOf(top["nbformat"])
	switch {
	case !known && !s.lenient:
		return nil, formatErrorf("This is not a notebook: it does not say its format (nbformat).")
	case known && major < 4:
		return nil, formatErrorf("This notebook has the old format %d. Open it in JupyterLab and save it again, which makes it format 4.", major)
	case known && major > 4:
		return nil, formatErrorf("This notebook has format %d, which is newer than format 4. Save it as format 4.", major)
	}
	nb.Minor, _ = intOf(top["nbformat_minor"])
	delete(top, "nbformat")
	delete(top, "nbformat_minor")
	nb.Metadata = take[map[string]any](s, top, "The notebook", "metadata")
	if nb.Metadata == nil {
		nb.Metadata = map[string]any{}
	}
	if _, ok := top["cells"].([]any); !ok {
		return nil, formatErrorf("This notebook has no list of cells.")
	}
	cells := take[[]any](s, top, "The notebook", "cells")
	nb.Cells = make([]Cell, 0, len(cells))
	for i, v := range cells {
		m, ok := v.(map[string]any)
		if !ok {
			s.oddf("Cell %d is not a cell.", i+1)
			continue
		}
		nb.Cells = append(nb.Cells, s.cell(m, fmt.Sprintf("Cell %d", i+1)))
	}
	nb.Extra = rest(top)
	return nb, nil
}

func (s *shaper) cell(m map[string]any, where string) Cell {
	c := Cell{
		Type:        take[string](s, m, where, "cell_type"),
		ID:          take[string](s, m, where, "id"),
		Source:      s.joined(m, where, "source"),
		Metadata:    take[map[string]any](s, m, where, "metadata"),
		Attachments: take[map[string]any](s, m, where, "attachments"),
	}
	if c.Metadata == nil {
		c.Metadata = map[string]any{}
	}
	for name, v := range c.Attachments {
		if b, ok := v.(map[string]any); ok {
			c.Attachments[name] = joinBundle(b)
		}
	}
	switch c.Type {
	case Code:
		for i, v := range take[[]any](s, m, where, "outputs") {
			o, ok := v.(map[string]any)
			if !ok {
				s.oddf("%s: output %d is not an output.", where, i+1)
				continue
			}
			c.Outputs = append(c.Outputs, s.output(o, fmt.Sprintf("%s, output %d", where, i+1)))
		}
		c.ExecutionCount = count(m)
	case Markdown, Raw:
	default:
		s.oddf("%s has the unknown type %q.", where, c.Type)
		c.Type = Raw
	}
	c.Extra = rest(m)
	return c
}

func (s *shaper) output(m map[string]any, where string) Output {
	o := Output{Type: take[string](s, m, where, "output_type")}
	switch o.Type {
	case Stream:
		o.Name = take[string](s, m, where, "name")
		o.Text = s.joined(m, where, "text")
	case DisplayData, ExecuteResult:
		o.Data = joinBundle(take[map[string]any](s, m, where, "data"))
		o.Metadata = take[map[string]any](s, m, where, "metadata")
		if o.Type == ExecuteResult {
			o.ExecutionCount = count(m)
		}
	case ErrorOutput:
		o.Ename = take[string](s, m, where, "ename")
		o.Evalue = take[string](s, m, where, "evalue")
		for _, line := range take[[]any](s, m, where, "traceback") {
			text, _ := line.(string)
			o.Traceback = append(o.Traceback, text)
		}
	}
	o.Extra = rest(m)
	return o
}

// joined takes a text that may be a string or a list of lines.
func (s *shaper) joined(m map[string]any, where, key string) string {
	if text, ok := joinLines(m[key]); ok {
		delete(m, key)
		return text
	}
	return take[string](s, m, where, key)
}

// joinBundle joins the line lists of a MIME bundle in place, except where the list is itself the JSON value.
func joinBundle(b map[string]any) map[string]any {
	for mime, v := range b {
		if mime == "application/json" || strings.HasPrefix(mime, "application/") && strings.HasSuffix(mime, "+json") {
			continue
		}
		if text, ok := joinLines(v); ok {
			b[mime] = text
		}
	}
	return b
}

func joinLines(v any) (string, bool) {
	list, ok := v.([]any)
	if !ok {
		return "", false
	}
	var b strings.Builder
	for _, line := range list {
		text, ok := line.(string)
		if !ok {
			return "", false
		}
		b.WriteString(text)
	}
	return b.String(), true
}

// count takes execution_count; anything but a whole number counts as null, as if the cell had not run.
func count(m map[string]any) *int {
	n, ok := intOf(m["execution_count"])
	delete(m, "execution_count")
	if !ok {
		return nil
	}
	return &n
}

// rest is what the known keys left over, nil if nothing.
func rest(m map[string]any) map[string]any {
	if len(m) == 0 {
		return nil
	}
	return m
}

func intOf(v any) (int, bool) {
	switch v := v.(type) {
	case int:
		return v, true
	case json.Number:
		n, err := strconv.Atoi(string(v))
		return n, err == nil
	case float64:
		return int(v), v == float64(int(v))
	}
	return 0, false
}
