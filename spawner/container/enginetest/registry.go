package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Registry is a real registry on a loopback port, which engines believe without TLS.
type Registry struct {
	Addr   string // such as 127.0.0.1:41234, and the first part of its images' names
	stop   func()
	pushed []string // ids
}

// NewRegistry starts one. It needs Debian's package docker-registry. Make it before
// whatever starts containers of its images: those are removed when it ends.
func NewRegistry(t testing.TB) *Registry {
	t.Helper()
	return NewRegistryAt(t, fmt.Sprintf("127.0.0.1:%d", Port(t)))
}

// NewRegistryAt starts one at an address.
func NewRegistryAt(t testing.TB, addr string) *Registry {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	must(t, os.WriteFile(config, fmt.Appendf(nil, "version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: %q}\n",
		filepath.Join(dir, "store"), addr), 0o600))
	cmd := exec.Command("docker-registry", "serve", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("a registry for tests needs the Debian package docker-registry (deploy/setup test): %v", err)
	}
	r := &Registry{Addr: addr}
	ended := false
	r.stop = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(func() {
		r.stop()
		for _, id := range r.pushed {
			Forget(t, id)
		}
	})
	Await(t, "the registry's answer", func() bool {
		res, err := http.Get("http://" + addr + "/v2/")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return r
}

// Stop ends it before the test does.
func (r *Registry) Stop() { r.stop() }

// Push makes an image of the stub with a text in it, pushes it under a name such
// as "course:1" and takes the name from the engine again, which keeps nothing of
// it that is not used otherwise. It returns the image's id and its digest.
func (r *Registry) Push(t testing.TB, name, text string) (id, digest string) {
	t.Helper()
	ref := r.Addr + "/" + name
	id = variant(t, ref, text)
	r.pushed = append(r.pushed, id)
	repo, tag, _ := strings.Cut(name, ":")
	said := pushImage(t, r.Addr+"/"+repo, tag)
	res, err := http.DefaultClient.Do(manifest(t, r.Addr, repo, tag))
	must(t, err)
	res.Body.Close()
	if digest = res.Header.Get("Docker-Content-Digest"); digest == "" {
		t.Fatalf("%s was not pushed: %s: %s", ref, res.Status, said)
	}
	Forget(t, id)
	return id, r.Addr + "/" + repo + "@" + digest
}

func manifest(t testing.TB, addr, repo, tag string) *http.Request {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+addr+"/v2/"+repo+"/manifests/"+tag, nil)
	must(t, err)
	req.Header.Set("Accept", "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json")
	return req
}

// Variant is an image of the stub with a text in it, under a name on the engine.
// It is removed when the test ends.
func Variant(t testing.TB, ref, text string) (id string) {
	t.Helper()
	id = variant(t, ref, text)
	t.Cleanup(func() { Forget(t, id) })
	return id
}

func variant(t testing.TB, ref, text string) (id string) {
	t.Helper()
	program, err := os.ReadFile(Stub(t))
	must(t, err)
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, dir := range []string{"usr/", "usr/bin/", "tmp/", "home/", "home/student/", "run/"} {
		must(t, w.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}))
	}
	for name, body := range map[string][]byte{"usr/bin/jupyter-lab": program, "version": []byte(text)} {
		must(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(body))}))
		_, err = w.Write(body)
		must(t, err)
	}
	must(t, w.Close())
	i := strings.LastIndex(ref, ":")
	q := url.Values{"fromSrc": {"-"}, "repo": {ref[:i]}, "tag": {ref[i+1:]}, "changes": {"ENV PATH=/usr/bin"}}
	must(t, Docker(t.Context(), http.MethodPost, "/images/create?"+q.Encode(), &archive, nil))
	var got struct{ ID string }
	must(t, Docker(t.Context(), http.MethodGet, "/images/"+ref+"/json", nil, &got))
	return got.ID
}

// Forget removes an image from the engine, with all its names.
func Forget(t testing.TB, id string) {
	t.Helper()
	err := Docker(context.WithoutCancel(t.Context()), http.MethodDelete, "/images/"+id+"?force=true", nil, nil)
	if err != nil && !strings.Contains(err.Error(), "404") && !strings.Contains(strings.ToLower(err.Error()), "no such image") {
		t.Logf("removing the image %s: %v", id, err)
	}
}

// pushImage is a call that wants a header of its own.
func pushImage(t testing.TB, name, tag string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", engineSocket())
	}}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://docker/images/"+name+"/push?tag="+url.QueryEscape(tag), nil)
	must(t, err)
	req.Header.Set("X-Registry-Auth", base64.URLEncoding.EncodeToString([]byte("{}")))
	res, err := client.Do(req)
	must(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(t, err)
	return string(text)
}

// Still is the address of a registry that takes connections and says nothing,
// until leave is closed.
func Still(t testing.TB, leave <-chan struct{}) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-leave:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}
