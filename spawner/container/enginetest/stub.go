// Package enginetest holds what every driver of container.Engine must do, and a
// stub of Jupyter to do it with. Only tests import it.
package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "jupyterstub")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "jupyter-lab")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w -buildid=", "-o", path, "lectern/spawner/container/enginetest/jupyterstub")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the Jupyter stub: %w\n%s", err, out)
	}
	return path, nil
})

// Stub is the path of a program named jupyter-lab that behaves as one.
func Stub(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// CleanStub removes what Stub built; for TestMain.
func CleanStub() {
	if path, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
}

// StubImage is a Docker image with nothing but the stub. It is named by its
// content and stays, so that only a changed stub is imported again.
func StubImage(t testing.TB) string {
	t.Helper()
	program, err := os.ReadFile(Stub(t))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(program)
	tag := hex.EncodeToString(sum[:6])
	ref := "lectern/jupyterstub:" + tag
	if err := Docker(t.Context(), http.MethodGet, "/images/"+ref+"/json", nil, nil); err == nil {
		return ref
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, dir := range []string{"usr/", "usr/bin/", "tmp/", "home/", "home/student/", "run/"} {
		must(t, w.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}))
	}
	must(t, w.WriteHeader(&tar.Header{Name: "usr/bin/jupyter-lab", Mode: 0o755, Size: int64(len(program))}))
	_, err = w.Write(program)
	must(t, err)
	must(t, w.Close())
	q := url.Values{"fromSrc": {"-"}, "repo": {"lectern/jupyterstub"}, "tag": {tag}, "changes": {"ENV PATH=/usr/bin", "LABEL lectern.waits=yes"}}
	must(t, Docker(t.Context(), http.MethodPost, "/images/create?"+q.Encode(), &archive, nil))
	return ref
}

// Docker makes one plain call of the engine's HTTP interface, so that tests can
// look at and break containers without going through the driver under test. An
// io.Reader is sent as it is, any other in as JSON; out may be nil.
func Docker(ctx context.Context, method, path string, in, out any) error {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", engineSocket())
		},
	}}
	kind, body := "application/json", io.Reader(nil)
	if r, raw := in.(io.Reader); raw {
		kind, body = "application/x-tar", r
	} else if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func engineSocket() string {
	if socket := strings.TrimPrefix(os.Getenv("DOCKER_HOST"), "unix://"); socket != "" {
		return socket
	}
	return "/var/run/docker.sock"
}
