package render

import (
	"bytes"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/yuin/goldmark/text"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

func newReader(s string) text.Reader { return text.NewReader([]byte(s)) }

// tidy writes sanitized HTML again from its tree: what a student left open is closed, so nothing can break out of its
// cell; addresses are decided here; and markers in text become the pieces they stand for. A marker in an attribute
// becomes the source it replaced.
type tidy struct {
	page     *page
	formulas []formula
	blocks   []codeBlock
	embedded []string // pictures that stood in the text as data: addresses, base64
	verbatim int      // how many <pre> and <code> we are in, where a formula is only text
	limit    int      // length of the output at which to give up
}

var fragment = &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}

func (t *tidy) append(b, sanitized []byte) ([]byte, error) {
	nodes, err := html.ParseFragment(bytes.NewReader(sanitized), fragment)
	if err != nil {
		return b, err
	}
	t.limit = len(b) + maxTidy
	for _, n := range nodes {
		if b, err = t.node(b, n); err != nil {
			return b, err
		}
	}
	return b, nil
}

var (
	errElement = errors.New("render: element not foreseen")
	errLarge   = errors.New("render: text grows too large")
)

// maxTidy bounds what a text may grow to: HTML's rules for unclosed tags can repeat them in every paragraph.
const maxTidy = 8 << 20

// plainTags need nothing but their name. Headings and the tags written by their own code are not among them.
var plainTags = set(`p strong em b i u s del ins sub sup small mark kbd code pre samp var q cite dfn abbr blockquote
	ul ol li dl dt dd caption thead tbody tfoot tr th td div span details summary figure figcaption colgroup`)

func (t *tidy) node(b []byte, n *html.Node) ([]byte, error) {
	if len(b) > t.limit {
		return b, errLarge
	}
	switch n.Type {
	case html.TextNode:
		return t.text(b, n.Data), nil
	case html.ElementNode:
	default:
		return b, nil
	}
	switch n.Data {
	case "br", "hr":
		return append(append(append(b, '<'), n.Data...), '>'), nil
	case "img":
		return t.image(b, n), nil
	case "input":
		if _, on := attr(n, "checked"); on {
			return append(b, `<span class="nb-check" role="img" aria-label="done">☑</span>`...), nil
		}
		return append(b, `<span class="nb-check" role="img" aria-label="not done">☐</span>`...), nil
	case "a":
		return t.link(b, n)
	case "table":
		b, err := t.wrap(append(b, `<div class="nb-scroll"><table>`...), n, "table")
		return append(b, `</div>`...), err
	case "center":
		return t.wrap(append(b, `<div class="nb-center">`...), n, "div")
	case "h1", "h2", "h3", "h4", "h5", "h6":
		// The page and the notebook have the first two levels; the class keeps the look.
		level := min(n.Data[1]+2, '6')
		b = append(append(b, '<', 'h', level), ` class="nb-h`...)
		return t.wrap(append(b, n.Data[1], '"', '>'), n, "h"+string(rune(level)))
	case "pre", "code":
		t.verbatim++
		defer func() { t.verbatim-- }()
	}
	if !plainTags[n.Data] || n.Namespace != "" {
		return b, errElement
	}
	b = append(append(b, '<'), n.Data...)
	for _, a := range n.Attr {
		b = t.attribute(b, a.Key, a.Val)
	}
	return t.wrap(append(b, '>'), n, n.Data)
}

// wrap appends the children and closes the element.
func (t *tidy) wrap(b []byte, n *html.Node, tag string) ([]byte, error) {
	b, err := t.children(b, n)
	return appendEnd(b, tag), err
}

func (t *tidy) children(b []byte, n *html.Node) ([]byte, error) {
	var err error
	for c := n.FirstChild; c != nil && err == nil; c = c.NextSibling {
		b, err = t.node(b, c)
	}
	return b, err
}

func (t *tidy) attribute(b []byte, key, value string) []byte {
	switch key {
	case "colspan", "rowspan", "start":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || key != "start" && n > 200 {
			return b
		}
		return appendKeyValue(b, key, strconv.Itoa(n))
	case "align":
		if value == "left" || value == "center" || value == "right" {
			return appendKeyValue(b, "class", "nb-"+value)
		}
	case "open":
		return append(b, ` open`...)
	case "title":
		return appendKeyValue(b, key, t.unmark(value))
	}
	return b
}

func appendKeyValue(b []byte, key, value string) []byte {
	b = append(append(append(b, ' '), key...), `="`...)
	return append(appendAttr(b, value), '"')
}

func attr(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == key && a.Namespace == "" {
			return a.Val, true
		}
	}
	return "", false
}

// Markers as goldmark writes them in an address.
const (
	escapedOpen  = "%EE%80%80"
	escapedClose = "%EE%80%81"
)

// link keeps absolute addresses that a person can judge; any other link becomes its text.
func (t *tidy) link(b []byte, n *html.Node) ([]byte, error) {
	href, _ := attr(n, "href")
	if strings.Contains(href, escapedOpen) {
		// Dollar signs in an address are not a formula.
		href = t.unmark(strings.NewReplacer(escapedOpen, markOpen, escapedClose, markClose).Replace(href))
	}
	u, err := url.Parse(href)
	if err != nil || !(u.Scheme == "mailto" && u.Opaque != "" || (u.Scheme == "http" || u.Scheme == "https") && u.Host != "") {
		return t.children(b, n)
	}
	b = appendKeyValue(append(b, `<a`...), "href", u.String())
	if title, ok := attr(n, "title"); ok {
		b = t.attribute(b, "title", title)
	}
	return t.wrap(append(b, ` rel="nofollow noopener noreferrer" target="_blank">`...), n, "a")
}

// image shows pictures that are part of the notebook. One from elsewhere would tell its server who is reading, and
// when, so it becomes a note.
func (t *tidy) image(b []byte, n *html.Node) []byte {
	src, _ := attr(n, "src")
	alt, _ := attr(n, "alt")
	alt = t.unmark(alt)
	pic, why := t.page.fromMarkdown(src, t.embedded)
	if why != "" {
		name := alt
		if name == "" && !strings.HasPrefix(src, "data:") && !strings.HasPrefix(src, embeddedPrefix) {
			name = t.unmark(src)
		}
		return appendImageNote(b, name, why)
	}
	pic.width, pic.height = size(n, "width", pic.width), size(n, "height", pic.height)
	if _, ok := attr(n, "width"); ok {
		pic.height = size(n, "height", 0)
	} else if _, ok := attr(n, "height"); ok {
		pic.width = 0
	}
	t.limit += len(pic.data)
	return pic.append(b, alt)
}

func size(n *html.Node, key string, otherwise int) int {
	if v, ok := attr(n, key); ok {
		if i, err := strconv.Atoi(v); err == nil && i > 0 && i <= 4000 {
			return i
		}
	}
	return otherwise
}

func appendImageNote(b []byte, name, why string) []byte {
	b = append(b, `<span class="nb-note">The picture `...)
	if name != "" {
		if len(name) > 120 {
			name = strings.ToValidUTF8(name[:120], "") + "…"
		}
		b = appendText(append(b, "“"...), name)
		b = append(b, "” "...)
	}
	b = append(b, why...)
	return append(b, `.</span>`...)
}

// text appends text in which markers become their pieces.
func (t *tidy) text(b []byte, s string) []byte {
	for {
		before, rest, ok := strings.Cut(s, markOpen)
		b = appendText(b, before)
		if !ok {
			return b
		}
		n, after, ok := strings.Cut(rest, markClose)
		if !ok {
			return appendText(b, rest)
		}
		b = t.piece(b, n)
		s = after
	}
}

// unmark gives an attribute its formulas back as they were written.
func (t *tidy) unmark(s string) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(s, markOpen)
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		n, after, _ := strings.Cut(rest, markClose)
		if i, err := strconv.Atoi(n); err == nil && i >= 0 && i < len(t.formulas) {
			out.WriteString(t.formulas[i].source)
		}
		s = after
	}
}
