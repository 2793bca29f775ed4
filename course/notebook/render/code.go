package render

import (
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/chroma/v2"
	"github.com/alecthomas/chroma/v2/lexers"
)

// Bounds on colouring. Beyond them code is shown plain: chroma reads well below 1 MB a second.
const (
	maxPython = 1 << 20
	maxChroma = 32 << 10
)

// Code returns source as <pre class="nb-src"> with the classes k, kc, kn, ow, nf, nc, bp, nd, s, si, m, c,
// gd, gi and gh, after chroma's names. An unknown language is shown plain.
func (r *Renderer) Code(lang, source string) []byte { return r.appendCode(nil, lang, source) }

func (r *Renderer) appendCode(b []byte, lang, source string) []byte {
	// Even quick Python costs more than finding it again.
	key := memoKey{kind: kindCode, lang: lang, text: source}
	if got, ok := r.cells.get(key); ok {
		return append(b, got...)
	}
	from := len(b)
	b = append(b, `<pre class="nb-src" tabindex="0"><code>`...)
	switch {
	case isPython(lang) && len(source) <= maxPython:
		b = appendPython(b, source)
	case len(source) <= maxChroma:
		b = appendChroma(b, lang, source)
	default:
		b = appendText(b, source)
	}
	b = append(b, "</code></pre>"...)
	r.cells.put(key, b[from:])
	return b
}

func isPython(lang string) bool {
	return slices.Contains([]string{"python", "python3", "ipython", "ipython3", "py", "Python"}, lang)
}

// chromaLanguages are the names that are looked up. Any other would make chroma match it, a hostile text perhaps,
// against the file name patterns of all its languages.
var chromaLanguages = set(`bash sh shell zsh console c cpp c++ csharp c# css diff fortran go haskell html http ini java
	javascript js typescript ts json julia kotlin latex tex lua make makefile markdown md matlab octave nasm ocaml perl
	php powershell prolog r ruby rust scala scheme racket lisp clojure sql sqlite stata swift toml verilog vhdl xml yaml yml`)

// chromaTime bounds what one text may take; chroma's own bound is a quarter of a second for every single match.
const chromaTime = 300 * time.Millisecond

func appendChroma(b []byte, lang, source string) []byte {
	lang = strings.ToLower(lang)
	if !chromaLanguages[lang] {
		return appendText(b, source)
	}
	lexer := lexers.Get(lang)
	if lexer == nil {
		return appendText(b, source)
	}
	from := len(b)
	tokens, err := chroma.Coalesce(lexer).Tokenise(&chroma.TokeniseOptions{State: "root", EnsureLF: false}, source)
	if err != nil {
		return appendText(b, source)
	}
	deadline := time.Now().Add(chromaTime)
	seen := 0
	for t := tokens(); t != chroma.EOF; t = tokens() {
		if time.Now().After(deadline) {
			break
		}
		b = appendToken(b, chromaClass(t.Type), t.Value)
		seen += len(t.Value)
	}
	if seen != len(source) {
		// Too slow, or a lexer that lost or changed text, which must not decide what a grader sees.
		return appendText(b[:from], source)
	}
	return b
}

// chromaClass folds chroma's hundred token types into the few classes that notebook.css colours.
func chromaClass(t chroma.TokenType) string {
	switch {
	case t == chroma.KeywordConstant:
		return "kc"
	case t.InCategory(chroma.Keyword):
		return "k"
	case t == chroma.NameFunction || t == chroma.NameFunctionMagic:
		return "nf"
	case t == chroma.NameClass || t == chroma.NameTag:
		return "nc"
	case t.InSubCategory(chroma.NameBuiltin) || t == chroma.NameBuiltin:
		return "bp"
	case t == chroma.NameDecorator || t == chroma.NameAttribute:
		return "nd"
	case t == chroma.LiteralStringInterpol:
		return "si"
	case t.InSubCategory(chroma.LiteralString):
		return "s"
	case t.InSubCategory(chroma.LiteralNumber):
		return "m"
	case t.InCategory(chroma.Comment):
		return "c"
	case t == chroma.OperatorWord:
		return "ow"
	case t == chroma.GenericDeleted:
		return "gd"
	case t == chroma.GenericInserted:
		return "gi"
	case t == chroma.GenericHeading || t == chroma.GenericSubheading:
		return "gh"
	}
	return ""
}

// appendToken appends text, coloured unless the class is empty.
func appendToken(b []byte, class, text string) []byte {
	if text == "" {
		return b
	}
	if class == "" {
		return appendText(b, text)
	}
	b = append(append(b, `<span class="`...), class...)
	b = appendText(append(b, `">`...), text)
	return append(b, "</span>"...)
}

// appendPlain appends text as a block without colours, folded like an output.
func (r *Renderer) appendPlain(b []byte, s string) []byte {
	b = append(b, `<pre class="nb-text">`...)
	shown, note := fold(s)
	b = appendText(b, shown)
	b = append(b, "</pre>"...)
	return appendNote(b, note)
}

// appendNote appends a remark of ours, nothing if it is empty.
func appendNote(b []byte, note string) []byte {
	if note == "" {
		return b
	}
	b = appendText(append(b, `<p class="nb-note">`...), note)
	return append(b, "</p>"...)
}

// Bounds on a text that is shown; what is left out is counted, never dropped in silence.
const (
	maxLines = 1000
	maxText  = 100 << 10
)

// fold cuts a long text and says what is missing.
func fold(s string) (shown, note string) {
	end, lines := 0, 0
	for end < len(s) && lines < maxLines {
		n := strings.IndexByte(s[end:], '\n')
		if n < 0 {
			n = len(s) - end - 1
		}
		if end+n+1 > maxText {
			break
		}
		end += n + 1
		lines++
	}
	if end == len(s) {
		return s, ""
	}
	if end == 0 {
		// One endless line.
		end = maxText
		for end > 0 && s[end]&0xC0 == 0x80 {
			end--
		}
	}
	return s[:end], missing(s[end:])
}

// missing counts what is not shown.
func missing(rest string) string {
	lines := strings.Count(rest, "\n")
	if !strings.HasSuffix(rest, "\n") {
		lines++
	}
	if lines > 1 {
		return "… " + thousands(lines) + " more lines not shown"
	}
	return "… " + thousands(len(rest)) + " more bytes not shown"
}

// thousands writes 12345 as 12,345.
func thousands(n int) string {
	if n < 1000 {
		return itoa(n)
	}
	tail := itoa(n % 1000)
	return thousands(n/1000) + "," + "000"[len(tail):] + tail
}
