package render

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// terminal writes what a program sent to a terminal as HTML: colours as classes, \r and \b as they would look in the
// end, every other control sequence (titles, links, cursor moves) dropped. Lines are written until a bound is reached.
type terminal struct {
	out   []byte
	style sgr
	shown sgr // style of the open span
	limit int // length of out at which to stop
	lines int // lines that may still be written
}

// screenCell is a character of a line that was overwritten.
type screenCell struct {
	r     rune
	style sgr
}

// appendTerminal appends s and a note of what was left out.
func appendTerminal(b []byte, class, s string) []byte {
	b = append(append(append(b, `<pre class="nb-text `...), class...), `" tabindex="0">`...)
	t := terminal{out: b, limit: len(b) + maxText, lines: maxLines}
	rest := t.write(s)
	t.span(sgr{})
	b = append(t.out, "</pre>"...)
	if rest != "" {
		b = appendNote(b, missing(rest))
	}
	return b
}

// write returns what did not fit.
func (t *terminal) write(s string) string {
	if strings.IndexByte(s, 0x1b) < 0 && strings.IndexByte(s, '\r') < 0 && strings.IndexByte(s, '\b') < 0 {
		shown, note := fold(s)
		t.out = appendText(t.out, shown)
		if note == "" {
			return ""
		}
		return s[len(shown):]
	}
	for s != "" {
		if t.lines == 0 || len(t.out) > t.limit {
			return s
		}
		t.lines--
		line, rest, more := strings.Cut(s, "\n")
		line = strings.TrimSuffix(line, "\r")
		var left string
		if strings.ContainsAny(line, "\r\b") {
			t.overwritten(line)
		} else if left = t.direct(line); left != "" {
			return left + s[len(line):]
		}
		if more {
			t.out = append(t.out, '\n')
		}
		s = rest
	}
	return ""
}

// direct writes a line without overwriting; it stops at the bound and returns the rest.
func (t *terminal) direct(line string) string {
	for line != "" {
		text, rest := line, ""
		esc := strings.IndexByte(line, 0x1b)
		if esc >= 0 {
			text, rest = line[:esc], line[esc:]
		}
		if text != "" {
			t.span(t.style)
			room := max(t.limit-len(t.out), 0)
			if len(text) > room {
				for room > 0 && text[room]&0xC0 == 0x80 {
					room--
				}
				t.out = appendText(t.out, text[:room])
				return text[room:] + rest
			}
			t.out = appendText(t.out, text)
		}
		if esc < 0 {
			return ""
		}
		line = rest[t.escape(rest):]
	}
	return ""
}

// maxScreen is how many characters an overwritten line may have; what is beyond is the rest of a broken program.
const maxScreen = 20000

// overwritten writes a line that moves back over itself, as progress bars do, the way it looks in the end.
func (t *terminal) overwritten(line string) {
	var cells []screenCell
	at := 0
	for line != "" {
		switch line[0] {
		case 0x1b:
			n := t.escape(line)
			if strings.HasSuffix(line[:n], "K") {
				cells = erase(cells, at, line[2:n-1])
			}
			line = line[n:]
			continue
		case '\r':
			at = 0
			line = line[1:]
			continue
		case '\b':
			at = max(at-1, 0)
			line = line[1:]
			continue
		}
		r, n := utf8.DecodeRuneInString(line)
		line = line[n:]
		switch {
		case at < len(cells):
			cells[at] = screenCell{r, t.style}
		case at < maxScreen:
			cells = append(cells, screenCell{r, t.style})
		}
		if at < maxScreen {
			at++
		} else {
			cells[maxScreen-1].r = '…'
		}
	}
	for i := 0; i < len(cells); {
		from := i
		var text []byte
		for ; i < len(cells) && cells[i].style == cells[from].style; i++ {
			text = utf8.AppendRune(text, cells[i].r)
		}
		t.span(cells[from].style)
		t.out = appendText(t.out, string(text))
	}
}

// erase does CSI K: to the end of the line, to its start (1) or all of it (2).
func erase(cells []screenCell, at int, arg string) []screenCell {
	switch arg {
	case "", "0":
		return cells[:min(at, len(cells))]
	case "1":
		for i := range cells[:min(at+1, len(cells))] {
			cells[i] = screenCell{r: ' '}
		}
	case "2":
		for i := range cells {
			cells[i] = screenCell{r: ' '}
		}
	}
	return cells
}

// escape reads the control sequence that s begins with, applies it if it is a style, and returns its length.
func (t *terminal) escape(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[':
		for i := 2; i < len(s); i++ {
			c := s[i]
			if c >= 0x40 && c <= 0x7e {
				if c == 'm' {
					t.apply(s[2:i])
				}
				return i + 1
			}
			// Not a control sequence after all: drop what was read, keep the text.
			if c < 0x20 || c > 0x7e || i > 200 {
				return i
			}
		}
		return len(s)
	case ']', 'P', 'X', '^', '_':
		// Titles, links, device strings: up to BEL or ESC \, and never beyond the line.
		for i := 2; i < len(s); i++ {
			if s[i] == 0x07 {
				return i + 1
			}
			if s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\' {
				return i + 2
			}
		}
		return 2
	}
	if s[1] >= utf8.RuneSelf {
		return 1
	}
	return 2
}

// span closes the open span and opens one for a style, if they differ.
func (t *terminal) span(st sgr) {
	if st == t.shown {
		return
	}
	if t.shown != (sgr{}) {
		t.out = append(t.out, "</span>"...)
	}
	t.shown = st
	if st == (sgr{}) {
		return
	}
	t.out = append(t.out, `<span class="`...)
	fg, bg := st.fg, st.bg
	plain := fg == 0 && bg == 0
	if st.swap {
		fg, bg = bg, fg
	}
	n := len(t.out)
	t.color("nb-f", fg)
	t.color("nb-b", bg)
	for _, f := range [...]struct {
		on   bool
		name string
	}{
		{st.swap && plain, "nb-inverse "}, {st.bold, "nb-bold "}, {st.dim, "nb-dim "},
		{st.italic, "nb-it "}, {st.under, "nb-un "}, {st.strike, "nb-st "},
	} {
		if f.on {
			t.out = append(t.out, f.name...)
		}
	}
	if len(t.out) > n {
		t.out = t.out[:len(t.out)-1]
	}
	t.out = append(t.out, `">`...)
}

// color appends "nb-f nb-f12 ": the first class says that there is a colour, the second which.
func (t *terminal) color(class string, c uint16) {
	if c == 0 {
		return
	}
	t.out = append(append(t.out, class...), ' ')
	t.out = strconv.AppendInt(append(t.out, class...), int64(c-1), 10)
	t.out = append(t.out, ' ')
}
