package notebook

import "strings"

// leastSecret is the length from which a hidden line, without white space, is looked for in outputs. Shorter ones, like
// "x=1", stand in many a student's own output.
const leastSecret = 10

// Conceal returns a rebuilt and executed notebook as its student may see it: without hidden tests and mark schemes,
// without the errors of cells that had hidden tests, and without any output in which a hidden line shows. A student
// who encodes what the kernel saw gets past that; the answer to those is not to return outputs at all.
func Conceal(nb *Notebook) *Notebook {
	shown := nb.Clone()
	var secrets []string
	hides := make([]bool, len(shown.Cells))
	for i := range shown.Cells {
		c := &shown.Cells[i]
		if m, ok := c.Meta(); !ok || !m.IsLocked() {
			continue
		}
		hidden := hiddenRegion.cut(splitSource(c.Source), nil)
		scheme := markRegion.cut(hidden.kept, nil)
		hides[i] = hidden.found
		for _, l := range append(hidden.cut, scheme.cut...) {
			if text := squeezed(l.text); len(text) >= leastSecret {
				secrets = append(secrets, text)
			}
		}
		c.Source = joinSource(scheme.kept)
	}
	for i := range shown.Cells {
		c := &shown.Cells[i]
		for k := range c.Outputs {
			o := &c.Outputs[k]
			switch {
			case o.Type == ErrorOutput && hides[i]:
				*o = Output{Type: ErrorOutput, Ename: orError(o.Ename), Traceback: []string{orError(o.Ename) + ": details of this test are not shown."}}
			case o.shows(secrets):
				*o = Output{Type: Stream, Name: "stdout", Text: "This output is not shown, because it contains parts of the tests.\n"}
			}
		}
	}
	return shown
}

// shows reports whether a secret stands in anything the output holds, colours and white space aside.
func (o *Output) shows(secrets []string) bool {
	if len(secrets) == 0 {
		return false
	}
	texts := append([]string{o.Text, o.Ename, o.Evalue, strings.Join(o.Traceback, "\n")}, stringsIn(map[string]any(o.Data), nil)...)
	texts = append(stringsIn(o.Metadata, texts), stringsIn(o.Extra, nil)...)
	for _, text := range texts {
		text = squeezed(ansiCodes.ReplaceAllString(text, ""))
		for _, s := range secrets {
			if strings.Contains(text, s) {
				return true
			}
		}
	}
	return false
}

// stringsIn collects every key and text of a JSON value.
func stringsIn(v any, list []string) []string {
	switch v := v.(type) {
	case string:
		list = append(list, v)
	case []any:
		for _, item := range v {
			list = stringsIn(item, list)
		}
	case map[string]any:
		for k, item := range v {
			list = stringsIn(item, append(list, k))
		}
	}
	return list
}
