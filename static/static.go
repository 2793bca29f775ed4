// Package static holds the style sheets, scripts and images of the site, embedded in the program, and gives each a URL
// that changes with its content. It refuses everything that was not embedded and every URL whose hash is not the
// current one, so that an answer may be cached for ever.
package static

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

//go:embed *.css *.js *.svg *.woff2
var files embed.FS

// The style sheet of the site is written in parts and sent as one file: these in this order, then every pages-*.css.
// The order of the cascade is given by the @layer statement that opens tokens.css.
var parts = []string{
	"tokens.css", "base.css", "layout.css", "controls.css", "tables.css", "components.css", "progress.css", "pages.css", "pages-people.css",
}

// sheet is the name under which the joined parts are known.
const sheet = "app.css"

var types = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",

	".woff2": "font/woff2",
}

type asset struct {
	url     string
	content []byte
	kind    string
}

// byName knows an asset by the name views use, byURL by what a browser asks for.
var byName, byURL = load()

func load() (map[string]asset, map[string]asset) {
	names, urls := map[string]asset{}, map[string]asset{}
	add := func(name string, content []byte) {
		for font, a := range names {
			if path.Ext(name) == ".css" && path.Ext(font) == ".woff2" {
				content = bytes.ReplaceAll(content, []byte(`url("`+font+`")`), []byte(`url("`+a.url+`")`))
			}
		}
		sum := sha256.Sum256(content)
		ext := path.Ext(name)
		a := asset{
			url:     "/static/" + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:4]) + ext,
			content: content,
			kind:    types[ext],
		}
		names[name], urls[a.url] = a, a
	}
	// Style sheets name a font as it is called here; they are given its address, which carries a hash.
	fonts, err := fs.Glob(files, "*.woff2")
	if err != nil {
		panic(err)
	}
	for _, name := range fonts {
		add(name, mustRead(name))
	}
	pages, err := fs.Glob(files, "pages-*.css")
	if err != nil {
		panic(err)
	}
	inSheet := map[string]bool{}
	var joined []byte
	for _, name := range append(slices.Clone(parts), pages...) {
		inSheet[name] = true
		joined = append(joined, mustRead(name)...)
	}
	add(sheet, joined)
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		if !inSheet[e.Name()] {
			add(e.Name(), mustRead(e.Name()))
		}
	}
	return names, urls
}

// mustRead reads what the compiler embedded; a missing part is a mistake in this file and stops the program at once.
func mustRead(name string) []byte {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return b
}

// URL is the address of an asset, such as /static/app.3f2a91c0.css for app.css. It panics for a name that was not
// embedded, which only a mistake in a view can ask for.
func URL(name string) string {
	a, ok := byName[name]
	if !ok {
		panic(fmt.Sprintf("static: no asset %q", name))
	}
	return a.url
}

// Handler answers GET and HEAD of the addresses that URL gives, to be mounted at /static/ without stripping it, and
// 404 for every other path.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "Method not allowed.", http.StatusMethodNotAllowed)
			return
		}
		a, ok := byURL[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", a.kind)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
	})
}
