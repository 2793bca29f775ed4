package render

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lectern/course/notebook"
)

func TestFormulasAreFoundWhereJupyterLabFindsThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, src string
		want      []string // "$…" in a line, "D…" on its own
	}{
		{"in a line", `a $x^2$ b`, []string{"$x^2"}},
		{"on its own", "a\n\n$$\nx\n= y\n$$\n", []string{"D\nx\n= y\n"}},
		{"two in a line", `$a$ and $b$`, []string{"$a", "$b"}},
		{"with spaces inside", `$ a $`, []string{"$ a "}},
		{"over a line break", "$a\nb$", []string{"$a\nb"}},
		{"not over a blank line", "$a\n\nb$", nil},
		{"not over a blank line of a quote", "> $$a\n>\n> b$$", nil},
		{"prices", `It costs $5 and then $10 more`, nil},
		{"an escaped dollar", `\$5 and $x$ and \$`, []string{"$x"}},
		{"a dollar in braces", `$\text{a $b$ c}$`, []string{`$\text{a $b$ c}`}},
		{"in a code span", "`$a$` and ``$b` $c$``", nil},
		{"a code span wins", "$a `b$ c`", nil},
		{"in a fence", "```\n$a$\n```\n$b$", []string{"$b"}},
		{"in a fence of a list", "- x\n  ~~~ tex\n  $a$\n  ~~~\n\n$b$", []string{"$b"}},
		{"in a fence that is never closed", "```\n$a$", nil},
		{"a fence is closed by as many ticks", "````\n```\n$a$\n````\n$b$", []string{"$b"}},
		{"round brackets", `\(a\) and \\(b\\)`, []string{"$a", "$b"}},
		{"square brackets at the start of a line", "\\[a\\]\n\nx \\\\[b\\\\]", []string{"Da", "Db"}},
		{"square brackets escaped in text", `x\[0\] and y\[1\]`, nil},
		{"an environment", "\\begin{align*}\na &= b\n\\end{align*}", []string{"D\\begin{align*}\na &= b\n\\end{align*}"}},
		{"an environment inside dollars", `$$\begin{cases}a\end{cases}$$`, []string{`D\begin{cases}a\end{cases}`}},
		{"eqnarray", `\begin{eqnarray}a&=&b\end{eqnarray}`, []string{`D\begin{array}{rcl}a&=&b\end{array}`}},
		{"empty", `$$$$ $ $ \(\)`, nil},
		{"a lone dollar at the end", `a $`, nil},
		{"a lone backslash at the end", `a \`, nil},
	} {
		text, found := cutTeX(c.src)
		var got []string
		for i, f := range found {
			kind := "$"
			if f.display {
				kind = "D"
			}
			got = append(got, kind+f.tex)
			text = strings.Replace(text, marker(i), f.source, 1)
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) {
			t.Errorf("%s: %q has formulas %q, want %q", c.name, c.src, got, c.want)
		}
		if text != c.src {
			t.Errorf("%s: %q becomes %q when its formulas are put back", c.name, c.src, text)
		}
	}
}

func TestWhatTemmlCannotTypesetIsShownAsWritten(t *testing.T) {
	t.Parallel()
	r := New()
	for src, reason := range map[string]string{
		`$\foo$`:                               "Unsupported function name: \\foo",
		`$\href{javascript:x}{y}$`:             "Unsupported function name: \\href",
		`$\def\a{\a\a}\a$`:                     "Too many expansions",
		"$" + strings.Repeat("x+", 5000) + "$": "too long",
		`$\frac{1}$`:                           "",
	} {
		got := string(r.Markdown(src))
		if !strings.Contains(got, `<code class="nb-tex"`) || !strings.Contains(got, string(appendAttr(nil, reason))) {
			t.Errorf("%.60s: got %.300s, want the source and the reason %q", src, got, reason)
		}
		if !strings.Contains(got, string(appendText(nil, src))) {
			t.Errorf("%.60s: the source is not shown: %.300s", src, got)
		}
	}
}

func TestAFormulaThatIsSlowIsStopped(t *testing.T) {
	t.Parallel()
	m, err := newMachine()
	if err != nil {
		t.Fatal(err)
	}
	endless, err := m.vm.RunString(`(function () { for (;;) {} })`)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.vm.ExportTo(endless, &m.render); err != nil {
		t.Fatal(err)
	}
	ts := newTypesetter()
	<-ts.free
	ts.free <- m
	for len(ts.free) > 1 {
		<-ts.free
	}
	_, sane, err := m.run("x", false, mathTimeout)
	if err != errSlowMath || sane {
		t.Errorf("an endless formula: %v, the machine is called sane: %v", err, sane)
	}
	// The second try gets a new machine.
	out, took, err := ts.mathML("x", false)
	if err != nil || !strings.Contains(out, "<mi>x</mi>") || took < mathTimeout {
		t.Errorf("after a machine that hangs: %q after %v, %v", out, took, err)
	}
}

func TestOneFormulaCannotChangeTheNext(t *testing.T) {
	t.Parallel()
	ts := newTypesetter()
	want, _, err := ts.mathML(`\frac{a}{b}\alpha`, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{`\gdef\frac#1#2{X}\frac12`, `\global\def\alpha{X}`, `\def\__proto__{X}`, `\gdef\toString{X}`, `\newcommand{\alpha}{X}`, `\gdef\constructor{X}`} {
		ts.mathML(s, false)
		if got, _, err := ts.mathML(`\frac{a}{b}\alpha`, false); err != nil || got != want {
			t.Errorf("after %s: %q, %v", s, got, err)
		}
	}
}

func TestAPageStopsTypesettingWhenItsTimeIsUp(t *testing.T) {
	t.Parallel()
	r := New()
	p := r.page()
	p.mathLeft = 0
	if got := string(p.markdown(nil, `$x$`)); !strings.Contains(got, "too many formulas") {
		t.Errorf("without time left: %s", got)
	}
	if got := string(r.Markdown(`$x$`)); !strings.Contains(got, "<math>") {
		t.Errorf("a page without time spoils the next one: %s", got)
	}
}

// hard is what makes readers of Markdown slow: each is repeated up to the longest text that is laid out.
var hard = []string{"> ", "<div>", "<b><i>", "[", "- ", "*a **a ", "<table><tr><td>", "![x](", "[a](", "`", "`a``b```", "<b>$x$<p>",
	"${$", `\(`, `\begin{a}`, "$x$ ", "<a href=x>", "&", "<b><i><u><s><em><code><small><strong><p>", "[a]: b\n", "![a][", "~~a", "|a",
	"http://a.b ", "* * ", "<!--", "<a ", "]", "<p title='", "1. ", "*_", "<details>", "a\n\n", "# \n", "\n    x", `$\def\a{`, `\def\a{}`, `$\newcommand{\a}[1]{x}$ `, "```\n", "\x1b[31m", "a\r"}

func TestHostileTextsTakeBoundedTime(t *testing.T) {
	t.Parallel()
	r := New()
	for _, s := range hard {
		src := strings.Repeat(s, maxMarkdown/len(s))
		start := time.Now()
		r.Markdown(src)
		r.Code("python", src)
		r.Code("r", src)
		appendTerminal(nil, "nb-stdout", src)
		r.table("<table>" + src)
		// Each takes 0.1 to 0.5 s here; what this guards against took 10 to 20 s.
		if d := time.Since(start); d > 8*time.Second {
			t.Errorf("%q repeated to %d bytes takes %v", s, len(src), d)
		}
	}
}

func TestDefinitionsHoldForTheRestOfANotebook(t *testing.T) {
	t.Parallel()
	r := New()
	show := func(cells ...string) string {
		nb := &notebook.Notebook{}
		for _, c := range cells {
			nb.Cells = append(nb.Cells, notebook.Cell{Type: notebook.Markdown, Source: c})
		}
		var out strings.Builder
		if err := r.Notebook(&out, nb, Options{}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	for _, def := range []string{
		`$\newcommand{\R}{\mathbb{R}}$`, `$\newcommand\R{\mathbb{R}}$`, `$\renewcommand{\R}{\mathbb{R}}$`, `$\def\R{\mathbb{R}}$`,
		"$$\n\\newcommand{\\Z}[1]{\\mathbb{Z}_{#1}}\\newcommand{\\R}{\\mathbb{R}}\n$$", `$\newcommand{\R}{\mathbb{N}}$ $\newcommand{\R}{\mathbb{R}}$`,
	} {
		for range 2 {
			if got := show(def, `$x \in \R$`); !strings.Contains(got, "<mo>∈</mo><mi>ℝ</mi>") {
				t.Errorf("after %s: %s", def, got)
			}
		}
	}
	if got := show(`$\newcommand{\pair}[2]{\langle #1, #2\rangle}$`, `$\pair{a}{b}$`); !strings.Contains(got, "⟨") {
		t.Errorf("a macro with arguments: %s", got)
	}
	if got := show(`$\DeclareMathOperator*{\argmin}{arg\,min}$`, `$\argmin_x$`); strings.Contains(got, "nb-tex") {
		t.Errorf("an operator: %s", got)
	}
	if got := show(`$\def\a{\b}\def\b{\alpha}\def\al{\beta}$`, `$\a \alpha$`); strings.Count(got, "α") != 2 || strings.Contains(got, "β") {
		t.Errorf("a macro that uses another: %s", got)
	}
	if got := show(`$\newcommand{\x}[1][2]{#1}$`, `$a$`, `$\x$`); !strings.Contains(got, "<mi>a</mi>") || strings.Count(got, "nb-tex") != 2 {
		t.Errorf("a definition that Temml does not know: %s", got)
	}
	if got := show(`$x \in \R$`); strings.Contains(got, "ℕ") || !strings.Contains(got, "nb-tex") && !strings.Contains(got, "ℝ") {
		t.Errorf("in another notebook: %s", got)
	}
}
