package render

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"lectern/course/notebook"
)

func bigPNG() string {
	m := image.NewNRGBA(image.Rect(0, 0, 160, 160))
	for i := range m.Pix {
		m.Pix[i] = byte(i*i>>3) ^ byte(i*7919>>5)
	}
	var out bytes.Buffer
	png.Encode(&out, m)
	return base64.StdEncoding.EncodeToString(out.Bytes())
}

// hugePNG is a header that claims width × height pixels.
func hugePNG(width, height uint32) string {
	chunk := append([]byte("IHDR"), make([]byte, 13)...)
	binary.BigEndian.PutUint32(chunk[4:], width)
	binary.BigEndian.PutUint32(chunk[8:], height)
	chunk[12], chunk[13] = 8, 2
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), chunk...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(chunk))
	return base64.StdEncoding.EncodeToString(b)
}

func TestPicturesAreWhatTheirFirstBytesSay(t *testing.T) {
	t.Parallel()
	m := image.NewPaletted(image.Rect(0, 0, 3, 2), nil)
	m.Palette = append(m.Palette, image.White.C)
	var asGIF, asJPEG, asPNG bytes.Buffer
	gif.Encode(&asGIF, m, nil)
	jpeg.Encode(&asJPEG, m, nil)
	png.Encode(&asPNG, m)
	b64 := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	for _, c := range []struct{ name, data, mime, why string }{
		{"a PNG", b64(asPNG.Bytes()), "image/png", ""},
		{"a PNG broken into lines", b64(asPNG.Bytes())[:40] + "\n" + b64(asPNG.Bytes())[40:] + "\n", "image/png", ""},
		{"a JPEG", b64(asJPEG.Bytes()), "image/jpeg", ""},
		{"a GIF", b64(asGIF.Bytes()), "image/gif", ""},
		{"nothing", "", "", "is not a PNG"},
		{"text", b64([]byte("<script>alert(1)</script>")), "", "is not a PNG"},
		{"an SVG", b64([]byte("<svg/>")), "", "is not a PNG"},
		{"a quote in base64", `iVBORw0KGgo"onerror="x`, "", "is damaged"},
		{"a PNG that ends after its first bytes", b64(asPNG.Bytes()[:12]), "", "is damaged"},
		{"a PNG of 100,000 × 100,000", hugePNG(100000, 100000), "", "too many pixels"},
		{"a PNG of 4,000,000,000 × 4,000,000,000", hugePNG(4e9, 4e9), "", "damaged"},
		{"13 MB", strings.Repeat("AAAA", 13<<18), "", "too large"},
	} {
		pic, why := checkPicture(c.data)
		if !strings.Contains(why, c.why) || c.why == "" && (why != "" || pic.mime != c.mime || pic.width != 3 || pic.height != 2) {
			t.Errorf("%s: %q %dx%d, why %q; want %q, why %q", c.name, pic.mime, pic.width, pic.height, why, c.mime, c.why)
		}
	}
}

func TestAPageShowsPicturesUpToABound(t *testing.T) {
	t.Parallel()
	data := hugePNG(10, 10)
	raw, _ := base64.StdEncoding.DecodeString(data)
	data = base64.StdEncoding.EncodeToString(append(raw, make([]byte, 6<<20)...))
	cell := notebook.Cell{Type: notebook.Markdown, Source: strings.Repeat("![](attachment:a.png)\n", 500),
		Attachments: map[string]any{"a.png": map[string]any{"image/png": data}}}
	var out bytes.Buffer
	if err := New().Notebook(&out, &notebook.Notebook{Cells: []notebook.Cell{cell}}, Options{}); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 2*maxPictures {
		t.Errorf("500 mentions of one picture of 8 MB make a page of %d bytes", out.Len())
	}
	if !strings.Contains(out.String(), "this page has too many") {
		t.Error("the page does not say that pictures are missing")
	}
}

func TestPicturesMayLieBesideTheNotebook(t *testing.T) {
	t.Parallel()
	r := New()
	raw, _ := base64.StdEncoding.DecodeString(bigPNG())
	var asked []string
	file := func(content []byte) func(string) []byte {
		return func(name string) []byte {
			asked = append(asked, name)
			return map[string][]byte{"img/a b.png": content, "x.svg": []byte("<svg/>")}[name]
		}
	}
	show := func(src string, f func(string) []byte) string {
		var out bytes.Buffer
		if err := r.Notebook(&out, &notebook.Notebook{Cells: []notebook.Cell{{Type: notebook.Markdown, Source: src}}}, Options{File: f}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	for _, src := range []string{"![p](img/a%20b.png)", "![p](./img/../img/a%20b.png)", `<img src="img/a%20b.png" width="80">`} {
		if got := show(src, file(raw)); !strings.Contains(got, "data:image/png;base64,"+bigPNG()) {
			t.Errorf("%s is not shown: %.300s", src, got)
		}
		if got := show(src, file(raw[:20])); !strings.Contains(got, "is damaged") {
			t.Errorf("%s is remembered although the file changed: %.300s", src, got)
		}
		if got := show(src, nil); !strings.Contains(got, "is not part of this notebook") {
			t.Errorf("%s without files: %.300s", src, got)
		}
	}
	asked = nil
	for _, src := range []string{"../a.png", "/etc/passwd", "http://x.org/a.png", "//x.org/a.png", "a/../../b.png", "", "..", "%2e%2e/a.png", "file:a.png"} {
		if got := show("![p]("+src+")", file(raw)); strings.Contains(got, "data:") {
			t.Errorf("%s is shown: %.300s", src, got)
		}
	}
	if len(asked) != 0 {
		t.Errorf("asked for %q", asked)
	}
	if got := show("![p](x.svg)", file(raw)); !strings.Contains(got, "is not a PNG") {
		t.Errorf("an SVG: %s", got)
	}
	if got := show("![p](none.png)", file(raw)); !strings.Contains(got, "is not among the files") {
		t.Errorf("a missing file: %s", got)
	}
}
