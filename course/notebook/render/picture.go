package render

import (
	"encoding/base64"
	"image"
	_ "image/gif"  // the sizes of these three
	_ "image/jpeg" // are read before
	_ "image/png"  // a picture is shown
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Bounds on pictures: one, all on a page (base64 bytes), and the pixels a browser would have to hold for one.
const (
	maxPicture  = 12 << 20
	maxPictures = 64 << 20
	maxPixels   = 60 << 20
)

// picture is a raster image that has been looked at: its type is what its first bytes say, not what its author said.
type picture struct {
	mime          string
	data          string // base64; may contain white space
	width, height int    // 0 if not known
}

var b64 = func() (t [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=" {
		t[c] = true
	}
	return t
}()

// checkPicture accepts base64 of a PNG, JPEG, GIF or WebP. Otherwise why says what is wrong, to follow "The picture".
func checkPicture(data string) (pic picture, why string) {
	if len(data) > maxPicture {
		return pic, "is too large to be shown here"
	}
	spaces := 0
	for i := 0; i < len(data); i++ {
		if c := data[i]; !b64[c] {
			if c != '\n' && c != '\r' && c != ' ' {
				return pic, "is damaged"
			}
			spaces++
		}
	}
	var head [16]byte
	n, _ := base64.StdEncoding.Decode(head[:12], []byte(strings.TrimLeft(data, " \r\n")[:min(16, len(strings.TrimLeft(data, " \r\n")))]))
	pic.data = data
	switch first := string(head[:n]); {
	case strings.HasPrefix(first, "\x89PNG\r\n\x1a\n"):
		pic.mime = "image/png"
	case strings.HasPrefix(first, "\xff\xd8\xff"):
		pic.mime = "image/jpeg"
	case strings.HasPrefix(first, "GIF87a"), strings.HasPrefix(first, "GIF89a"):
		pic.mime = "image/gif"
	case strings.HasPrefix(first, "RIFF") && n == 12 && first[8:] == "WEBP":
		pic.mime = "image/webp"
		return pic, ""
	default:
		return pic, "is not a PNG, JPEG, GIF or WebP"
	}
	config, _, err := image.DecodeConfig(base64.NewDecoder(base64.StdEncoding, strings.NewReader(data)))
	if err != nil {
		return pic, "is damaged"
	}
	if config.Width*config.Height > maxPixels {
		return pic, "has too many pixels to be shown here"
	}
	pic.width, pic.height = config.Width, config.Height
	return pic, ""
}

// append writes the picture as an <img>; width and height are its pixels unless the author asked for others.
func (pic picture) append(b []byte, alt string) []byte {
	b = append(append(b, `<img src="data:`...), pic.mime...)
	b = append(b, `;base64,`...)
	for rest := pic.data; rest != ""; {
		i := strings.IndexAny(rest, "\n\r ")
		if i < 0 {
			b = append(b, rest...)
			break
		}
		b = append(b, rest[:i]...)
		rest = rest[i+1:]
	}
	b = append(b, '"')
	b = appendKeyValue(b, "alt", alt)
	if pic.width > 0 {
		b = strconv.AppendInt(append(b, ` width="`...), int64(pic.width), 10)
		b = append(b, '"')
	}
	if pic.height > 0 {
		b = strconv.AppendInt(append(b, ` height="`...), int64(pic.height), 10)
		b = append(b, '"')
	}
	return append(b, '>')
}

// picture checks data and takes it from what the page may still show.
func (p *page) picture(data string) (picture, string) {
	if len(data) > p.picsLeft {
		return picture{}, "is not shown because this page has too many"
	}
	pic, why := checkPicture(data)
	if why == "" {
		p.picsLeft -= len(data)
	}
	return pic, why
}

// embeddedPrefix is the address that cutPictures leaves; sources cannot contain it, as cutPictures removes it first.
const embeddedPrefix = "attachment:lectern-embedded/"

var dataPicture = regexp.MustCompile(`data:image/[a-z]{3,4};base64,[A-Za-z0-9+/=]{64,}`)

// cutPictures takes pictures out of Markdown that stand in it as long data: addresses, so that megabytes of base64
// need not pass the parser and the sanitizer.
func cutPictures(src string) (string, []string) {
	if !strings.Contains(src, "data:image/") {
		return src, nil
	}
	var found []string
	src = strings.ReplaceAll(src, embeddedPrefix, "attachment:")
	text := dataPicture.ReplaceAllStringFunc(src, func(address string) string {
		_, data, _ := strings.Cut(address, ",")
		found = append(found, data)
		return embeddedPrefix + strconv.Itoa(len(found)-1)
	})
	return text, found
}

// fromMarkdown finds the picture that an image in Markdown names.
func (p *page) fromMarkdown(src string, embedded []string) (picture, string) {
	if n, ok := strings.CutPrefix(src, embeddedPrefix); ok {
		if i, err := strconv.Atoi(n); err == nil && i >= 0 && i < len(embedded) {
			return p.picture(embedded[i])
		}
		return picture{}, "is missing"
	}
	if name, ok := strings.CutPrefix(src, "attachment:"); ok {
		return p.attachment(name)
	}
	if rest, ok := strings.CutPrefix(src, "data:image/"); ok {
		if _, data, ok := strings.Cut(rest, ";base64,"); ok {
			if plain, err := url.PathUnescape(data); err == nil {
				return p.picture(plain)
			}
		}
		return picture{}, "is of a kind that is not shown"
	}
	return p.beside(src)
}

// beside finds a picture in a file that lies beside the notebook.
func (p *page) beside(src string) (picture, string) {
	u, err := url.Parse(src)
	if p.file == nil || err != nil || u.Scheme != "" || u.Host != "" || u.Path == "" {
		return picture{}, "is not part of this notebook"
	}
	p.once = true
	name := path.Clean(u.Path)
	if !fs.ValidPath(name) {
		return picture{}, "is not part of this notebook"
	}
	content := p.file(name)
	switch {
	case content == nil:
		return picture{}, "is not among the files"
	case len(content) > maxPicture/4*3:
		return picture{}, "is too large to be shown here"
	}
	return p.picture(base64.StdEncoding.EncodeToString(content))
}

// attachment finds a raster image among the attachments of the cell.
func (p *page) attachment(name string) (picture, string) {
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	bundle, _ := p.attached[name].(map[string]any)
	for _, mime := range rasterTypes {
		if data, ok := bundle[mime].(string); ok {
			return p.picture(data)
		}
	}
	if len(bundle) > 0 {
		return picture{}, "is of a kind that is not shown"
	}
	return picture{}, "is missing"
}

// rasterTypes are the picture types that are shown, best first.
var rasterTypes = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}
