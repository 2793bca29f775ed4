package grading

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/exchange"
	"lectern/store"
)

// way is how the releases of one assignment are made: the course's header, footer
// and texts, and the tests that were made of AUTOTEST lines.
type way struct {
	course.Preparation
	header, footer *notebook.Notebook
	tests          map[string]madeTests // by notebook without .ipynb
	unmade         bool                 // a notebook has autotests that nobody has made yet
	problems       notebook.Problems    // of header and footer as files
}

// madeTests are the tests that the AUTOTEST lines of one notebook became. They are
// kept, so that release and grading stand on the same ones.
type madeTests struct {
	Problem string         `json:"problem,omitempty"` // why there are none, for people
	Cells   map[int]string `json:"cells,omitempty"`   // text of a cell, by its place behind the header
}

// put writes the tests into the notebook that they were made of.
func (t madeTests) put(nb *notebook.Notebook) error {
	if t.Problem != "" {
		return errors.New(t.Problem)
	}
	for i, text := range t.Cells {
		if i < 0 || i >= len(nb.Cells) {
			return errors.New("the notebook was changed since")
		}
		nb.Cells[i].Source = text
	}
	return nil
}

// options are those of one notebook's release. Without its tests the AUTOTEST
// lines stay as they are, which is noted.
func (w *way) options(name string) notebook.Options {
	o := notebook.Options{Name: name, Header: w.header, Footer: w.footer, TextStub: w.TextStub, Instantiate: func(nb *notebook.Notebook) error {
		t, made := w.tests[name]
		if !made {
			w.unmade = true
			return nil
		}
		return t.put(nb)
	}}
	if len(w.CodeStubs) > 0 {
		o.CodeStubs = maps.Clone(notebook.CodeStubs)
		maps.Copy(o.CodeStubs, w.CodeStubs)
	}
	return o
}

// wayOf finds out how an assignment's release is made at this version of its source.
func wayOf(ctx context.Context, st *store.Store, x *exchange.Exchange, id course.AssignmentID, version int) (*way, error) {
	p, err := st.Preparing(ctx, id)
	if err != nil {
		return nil, err
	}
	w := &way{Preparation: p.Preparation}
	if p.TestsVersion == version {
		if err := json.Unmarshal(p.Tests, &w.tests); err != nil {
			return nil, fmt.Errorf("grading: autotests: %w", err)
		}
	}
	for _, f := range []struct {
		file exchange.CourseFile
		name string
		to   **notebook.Notebook
	}{{exchange.CourseHeader, "header", &w.header}, {exchange.CourseFooter, "footer", &w.footer}} {
		text, err := courseFile(x, p.CourseSlug, f.file)
		if err != nil || text == nil {
			if err != nil {
				return nil, err
			}
			continue
		}
		nb, err := notebook.Parse(text)
		var bad *notebook.FormatError
		if errors.As(err, &bad) { // it was looked at when it was uploaded, but may have come by another way
			w.problems = append(w.problems, notebook.Problem{Notebook: f.name, Cell: -1, Severity: notebook.Error, Text: bad.Text,
				Mend: "Upload the course's " + f.name + " anew, in the course's settings."})
			continue
		}
		if err != nil {
			return nil, err
		}
		*f.to = nb
	}
	return w, nil
}

// courseFile is the text of one of the course's files, nil if it has none.
func courseFile(x *exchange.Exchange, slug string, file exchange.CourseFile) ([]byte, error) {
	f, err := x.OpenCourseFile(slug, file)
	if course.IsKind(err, course.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, notebook.MaxSize))
}

// says names for people what goes into a release besides the notebook itself.
func (w *way) says() (list []string) {
	if w.header != nil {
		list = append(list, "the course's header before the first cell")
	}
	if w.footer != nil {
		list = append(list, "the course's footer after the last cell")
	}
	return list
}

// stubs are the texts that these notebooks' releases use.
func (w *way) stubs(list []NotebookReport) (out []Stub) {
	codes, seen := w.options("").CodeStubs, map[string]bool{}
	if codes == nil {
		codes = notebook.CodeStubs
	}
	for _, nb := range list {
		text, known := codes[nb.Language]
		if seen[nb.Language] || !known {
			continue
		}
		seen[nb.Language] = true
		_, own := w.CodeStubs[nb.Language]
		out = append(out, Stub{nb.Language, text, own})
	}
	return append(out, Stub{"", cmp.Or(w.TextStub, notebook.TextStub), w.TextStub != ""})
}
