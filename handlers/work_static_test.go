package handlers

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	hashedScript = "static/lab/1036.0d1f109c3d842497fd51.js"
	datedScript  = "lab/extensions/@x/y/static/remoteEntry.1741682828.js"
	hashedFont   = "static/lab/0821aa9ca9cc259fad64.woff2"
)

// image is what a test's image holds.
func image(reads *atomic.Int32, id func() (string, map[string]string, error)) Assets {
	return func(_ context.Context, _, known string, see func(string, io.Reader) error) (string, error) {
		reads.Add(1)
		now, files, err := id()
		if err != nil || now == known {
			return now, err
		}
		for name, text := range files {
			if err := see(name, strings.NewReader(text)); err != nil {
				return "", err
			}
		}
		return now, nil
	}
}

func (b *bench) withAssets(a Assets) {
	b.work.lab.read = a
	b.work.lab.warm("i")
	deadline := time.Now().Add(5 * time.Second)
	for {
		b.work.lab.mu.Lock()
		busy := b.work.lab.images["i"].busy
		b.work.lab.mu.Unlock()
		if !busy {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatal("the image was not read")
		}
		time.Sleep(time.Millisecond)
	}
}

// A workspace's own answer for one of JupyterLab's files is never asked for, so
// nothing of it can reach anybody else.
func TestJupyterLabsFilesComeFromTheImage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var asked atomic.Int32
	b.upstream(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		_, _ = io.WriteString(w, "a student's own script")
	}))
	long := strings.Repeat("the image's script;\n", 100)
	var reads atomic.Int32
	b.withAssets(image(&reads, func() (string, map[string]string, error) {
		return "sha256:1", map[string]string{hashedScript: long, datedScript: "short", hashedFont: "wOF2",
			"static/lab/index.html": "page", "static/lab/style.js": "no version", "static/lab/0821aa9ca9cc259fad64.html": "no kind"}, nil
	}))
	in := b.in()
	get := func(path, encoding, cookie string) (*http.Response, string) {
		t.Helper()
		r := b.request(http.MethodGet, b.id, "/"+path, cookie)
		if encoding != "" {
			r.Header.Set("Accept-Encoding", encoding)
		}
		res := b.do(r)
		body, err := io.ReadAll(res.Body)
		b.must(err)
		return res, string(body)
	}

	res, body := get(hashedScript+"?v=0d1f109c3d842497fd51", "gzip, br", in)
	z, err := gzip.NewReader(strings.NewReader(body))
	b.must(err)
	plain, err := io.ReadAll(z)
	b.must(err)
	if string(plain) != long || len(body) > len(long)/4 || res.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("the script came as %d bytes, %s", len(body), res.Header.Get("Content-Encoding"))
	}
	if cc := res.Header.Get("Cache-Control"); cc != "private, max-age=31536000, immutable" {
		t.Errorf("Cache-Control of a hashed name = %q", cc)
	}
	if ct := res.Header.Get("Content-Type"); ct != "text/javascript; charset=utf-8" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("Content-Type = %q", ct)
	}
	etag := res.Header.Get("Etag")
	r := b.request(http.MethodGet, b.id, "/"+hashedScript, in)
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("If-None-Match", etag)
	if res := b.do(r); res.StatusCode != http.StatusNotModified {
		t.Errorf("asked again with its tag: %s", res.Status)
	}
	if res, body := get(datedScript, "", in); body != "short" || strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("a dated script = %q, %s", body, res.Header.Get("Cache-Control"))
	}
	if res, body := get(hashedFont, "gzip", in); body != "wOF2" || res.Header.Get("Content-Type") != "font/woff2" {
		t.Errorf("a font = %q, %v", body, res.Header)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the workspace was asked %d times", n)
	}

	// Without a grant there is nothing, whatever is known.
	if res, body := get(hashedScript, "gzip", ""); res.StatusCode != http.StatusForbidden || strings.Contains(body, "script") {
		t.Errorf("without a grant: %s %q", res.Status, body)
	}
	for _, path := range []string{"static/lab/index.html", "static/lab/style.js", "static/lab/0821aa9ca9cc259fad64.html",
		"static/lab/ffffffffffffffffffff.js", "files/" + hashedScript, "lab"} {
		if _, body := get(path, "gzip", in); body != "a student's own script" {
			t.Errorf("%s = %q; want the workspace's answer", path, body)
		}
	}
	if _, body := get(hashedScript, "", in); body != "a student's own script" {
		t.Errorf("a client that cannot unpack got %q", body)
	}
	if n := reads.Load(); n != 1 {
		t.Errorf("the image was read %d times", n)
	}
}

// A new image under the old name is found out by the names it asks for, once a
// minute at most; and when the engine is silent, workspaces answer.
func TestJupyterLabsFilesFollowTheImage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.upstream(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "workspace") }))
	now := time.Now()
	b.work.lab.now = func() time.Time { return now }
	id, broken := "sha256:1", errors.New("no engine")
	var fault error = broken
	var reads atomic.Int32
	name := func() string { return fmt.Sprintf("static/lab/main.%s.js", strings.Repeat(id[len(id)-1:], 20)) }
	read := image(&reads, func() (string, map[string]string, error) { return id, map[string]string{name(): id}, fault })
	b.withAssets(read)
	in := b.in()
	get := func() string {
		t.Helper()
		body, err := io.ReadAll(b.do(b.request(http.MethodGet, b.id, "/"+name(), in)).Body)
		b.must(err)
		return string(body)
	}
	if got := get(); got != "workspace" {
		t.Errorf("without an engine: %q", got)
	}
	fault = nil
	step := func(want string) {
		t.Helper()
		if got := get(); got != "workspace" || reads.Load() > 5 {
			t.Errorf("within the minute: %q after %d reads", got, reads.Load())
		}
		b.work.lab.mu.Lock()
		now = now.Add(time.Hour)
		b.work.lab.mu.Unlock()
		b.withAssets(read)
		get()
		b.withAssets(read)
		if got := get(); got != want {
			t.Errorf("after it: %q, want %q", got, want)
		}
	}
	step("sha256:1")
	id = "sha256:2"
	step("sha256:2")
}

func TestPackBoundsAFile(t *testing.T) {
	t.Parallel()
	if _, ok, err := pack("a.js", bytes.NewReader(make([]byte, labFileLimit+1))); ok || err != nil {
		t.Errorf("too large a file was kept: %v, %v", ok, err)
	}
}
