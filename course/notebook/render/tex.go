package render

import (
	"strconv"
	"strings"
)

// Markers stand for a finished piece of HTML while Markdown is read and sanitized: two private-use characters around
// a number. A source that contains them itself loses them first.
const (
	markOpen  = "\ue000"
	markClose = "\ue001"
)

// formula is TeX found in Markdown. source is what was written, delimiters included.
type formula struct {
	tex, source string
	display     bool
}

// cutTeX takes the formulas out of Markdown as JupyterLab does: $…$, $$…$$, \(…\), \[…\], \begin{…}…\end{…}, not across
// a blank line and not in code. A dollar sign right before a digit closes nothing, so prices stay prices.
func cutTeX(src string) (string, []formula) {
	if strings.Contains(src, "\ue000") || strings.Contains(src, "\ue001") {
		src = strings.NewReplacer(markOpen, "\ufffd", markClose, "\ufffd").Replace(src)
	}
	if !strings.ContainsAny(src, `$\`) {
		return src, nil
	}
	var (
		out   strings.Builder
		found []formula
		from  int
	)
	s := texScanner{src: src}
	for i := 0; i < len(src); {
		end, f, ok := s.at(i)
		if ok {
			out.WriteString(src[from:i])
			out.WriteString(marker(len(found)))
			f.source = src[i:end]
			found = append(found, f)
			from = end
		}
		i = end
	}
	out.WriteString(src[from:])
	return out.String(), found
}

func marker(n int) string { return markOpen + strconv.Itoa(n) + markClose }

// maxTexWork bounds how many bytes are looked at in search of closing delimiters, which hostile text lacks.
const maxTexWork = 16 << 20

type texScanner struct {
	src  string
	stop int // end of the paragraph that the last position looked at was in
	work int // bytes looked at so far
}

// at returns where to go on after position i, and the formula that begins there, if one does.
func (s *texScanner) at(i int) (int, formula, bool) {
	src := s.src
	lineStart := i == 0 || src[i-1] == '\n'
	if lineStart {
		if end, ok := fence(src, i); ok {
			return end, formula{}, false
		}
	}
	switch src[i] {
	case '`':
		end := codeSpan(src, i, s.paragraph(i))
		s.work += s.stop - i
		return end, formula{}, false
	case '$':
		if strings.HasPrefix(src[i:], "$$") {
			if end := s.find(i+2, "$$"); end > 0 {
				return end, formula{tex: src[i+2 : end-2], display: true}, true
			}
			return i + 2, formula{}, false
		}
		if end := s.dollar(i + 1); end > 0 {
			return end, formula{tex: src[i+1 : end-1]}, true
		}
	case '\\':
		return s.backslash(i)
	}
	return i + 1, formula{}, false
}

func (s *texScanner) backslash(i int) (int, formula, bool) {
	src := s.src
	rest := src[i:]
	// JupyterLab wants \\( because Markdown eats one backslash; authors write both.
	open := strings.TrimPrefix(rest, `\\`)
	if len(open) == len(rest) {
		open = rest[1:]
	}
	slashes := rest[:len(rest)-len(open)]
	if open != "" && (open[0] == '(' || open[0] == '[' && (len(slashes) == 2 || strings.TrimSpace(lineBefore(src, i)) == "")) {
		closing := slashes + string(map[byte]byte{'(': ')', '[': ']'}[open[0]])
		from := i + len(slashes) + 1
		if end := s.find(from, closing); end > 0 {
			return end, formula{tex: src[from : end-len(closing)], display: open[0] == '['}, true
		}
	}
	if env, ok := strings.CutPrefix(rest, `\begin{`); ok {
		name, _, closed := strings.Cut(env, "}")
		if closed && isEnvironment(name) {
			if end := s.find(i+len(`\begin{`), `\end{`+name+`}`); end > 0 {
				return end, formula{tex: environment(name, src[i:end]), display: true}, true
			}
		}
	}
	return i + min(2, len(rest)), formula{}, false
}

// find returns the position after closing, 0 if the paragraph ends before it or nothing stands between.
func (s *texScanner) find(from int, closing string) int {
	stop := s.paragraph(from)
	if s.work > maxTexWork {
		return 0
	}
	s.work += stop - from
	n := strings.Index(s.src[from:stop], closing)
	if n < 0 || strings.TrimSpace(s.src[from:from+n]) == "" {
		return 0
	}
	return from + n + len(closing)
}

// dollar returns the position after the $ that closes a formula in a line.
func (s *texScanner) dollar(from int) int {
	src, stop, depth := s.src, s.paragraph(from), 0
	if s.work > maxTexWork {
		return 0
	}
	s.work += stop - from
	for i := from; i < stop; i++ {
		switch src[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			depth--
		case '`':
			// A code span wins over a formula that would begin before it.
			return 0
		case '$':
			if depth > 0 {
				continue
			}
			next := i + 1
			if next < len(src) && (src[next] == '$' || src[next] >= '0' && src[next] <= '9') {
				return 0
			}
			if strings.TrimSpace(src[from:i]) == "" {
				return 0
			}
			return next
		}
	}
	return 0
}

// paragraph returns where the paragraph of position i ends: at a blank line or the end of the text.
func (s *texScanner) paragraph(i int) int {
	if i < s.stop {
		return s.stop
	}
	src := s.src
	for at := i; ; {
		n := strings.IndexByte(src[at:], '\n')
		if n < 0 {
			s.stop = len(src)
			break
		}
		at += n + 1
		line, _, _ := strings.Cut(src[at:], "\n")
		if strings.Trim(line, " \t\r>") == "" {
			s.stop = at
			break
		}
	}
	return s.stop
}

func lineBefore(src string, i int) string {
	return strings.TrimLeft(src[strings.LastIndexByte(src[:i], '\n')+1:i], "> \t")
}

// fence returns the position after a fenced code block that begins in the line at i.
func fence(src string, i int) (int, bool) {
	line, _, _ := strings.Cut(src[i:], "\n")
	text := strings.TrimLeft(line, " \t>-*+0123456789.")
	if !strings.HasPrefix(text, "```") && !strings.HasPrefix(text, "~~~") {
		return 0, false
	}
	run := text[:len(text)-len(strings.TrimLeft(text, text[:1]))]
	if text[0] == '`' && strings.Contains(text[len(run):], "`") {
		return 0, false
	}
	for at := i + len(line); at < len(src); {
		at++
		line, _, _ = strings.Cut(src[at:], "\n")
		at += len(line)
		end := strings.Trim(line, " \t\r>")
		if strings.HasPrefix(end, run) && strings.Trim(end, run[:1]) == "" {
			return at, true
		}
	}
	return len(src), true
}

// codeSpan returns the position after a code span that begins at i, or after its backticks if it is not closed.
func codeSpan(src string, i, stop int) int {
	run := len(src[i:]) - len(strings.TrimLeft(src[i:], "`"))
	for at := i + run; at < stop; {
		n := strings.IndexByte(src[at:stop], '`')
		if n < 0 {
			break
		}
		at += n
		closing := len(src[at:]) - len(strings.TrimLeft(src[at:], "`"))
		at += closing
		if closing == run {
			return at
		}
	}
	return i + run
}

func isEnvironment(name string) bool {
	name = strings.TrimSuffix(name, "*")
	if name == "" || len(name) > 20 {
		return false
	}
	for _, c := range []byte(name) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return true
}

// environment gives Temml the old eqnarray as the array that it is.
func environment(name, tex string) string {
	if base := strings.TrimSuffix(name, "*"); base == "eqnarray" {
		tex = strings.TrimPrefix(tex, `\begin{`+name+`}`)
		tex = strings.TrimSuffix(tex, `\end{`+name+`}`)
		return `\begin{array}{rcl}` + tex + `\end{array}`
	}
	return tex
}
