package render

import (
	"bytes"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"lectern/course/notebook"
)

// The lists here are written down again on purpose: a slip in the package's own lists must not loosen the test.
var (
	safeHTML = set(`div p h1 h2 h3 h4 h5 h6 strong em b i u s del ins sub sup small mark kbd code pre samp var q cite dfn
		abbr blockquote ul ol li dl dt dd table caption thead tbody tfoot tr th td span details summary figure figcaption
		br hr a img article section header iframe`)
	safeMath = set(`math mi mn mo mtext mspace mrow mfrac msqrt mroot msub msup msubsup munder mover munderover
		mmultiscripts mprescripts none mtable mtr mtd mstyle mpadded mphantom menclose`)
	safeAttrs = map[string]string{
		"a": "href title rel target class", "img": "src alt width height", "iframe": "src title class sandbox loading",
		"td": "colspan rowspan class", "th": "colspan rowspan class", "ol": "start", "details": "open",
		"section": "id class aria-label", "article": "class aria-label", "span": "class title role aria-label",
		"pre": "class tabindex", "div": "class tabindex", "code": "class title", "p": "class", "header": "class",
		"table": "class", "abbr": "title", "dfn": "title",
		"h3": "class", "h4": "class", "h5": "class", "h6": "class",
	}
	safeMathAttrs = set(`display displaystyle fence form stretchy symmetric largeop movablelimits separator accent
		accentunder mathvariant columnalign notation linethickness width height depth voffset lspace rspace minsize
		maxsize mathsize rowspacing scriptlevel mathcolor mathbackground class`)
	safeClass   = regexp.MustCompile(`^[a-z0-9-]+( [a-z0-9-]+)*$`)
	safePicture = regexp.MustCompile(`^data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=]*$`)
	frameHost   = "https://content.example.edu/frame/"
)

// unsafe lists everything in a piece of HTML that is not allowed, as a browser's parser sees it.
func unsafe(doc []byte) []string {
	var found []string
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	nodes, err := html.ParseFragment(bytes.NewReader(doc), &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body})
	if err != nil {
		return []string{err.Error()}
	}
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		switch n.Type {
		case html.CommentNode:
			add("a comment: %q", n.Data)
		case html.ElementNode:
			math := n.Namespace == "math"
			if math && !safeMath[n.Data] || !math && (n.Namespace != "" || !safeHTML[n.Data]) {
				add("element %s:%s", n.Namespace, n.Data)
			}
			for _, a := range n.Attr {
				checkAttr(n, a, math, add)
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	var out bytes.Buffer
	for _, n := range nodes {
		walk(n)
		if err := html.Render(&out, n); err != nil {
			add("cannot be written again: %v", err)
		}
	}
	return append(found, unstable(out.Bytes())...)
}

// unstable finds HTML that means something else when it is parsed a second time, the root of mutation XSS.
func unstable(first []byte) []string {
	nodes, err := html.ParseFragment(bytes.NewReader(first), &html.Node{Type: html.ElementNode, Data: "body", DataAtom: atom.Body})
	if err != nil {
		return []string{err.Error()}
	}
	var again bytes.Buffer
	for _, n := range nodes {
		if err := html.Render(&again, n); err != nil {
			return []string{err.Error()}
		}
	}
	if !bytes.Equal(first, again.Bytes()) {
		return []string{fmt.Sprintf("changes when parsed again:\n%s\n%s", first, again.Bytes())}
	}
	return nil
}

func checkAttr(n *html.Node, a html.Attribute, math bool, add func(string, ...any)) {
	where := fmt.Sprintf("<%s %s=%q>", n.Data, a.Key, a.Val)
	if a.Namespace != "" {
		add("namespaced %s", where)
	}
	if math && !safeMathAttrs[a.Key] || !math && !containsWord(safeAttrs[n.Data], a.Key) {
		add("attribute %s", where)
		return
	}
	switch a.Key {
	case "class":
		if !safeClass.MatchString(a.Val) {
			add("class %s", where)
		}
	case "href":
		u, err := url.Parse(a.Val)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "mailto" {
			add("address %s", where)
		}
	case "src":
		if n.Data == "img" && !safePicture.MatchString(a.Val) || n.Data == "iframe" && !strings.HasPrefix(a.Val, frameHost) {
			add("address %s", where)
		}
	case "id":
		if !regexp.MustCompile(`^(\S+-)?cell-[0-9]+$`).MatchString(a.Val) {
			add("id %s", where)
		}
	case "sandbox":
		if a.Val != "" {
			add("sandbox %s", where)
		}
	}
}

// shell counts the boxes that only this package opens. A cell that breaks out of its box changes the count or depth.
func shell(doc []byte) string {
	root, err := html.Parse(bytes.NewReader(doc))
	if err != nil {
		return err.Error()
	}
	var out []string
	var walk func(n *html.Node, depth int)
	walk = func(n *html.Node, depth int) {
		if n.Data == "article" || n.Data == "section" {
			out = append(out, fmt.Sprintf("%s@%d", n.Data, depth))
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, depth+1)
		}
	}
	walk(root, 0)
	return strings.Join(out, " ")
}

// everywhere puts one hostile text into every place of a notebook where a student can write.
func everywhere(s string) *notebook.Notebook {
	one := 1
	data := func(mime string) notebook.Output {
		return notebook.Output{Type: notebook.DisplayData, Data: notebook.Bundle{mime: s}}
	}
	return &notebook.Notebook{
		Metadata: map[string]any{"kernelspec": map[string]any{"language": s}},
		Cells: []notebook.Cell{
			{Type: notebook.Markdown, ID: s, Source: s},
			{Type: notebook.Markdown, Source: "before " + s + " after\n\n- " + s + "\n\n> " + s + "\n\n| " + s + " |\n|--|\n| " + s + " |\n"},
			{Type: notebook.Markdown, Source: "$" + s + "$ and\n\n$$" + s + "$$\n\n```" + s + "\n" + s + "\n```\n",
				Attachments: map[string]any{s: map[string]any{s: s, "image/png": s, "image/svg+xml": s}}},
			{Type: notebook.Markdown, Source: "![" + s + "](attachment:x.png) [" + s + "](" + s + " \"" + s + "\") <" + s + ">",
				Attachments: map[string]any{"x.png": map[string]any{"image/png": s, "text/html": s}}},
			{Type: notebook.Raw, Source: s},
			{Type: s, Source: s},
			{Type: notebook.Code, Source: s, ExecutionCount: &one,
				Metadata: map[string]any{"nbgrader": map[string]any{"grade_id": s, "solution": true, "grade": true, "points": s}},
				Outputs: []notebook.Output{
					{Type: notebook.Stream, Name: s, Text: s}, {Type: notebook.Stream, Name: "stderr", Text: s + "\r" + s + "\b"},
					{Type: notebook.ErrorOutput, Ename: s, Evalue: s}, {Type: notebook.ErrorOutput, Traceback: []string{s, s}},
					{Type: s, Text: s}, {Type: notebook.ExecuteResult, Data: notebook.Bundle{s: s}},
					data("text/plain"), data("text/html"), data("image/png"), data("image/jpeg"), data("image/gif"),
					data("image/svg+xml"), data("text/markdown"), data("text/latex"), data("application/json"),
					data("application/javascript"), data("application/vnd.jupyter.widget-view+json"), data("application/pdf"),
					{Type: notebook.DisplayData, Data: notebook.Bundle{"text/html": "<table><tr><td>" + s + "</td></tr></table>"}},
					{Type: notebook.DisplayData, Data: notebook.Bundle{"text/html": "<table " + s + "><tr><td " + s + ">x</td></tr></table>"}},
				}},
		},
	}
}

func checkEverywhere(t *testing.T, r *Renderer, s string) {
	t.Helper()
	nb := everywhere(s)
	var out bytes.Buffer
	opt := Options{Name: s, Frame: func(c, o int, mime string) string { return fmt.Sprintf("%s%d/%d", frameHost, c, o) }}
	if err := r.Notebook(&out, nb, opt); err != nil {
		t.Fatal(err)
	}
	for _, u := range unsafe(out.Bytes()) {
		t.Errorf("the notebook made of %q has %s", s, u)
	}
	want := "article@3" + strings.Repeat(" section@4", len(nb.Cells))
	if got := shell(out.Bytes()); got != want {
		t.Errorf("the notebook made of %q breaks out of its cells:\n got %s\nwant %s", s, got, want)
	}
	for name, doc := range map[string][]byte{
		"Markdown": r.Markdown(s), "Code": r.Code(s, s), "File .csv": r.File(s+".csv", []byte(s)), "File .md": r.File("a.md", []byte(s)),
		"File .html": r.File("a.html", []byte(s)), "File": r.File(s, []byte(s)), "File .svg": r.File("a.svg", []byte(s)),
	} {
		for _, u := range unsafe(doc) {
			t.Errorf("%s of %q has %s", name, s, u)
		}
	}
}

func TestNothingHostileComesThrough(t *testing.T) {
	t.Parallel()
	r := New()
	if len(hostile) < 60 {
		t.Fatalf("the corpus has %d payloads; it must not shrink below 60", len(hostile))
	}
	for _, s := range hostile {
		checkEverywhere(t, r, s)
	}
}

func FuzzOnlyAllowedHTML(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	r := New()
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 2000 {
			return
		}
		checkEverywhere(t, r, s)
	})
}

func TestTheGuardItselfSeesHarm(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		`<script>x</script>`, `<p onclick=x>`, `<a href="javascript:x">y</a>`, `<img src="http://x/y.png">`, `<p style="color:red">`,
		`<svg><p></p></svg>`, `<math><maction></maction></math>`, `<iframe src="https://elsewhere/"></iframe>`, `<!-- x -->`,
		`<iframe sandbox="allow-scripts" src="` + frameHost + `1"></iframe>`, `<p id="x">`, `<form><input></form>`,
		`<img src="data:text/html;base64,AAAA">`, `<base href="//x">`, `<meta http-equiv="refresh" content="0">`,
	} {
		if len(unsafe([]byte(s))) == 0 {
			t.Errorf("%s passes as safe", s)
		}
	}
	if shell([]byte(`<article><section></section></section></article>`)) == shell([]byte(`<article><section></article><section></section>`)) {
		t.Error("a section outside its article is not noticed")
	}
}
