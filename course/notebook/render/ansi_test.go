package render

import (
	"os"
	"strings"
	"testing"
)

func TestTerminalTextLooksAsInATerminal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"plain", "a <b>\n", "a &lt;b&gt;\n"},
		{"a colour", "\x1b[31mred\x1b[0m x", `<span class="nb-f nb-f1">red</span> x`},
		{"bright and background", "\x1b[91;44mx\x1b[m", `<span class="nb-f nb-f9 nb-b nb-b4">x</span>`},
		{"a colour over two lines", "\x1b[32ma\nb\x1b[39mc", "<span class=\"nb-f nb-f2\">a\nb</span>c"},
		{"256 colours", "\x1b[38;5;208mx", `<span class="nb-f nb-f208">x</span>`},
		{"true colour", "\x1b[38;2;255;0;0mx", `<span class="nb-f nb-f196">x</span>`},
		{"true colour grey", "\x1b[48;2;129;129;129mx", `<span class="nb-b nb-b244">x</span>`},
		{"true colour with colons", "\x1b[38:2:255:255:255mx", `<span class="nb-f nb-f231">x</span>`},
		{"styles", "\x1b[1;3;4;9;2mx\x1b[22;23;24;29my", `<span class="nb-bold nb-dim nb-it nb-un nb-st">x</span>y`},
		{"inverse", "\x1b[7mx\x1b[27my", `<span class="nb-inverse">x</span>y`},
		{"inverse of a colour", "\x1b[7;31mx", `<span class="nb-b nb-b1">x</span>`},
		{"IPython's 38;5;28;01", "\x1b[38;5;28;01mdef\x1b[39;00m x", `<span class="nb-f nb-f28 nb-bold">def</span> x`},
		{"a progress bar", " 10%\r 50%\r100%\n", "100%\n"},
		{"a shorter line over a longer one", "abcdef\rxy", "xycdef"},
		{"a line erased", "abcdef\r\x1b[Kxy", "xy"},
		{"backspace", "abc\b\bX", "aXc"},
		{"backspace before the start", "\b\b\ba", "a"},
		{"colours that are overwritten", "\x1b[31mabc\r\x1b[32mX", `<span class="nb-f nb-f2">X</span><span class="nb-f nb-f1">bc</span>`},
		{"Windows line ends", "a\r\nb\r\n", "a\nb\n"},
		{"a link", "\x1b]8;;http://x/\x1b\\text\x1b]8;;\x07.", "text."},
		{"cursor moves", "a\x1b[2Ab\x1b[?25lc", "abc"},
		{"sequences that are not finished", "a\x1b", "a"},
		{"not a sequence", "a\x1b[\x01b", "a\u2401b"},
		{"an unfinished title does not swallow the output", "a\x1b]0;b\nc", "a0;b\nc"},
		{"a bell", "a\x07", "a\u2407"},
		{"wide text", "日本\r中", "中本"},
	} {
		got := string(appendTerminal(nil, "x", c.in))
		want := `<pre class="nb-text x" tabindex="0">` + c.want + "</pre>"
		if got != want {
			t.Errorf("%s: %q\n got %s\nwant %s", c.name, c.in, got, want)
		}
	}
}

func TestWhatIsLeftOutIsCounted(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("x\n", 13345)
	for _, c := range []struct{ name, in, note string }{
		{"lines", many, "… 12,345 more lines not shown"},
		{"lines with colours", "\x1b[31m" + many, "… 12,345 more lines not shown"},
		{"one long line", strings.Repeat("x", maxText+1234567), "… 1,234,567 more bytes not shown"},
		{"one long line with colours", "\x1b[m" + strings.Repeat("x", maxText+1000), "more bytes not shown"},
		{"a thousand lines exactly", strings.Repeat("x\n", 1000), ""},
		{"a thousand and one", strings.Repeat("x\n", 1001), "… 2 more bytes not shown"},
	} {
		got := string(appendTerminal(nil, "x", c.in))
		if !strings.Contains(got, c.note) || c.note == "" && strings.Contains(got, "not shown") {
			t.Errorf("%s: want the note %q, got …%s", c.name, c.note, got[max(0, len(got)-200):])
		}
		if len(got) > 2*maxText {
			t.Errorf("%s: %d bytes of output", c.name, len(got))
		}
	}
	long := "é" + strings.Repeat("日", maxText)
	if got := appendTerminal(nil, "x", long); strings.Contains(string(got), "\ufffd") {
		t.Error("a long line is cut inside a character")
	}
}

func TestThePaletteIsTheTableOfColours(t *testing.T) {
	t.Parallel()
	css, err := os.ReadFile("../../../static/notebook.css")
	if err != nil {
		t.Fatal(err)
	}
	hex := func(r, g, b int) string {
		const digits = "0123456789abcdef"
		var s []byte
		for _, v := range []int{r, g, b} {
			s = append(s, digits[v>>4], digits[v&15])
		}
		return string(s)
	}
	for i := range 256 {
		want := ".nb-f" + itoa(i) + " { --_f: #"
		switch {
		case i >= 232:
			v := 8 + 10*(i-232)
			want += hex(v, v, v)
		case i >= 16:
			n := i - 16
			r, g, b := cubeLevels[n/36], cubeLevels[n/6%6], cubeLevels[n%6]
			want += hex(r, g, b)
			if got := nearest(r, g, b); got != uint16(i) {
				t.Errorf("the nearest colour to number %d is %d", i, got)
			}
		}
		if !strings.Contains(string(css), want) {
			t.Errorf("notebook.css lacks %q", want)
		}
	}
}
