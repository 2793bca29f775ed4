package handlers

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Assets reads what the JupyterLab of an image sends to browsers, by address;
// never from a workspace, whose answers are its student's. It returns what
// identifies the image's content, and reads nothing if that is known.
type Assets func(ctx context.Context, image, known string, see func(name string, r io.Reader) error) (id string, err error)

// labFiles answers for JupyterLab's own scripts, styles and fonts in place of
// the workspace: a hundred small files that would wait for one busy Python. Only
// files whose name changes with their content are kept: then it does not
// matter that a workspace may still run yesterday's image.
type labFiles struct {
	read Assets
	log  *slog.Logger
	now  func() time.Time

	mu     sync.Mutex
	images map[string]*labImage
}

// labImage is what is kept of one image.
type labImage struct {
	id      string
	files   map[string]labFile
	busy    bool
	askedAt time.Time
}

type labFile struct {
	plain   []byte // nil if the packed form is smaller
	gzipped []byte
	kind    string
	etag    string
	forever bool // its name holds a hash of its content
}

const (
	labFileLimit = 16 << 20
	labAskEvery  = time.Minute // at most, whatever addresses are asked for
	labImages    = 16          // kept at once
)

var (
	labHashed  = regexp.MustCompile(`(^|[._-])[0-9a-f]{16,64}\.[a-z0-9]+$`)
	labDated   = regexp.MustCompile(`\.[0-9]{10}\.js$`) // a distribution's builds carry their time
	labAddress = regexp.MustCompile(`^/(static/lab|lab/extensions)/`)
	labKinds   = map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
		".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".eot": "application/vnd.ms-fontobject",
		".svg": "image/svg+xml", ".png": "image/png", ".gif": "image/gif", ".wasm": "application/wasm"}
)

// versioned reports whether a file's name changes with its content.
func versioned(name string) bool { return labHashed.MatchString(name) || labDated.MatchString(name) }

// serve answers a request that it has the file for and reports whether it did.
func (l *labFiles) serve(rw http.ResponseWriter, r *http.Request, image string) bool {
	if l.read == nil || image == "" || (r.Method != http.MethodGet && r.Method != http.MethodHead) ||
		!labAddress.MatchString(r.URL.Path) || !versioned(path.Base(r.URL.Path)) {
		return false
	}
	f, ok := l.file(image, strings.TrimPrefix(r.URL.Path, "/"))
	if !ok {
		return false
	}
	content := f.plain
	h := rw.Header()
	if content == nil {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			return false
		}
		content = f.gzipped
		h.Set("Content-Encoding", "gzip")
		h.Set("Vary", "Accept-Encoding")
	}
	h.Set("Content-Type", f.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Etag", f.etag)
	// Not "public": whether somebody may come in here is asked each time.
	h.Set("Cache-Control", "private, max-age=604800")
	if f.forever {
		h.Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(content))
	return true
}

// warm reads an image before anybody asks for its files.
func (l *labFiles) warm(image string) {
	if l.read != nil && image != "" {
		l.file(image, "")
	}
}

// file looks a file up, and has the image read, or looked at again, if it is not
// there. Nobody waits for that: the workspace answers meanwhile.
func (l *labFiles) file(image, name string) (labFile, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.images == nil {
		l.images = map[string]*labImage{}
	}
	im := l.images[image]
	if im == nil {
		if len(l.images) >= labImages {
			return labFile{}, false
		}
		im = &labImage{}
		l.images[image] = im
	}
	f, ok := im.files[name]
	if !ok && !im.busy && l.now().Sub(im.askedAt) >= labAskEvery {
		im.busy, im.askedAt = true, l.now()
		go l.load(image, im.id)
	}
	return f, ok
}

func (l *labFiles) load(image, known string) {
	files := map[string]labFile{}
	id, err := l.read(context.Background(), image, known, func(name string, r io.Reader) error {
		if !versioned(path.Base(name)) {
			return nil
		}
		f, ok, err := pack(name, r)
		if ok {
			if _, twice := files[name]; !twice { // earlier on the PATH counts
				files[name] = f
			}
		}
		return err
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	im := l.images[image]
	im.busy = false
	switch {
	case err != nil:
		l.log.Warn("JupyterLab's files could not be read from the image; workspaces send them", "image", image, "error", err)
	case id != known:
		im.id, im.files = id, files
		l.log.Info("JupyterLab's files are served from the image", "image", image, "files", len(files))
	}
}

// pack reads one file and compresses it if that helps. A kind that no browser
// loads for a page, and whatever is too large, is left to the workspace.
func pack(name string, r io.Reader) (f labFile, ok bool, err error) {
	if f.kind, ok = labKinds[path.Ext(name)]; !ok {
		return f, false, nil
	}
	if f.plain, err = io.ReadAll(io.LimitReader(r, labFileLimit+1)); err != nil || len(f.plain) > labFileLimit {
		return f, false, err
	}
	sum := sha256.Sum256(f.plain)
	f.etag = `"` + hex.EncodeToString(sum[:12]) + `"`
	f.forever = labHashed.MatchString(path.Base(name))
	if media, _, _ := mime.ParseMediaType(f.kind); strings.HasPrefix(media, "text/") || media == "image/svg+xml" || media == "application/wasm" {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		_, _ = w.Write(f.plain)
		_ = w.Close()
		if b.Len() < len(f.plain)*9/10 {
			f.plain, f.gzipped = nil, bytes.Clone(b.Bytes())
		}
	}
	return f, true, nil
}
