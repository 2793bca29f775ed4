package render

import (
	"slices"
	"strings"
)

// maxMacros bounds the TeX that one notebook may define for its later formulas.
const maxMacros = 4 << 10

// macro is a definition, \newcommand{\R}{\mathbb{R}} for instance. name is \R, tex is \def\R{\mathbb{R}}: the form that
// Temml takes however often a name is defined.
type macro struct{ name, tex string }

// defines reports whether a text may define macros, without reading it closely.
func defines(src string) bool {
	return strings.Contains(src, `\newcommand`) || strings.Contains(src, `\renewcommand`) ||
		strings.Contains(src, `\def`) || strings.Contains(src, `\DeclareMathOperator`)
}

// define notes the macros that a text defines, because in JupyterLab they hold for the rest of the notebook.
func (p *page) define(formulas []formula) {
	for _, f := range formulas {
		found, _ := cutMacros(f.tex)
		for _, m := range found {
			if len(p.defined)+len(m.tex) > maxMacros {
				return
			}
			p.macros = append(slices.DeleteFunc(p.macros, func(old macro) bool { return old.name == m.name }), m)
			p.defined += m.tex
		}
	}
}

// withMacros puts the definitions that a formula needs before it, and those that these need.
func (p *page) withMacros(tex string) string {
	taken := make([]bool, len(p.macros))
	for again := len(p.macros) > 0; again; {
		again = false
		for i, m := range p.macros {
			if !taken[i] && uses(tex, m.name) {
				taken[i], again = true, true
				tex = m.tex + tex
			}
		}
	}
	return tex
}

// uses reports whether a command stands in tex, and not only as the beginning of a longer one.
func uses(tex, command string) bool {
	for i := 0; ; {
		n := strings.Index(tex[i:], command)
		if n < 0 {
			return false
		}
		if i += n + len(command); commandEnd(tex, i-1) == i {
			return true
		}
	}
}

// cutMacros takes the definitions out of a formula. Those with optional arguments stay, because Temml has none.
func cutMacros(tex string) (found []macro, rest string) {
	if len(tex) > maxTeX {
		return nil, tex
	}
	from := 0
	for i := 0; i < len(tex); {
		n := strings.IndexByte(tex[i:], '\\')
		if n < 0 {
			break
		}
		i += n
		m, end := definition(tex, i)
		if end == 0 {
			i = max(commandEnd(tex, i), i+1)
			continue
		}
		found = append(found, m)
		rest += tex[from:i]
		from, i = end, end
	}
	return found, rest + tex[from:]
}

// definition reads the one that begins at i, and the position after it, 0 if there is none.
func definition(tex string, i int) (macro, int) {
	at := commandEnd(tex, i)
	switch command := tex[i:at]; command {
	case `\def`:
		if at >= len(tex) || tex[at] != '\\' {
			return macro{}, 0
		}
		name := tex[at:commandEnd(tex, at)]
		brace := strings.IndexByte(tex[at:], '{')
		if brace < 0 {
			return macro{}, 0
		}
		_, end := argument(tex, at+brace)
		return macro{name, tex[i:max(end, i)]}, end
	case `\newcommand`, `\renewcommand`, `\newcommand*`, `\renewcommand*`, `\DeclareMathOperator`, `\DeclareMathOperator*`:
		name, at := argument(tex, at)
		if !strings.HasPrefix(name, `\`) {
			return macro{}, 0
		}
		parameters := ""
		if at < len(tex)-2 && tex[at] == '[' && tex[at+2] == ']' && tex[at+1] >= '1' && tex[at+1] <= '9' {
			for n := byte('1'); n <= tex[at+1]; n++ {
				parameters += "#" + string(n)
			}
			at += 3
		}
		body, end := argument(tex, at)
		if strings.HasPrefix(command, `\DeclareMathOperator`) {
			body = `\operatorname` + strings.TrimPrefix(command, `\DeclareMathOperator`) + "{" + body + "}"
		}
		return macro{name, `\def` + name + parameters + "{" + body + "}"}, end
	}
	return macro{}, 0
}

// commandEnd returns the position after the command at i, with its star.
func commandEnd(tex string, i int) int {
	end := i + 1
	for end < len(tex) && (tex[end]|0x20 >= 'a' && tex[end]|0x20 <= 'z') {
		end++
	}
	if end < len(tex) && tex[end] == '*' {
		end++
	}
	return min(end, len(tex))
}

// argument returns a braced argument or a bare command at i and the position after it, 0 if there is none.
func argument(tex string, i int) (string, int) {
	if i <= 0 || i >= len(tex) {
		return "", 0
	}
	if tex[i] == '\\' {
		end := commandEnd(tex, i)
		return tex[i:end], end
	}
	if tex[i] != '{' {
		return "", 0
	}
	depth := 0
	for at := i; at < len(tex); at++ {
		switch tex[at] {
		case '\\':
			at++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return strings.TrimSpace(tex[i+1 : at]), at + 1
			}
		}
	}
	return "", 0
}
