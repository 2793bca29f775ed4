package notebook

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestReadRefusesWhatIsNoNotebook(t *testing.T) {
	t.Parallel()
	cell := func(s string) string {
		return `{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [` + s + `]}`
	}
	for _, c := range []struct{ name, data, want string }{
		{"nothing", " \n", "empty"},
		{"text", "hello", "line 1, column 1"},
		{"an error's place", "{\n \"é\": 1,\n \"é\" 2}", "line 3, column 6: a colon is missing"},
		{"a number", "5", "does not hold an object"},
		{"format 3", `{"nbformat": 3, "worksheets": []}`, "old format 3"},
		{"format 5", `{"nbformat": 5, "cells": []}`, "newer than format 4"},
		{"no format", `{"cells": []}`, "does not say its format"},
		{"no cells", `{"nbformat": 4}`, "no list of cells"},
		{"cells that are an object", `{"nbformat": 4, "cells": {}}`, "no list of cells"},
		{"a cell that is a number", cell("5"), "Cell 1 is not a cell"},
		{"an unknown cell type", cell(`{"cell_type": "heading", "source": ""}`), `unknown type "heading"`},
		{"a source that is a number", cell(`{"cell_type": "code", "source": 5}`), `Cell 1: "source"`},
		{"metadata that are a list", cell(`{"cell_type": "code", "source": "", "metadata": []}`), `Cell 1: "metadata"`},
		{"an output that is a text", cell(`{"cell_type": "code", "source": "", "outputs": ["x"]}`), "output 1 is not an output"},
		{"a raw NUL", "{\"a\": \"\x00\"}", "NUL"},
		{"Latin-1", "{\"a\": \"\xe9\"}", "UTF-8"},
		{"UTF-16", "\xff\xfe{\x00}\x00", "NUL"},
		{"two documents", cell("") + "{}", "more text after the end"},
		{"a comma too many", `{"nbformat": 4,}`, "key in quotes"},
		{"a line break in a text", "{\"a\": \"b\nc\"}", "not escaped"},
		{"an unknown escape", `{"a": "\x"}`, "backslash"},
		{"half an escape", `{"a": "\u12"}`, "hexadecimal"},
		{"a text without end", `{"a": "b`, "ends inside a text"},
		{"a text without end after an escape", `{"a": "\n\`, "ends inside a text"},
		{"no end", `{"a": [`, "ends in the middle"},
		{"a bad number", `{"a": 01}`, "not a number"},
		{"a lone minus", `{"a": -}`, "not a number"},
		{"a deep list", `{"a": ` + strings.Repeat("[", 1e6), "nested more than 500"},
		{"a deep object", strings.Repeat(`{"a":`, 1e6), "nested more than 500"},
		{"millions of values", "[" + strings.Repeat("0,", 5e6) + "0]", "more than"},
		{"too large", strings.Repeat(" ", MaxSize) + "{}", "larger than 50 MB"},
	} {
		nb, err := Read(strings.NewReader(c.data))
		var format *FormatError
		if nb != nil || !errors.As(err, &format) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v; want %q", c.name, nb != nil, err, c.want)
		}
	}
}

func TestReadFailsAsItsReaderFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk")
	if _, err := Read(failing{broken}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestReadJoinsAndKeepsEverything(t *testing.T) {
	t.Parallel()
	nb, err := Parse([]byte("\xef\xbb\xbf" + `{"nbformat": 4, "nbformat_minor": 2, "zz": [1.0, 12345678901234567890123], "metadata": {"a": {"b": NaN}},
		"cells": [{"cell_type": "code", "execution_count": "odd", "source": ["a\n", "b"], "own": {"x": 1e16}, "outputs": [
		{"output_type": "stream", "name": "stdout", "text": ["x\n", "\ud83d\ude42\ud83d"], "k": 1}, {"output_type": "later", "v": []}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c := nb.Cells[0]
	if c.Source != "a\nb" || c.ExecutionCount != nil || c.ID != "" || c.Outputs[0].Text != "x\n🙂\ufffd" {
		t.Errorf("got %+v", c)
	}
	got := string(nb.Bytes())
	for _, want := range []string{`"zz": [`, "1.0,", "12345678901234567890123", `"b": NaN`, `"x": 1e+16`, `"k": 1`, `"output_type": "later"`, `"v": []`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, `"id"`) {
		t.Error("an id was invented in a notebook of format 4.2")
	}
}

func TestWriteTakesWhatCallersPutIntoMetadata(t *testing.T) {
	t.Parallel()
	nb := &Notebook{Minor: 5, Metadata: map[string]any{"tags": []string{"a"}, "f": 1.0, "bad": func() {}, "s": "\xff"},
		Cells: []Cell{{Type: Code, ExecutionCount: new(int)}, {Type: Markdown}}}
	again, err := Parse(nb.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(again.Metadata), "map[bad:<nil> f:1.0 s:\ufffd tags:[a]]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if again.Cells[0].ExecutionCount == nil || again.Cells[1].Metadata == nil {
		t.Errorf("got %+v", again.Cells)
	}
}

// A file of tiny values claims the most memory for its size.
func TestReadHoldsABoundOnMemory(t *testing.T) {
	data := []byte(`{"nbformat":4,"cells":[],"a":[` + strings.Repeat("[],", 4e6) + "[]]}")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Parse(data); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) >> 20; got > 1024 {
		t.Errorf("reading %d MB took %d MB", len(data)>>20, got)
	}
}

func FuzzReadWriteRead(f *testing.F) {
	for _, name := range []string{"squares", "loops", "means"} {
		f.Add(readFile(f, "testdata/course/"+name+".ipynb"))
	}
	for _, name := range []string{"outputs", "attachments", "numbers", "unicode", "unknown"} {
		f.Add(readFile(f, "testdata/write/"+name+".json"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		Salvage(data)
		nb, err := Parse(data)
		if err != nil {
			return
		}
		once := nb.Bytes()
		again, err := Parse(once)
		if err != nil {
			t.Fatalf("cannot read what was written: %v\n%s", err, once)
		}
		diffText(t, string(again.Bytes()), string(once))
		diffText(t, string(nb.Clone().Bytes()), string(once))
	})
}
