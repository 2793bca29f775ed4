package course

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// TableLine is one line of a table that somebody uploaded or pasted.
type TableLine struct {
	Line  int // in the file, from 1; a quoted line break counts
	Cells []string
}

// DecodeText reads text as spreadsheets save it: UTF-8 or UTF-16, with or
// without a mark, else Windows-1252. It never fails: at worst letters are wrong,
// which the preview shows.
func DecodeText(b []byte) string {
	var enc encoding.Encoding
	switch {
	case bytes.HasPrefix(b, []byte{0xEF, 0xBB, 0xBF}):
		b = b[3:]
	case bytes.HasPrefix(b, []byte{0xFF, 0xFE}), bytes.HasPrefix(b, []byte{0xFE, 0xFF}):
		enc = unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM)
	case len(b) >= 4 && b[1] == 0 && b[3] == 0:
		enc = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case len(b) >= 4 && b[0] == 0 && b[2] == 0:
		enc = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	}
	if enc == nil && !utf8.Valid(b) {
		enc = charmap.Windows1252
	}
	if enc != nil {
		if out, _, err := transform.Bytes(enc.NewDecoder(), b); err == nil {
			b = out
		}
	}
	return strings.ToValidUTF8(strings.ReplaceAll(string(b), "\x00", ""), "\uFFFD")
}

// ReadTable splits text into lines of cells. The delimiter is whichever of
// comma, semicolon and tab the first line has most of; blank lines are left
// out. A quote that never ends is a Problem that names its line.
func ReadTable(text string, maxLines int) ([]TableLine, error) {
	first, skipped := 0, ""
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	// Excel's own hint, and the only line that is not data.
	if head, rest, ok := strings.Cut(text, "\n"); ok && len(head) == 5 && strings.HasPrefix(strings.ToLower(head), "sep=") {
		skipped, text, first = head[4:], rest, 1
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = delimiter(text)
	if skipped != "" && strings.Contains(",;\t|", skipped) {
		r.Comma = rune(skipped[0])
	}
	r.FieldsPerRecord = -1
	r.LazyQuotes = r.Comma == '\t' // pasted cells are seldom quoted
	var out []TableLine
	for {
		cells, err := r.Read()
		if err == io.EOF {
			return out, nil
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			return nil, Problemf(Invalid, "Line %d: a quotation mark does not match another.", bad.StartLine+first)
		}
		if err != nil {
			return nil, err
		}
		empty := true
		for i := range cells {
			cells[i] = OneLine(cells[i])
			empty = empty && cells[i] == ""
		}
		if empty {
			continue
		}
		if len(out) == maxLines {
			return nil, Problemf(TooLarge, "The table has more than %d lines.", maxLines)
		}
		line, _ := r.FieldPos(0)
		out = append(out, TableLine{Line: line + first, Cells: cells})
	}
}

// delimiter looks at the first line that says anything, outside quotes.
func delimiter(text string) rune {
	count := map[rune]int{}
	quoted := false
	for _, c := range text {
		if c == '\n' && !quoted && len(count) > 0 {
			break
		}
		if c == '"' {
			quoted = !quoted
		}
		if !quoted && (c == ',' || c == ';' || c == '\t') {
			count[c]++
		}
	}
	best := ','
	for _, c := range []rune{';', '\t'} {
		if count[c] > count[best] {
			best = c
		}
	}
	return best
}

// OneLine makes one line of visible text of what somebody typed: no control or direction
// characters, no runs of space.
func OneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r == 0x7F, r >= 0x80 && r < 0xA0, r == 0xA0, r == 0x2028, r == 0x2029:
			return ' '
		case r == 0xFEFF, r == 0x200B, r == 0x200E, r == 0x200F, r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// SafeCell makes a cell that a spreadsheet takes for text, not for a formula.
// Plain numbers pass unchanged.
func SafeCell(s string) string {
	if s == "" || !strings.ContainsRune("=+-@\t\r\x00", rune(s[0])) {
		return s
	}
	if plainNumber(s) {
		return s
	}
	return "'" + s
}

func plainNumber(s string) bool {
	s = strings.TrimLeft(s, "+-")
	digits := 0
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c != '.' && c != ',':
			return false
		}
	}
	return digits > 0
}
