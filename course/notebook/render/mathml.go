package render

import (
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

// mathElements is every element that cleanMathML lets through. maction, semantics and annotation are not among them:
// their children stay, so nothing of a formula is hidden.
var mathElements = set(`math mi mn mo mtext mspace mrow mfrac msqrt mroot msub msup msubsup munder mover munderover
	mmultiscripts mprescripts none mtable mtr mtd mstyle mpadded mphantom menclose`)

var (
	mathLength = regexp.MustCompile(`^[+-]?[0-9]{0,5}(\.[0-9]{1,6})?(em|ex|pt|px|mu|%)?$`)
	mathWord   = regexp.MustCompile(`^[a-z -]{1,60}$`)
	mathColor  = regexp.MustCompile(`^(#[0-9a-fA-F]{3,8}|[a-z]{3,20})$`)
	mathNumber = regexp.MustCompile(`^[+-]?[0-9]$`)
	mathClass  = regexp.MustCompile(`^((tml|chr|wbk|ff)-[a-z0-9-]{1,24}|upstrike|downstrike|sout|menclose|mathcal|mathscr|` +
		`actuarial|circle-pad|textcircle|longdiv-top|longdiv-arc|phasor-bottom|phasor-angle|special-fraction)$`)
)

// mathAttrs is every attribute, with the form of its value.
var mathAttrs = map[string]*regexp.Regexp{
	"display": mathWord, "displaystyle": mathWord, "fence": mathWord, "form": mathWord, "stretchy": mathWord,
	"symmetric": mathWord, "largeop": mathWord, "movablelimits": mathWord, "separator": mathWord, "accent": mathWord,
	"accentunder": mathWord, "mathvariant": mathWord, "columnalign": mathWord, "notation": mathWord,
	"linethickness": mathLength, "width": mathLength, "height": mathLength, "depth": mathLength, "voffset": mathLength,
	"lspace": mathLength, "rspace": mathLength, "minsize": mathLength, "maxsize": mathLength, "mathsize": mathLength,
	"rowspacing": mathLength, "scriptlevel": mathNumber, "mathcolor": mathColor, "mathbackground": mathColor,
}

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// cleanMathML rewrites Temml's markup, letting through only MathML that cannot act, and turning its style attributes
// into classes of notebook.css, so that pages need no 'unsafe-inline'. Temml escapes its input well; this is the wall
// behind it, and what keeps every element closed.
func cleanMathML(markup string) []byte {
	b := make([]byte, 0, len(markup))
	var open []string
	z := html.NewTokenizer(strings.NewReader(markup))
	for {
		switch z.Next() {
		case html.ErrorToken:
			for i := len(open) - 1; i >= 0; i-- {
				b = appendEnd(b, open[i])
			}
			return b
		case html.TextToken:
			b = appendText(b, string(z.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			// The only span Temml makes is the counter of a numbered equation, inside mtext, where HTML may stand.
			counter := t.Data == "span" && len(open) > 0 && open[len(open)-1] == "mtext"
			if !mathElements[t.Data] && !counter || len(open) > 200 {
				continue
			}
			b = appendMathTag(b, t)
			if t.Type == html.SelfClosingTagToken {
				b = appendEnd(b, t.Data)
			} else {
				open = append(open, t.Data)
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			tag := string(name)
			if n := len(open); n > 0 && open[n-1] == tag {
				open = open[:n-1]
				b = appendEnd(b, tag)
			}
		}
	}
}

func appendEnd(b []byte, tag string) []byte {
	b = append(b, "</"...)
	b = append(b, tag...)
	return append(b, '>')
}

func appendMathTag(b []byte, t html.Token) []byte {
	b = append(b, '<')
	b = append(b, t.Data...)
	var classes []string
	seen := map[string]bool{}
	attr := func(name, value string) {
		if form := mathAttrs[name]; form != nil && value != "" && form.MatchString(value) && !seen[name] {
			seen[name] = true
			b = append(b, ' ')
			b = append(b, name...)
			b = append(b, `="`...)
			b = appendAttr(b, value)
			b = append(b, '"')
		}
	}
	for _, a := range t.Attr {
		switch {
		case a.Namespace != "":
		case a.Key == "class":
			for _, c := range strings.Fields(a.Val) {
				if mathClass.MatchString(c) {
					classes = append(classes, c)
				}
			}
		case a.Key == "style":
			for _, d := range strings.Split(a.Val, ";") {
				name, value, _ := strings.Cut(d, ":")
				if name = strings.TrimSpace(name); name == "color" {
					attr("mathcolor", strings.TrimSpace(value))
				} else if c := styleClass(name, strings.TrimSpace(value)); c != "" {
					classes = append(classes, c)
				}
			}
		case a.Key == "mathbackground" && a.Val == "black":
			// A ruled line, which must be seen on a dark page too.
			classes = append(classes, "tml-ink")
		default:
			attr(a.Key, a.Val)
		}
	}
	if len(classes) > 0 {
		b = append(b, ` class="`...)
		b = append(b, strings.Join(classes, " ")...)
		b = append(b, '"')
	}
	return append(b, '>')
}

// styleClass names the class of notebook.css that stands for one of the declarations Temml makes, "" for any other.
func styleClass(name, value string) string {
	switch name {
	case "padding-left", "padding-right", "padding-top", "padding-bottom":
		if n, ok := tenths(value); ok {
			return "tml-p" + name[len("padding-"):][:1] + strconv.Itoa(n)
		}
	case "border-left", "border-right", "border-top", "border-bottom":
		class := "tml-b" + name[len("border-"):][:1]
		switch {
		case strings.Contains(value, "dashed"):
			return class + "-dashed"
		case strings.Contains(value, "double"):
			return class + "-double"
		}
		return class
	case "padding":
		if value == "0" {
			return "tml-p0"
		}
		return "tml-pad"
	case "border":
		return "tml-box"
	case "width":
		switch value {
		case "100%":
			return "tml-w100"
		case "50%":
			return "tml-w50"
		}
	case "font-weight":
		if value == "bold" {
			return "tml-bold"
		}
	case "text-align":
		if value == "left" {
			return "tml-left"
		}
	case "math-depth":
		return "tml-depth0"
	}
	return ""
}

// paddings are the steps, in tenths of an em, that notebook.css has classes for.
var paddings = []int{0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40}

// tenths rounds a length in em or pt (ten to the em) to the nearest step.
func tenths(value string) (int, bool) {
	unit := 10.0
	number, ok := strings.CutSuffix(value, "em")
	if !ok {
		if number, ok = strings.CutSuffix(value, "pt"); ok {
			unit = 1
		} else if value != "0" {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, false
	}
	best := 0
	for _, p := range paddings {
		if abs(f*unit-float64(p)) < abs(f*unit-float64(best)) {
			best = p
		}
	}
	return best, true
}

func abs(f float64) float64 {
	if f < 0 {
		return -f
	}
	return f
}
