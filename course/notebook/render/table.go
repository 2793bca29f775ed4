package render

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

// Bounds on a table that is shown in the page; longer ones are cut and say so.
const (
	maxTable     = 2 << 20
	maxTableRows = 200
)

// tableParents lists what may stand directly inside what. It is stricter than HTML: a browser never has to move
// anything, so it sees the same tree as this code does.
var tableParents = map[string]string{
	"div": " div", "table": " div", "caption": "table", "thead": "table", "tbody": "table", "tfoot": "table",
	"colgroup": "table", "tr": "table thead tbody tfoot", "th": "tr", "td": "tr", "p": " div",
}

// inCell are the elements that text in a cell may have; they are kept without attributes, or dropped.
var inCell = map[string]bool{
	"b": true, "strong": true, "i": true, "em": true, "code": true, "sub": true, "sup": true, "small": true,
	"span": false, "a": false, "pre": false,
}

// table returns HTML that is only a table, as pandas writes it: without classes, styles and links, in a box of its own
// that scrolls. ok is false for everything else, also for a table with a style sheet of its own (a pandas Styler),
// which would lose what its author wanted to say.
func (r *Renderer) table(src string) (out []byte, ok bool) {
	if len(src) > maxTable || !strings.Contains(src, "<table") {
		return nil, false
	}
	key := memoKey{kind: kindTable, text: src}
	if got, ok := r.cells.get(key); ok {
		return got, len(got) > 0
	}
	t := tableWriter{}
	if t.read(src) {
		out = t.out
	}
	// An empty value remembers the refusal.
	r.cells.put(key, out)
	return out, len(out) > 0
}

type tableWriter struct {
	out    []byte
	open   []string
	rows   int
	tables int
	silent bool // in a row beyond the bound
}

func (t *tableWriter) parent() string {
	if len(t.open) == 0 {
		return ""
	}
	return t.open[len(t.open)-1]
}

// holds reports whether text may stand where we are.
func (t *tableWriter) holds() bool {
	for _, tag := range t.open {
		if tag == "td" || tag == "th" || tag == "caption" || tag == "p" {
			return true
		}
	}
	return false
}

func (t *tableWriter) read(src string) bool {
	z := html.NewTokenizer(strings.NewReader(src))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return len(t.open) == 0 && t.tables > 0
		case html.TextToken:
			text := string(z.Text())
			if !t.holds() {
				if strings.TrimSpace(text) != "" {
					return false
				}
				continue
			}
			if !t.silent {
				t.out = appendText(t.out, text)
			}
		case html.StartTagToken:
			token := z.Token()
			if token.Data == "style" {
				if !scoped(token) || z.Next() != html.TextToken || z.Next() != html.EndTagToken {
					return false
				}
				continue
			}
			if !t.start(token) {
				return false
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if !t.end(string(name)) {
				return false
			}
		case html.SelfClosingTagToken, html.DoctypeToken:
			token := z.Token()
			if token.Data != "br" || !t.holds() {
				return false
			}
			t.write("<br>")
		}
	}
}

// scoped recognises the style sheet that pandas puts before every table.
func scoped(t html.Token) bool {
	return len(t.Attr) == 1 && t.Attr[0].Key == "scoped"
}

func (t *tableWriter) write(s string) {
	if !t.silent {
		t.out = append(t.out, s...)
	}
}

func (t *tableWriter) start(token html.Token) bool {
	tag := token.Data
	if tag == "br" && t.holds() {
		t.write("<br>")
		return true
	}
	if tag == "col" && t.parent() == "colgroup" {
		return true
	}
	if keep, known := inCell[tag]; known && t.holds() && len(t.open) < 40 {
		t.open = append(t.open, tag)
		if keep {
			t.write("<" + tag + ">")
		}
		return true
	}
	parents, known := tableParents[tag]
	if !known || !containsWord(parents, t.parent()) || len(t.open) > 40 {
		return false
	}
	t.open = append(t.open, tag)
	switch tag {
	case "div", "colgroup":
	case "table":
		t.tables++
		t.rows = 0
		t.write(`<div class="nb-scroll" tabindex="0"><table class="nb-table">`)
	case "tr":
		if t.rows++; t.rows > maxTableRows {
			t.silent = true
		}
		t.write("<tr>")
	case "th", "td":
		t.write("<" + tag)
		t.spans(token)
		t.write(">")
	case "p":
		t.write(`<p class="nb-note">`)
	default:
		t.write("<" + tag + ">")
	}
	return true
}

func containsWord(words, w string) bool {
	for _, x := range strings.Split(words, " ") {
		if x == w {
			return true
		}
	}
	return false
}

func (t *tableWriter) spans(token html.Token) {
	for _, a := range token.Attr {
		if n, err := strconv.Atoi(a.Val); err == nil && n > 1 && n <= 200 && (a.Key == "colspan" || a.Key == "rowspan") {
			t.write(" " + a.Key + `="` + itoa(n) + `"`)
		}
	}
}

func (t *tableWriter) end(tag string) bool {
	if t.parent() != tag {
		return false
	}
	t.open = t.open[:len(t.open)-1]
	switch keep, inline := inCell[tag]; {
	case inline && !keep, tag == "div", tag == "colgroup":
	case tag == "tr":
		t.write("</tr>")
		t.silent = false
	case tag == "table":
		t.write("</table></div>")
		if more := t.rows - maxTableRows; more > 0 {
			t.out = appendNote(t.out, "… "+thousands(more)+" more rows not shown")
		}
	default:
		t.write("</" + tag + ">")
	}
	return true
}
