package container_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

const notebookImage = "lectern/notebook:latest"

// What JupyterLab sends comes out of the real image, without starting it.
func TestAssetsComeFromTheImage(t *testing.T) {
	t.Parallel()
	d := newDocker(t, openTempDir(t))
	got := map[string]int{}
	var page string
	// A name of our own: other programs may be reading the same image just now.
	image := fmt.Sprintf("lectern/assets-test:%d", os.Getpid())
	repo, tag, _ := strings.Cut(image, ":")
	if err := enginetest.Docker(t.Context(), http.MethodPost, "/images/"+notebookImage+"/tag?repo="+url.QueryEscape(repo)+"&tag="+tag, nil, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := enginetest.Docker(context.Background(), http.MethodDelete, "/images/"+image, nil, nil); err != nil {
			t.Error(err)
		}
	})
	id, err := d.Assets(t.Context(), image, "", func(name string, r io.Reader) error {
		b, err := io.ReadAll(r)
		got[name] = len(b)
		if name == "static/lab/index.html" {
			page = string(b)
		}
		return err
	})
	if err != nil || !strings.HasPrefix(id, "sha256:") {
		t.Fatalf("Assets = %q, %v", id, err)
	}
	var scripts, widgets int
	for name, size := range got {
		switch {
		case size == 0 || strings.Contains(name, "..") || strings.HasPrefix(name, "/"):
			t.Errorf("%q has %d bytes", name, size)
		case strings.HasPrefix(name, "static/lab/") && strings.HasSuffix(name, ".js"):
			scripts++
		case strings.HasPrefix(name, "lab/extensions/@jupyter-widgets/jupyterlab-manager/static/"):
			widgets++
		}
	}
	if scripts < 100 || widgets < 5 || page == "" {
		t.Errorf("%d scripts and %d files of the widgets among %d", scripts, widgets, len(got))
	}
	again, err := d.Assets(t.Context(), image, id, func(string, io.Reader) error {
		return errors.New("the image was read again")
	})
	if err != nil || again != id {
		t.Errorf("of a known image: %q, %v", again, err)
	}
	if _, err := d.Assets(t.Context(), "lectern/no-such-image:none", "", nil); !errors.Is(err, container.ErrImageMissing) {
		t.Errorf("of no image: %v", err)
	}
	var all []struct{ Image string }
	filters := url.QueryEscape(`{"label":["lectern.assets"]}`)
	if err := enginetest.Docker(t.Context(), http.MethodGet, "/containers/json?all=1&filters="+filters, nil, &all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.Image == image {
			t.Error("a container is left")
		}
	}
}

// An image without JupyterLab has nothing, and that is no error.
func TestAssetsOfAnotherImage(t *testing.T) {
	t.Parallel()
	d := newDocker(t, openTempDir(t))
	_, err := d.Assets(t.Context(), enginetest.StubImage(t), "", func(name string, _ io.Reader) error {
		t.Errorf("it has %s", name)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Reading ends when whoever keeps the files cannot.
func TestAssetsEndWithTheirReader(t *testing.T) {
	t.Parallel()
	d, full := newDocker(t, openTempDir(t)), errors.New("full")
	if _, err := d.Assets(t.Context(), notebookImage, "", func(string, io.Reader) error { return full }); !errors.Is(err, full) {
		t.Errorf("Assets = %v", err)
	}
}
