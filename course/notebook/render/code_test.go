package render

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// textOf is what a reader sees, without colours.
func textOf(t testing.TB, doc []byte) string {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(append([]byte("<body>"), doc...)))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			out.WriteString(n.Data)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(root)
	return out.String()
}

// classesOf lists the coloured pieces as "class:text".
func classesOf(t testing.TB, doc []byte) []string {
	t.Helper()
	var got []string
	z := html.NewTokenizer(bytes.NewReader(doc))
	class := ""
	for {
		switch z.Next() {
		case html.ErrorToken:
			return got
		case html.StartTagToken:
			class = ""
			if token := z.Token(); token.Data == "span" {
				class = token.Attr[0].Val
			}
		case html.EndTagToken:
			class = ""
		case html.TextToken:
			if text := string(z.Text()); class != "" {
				got = append(got, class+":"+text)
			}
		}
	}
}

func TestPythonHasItsColours(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ src, want string }{
		{"def f(x):\n    return x", "k:def nf:f k:return"},
		{"class A(B): pass", "k:class nc:A k:pass"},
		{"async def f(): await g()", "k:async k:def nf:f k:await"},
		{"from a import b as c", "kn:from kn:import k:as"},
		{"x = None or not True", "kc:None ow:or ow:not kc:True"},
		{"print(len(x.print))", "bp:print bp:len"},
		{"@np.vectorize\ndef f(): ...", "nd:@np.vectorize k:def nf:f"},
		{"a @ b", ""},
		{"# c 'd'\nx", "c:# c 'd'"},
		{"'a # b' # c", "s:'a # b' c:# c"},
		{`"a\"b" 'it''s'`, `s:"a\"b" s:'it' s:'s'`},
		{"'''a\n'b' ''' x", "s:'''a\n'b' '''"},
		{"'unfinished\nx = 1", "s:'unfinished m:1"},
		{"'''unfinished\nx = 1", "s:'''unfinished\nx = 1"},
		{`r'\d' b"x" Rb'y' f'z' U"u"`, `s:r'\d' s:b"x" s:Rb'y' s:f'z' s:U"u"`},
		{`f"{x!r:>{w}} {{no}} {y}"`, `s:f" si:{x!r:>{w}} s: {{no}}  si:{y} s:"`},
		{`f'{d["a"]}'`, `s:f' si:{d["a"]} s:'`},
		{`f'{'`, `s:f'{'`},
		{"0x1F 1_000.5e-3 .5 1j 0b11 x1", "m:0x1F m:1_000.5e-3 m:.5 m:1j m:0b11"},
		{"1e5-2", "m:1e5 m:2"},
		{"1-2", "m:1 m:2"},
		{"0xe+1", "m:0xe m:1"},
		{"%matplotlib inline\nimport x", "nd:%matplotlib kn:import"},
		{"!ls 'x", "nd:!ls"},
		{"%%bash\nfor i in 'x", "nd:%%bash"},
		{"%time f(1)", "nd:%time m:1"},
		{"a = (1\n  % 2)", "m:1 m:2"},
		{"match x:\n  case 1: pass", "k:match k:case m:1 k:pass"},
		{"match = 1; case(2)", "m:1 m:2"},
		{"größe = é.def_", ""},
		{"x.class_.None_", ""},
	} {
		doc := appendPython(nil, c.src)
		if got := strings.Join(classesOf(t, doc), " "); got != c.want {
			t.Errorf("%q:\n got %q\nwant %q", c.src, got, c.want)
		}
		if got := textOf(t, append([]byte("<pre>x"), doc...)); got != "x"+c.src {
			t.Errorf("%q loses text: %q", c.src, got)
		}
	}
}

func TestOtherLanguagesAreReadByChroma(t *testing.T) {
	t.Parallel()
	r := New()
	for lang, src := range map[string]string{"r": "f <- function(x) x + 1 # c", "julia": "function f(x) end", "bash": "for i in 1; do echo; done", "SQL": "select 1 -- c"} {
		doc := r.Code(lang, src)
		if len(classesOf(t, doc)) == 0 || textOf(t, doc) != src {
			t.Errorf("%s: %s", lang, doc)
		}
	}
	for _, lang := range []string{"", "nosuch", "*.py", "[", strings.Repeat("[", 10000)} {
		if got := classesOf(t, r.Code(lang, "def f(): pass")); len(got) != 0 {
			t.Errorf("language %.20q has colours %q", lang, got)
		}
	}
}

func FuzzPythonShowsEveryByte(f *testing.F) {
	for _, s := range append([]string{"f'{x", "'''", "f'''{'''", "\\", "'\\", "%", "%%", "!", "@", "0x", "1e+", "r'", "é'"}, hostile...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "\r\x00") || len(s) > 5000 {
			// A browser changes these by itself when it reads HTML.
			return
		}
		want := textOf(t, appendText([]byte("<pre>x"), s))
		if got := textOf(t, appendPython([]byte("<pre>x"), s)); got != want {
			t.Errorf("%q shows as %q, want %q", s, got, want)
		}
	})
}
