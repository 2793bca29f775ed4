package render

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"lectern/course/notebook"
)

func TestMarkdownKeepsWhatIsHarmless(t *testing.T) {
	t.Parallel()
	r := New()
	for _, c := range []struct{ name, src, want string }{
		{"headings go two levels down", "# a\n##### b", `<h3 class="nb-h1">a</h3>` + "\n" + `<h6 class="nb-h5">b</h6>` + "\n"},
		{"a link", "[a](https://x.org/?a=1&b)", `<p><a href="https://x.org/?a=1&amp;b" rel="nofollow noopener noreferrer" target="_blank">a</a></p>` + "\n"},
		{"an address alone", "https://x.org", `<p><a href="https://x.org" rel="nofollow noopener noreferrer" target="_blank">https://x.org</a></p>` + "\n"},
		{"no link from other words", "www.x.org a@x.org ftp://x.org", "<p>www.x.org a@x.org ftp://x.org</p>\n"},
		{"a link inside the course is its text", "[data](data.csv) [top](#top)", "<p>data top</p>\n"},
		{"a link with dollar signs", "[a](https://x.org/$b$c)", `<p><a href="https://x.org/$b$c" rel="nofollow noopener noreferrer" target="_blank">a</a></p>` + "\n"},
		{"what is open is closed", "<details open><summary>a <b>b", "<details open><summary>a <b>b</b></summary></details>"},
		{"what was never open is dropped", "</div></p>a", "<p></p>a"},
		{"tasks", "- [x] a\n- [ ] b", "<ul>\n<li><span class=\"nb-check\" role=\"img\" aria-label=\"done\">☑</span> a</li>\n<li><span class=\"nb-check\" role=\"img\" aria-label=\"not done\">☐</span> b</li>\n</ul>\n"},
		{"raw HTML authors use", `x<sup>2</sup> <kbd>q</kbd><br><center>c</center>`, "<p>x<sup>2</sup> <kbd>q</kbd><br></p><div class=\"nb-center\">c</div><p></p>\n"},
		{"a formula in an attribute stays text", `<abbr title="$x$">a</abbr>`, `<p><abbr title="$x$">a</abbr></p>` + "\n"},
		{"dollars in code", "`$x$`", "<p><code>$x$</code></p>\n"},
		{"indented code", "    $x$ <b>", `<div><pre class="nb-src" tabindex="0"><code>$x$ &lt;b&gt;` + "\n</code></pre></div>\n"},
		{"a picture from elsewhere", "![a plot](https://x.org/p.png)", `<p><span class="nb-note">The picture “a plot” is not part of this notebook.</span></p>` + "\n"},
	} {
		want := `<div class="nb-md">` + c.want + "</div>"
		for range 2 {
			if got := string(r.Markdown(c.src)); got != want {
				t.Errorf("%s: %q\n got %s\nwant %s", c.name, c.src, got, want)
			}
		}
	}
}

func TestOnlyPlainTablesStandInThePage(t *testing.T) {
	t.Parallel()
	r := New()
	const cell = `<table class="dataframe"><tr><td>1</td></tr></table>`
	for _, c := range []struct{ name, src, want string }{
		{"a table", cell, `<div class="nb-scroll" tabindex="0"><table class="nb-table"><tr><td>1</td></tr></table></div>`},
		{"pandas' box and style", "<div>\n<style scoped>.dataframe { color: red }</style>\n" + cell + "\n<p>1 rows</p></div>",
			`<div class="nb-scroll" tabindex="0"><table class="nb-table"><tr><td>1</td></tr></table></div><p class="nb-note">1 rows</p>`},
		{"spans", `<table><tr><th colspan="2" rowspan=3 scope=x>a</th></tr></table>`,
			`<div class="nb-scroll" tabindex="0"><table class="nb-table"><tr><th colspan="2" rowspan="3">a</th></tr></table></div>`},
		{"a style sheet of its own", "<style>.x { color: red }</style>" + cell, ""},
		{"a script", cell + "<script>x</script>", ""},
		{"a picture", `<table><tr><td><img src="x"></td></tr></table>`, ""},
		{"text outside cells", "<table>a<tr><td>1</td></tr></table>", ""},
		{"a table in a cell", "<table><tr><td>" + cell + "</td></tr></table>", ""},
		{"cells that are not closed", "<table><tr><td>1<td>2</table>", ""},
		{"no table", "<p>a</p>", ""},
	} {
		for range 2 {
			got, ok := r.table(c.src)
			if string(got) != c.want || ok != (c.want != "") {
				t.Errorf("%s: %s\n got %s %v\nwant %s", c.name, c.src, got, ok, c.want)
			}
		}
	}
	long := "<table>" + strings.Repeat("<tr><td>1</td></tr>", 12345) + "</table>"
	got, _ := r.table(long)
	if n := strings.Count(string(got), "<tr>"); n != maxTableRows || !strings.Contains(string(got), "… 12,145 more rows not shown") {
		t.Errorf("a table of 12,345 rows shows %d: …%s", n, got[max(0, len(got)-100):])
	}
}

func TestFilesAreShownByWhatTheyAre(t *testing.T) {
	t.Parallel()
	r := New()
	for _, c := range []struct{ name, content, want string }{
		{"a.csv", "a,b\n1,\"x, <y>\"\n", "<thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>x, &lt;y&gt;</td></tr></tbody>"},
		{"a.csv", "\ufeffa;b\n1,5;2\n", "<th>a</th><th>b</th></tr></thead><tbody><tr><td>1,5</td><td>2</td></tr>"},
		{"a.tsv", "a\tb\n", "<th>a</th><th>b</th>"},
		{"a.csv", strings.Repeat("1,2\n", 5001), "… 4,800 more rows not shown"},
		{"a.csv", strings.Repeat("1,", 59) + "1\n", "… 10 more columns not shown"},
		{"a.csv", "\n\n", `<pre class="nb-text">`},
		{"a.py", "def f(): pass", `<span class="k">def</span>`},
		{"A.PY", "def f(): pass", `<span class="k">def</span>`},
		{"a.md", "# t", `<h3 class="nb-h1">t</h3>`},
		{"a.html", "<script>x</script>", "&lt;"},
		{"a.svg", "<svg onload=x>", "&lt;svg onload=x&gt;"},
		{"a.txt", "<b>", `<pre class="nb-text">&lt;b&gt;</pre>`},
		{"a.bin", "a\x00b", "This file is not text (3 bytes)"},
		{"a.txt", "\xff\xfe", "This file is not text (2 bytes)"},
		{"a.txt", "", "This file is empty."},
		{"a.txt", strings.Repeat("x\n", 2000), "… 1,000 more lines not shown"},
		{"a.png", "\x89PNG\r\n\x1a\n", "The picture “a.png” is damaged."},
	} {
		if got := string(r.File(c.name, []byte(c.content))); !strings.Contains(got, c.want) {
			t.Errorf("%s %.40q: got %.400s, want %s", c.name, c.content, got, c.want)
		}
	}
}

func TestOptionsPlaceMarksAndPickCells(t *testing.T) {
	t.Parallel()
	nb := &notebook.Notebook{Cells: []notebook.Cell{{Type: notebook.Markdown, Source: "a"}, {Type: notebook.Code, Source: "b"}, {Type: notebook.Raw, Source: "c"}}}
	var out bytes.Buffer
	err := New().Notebook(&out, nb, Options{
		Name: "problem 2", Only: func(i int) bool { return i == 1 },
		Before: func(i int) []byte { return []byte("<i>before " + itoa(i) + "</i>") },
		After:  func(i int) []byte { return []byte("<i>after " + itoa(i) + "</i>") },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `<article class="nb" aria-label="problem 2">` + "\n" +
		`<section class="nb-cell nb-code" id="problem-2-cell-2" aria-label="Cell 2"><header class="nb-head"><span class="nb-prompt">In [` + "\u00a0" + `]</span></header>` +
		`<i>before 1</i><pre class="nb-src" tabindex="0"><code>b</code></pre><i>after 1</i></section>` + "\n</article>\n"
	if out.String() != want {
		t.Errorf(" got %s\nwant %s", out.String(), want)
	}
}

func TestForeignHTMLIsAFrameOrANote(t *testing.T) {
	t.Parallel()
	o := notebook.Output{Type: notebook.DisplayData, Data: notebook.Bundle{"text/html": "<script>x</script>", "text/plain": "plain & simple"}}
	nb := &notebook.Notebook{Cells: []notebook.Cell{{Type: notebook.Code, Outputs: []notebook.Output{o}}}}
	show := func(opt Options) string {
		var out bytes.Buffer
		if err := New().Notebook(&out, nb, opt); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := show(Options{}); !strings.Contains(got, "not shown here") || !strings.Contains(got, "plain &amp; simple") || strings.Contains(got, "iframe") {
		t.Errorf("without a frame: %s", got)
	}
	got := show(Options{Frame: func(c, o int, mime string) string {
		return "https://c.example.edu/?a=" + itoa(c) + "&b=" + itoa(o) + mime
	}})
	if !strings.Contains(got, `<iframe class="nb-frame" sandbox loading="lazy" src="https://c.example.edu/?a=0&amp;b=0text/html" title="Output of cell 1"></iframe>`) {
		t.Errorf("with a frame: %s", got)
	}
	if doc, ok := Raw(&o); !ok || !bytes.HasSuffix(doc, []byte("<script>x</script>")) {
		t.Errorf("Raw: %s %v", doc, ok)
	}
	if _, ok := Raw(&notebook.Output{Type: notebook.Stream, Text: "x"}); ok {
		t.Error("Raw makes a document of a stream")
	}
}

func TestMemoryForgetsWhatWasUsedLongestAgo(t *testing.T) {
	t.Parallel()
	m := newMemo(20 * (200 + 20))
	key := func(i int) memoKey { return memoKey{kind: kindCode, text: itoa(1000000000 + i)} }
	for i := range 20 {
		m.put(key(i), []byte("0123456789"))
	}
	m.get(key(0))
	m.put(key(20), []byte("0123456789"))
	if _, ok := m.get(key(0)); !ok {
		t.Error("what was just used is forgotten")
	}
	if _, ok := m.get(key(1)); ok {
		t.Error("what was used longest ago is kept")
	}
	m.put(memoKey{text: "large"}, make([]byte, m.max/2))
	if _, ok := m.get(memoKey{text: "large"}); ok {
		t.Error("one large text pushes out half of the others")
	}
	if m.size > m.max || len(m.items) != m.order.Len() {
		t.Errorf("size %d of %d, %d items, %d in order", m.size, m.max, len(m.items), m.order.Len())
	}
}

func TestManyGoroutinesShareARenderer(t *testing.T) {
	t.Parallel()
	r := New()
	nb := rich(t)
	var want bytes.Buffer
	if err := r.Notebook(&want, nb, Options{}); err != nil {
		t.Fatal(err)
	}
	r.cells, r.formulas = newMemo(20<<10), newMemo(20<<10)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 3 {
				var got bytes.Buffer
				if err := r.Notebook(&got, nb, Options{}); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
					t.Errorf("differs from the first time: %v", err)
				}
			}
		})
	}
	group.Wait()
}
