// Package render turns notebooks, Markdown and files into HTML that is safe to put into a page of Lectern's own
// origin. It owns every byte of that HTML: elements and attributes come from short lists, there is no style attribute
// and no script, and the looks are in static/notebook.css. What needs more than that (foreign HTML, widgets,
// JavaScript) it refuses to show; it hands a separate document to whoever serves the content origin.
//
// Everything it is given is treated as written by someone hostile, instructors' notebooks included.
package render

import (
	"io"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"

	"lectern/course/notebook"
)

// Sizes of what is remembered, in bytes.
const (
	cellMemory    = 64 << 20
	formulaMemory = 32 << 20
)

// Renderer is safe for use by many goroutines; a program needs one, because it remembers what it rendered.
type Renderer struct {
	md       goldmark.Markdown
	policy   *bluemonday.Policy
	temml    *typesetter
	cells    *memo // coloured code, Markdown, tables
	formulas *memo
}

// New returns a Renderer. It costs next to nothing; Temml is loaded with the first formula.
func New() *Renderer {
	return &Renderer{
		md: newMarkdown(), policy: newPolicy(), temml: newTypesetter(),
		cells: newMemo(cellMemory), formulas: newMemo(formulaMemory),
	}
}

// Options adapt a notebook to the page it is shown on. The zero value is right for reading alone.
type Options struct {
	// Name tells the notebook from others on the same page. It begins the ids of cells ("NAME-cell-4"), and a screen
	// reader says it. Empty is right for the only notebook of a page: "cell-4".
	Name string

	// Before and After return finished, trusted HTML to stand above and below the cell with this index, or nothing:
	// marks, comments, forms. nil means none.
	Before, After func(cell int) []byte

	// Only picks the cells to show; nil means all. Numbers and ids stay those of the whole notebook.
	Only func(cell int) bool

	// File returns a file that lies beside the notebook, for pictures that its Markdown names, such as "img/plot.png":
	// always a clean path that does not lead out of the folder. nil means that there is none.
	File func(name string) []byte

	// Frame returns the address at the content origin where Raw's document for this output is served under FrameCSP.
	// With nil, or for an empty address, the page says that the output is not shown and falls back to its text.
	Frame func(cell, output int, mime string) string
}

// Notebook writes nb as an <article class="nb">. Cells count from 1 in ids and labels, from 0 in Options.
func (r *Renderer) Notebook(w io.Writer, nb *notebook.Notebook, opt Options) error {
	p := r.page()
	p.file = opt.File
	lang := nb.Language()
	b := make([]byte, 0, 64<<10)
	b = append(b, `<article class="nb"`...)
	if opt.Name != "" {
		b = appendKeyValue(b, "aria-label", opt.Name)
	}
	b = append(b, ">\n"...)
	for i := range nb.Cells {
		if opt.Only != nil && !opt.Only(i) {
			continue
		}
		b = p.cell(b, &nb.Cells[i], i, lang, &opt)
		// Pages with many pictures leave piece by piece instead of growing in memory.
		if len(b) > 48<<10 {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	b = append(b, "</article>\n"...)
	_, err := w.Write(b)
	return err
}

// Markdown returns a text as safe HTML: comments, announcements, answers. Pictures must be data: addresses.
func (r *Renderer) Markdown(src string) []byte {
	return append(r.page().markdown([]byte(`<div class="nb-md">`), src), "</div>"...)
}
