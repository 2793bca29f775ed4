package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"lectern/course"
	"lectern/course/notebook"
	"lectern/course/notebook/render"
	"lectern/exchange"
	"lectern/static"
	"lectern/store"
	"lectern/views"
)

// contentLife is how long an address at a content host is good for.
const contentLife = time.Hour

// maxShown bounds a file that is shown rather than downloaded, in bytes.
const maxShown = notebook.MaxSize

// Trees of a student's files that the content hosts show.
const (
	treeHistory  = "h"
	treeFeedback = "f"
	treeStaged   = "s"

	treeAutograded = "a" // after the tests have run; for the staff
)

// contentRef names one file of a student. It travels signed in the address: the
// content hosts know no cookies, so nothing that is shown there can borrow one.
type contentRef struct {
	Course     string   `json:"c"`
	Login      string   `json:"l"`
	Assignment string   `json:"a"`
	Tree       string   `json:"k"`
	Snapshot   string   `json:"s,omitempty"` // of treeHistory
	Path       string   `json:"p"`
	Cells      []string `json:"q,omitempty"` // of a notebook: only what belongs to these grade_ids
	Until      int64    `json:"u"`           // Unix seconds
}

// content serves what students wrote, on hosts of its own, one a student, in a
// sandbox: no script runs, no form is sent, nothing is loaded from elsewhere.
type content struct {
	origins  Origins
	site     string // the only origin that may frame it
	store    *store.Store
	exchange *exchange.Exchange
	render   *render.Renderer
	log      *slog.Logger
	now      func() time.Time

	mu  sync.Mutex
	key []byte
}

// serve answers at a content host: /static/…, /TOKEN/, /TOKEN/frame/CELL/OUTPUT
// and /TOKEN/download.
func (c *content) serve(w http.ResponseWriter, r *http.Request, label string) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // a sandboxed page is of no origin, and needs its style sheet
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "Only reading is possible here.", http.StatusMethodNotAllowed)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/static/") {
		h.Set("Access-Control-Allow-Origin", "*") // fonts are asked for by such a page too
		static.Handler().ServeHTTP(w, r)
		return
	}
	h.Set("Cache-Control", "private, no-store")
	token, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	ref, err := c.read(r.Context(), label, token)
	if err == nil {
		err = c.show(w, r, ref, label, token, rest)
	}
	if err == nil {
		return
	}
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	if p, ok := course.AsProblem(err); ok {
		http.Error(w, p.Text, statusOf(p.Kind))
		return
	}
	if r.Context().Err() == nil {
		c.log.Error("content", "course", ref.Course, "tree", ref.Tree, "error", err)
	}
	http.Error(w, "Something went wrong while this was shown.", http.StatusInternalServerError)
}

func (c *content) show(w http.ResponseWriter, r *http.Request, ref contentRef, label, token, rest string) error {
	f, err := c.open(ref)
	if err != nil {
		return err
	}
	defer f.Close()
	if rest == "download" {
		return c.download(w, ref, f)
	}
	if f.size > maxShown {
		return course.Problemf(course.TooLarge, "This file has %s and is too large to be shown. Download it instead.", sizeText(f.size))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxShown))
	if err != nil {
		return err
	}
	if cell, ok := strings.CutPrefix(rest, "frame/"); ok {
		return c.frame(w, data, cell)
	}
	if rest != "" {
		return course.Problemf(course.NotFound, "There is nothing at this address.")
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if ext := strings.ToLower(path.Ext(ref.Path)); ext == ".html" || ext == ".htm" {
		// A page of its own, such as feedback made by another program: as it is, in the sandbox.
		w.Header().Set("Content-Security-Policy", render.FrameCSP+"; frame-ancestors "+c.site)
		_, err := w.Write(data)
		return err
	}
	origin := c.origins.Origin(label)
	w.Header().Set("Content-Security-Policy", fmt.Sprintf("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "+
		"img-src data:; style-src %s; font-src %s; frame-src %s; base-uri 'none'; form-action 'none'; frame-ancestors %s", origin, origin, origin, c.site))
	page := views.ContentView{Title: path.Base(ref.Path), Body: string(c.body(ref, data, "/"+token))}
	return views.Content(page).Render(r.Context(), w)
}

// body is the file as safe HTML.
func (c *content) body(ref contentRef, data []byte, base string) []byte {
	if !strings.HasSuffix(ref.Path, ".ipynb") {
		return c.render.File(ref.Path, data)
	}
	nb, lost := notebook.Salvage(data)
	if nb == nil {
		return c.render.File(ref.Path+".txt", data)
	}
	var b bytes.Buffer
	for _, text := range lost {
		fmt.Fprintf(&b, `<p class="nb-note">%s</p>`, html.EscapeString(text))
	}
	only, note := cellsShown(nb, ref.Cells)
	if note != "" {
		fmt.Fprintf(&b, `<p class="nb-note">%s</p>`, note)
	}
	err := c.render.Notebook(&b, nb, render.Options{Only: only, Frame: func(cell, output int, _ string) string {
		return fmt.Sprintf("%s/frame/%d/%d", base, cell, output)
	}})
	if err != nil {
		return c.render.File(ref.Path+".txt", data)
	}
	return b.Bytes()
}

// frame serves one output of a notebook that is HTML of its own.
func (c *content) frame(w http.ResponseWriter, data []byte, at string) error {
	missing := course.Problemf(course.NotFound, "There is no such output.")
	nb, _ := notebook.Salvage(data)
	a, b, _ := strings.Cut(at, "/")
	cell, err1 := strconv.Atoi(a)
	output, err2 := strconv.Atoi(b)
	if nb == nil || errors.Join(err1, err2) != nil || cell < 0 || cell >= len(nb.Cells) || output < 0 || output >= len(nb.Cells[cell].Outputs) {
		return missing
	}
	doc, ok := render.Raw(&nb.Cells[cell].Outputs[output])
	if !ok {
		return missing
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", render.FrameCSP)
	_, err := w.Write(doc)
	return err
}

// download sends the file as it is, never to be opened in place.
func (c *content) download(w http.ResponseWriter, ref contentRef, f *contentFile) error {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(ref.Path)}))
	h.Set("Content-Length", strconv.FormatInt(f.size, 10))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	if _, err := io.Copy(w, f); err != nil {
		panic(http.ErrAbortHandler) // half a file must not look whole
	}
	return nil
}

type contentFile struct {
	io.ReadCloser
	size int64
}

// open finds the file below the tree that the reference names.
func (c *content) open(ref contentRef) (*contentFile, error) {
	var dir string
	var err error
	switch ref.Tree {
	case treeHistory:
		var at time.Time
		if at, err = time.Parse(course.SnapshotForm, ref.Snapshot); err == nil {
			dir, err = c.exchange.Layout.HistoryFiles(ref.Course, ref.Login, ref.Assignment, at)
		}
	case treeFeedback:
		dir, err = c.exchange.Layout.Feedback(ref.Course, ref.Login, ref.Assignment)
	case treeStaged:
		dir, err = c.exchange.Layout.StagedFeedback(ref.Course, ref.Login, ref.Assignment)
	case treeAutograded:
		dir, err = c.exchange.Layout.Autograded(ref.Course, ref.Login, ref.Assignment)
	default:
		err = course.Problemf(course.NotFound, "There is no such file.")
	}
	if err != nil {
		return nil, err
	}
	f, err := c.exchange.Open(dir, ref.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, course.Problemf(course.NotFound, "This file is no longer there.")
	}
	if err != nil {
		return nil, err
	}
	return &contentFile{f, f.Was.Size}, nil
}
