package grading

import (
	"fmt"
	"strings"
	"testing"

	"lectern/course/notebook"
)

// said plays what a kernel published for the second of two cells.
func said(messages ...string) (*notebook.Notebook, *shown) {
	nb := &notebook.Notebook{Cells: []notebook.Cell{{Type: notebook.Code}, {Type: notebook.Code}}}
	s := newShown(nb)
	s.begin(0)
	s.add([]byte(`{"type":"display_data","content":{"data":{"text/plain":"first"},"metadata":{},"transient":{"display_id":"d"}}}`))
	s.end(&nb.Cells[0])
	s.begin(1)
	for _, m := range messages {
		s.add([]byte(m))
	}
	s.end(&nb.Cells[1])
	return nb, s
}

func stream(name, text string) string {
	return fmt.Sprintf(`{"type":"stream","content":{"name":%q,"text":%q}}`, name, text)
}

func TestOutputsAreGatheredAsJupyterDoes(t *testing.T) {
	t.Parallel()
	nb, _ := said(stream("stdout", "a\n"), stream("stdout", "b\n"), stream("stderr", "c\n"), stream("stdout", "d\n"))
	if o := nb.Cells[1].Outputs; len(o) != 3 || o[0].Text != "a\nb\n" || o[1].Name != "stderr" || o[2].Text != "d\n" {
		t.Errorf("streams: %+v", o)
	}
	nb, _ = said(`{"type":"update_display_data","content":{"data":{"text/plain":"second"},"metadata":{"m":1},"transient":{"display_id":"d"}}}`)
	if text, _ := nb.Cells[0].Outputs[0].Data.Text("text/plain"); text != "second" || len(nb.Cells[1].Outputs) != 0 {
		t.Errorf("update: %+v", nb.Cells)
	}
	nb, _ = said(stream("stdout", "gone"), `{"type":"clear_output","content":{"wait":true}}`, stream("stdout", "stays"), `{"type":"clear_output","content":{"wait":true}}`)
	if o := nb.Cells[1].Outputs; len(o) != 1 || o[0].Text != "stays" {
		t.Errorf("clear and wait: %+v", o)
	}
	nb, _ = said(stream("stdout", "gone"), `{"type":"clear_output","content":{"wait":false}}`)
	if nb.Cells[1].Outputs != nil {
		t.Errorf("clear: %+v", nb.Cells[1].Outputs)
	}
}

// A kernel is the student's: whatever it says is an output or nothing.
func TestHostileMessages(t *testing.T) {
	t.Parallel()
	for _, m := range []string{``, `null`, `[]`, `{`, `{"type":1}`, `{"type":"status","content":{}}`, `{"type":"execute_input","content":{"code":"x"}}`,
		`{"type":"execute_result","content":{"data":[1]}}`, `{"type":"error","content":{"traceback":"no list"}}`, `{"type":"stream","content":{"text":["a"]}}`,
		`{"type":"update_display_data","content":{"transient":{"display_id":"none"}}}`, strings.Repeat(`[`, 100000)} {
		if nb, _ := said(m); len(nb.Cells[1].Outputs) != 0 {
			t.Errorf("%.60s gave %+v", m, nb.Cells[1].Outputs)
		}
	}
	nb, _ := said(`{"type":"stream","content":{"name":"../x","text":"t"}}`)
	if nb.Cells[1].Outputs[0].Name != "stdout" {
		t.Errorf("a stream of another name: %+v", nb.Cells[1].Outputs)
	}
}

func TestOutputsAreBounded(t *testing.T) {
	t.Parallel()
	nb, s := said(stream("stdout", strings.Repeat("x\n", 1500)), stream("stderr", "more"))
	if text := nb.Cells[1].Outputs[0].Text; strings.Count(text, "\n") != keptLines-1 || !strings.HasSuffix(text, "x\n... Output truncated ...") || len(nb.Cells[1].Outputs) != 1 || !s.cut {
		t.Errorf("lines: %d, %d outputs", strings.Count(text, "\n"), len(nb.Cells[1].Outputs))
	}
	many := make([]string, 2*keptOutputs)
	for i := range many {
		many[i] = `{"type":"display_data","content":{"data":{"text/plain":"x"}}}`
	}
	if nb, s = said(many...); len(nb.Cells[1].Outputs) != keptOutputs || !s.cut {
		t.Errorf("%d outputs", len(nb.Cells[1].Outputs))
	}
	big := fmt.Sprintf(`{"type":"display_data","content":{"data":{"text/plain":%q}}}`, strings.Repeat("x", keptBytes/3))
	if nb, s = said(big, big, big, big); len(nb.Cells[1].Outputs) != 2 || !s.cut {
		t.Errorf("%d big outputs", len(nb.Cells[1].Outputs))
	}
	lines := strings.TrimSuffix(strings.Repeat(`"l",`, 300), ",")
	nb, _ = said(`{"type":"error","content":{"ename":"E","evalue":"","traceback":[` + lines + `]}}`)
	if tb := nb.Cells[1].Outputs[0].Traceback; len(tb) != keptTraceback || tb[50] != "... Traceback truncated ..." {
		t.Errorf("traceback of %d entries", len(tb))
	}
}
