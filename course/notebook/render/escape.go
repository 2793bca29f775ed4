package render

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// special marks the ASCII bytes that text cannot carry as they are: markup, and controls other than tab and newline.
var special = func() (t [128]bool) {
	for c := range t {
		t[c] = c < 0x20 && c != '\n' && c != '\t' || c == 0x7f
	}
	for _, c := range `&<>"'` {
		t[c] = true
	}
	return t
}()

// appendText appends s as HTML text. Nothing in it can hide from a reader: control characters become their pictures,
// and the characters that reorder a line (the "Trojan Source" trick) become a visible box.
func appendText(b []byte, s string) []byte { return appendEscaped(b, s, true) }

// appendAttr appends s as the inside of a double-quoted attribute.
func appendAttr(b []byte, s string) []byte { return appendEscaped(b, s, false) }

func appendEscaped(b []byte, s string, text bool) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < 0x80 {
			if special[c] {
				b = append(b, s[from:i]...)
				b = appendSpecial(b, c)
				from = i + 1
			}
			continue
		}
		if c == 0xE2 && reorders(s[i+1], s[i+2]) {
			r, _ := utf8.DecodeRuneInString(s[i:])
			b = append(b, s[from:i]...)
			if text {
				b = fmt.Appendf(b, `<span class="nb-ctl" title="Unicode control character">U+%04X</span>`, r)
			} else {
				b = append(b, "\ufffd"...)
			}
			i += 2
			from = i + 1
		}
	}
	return append(b, s[from:]...)
}

func appendSpecial(b []byte, c byte) []byte {
	switch c {
	case '&':
		return append(b, "&amp;"...)
	case '<':
		return append(b, "&lt;"...)
	case '>':
		return append(b, "&gt;"...)
	case '"':
		return append(b, "&#34;"...)
	case '\'':
		return append(b, "&#39;"...)
	case 0x7f:
		return append(b, "\u2421"...)
	}
	return utf8.AppendRune(b, 0x2400+rune(c))
}

// reorders tells, from the two bytes after 0xE2, the bidirectional controls U+202A–202E and U+2066–2069.
func reorders(b1, b2 byte) bool {
	return b1 == 0x80 && b2 >= 0xAA && b2 <= 0xAE || b1 == 0x81 && b2 >= 0xA6 && b2 <= 0xA9
}

func itoa(n int) string { return strconv.Itoa(n) }
