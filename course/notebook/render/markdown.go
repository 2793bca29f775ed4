package render

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"
)

// Bounds on one text in Markdown, and on the time that the formulas of one page may take.
const (
	maxMarkdown = 100 << 10 // without its pictures
	maxLinks    = 2000
	maxNested   = 100
	mathBudget  = 5 * time.Second
)

// newMarkdown reads GitHub's Markdown, raw HTML included: what of it may stay is the sanitizer's business. Only http
// and https addresses become links by themselves.
func newMarkdown() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(
			extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)),
			extension.Strikethrough,
			extension.TaskList,
			extension.NewLinkify(
				extension.WithLinkifyAllowedProtocols([]string{"http:", "https:"}),
				extension.WithLinkifyWWWRegexp(neverMatches),
				extension.WithLinkifyEmailRegexp(neverMatches),
			),
		),
		goldmark.WithRendererOptions(html.WithUnsafe(),
			renderer.WithNodeRenderers(util.Prioritized(codeBlocks{}, 100))),
	)
}

var neverMatches = regexp.MustCompile(`^[^\s\S]`)

// newPolicy lists what Markdown may become. It has no class, style or id, no MathML, no SVG and no form but the task
// list's check box, which tidy turns into a character.
func newPolicy() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "b", "i", "u", "s", "del", "ins",
		"sub", "sup", "small", "mark", "kbd", "code", "pre", "samp", "var", "q", "cite", "dfn", "abbr", "blockquote", "ul",
		"ol", "li", "dl", "dt", "dd", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "div", "span",
		"center", "details", "summary", "figure", "figcaption", "a", "img", "input")
	whole := regexp.MustCompile(`^[0-9]{1,4}$`)
	p.AllowAttrs("href", "title").OnElements("a")
	p.AllowAttrs("title").OnElements("abbr", "dfn")
	p.AllowAttrs("src", "alt", "title").OnElements("img")
	p.AllowAttrs("width", "height").Matching(whole).OnElements("img")
	p.AllowAttrs("colspan", "rowspan").Matching(whole).OnElements("td", "th")
	p.AllowAttrs("align").Matching(regexp.MustCompile(`^(left|center|right)$`)).OnElements("td", "th", "div", "p")
	p.AllowAttrs("start").Matching(whole).OnElements("ol")
	p.AllowAttrs("open").OnElements("details")
	p.AllowAttrs("type").Matching(regexp.MustCompile(`^checkbox$`)).OnElements("input")
	p.AllowAttrs("checked").OnElements("input")
	p.AllowURLSchemes("http", "https", "mailto", "attachment", "data")
	p.AllowRelativeURLs(true)
	p.RequireParseableURLs(true)
	return p
}

// codeBlocks leaves a marker where a code block stands, so that its colours need not pass the sanitizer.
type codeBlocks struct{}

func (codeBlocks) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindFencedCodeBlock, writeCodeMarker)
	r.Register(ast.KindCodeBlock, writeCodeMarker)
}

// codeAttr is the attribute of the document that collects its code blocks.
var codeAttr = []byte("lectern-code")

type codeBlock struct{ lang, text string }

func writeCodeMarker(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	block := codeBlock{text: string(n.Lines().Value(source))}
	if fenced, ok := n.(*ast.FencedCodeBlock); ok {
		block.lang = string(fenced.Language(source))
	}
	got, ok := n.OwnerDocument().AttributeString(string(codeAttr))
	blocks, good := got.(*[]codeBlock)
	if !ok || !good {
		return ast.WalkStop, errors.New("render: code block outside a document of ours")
	}
	*blocks = append(*blocks, block)
	// Negative numbers are code blocks, the others formulas.
	_, err := fmt.Fprintf(w, "<div>%s-%d%s</div>\n", markOpen, len(*blocks), markClose)
	return ast.WalkSkipChildren, err
}

// page is what one call of the renderer shares: the time that formulas may still take, and where images come from.
type page struct {
	r        *Renderer
	mathLeft time.Duration
	picsLeft int            // bytes that pictures may still take
	attached map[string]any // attachments of the cell being rendered
	file     func(string) []byte
	macros   []macro // what the notebook's formulas have defined so far
	defined  string  // all of it, in order
	once     bool    // what is being rendered must not be remembered: a file or the lack of time is part of it
}

func (r *Renderer) page() *page { return &page{r: r, mathLeft: mathBudget, picsLeft: maxPictures} }

// markdown appends the HTML of a Markdown text. The order is what makes it safe: formulas and code are taken out,
// Markdown becomes HTML, the sanitizer removes what is not on its list, tidy closes every element and sets images and
// links, and only then do our own MathML and coloured code come in, in places that are text and nowhere else.
func (p *page) markdown(b []byte, src string) []byte {
	text, embedded := cutPictures(src)
	if !bearable(text) {
		return p.r.appendPlain(append(b, `<p class="nb-note">This text is too long or too intricate to be laid out.</p>`...), src)
	}
	// What the notebook defined before is part of what the text means.
	key := memoKey{kind: kindMarkdown, lang: p.defined, text: src}
	if p.file != nil {
		key.kind = kindBeside
	}
	var formulas []formula
	if defines(src) {
		_, formulas = cutTeX(text)
		p.define(formulas)
	}
	if len(p.attached) == 0 {
		if got, ok := p.r.cells.get(key); ok {
			return append(b, got...)
		}
	}
	from := len(b)
	text, formulas = cutTeX(text)
	p.once = false
	var blocks []codeBlock
	raw, err := p.r.toHTML(text, &blocks)
	if err == nil {
		t := tidy{page: p, formulas: formulas, blocks: blocks, embedded: embedded}
		b, err = t.append(b, p.r.policy.SanitizeBytes(raw))
	}
	if err != nil {
		return p.r.appendPlain(append(b[:from], `<p class="nb-note">This text could not be laid out.</p>`...), src)
	}
	if len(p.attached) == 0 && !p.once {
		p.r.cells.put(key, b[from:])
	}
	return b
}

// bearable reports whether goldmark reads a text in reasonable time: it is quadratic in the depth of lists and quotes
// and in brackets that look like links, and a student can write a hundred thousand of either.
func bearable(text string) bool {
	if len(text) > maxMarkdown || strings.Count(text, "](") > maxLinks || strings.Count(text, "]:") > maxLinks {
		return false
	}
	for line := range strings.SplitSeq(text, "\n") {
		depth := 0
		for i, c := range []byte(line) {
			last := i+1 == len(line) || line[i+1] == ' ' || line[i+1] == '\t'
			if c == '>' || last && strings.IndexByte("-*+.)", c) >= 0 {
				depth++
			} else if c != ' ' && c != '\t' && !digit(c) {
				break
			}
		}
		if depth > maxNested {
			return false
		}
	}
	return true
}

func (r *Renderer) toHTML(text string, blocks *[]codeBlock) ([]byte, error) {
	doc := r.md.Parser().Parse(newReader(text))
	doc.SetAttributeString(string(codeAttr), blocks)
	var out bytes.Buffer
	if err := r.md.Renderer().Render(&out, []byte(text), doc); err != nil {
		return nil, fmt.Errorf("render: markdown: %w", err)
	}
	return out.Bytes(), nil
}

// math appends a formula: MathML, or its source with the reason where Temml cannot make any.
func (p *page) math(b []byte, f formula) []byte {
	tex := strings.TrimSpace(f.tex)
	if defines(tex) {
		if _, tex = cutMacros(tex); strings.TrimSpace(tex) == "" {
			return b
		}
	}
	tex = p.withMacros(tex)
	key := memoKey{kind: kindInline, lang: f.source, text: tex}
	if f.display {
		key.kind = kindDisplay
	}
	got, ok := p.r.formulas.get(key)
	if !ok {
		var keep bool
		if got, keep = p.typeset(f, tex); keep {
			p.r.formulas.put(key, got)
		} else {
			p.once = true
		}
	}
	return append(b, got...)
}

// typeset makes a formula's HTML and says whether that is worth remembering.
func (p *page) typeset(f formula, tex string) (out []byte, keep bool) {
	if p.mathLeft <= 0 {
		return texSource(f, "there are too many formulas on this page"), false
	}
	markup, took, err := p.r.temml.mathML(tex, f.display)
	p.mathLeft -= took
	switch {
	case errors.Is(err, errSlowMath):
		return texSource(f, err.Error()), false
	case err != nil:
		return texSource(f, err.Error()), true
	}
	out = append(out, `<span class="nb-math`...)
	if f.display {
		out = append(out, ` nb-display`...)
	}
	out = append(out, `">`...)
	out = append(out, cleanMathML(markup)...)
	return append(out, `</span>`...), true
}

func texSource(f formula, why string) []byte {
	b := append([]byte(nil), `<code class="nb-tex" title="`...)
	b = appendAttr(b, "This formula is shown as it was written: "+why+".")
	b = append(b, `">`...)
	b = appendText(b, f.source)
	return append(b, `</code>`...)
}

// piece appends what marker number n stands for.
func (t *tidy) piece(b []byte, n string) []byte {
	i, err := strconv.Atoi(n)
	switch {
	case err != nil:
	case i < 0 && -i <= len(t.blocks):
		block := t.blocks[-i-1]
		return t.page.r.appendCode(b, t.unmark(block.lang), t.unmark(block.text))
	case i >= 0 && i < len(t.formulas) && n[0] != '-':
		if t.verbatim > 0 {
			return appendText(b, t.formulas[i].source)
		}
		return t.page.math(b, t.formulas[i])
	}
	return b
}
