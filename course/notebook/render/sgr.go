package render

import (
	"strconv"
	"strings"
)

// sgr is how a terminal would show the next character. Colours are numbers of the 256-colour table plus one; 0 is the
// page's own.
type sgr struct {
	fg, bg                                 uint16
	bold, dim, italic, under, strike, swap bool
}

// apply changes the style by the parameters of one SGR sequence.
func (t *terminal) apply(params string) {
	if params == "" {
		t.style = sgr{}
		return
	}
	if len(params) > 200 {
		return
	}
	p := strings.FieldsFunc(params, func(r rune) bool { return r == ';' || r == ':' })
	st := &t.style
	for i := 0; i < len(p); i++ {
		n, err := strconv.Atoi(p[i])
		if err != nil {
			return
		}
		switch {
		case n == 0:
			*st = sgr{}
		case n == 1:
			st.bold = true
		case n == 2:
			st.dim = true
		case n == 3:
			st.italic = true
		case n == 4:
			st.under = true
		case n == 7:
			st.swap = true
		case n == 9:
			st.strike = true
		case n == 22:
			st.bold, st.dim = false, false
		case n == 23:
			st.italic = false
		case n == 24:
			st.under = false
		case n == 27:
			st.swap = false
		case n == 29:
			st.strike = false
		case n >= 30 && n <= 37:
			st.fg = uint16(n - 30 + 1)
		case n == 39:
			st.fg = 0
		case n >= 40 && n <= 47:
			st.bg = uint16(n - 40 + 1)
		case n == 49:
			st.bg = 0
		case n >= 90 && n <= 97:
			st.fg = uint16(n - 90 + 8 + 1)
		case n >= 100 && n <= 107:
			st.bg = uint16(n - 100 + 8 + 1)
		case n == 38 || n == 48:
			color, used := extended(p[i+1:])
			i += used
			if used > 0 && n == 38 {
				st.fg = color
			} else if used > 0 {
				st.bg = color
			}
		}
	}
}

// extended reads 5;N and 2;R;G;B; a true colour becomes the nearest of the table.
func extended(p []string) (color uint16, used int) {
	number := func(i int) int {
		n, err := strconv.Atoi(p[i])
		if err != nil || n < 0 {
			return 0
		}
		return min(n, 255)
	}
	switch {
	case len(p) >= 2 && p[0] == "5":
		return uint16(number(1)) + 1, 2
	case len(p) >= 4 && p[0] == "2":
		return nearest(number(1), number(2), number(3)) + 1, 4
	}
	return 0, 0
}

// nearest finds the closest of the 6×6×6 cube and the 24 greys.
func nearest(r, g, b int) uint16 {
	step := func(v int) int {
		if v < 48 {
			return 0
		}
		if v < 115 {
			return 1
		}
		return (v - 35) / 40
	}
	cr, cg, cb := step(r), step(g), step(b)
	cube := 16 + 36*cr + 6*cg + cb
	grey := min(max((r+g+b)/3-3, 0)/10, 23)
	level := 8 + 10*grey
	if distance(r, g, b, level, level, level) < distance(r, g, b, cubeLevels[cr], cubeLevels[cg], cubeLevels[cb]) {
		return uint16(232 + grey)
	}
	return uint16(cube)
}

var cubeLevels = [6]int{0, 95, 135, 175, 215, 255}

func distance(r, g, b, r2, g2, b2 int) int {
	return (r-r2)*(r-r2) + (g-g2)*(g-g2) + (b-b2)*(b-b2)
}
