package render

import (
	"strings"
	"unicode/utf8"
)

var (
	pyKeywords = set(`and as assert async await break class continue def del elif else except finally for from global if
		import in is lambda nonlocal not or pass raise return try while with yield match case`)
	pyWordOps   = set(`and or not in is`)
	pyConstants = set(`True False None NotImplemented Ellipsis __debug__`)
	pyImports   = set(`import from`)
	pyBuiltins  = set(`abs aiter all anext any ascii bin bool breakpoint bytearray bytes callable chr classmethod compile
		complex delattr dict dir display divmod enumerate eval exec filter float format frozenset getattr globals hasattr
		hash help hex id input int isinstance issubclass iter len list locals map max memoryview min next object oct open
		ord pow print property range repr reversed round set setattr slice sorted staticmethod str sum super tuple type
		vars zip __import__ self cls ArithmeticError AssertionError AttributeError BaseException EOFError Exception
		FileNotFoundError FloatingPointError ImportError IndexError IOError KeyboardInterrupt KeyError LookupError
		MemoryError ModuleNotFoundError NameError NotImplementedError OSError OverflowError PermissionError
		RecursionError RuntimeError StopIteration SyntaxError SystemExit TimeoutError TypeError UnboundLocalError
		UnicodeDecodeError UnicodeEncodeError UnicodeError ValueError Warning ZeroDivisionError`)
)

// pyClass gives the class of a word; one map look-up a word instead of five.
var pyClass = func() map[string]string {
	m := map[string]string{}
	for class, words := range map[string]map[string]bool{"bp": pyBuiltins, "k": pyKeywords} {
		for w := range words {
			m[w] = class
		}
	}
	for class, words := range map[string]map[string]bool{"ow": pyWordOps, "kc": pyConstants, "kn": pyImports} {
		for w := range words {
			m[w] = class
		}
	}
	// Soft keywords are keywords only at the start of a statement.
	m["match"], m["case"] = "soft", "soft"
	return m
}()

// pyScanner colours Python as IPython reads it: magics and shell lines too. It is a tokenizer, not a parser: it never
// fails, and writes every byte of the source exactly once.
type pyScanner struct {
	out   []byte
	src   string
	i     int
	plain int    // start of the text that has no colour yet
	prev  string // the word before, if only spaces stand between
	depth int    // open brackets, in which a line start means nothing
}

func appendPython(b []byte, src string) []byte {
	s := pyScanner{out: b, src: src}
	first := true // only spaces so far in this line
	for s.i < len(s.src) {
		switch c := s.src[s.i]; {
		case c == '\n':
			s.i++
			s.prev = ""
			first = true
			continue
		case c == ' ' || c == '\t':
			s.i++
			continue
		case c == '#':
			s.token("c", s.lineEnd())
		case first && s.depth == 0 && (c == '%' || c == '!'):
			s.magic()
		case first && s.depth == 0 && c == '@':
			s.token("nd", s.dotted(s.i+1))
		case c == '"' || c == '\'':
			s.text(s.i, false, false)
		case c >= '0' && c <= '9' || c == '.' && s.i+1 < len(s.src) && digit(s.src[s.i+1]):
			s.token("m", s.number())
		case wordStart(c):
			s.word(first)
			first = false
			continue
		default:
			switch c {
			case '(', '[', '{':
				s.depth++
			case ')', ']', '}':
				s.depth = max(s.depth-1, 0)
			}
			s.i++
		}
		s.prev = ""
		first = false
	}
	return appendText(s.out, s.src[s.plain:])
}

// token colours from here to end.
func (s *pyScanner) token(class string, end int) {
	s.out = appendText(s.out, s.src[s.plain:s.i])
	s.out = appendToken(s.out, class, s.src[s.i:end])
	s.i, s.plain = end, end
}

func (s *pyScanner) lineEnd() int {
	if n := strings.IndexByte(s.src[s.i:], '\n'); n >= 0 {
		return s.i + n
	}
	return len(s.src)
}

// magic colours %name and ! at the start of a line. %%cell magics of other languages leave the rest uncoloured.
func (s *pyScanner) magic() {
	end := s.i
	for end < len(s.src) && (s.src[end] == '%' || s.src[end] == '!') {
		end++
	}
	cell := s.src[s.i:end] == "%%" && strings.TrimSpace(s.src[:s.i]) == ""
	for end < len(s.src) && wordPart(s.src[end]) {
		end++
	}
	name := strings.TrimLeft(s.src[s.i:end], "%!")
	s.token("nd", end)
	switch {
	case cell && name != "time" && name != "timeit" && name != "capture" && name != "prun":
		s.i = len(s.src)
	case name != "time" && name != "timeit":
		s.i = s.lineEnd()
	}
}

func (s *pyScanner) dotted(end int) int {
	for end < len(s.src) && (wordPart(s.src[end]) || s.src[end] == '.') {
		end++
	}
	return end
}

func (s *pyScanner) number() int {
	end := s.i
	for end < len(s.src) {
		c := s.src[end]
		exponent := (c == '+' || c == '-') && (s.src[end-1]|0x20) == 'e' && !strings.HasPrefix(s.src[s.i:], "0x") && end > s.i
		if !exponent && c != '.' && c != '_' && !(c < 0x80 && wordPart(c)) {
			break
		}
		end++
	}
	return end
}

// word colours a name, or the string that it is the prefix of.
func (s *pyScanner) word(first bool) {
	end := s.i
	for end < len(s.src) && wordPart(s.src[end]) {
		end++
	}
	if end-s.i <= 2 && end < len(s.src) && (s.src[end] == '"' || s.src[end] == '\'') {
		raw, format, ok := prefix(s.src[s.i:end])
		if ok {
			s.text(end, raw, format)
			s.prev = ""
			return
		}
	}
	w := s.src[s.i:end]
	attribute := s.i > 0 && s.src[s.i-1] == '.'
	class := pyClass[w]
	switch {
	case attribute:
		class = ""
	case class == "soft":
		class = ""
		if first && softKeyword(s.src[end:]) {
			class = "k"
		}
	case s.prev == "def":
		class = "nf"
	case s.prev == "class":
		class = "nc"
	}
	s.prev = w
	if class == "" {
		s.i = end
		return
	}
	s.token(class, end)
}

// softKeyword tells "match x:" from "match = 1" and "match(x)".
func softKeyword(after string) bool {
	line, _, _ := strings.Cut(after, "\n")
	if line == "" || line[0] != ' ' || !strings.Contains(line, ":") {
		return false
	}
	line = strings.TrimLeft(line, " ")
	return line != "" && !strings.ContainsAny(line[:1], "=.,)]:+*/%<>!&|^")
}

func prefix(p string) (raw, format, ok bool) {
	switch strings.ToLower(p) {
	case "r", "br", "rb":
		return true, false, true
	case "f", "t":
		return false, true, true
	case "fr", "rf", "rt", "tr":
		return true, true, true
	case "b", "u":
		return false, false, true
	}
	return false, false, false
}

// text colours a string whose quotes begin at quote; what comes before is its prefix. A string with single quotes ends
// at the line's end at the latest, as a student's unfinished one should.
func (s *pyScanner) text(quote int, raw, format bool) {
	q := s.src[quote : quote+1]
	triple := strings.HasPrefix(s.src[quote:], strings.Repeat(q, 3))
	i := quote + 1
	if triple {
		i = quote + 3
	}
	for i < len(s.src) {
		c := s.src[i]
		switch {
		case c == '\\' && i+1 < len(s.src):
			i += 2
			continue
		case c == '\n' && !triple:
			s.token("s", i)
			return
		case c == q[0] && !triple:
			s.token("s", i+1)
			return
		case c == q[0] && strings.HasPrefix(s.src[i:], s.src[quote:quote+3]):
			s.token("s", i+3)
			return
		case c == '{' && format:
			if i+1 < len(s.src) && s.src[i+1] == '{' {
				i += 2
				continue
			}
			if end := s.hole(i, q[0], triple); end > 0 {
				s.token("s", i)
				s.token("si", end)
				i = end
				continue
			}
		}
		i++
	}
	s.token("s", len(s.src))
}

// hole returns the position after the {…} of an f-string that begins at i, 0 if it is not closed.
func (s *pyScanner) hole(i int, q byte, triple bool) int {
	depth := 0
	// An expression in an f-string is short; the bound keeps hostile ones from being read again and again.
	for stop := min(len(s.src), i+2000); i < stop; i++ {
		switch c := s.src[i]; {
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case (c == '\n' || c == q) && !triple, c == q && strings.HasPrefix(s.src[i:], strings.Repeat(string(q), 3)):
			return 0
		}
	}
	return 0
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func wordStart(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= utf8.RuneSelf }

func wordPart(c byte) bool { return wordStart(c) || digit(c) }
