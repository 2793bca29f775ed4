package notebook

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds on hostile JSON. Jupyter's own reader stops near a depth of 1000; the number of values bounds the memory
// that a small file of tiny values can claim.
const (
	maxDepth  = 500
	maxValues = 4 << 20
)

// jsonReader reads JSON as Python's json module does, because that is what writes notebooks: NaN and Infinity are
// numbers, integers keep every digit, the last of two equal keys counts. encoding/json does none of the first two.
type jsonReader struct {
	text   string
	at     int
	depth  int
	values int
}

// parseJSON reads one JSON document. After an error it still returns what was read before it, so that Salvage can
// find the answers in a file that was cut short.
func parseJSON(text string) (any, error) {
	r := &jsonReader{text: text}
	v, err := r.value()
	if err != nil {
		return v, err
	}
	r.space()
	if r.at < len(r.text) {
		return v, r.fail("there is more text after the end of the notebook")
	}
	return v, nil
}

// fail says where it stopped in the way an editor counts: lines and columns from 1.
func (r *jsonReader) fail(text string) error {
	before := r.text[:r.at]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Errorf("line %d, column %d: %s", line, column, text)
}

func (r *jsonReader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// next returns the next byte that is not white space without taking it, 0 at the end.
func (r *jsonReader) next() byte {
	r.space()
	if r.at == len(r.text) {
		return 0
	}
	return r.text[r.at]
}

func (r *jsonReader) value() (any, error) {
	if r.values++; r.values > maxValues {
		return nil, r.fail(fmt.Sprintf("it holds more than %d values", maxValues))
	}
	switch c := r.next(); {
	case c == '{':
		return r.object()
	case c == '[':
		return r.array()
	case c == '"':
		return r.string()
	case c == '-' || c >= '0' && c <= '9' || c == 'N' || c == 'I':
		return r.number()
	case r.word("true"):
		return true, nil
	case r.word("false"):
		return false, nil
	case r.word("null"):
		return nil, nil
	case c == 0:
		return nil, r.fail("the file ends in the middle")
	}
	return nil, r.fail("this is not JSON")
}

func (r *jsonReader) word(w string) bool {
	if strings.HasPrefix(r.text[r.at:], w) {
		r.at += len(w)
		return true
	}
	return false
}

func (r *jsonReader) enter() error {
	if r.depth++; r.depth > maxDepth {
		return r.fail(fmt.Sprintf("lists and objects are nested more than %d deep", maxDepth))
	}
	r.at++
	return nil
}

func (r *jsonReader) object() (map[string]any, error) {
	m := map[string]any{}
	if err := r.enter(); err != nil {
		return m, err
	}
	defer func() { r.depth-- }()
	if r.next() == '}' {
		r.at++
		return m, nil
	}
	for {
		if r.next() != '"' {
			return m, r.fail("a key in quotes is missing")
		}
		key, err := r.string()
		if err != nil {
			return m, err
		}
		if r.next() != ':' {
			return m, r.fail("a colon is missing after a key")
		}
		r.at++
		v, err := r.value()
		if v != nil || err == nil {
			m[key] = v
		}
		if err != nil {
			return m, err
		}
		switch r.next() {
		case ',':
			r.at++
		case '}':
			r.at++
			return m, nil
		default:
			return m, r.fail("a comma or a closing brace is missing")
		}
	}
}

func (r *jsonReader) array() ([]any, error) {
	list := []any{}
	if err := r.enter(); err != nil {
		return list, err
	}
	defer func() { r.depth-- }()
	if r.next() == ']' {
		r.at++
		return list, nil
	}
	for {
		v, err := r.value()
		if v != nil || err == nil {
			list = append(list, v)
		}
		if err != nil {
			return list, err
		}
		switch r.next() {
		case ',':
			r.at++
		case ']':
			r.at++
			return list, nil
		default:
			return list, r.fail("a comma or a closing bracket is missing")
		}
	}
}

// string takes a quoted string. One without escapes is a slice of the text, which saves a copy of most of the file.
func (r *jsonReader) string() (string, error) {
	r.at++
	start := r.at
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return r.text[start : r.at-1], nil
		case c == '\\':
			return r.escaped(start)
		case c < 0x20:
			return "", r.fail("a text contains a line break or control character that is not escaped")
		}
		r.at++
	}
	return "", r.fail("the file ends inside a text")
}

func (r *jsonReader) escaped(start int) (string, error) {
	var b strings.Builder
	b.WriteString(r.text[start:r.at])
	for r.at < len(r.text) {
		c := r.text[r.at]
		switch {
		case c == '"':
			r.at++
			return b.String(), nil
		case c < 0x20:
			return "", r.fail("a text contains a line break or control character that is not escaped")
		case c != '\\':
			b.WriteByte(c)
			r.at++
			continue
		}
		if r.at+1 == len(r.text) {
			break
		}
		switch c := r.text[r.at+1]; c {
		case '"', '\\', '/':
			b.WriteByte(c)
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			u, ok := r.hex(r.at)
			if !ok {
				return "", r.fail("four hexadecimal digits must follow \\u")
			}
			r.at += 4
			if utf16.IsSurrogate(u) {
				// A half pair alone cannot be written as UTF-8; it becomes U+FFFD.
				low, ok := r.hex(r.at + 2)
				if u = utf16.DecodeRune(u, low); ok && u != utf8.RuneError {
					r.at += 6
				} else {
					u = utf8.RuneError
				}
			}
			b.WriteRune(u)
		default:
			return "", r.fail("a backslash is followed by a character that JSON does not know")
		}
		r.at += 2
	}
	r.at = len(r.text)
	return "", r.fail("the file ends inside a text")
}

// hex reads \uXXXX at position i.
func (r *jsonReader) hex(i int) (rune, bool) {
	if i+6 > len(r.text) || r.text[i] != '\\' || r.text[i+1] != 'u' {
		return 0, false
	}
	var u rune
	for _, c := range []byte(r.text[i+2 : i+6]) {
		switch {
		case c >= '0' && c <= '9':
			u = u<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			u = u<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return u, true
}

// number takes a number as it stands; Write gives it Python's form.
func (r *jsonReader) number() (any, error) {
	start := r.at
	for _, w := range []string{"NaN", "Infinity", "-Infinity"} {
		if r.word(w) {
			return json.Number(w), nil
		}
	}
	digits := func() int {
		from := r.at
		for r.at < len(r.text) && r.text[r.at] >= '0' && r.text[r.at] <= '9' {
			r.at++
		}
		return r.at - from
	}
	is := func(set string) bool {
		if r.at < len(r.text) && strings.IndexByte(set, r.text[r.at]) >= 0 {
			r.at++
			return true
		}
		return false
	}
	is("-")
	whole := r.at
	ok := digits() > 0 && (r.text[whole] != '0' || r.at == whole+1)
	if ok && is(".") {
		ok = digits() > 0
	}
	if ok && is("eE") {
		is("+-")
		ok = digits() > 0
	}
	if !ok {
		return nil, r.fail("this is not a number")
	}
	return json.Number(r.text[start:r.at]), nil
}
