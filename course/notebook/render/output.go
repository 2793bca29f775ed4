package render

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"lectern/course/notebook"
)

// Bounds on the outputs of one cell and on a drawing in SVG.
const (
	maxOutputs = 200
	maxSVG     = 2 << 20
)

func (p *page) outputs(b []byte, c *notebook.Cell, cell int, opt *Options) []byte {
	if len(c.Outputs) == 0 {
		return b
	}
	b = append(b, `<div class="nb-outputs">`...)
	shown := 0
	for i := 0; i < len(c.Outputs); i++ {
		if shown == maxOutputs {
			b = appendNote(b, "… "+thousands(len(c.Outputs)-i)+" more outputs not shown")
			break
		}
		shown++
		o := &c.Outputs[i]
		switch o.Type {
		case notebook.Stream:
			text := o.Text
			// Python writes in pieces; what stands together is one text, with one bound.
			if next := i + 1; next < len(c.Outputs) && sameStream(o, &c.Outputs[next]) {
				var joined strings.Builder
				joined.WriteString(text)
				for ; i+1 < len(c.Outputs) && sameStream(o, &c.Outputs[i+1]); i++ {
					joined.WriteString(c.Outputs[i+1].Text)
				}
				text = joined.String()
			}
			class := "nb-stdout"
			if o.Name == "stderr" {
				class = "nb-stderr"
			}
			b = appendTerminal(b, class, text)
		case notebook.ErrorOutput:
			text := strings.Join(o.Traceback, "\n")
			if strings.TrimSpace(text) == "" {
				text = o.Ename + ": " + o.Evalue
			}
			b = appendTerminal(b, "nb-error", text)
		case notebook.DisplayData, notebook.ExecuteResult:
			b = p.display(b, o, cell, i, opt)
		default:
			b = appendNote(b, "An output of an unknown kind is not shown.")
		}
	}
	return append(b, `</div>`...)
}

func sameStream(a, b *notebook.Output) bool {
	return b.Type == notebook.Stream && b.Name == a.Name
}

// display shows the best form of a result that can be shown safely. Jupyter would take HTML before a picture; here
// the picture is what a grader can see at once.
func (p *page) display(b []byte, o *notebook.Output, cell, output int, opt *Options) []byte {
	from := len(b)
	b = append(b, `<div class="nb-result">`...)
	if o.ExecutionCount != nil {
		b = append(b, `<span class="nb-prompt">Out [`...)
		b = strconv.AppendInt(b, int64(*o.ExecutionCount), 10)
		b = append(b, `]</span>`...)
	}
	b, ok := p.bundle(b, o.Data, cell, output, opt)
	if !ok {
		return b[:from]
	}
	return append(b, `</div>`...)
}

func (p *page) bundle(b []byte, data notebook.Bundle, cell, output int, opt *Options) ([]byte, bool) {
	html, hasHTML := data.Text("text/html")
	if hasHTML {
		if table, ok := p.r.table(html); ok {
			return append(b, table...), true
		}
	}
	plain, hasPlain := data.Text("text/plain")
	for _, mime := range rasterTypes {
		if text, ok := data.Text(mime); ok {
			pic, why := p.picture(text)
			if why != "" {
				return appendImageNote(b, "", why), true
			}
			return pic.append(b, alternative(plain, cell)), true
		}
	}
	if svg, ok := data.Text("image/svg+xml"); ok {
		return p.svg(b, svg, alternative(plain, cell)), true
	}
	if text, ok := data.Text("text/markdown"); ok {
		return append(p.markdown(append(b, `<div class="nb-md">`...), text), `</div>`...), true
	}
	if text, ok := data.Text("text/latex"); ok {
		return p.latex(b, text), true
	}
	if mime := foreign(data); mime != "" {
		return p.frame(b, mime, plain, cell, output, opt), true
	}
	for mime, v := range data {
		if mime == "application/json" || strings.HasSuffix(mime, "+json") && !hasPlain {
			text, err := json.MarshalIndent(v, "", "  ")
			if err != nil {
				return appendNote(b, "This result is not valid JSON."), true
			}
			return p.r.appendCode(b, "", string(text)), true
		}
	}
	if hasPlain {
		return appendTerminal(b, "nb-plain", plain), true
	}
	for mime := range data {
		return appendNote(b, "A result of the kind "+clip(mime, 80)+" is not shown."), true
	}
	return b, false
}

// alternative is what a screen reader says of a picture; matplotlib's "<Figure size 640x480 …>" tells nothing.
func alternative(plain string, cell int) string {
	if plain = strings.TrimSpace(plain); plain == "" || plain[0] == '<' {
		return "Picture made by cell " + itoa(cell+1)
	}
	return clip(plain, 200)
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// svg shows a drawing as a picture, where it can neither run scripts nor load anything.
func (p *page) svg(b []byte, svg, alt string) []byte {
	if len(svg) > maxSVG || len(svg) > p.picsLeft {
		return appendImageNote(b, "", "is too large to be shown here")
	}
	if strings.Contains(svg, "<!ENTITY") {
		// Entities that double each other fill a browser's memory.
		return appendImageNote(b, "", "defines entities, which are not shown")
	}
	p.picsLeft -= len(svg)
	b = append(b, `<img src="data:image/svg+xml;base64,`...)
	b = base64.StdEncoding.AppendEncode(b, []byte(svg))
	return append(appendKeyValue(append(b, '"'), "alt", alt), '>')
}

// latex shows text/latex, which comes with its dollar signs or, from older programs, without.
func (p *page) latex(b []byte, text string) []byte {
	text = strings.TrimSpace(text)
	b = append(b, `<div class="nb-md">`...)
	if rest, found := cutTeX(text); len(found) == 1 && rest == marker(0) {
		b = p.math(b, found[0])
	} else if len(found) > 0 {
		b = p.markdown(b, text)
	} else {
		b = p.math(b, formula{tex: text, source: text, display: true})
	}
	return append(b, `</div>`...)
}
