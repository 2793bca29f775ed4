package notebook

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// splitLines splits as Python's str.splitlines(True): at every line end that Unicode knows, which stays with its line.
func splitLines(text string) []string {
	var list []string
	start := 0
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		switch r {
		case '\r':
			if i < len(text) && text[i] == '\n' {
				i++
			}
		case '\n', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
		default:
			continue
		}
		list = append(list, text[start:i])
		start = i
	}
	if start < len(text) {
		list = append(list, text[start:])
	}
	return list
}

// pyNumber is how Python writes a number back after reading it: integers keep their digits, the rest is a float.
func pyNumber(literal string) string {
	if literal == "-0" {
		return "0"
	}
	if strings.ContainsAny(literal, ".eE") {
		// Out of range is ±Inf, which is what Python makes of it too.
		f, _ := strconv.ParseFloat(literal, 64)
		return pyFloat(f)
	}
	if literal == "" {
		return "null"
	}
	return literal
}

// pyFloat is Python's repr of a float, as its json module writes it.
func pyFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	if size := math.Abs(f); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
