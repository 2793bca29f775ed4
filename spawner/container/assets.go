package container

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/strslice"
	"github.com/docker/docker/client"
)

const (
	// assetsLabel marks a container that is made to be read from, never started.
	assetsLabel = "lectern.assets"
	assetsTime  = 2 * time.Minute
	assetsTotal = 256 << 20 // bytes read from one image
)

// Assets hands over what the JupyterLab of an image sends to browsers, each file
// under the path of its address: static/lab/… and lab/extensions/…. The files
// come from the image itself, out of a container that never ran: what a running
// workspace would answer is its student's to decide.
//
// It returns the image's ID; if that is known already, see is not called.
func (d *Docker) Assets(ctx context.Context, ref, known string, see func(name string, r io.Reader) error) (id string, err error) {
	ctx, done := bounded(ctx, assetsTime)
	defer done()
	image, err := d.Image(ctx, ref)
	if err != nil || image.ID == known {
		return image.ID, err
	}
	api, err := d.api(ctx)
	if err != nil {
		return "", err
	}
	made, err := api.ContainerCreate(ctx, &container.Config{
		Image: image.ID, Labels: map[string]string{assetsLabel: "1"},
		Entrypoint: strslice.StrSlice{"/none"}, User: "65534:65534",
	}, &container.HostConfig{NetworkMode: "none", ReadonlyRootfs: true}, nil, nil, "")
	if err != nil {
		return "", d.wrap(ctx, "create", "a container to read "+ref, err)
	}
	defer d.removeAssets(made.ID)
	prefixes, err := sharesOf(ctx, api, image.ID)
	if err != nil {
		return "", d.wrap(ctx, "inspect image", ref, err)
	}
	left := int64(assetsTotal)
	for _, share := range prefixes {
		for from, to := range map[string]string{"lab/static": "static/lab", "labextensions": "lab/extensions"} {
			if err := copyOut(ctx, api, made.ID, path.Join(share, from), to, &left, see); err != nil {
				return "", fmt.Errorf("container: read %s of %s: %w", path.Join(share, from), ref, err)
			}
		}
	}
	return image.ID, nil
}

// sharesOf are the places of Jupyter's data beside the programs on an image's PATH.
func sharesOf(ctx context.Context, api *client.Client, id string) ([]string, error) {
	got, err := api.ImageInspect(ctx, id)
	if err != nil {
		return nil, err
	}
	list := "/usr/local/bin:/usr/bin"
	if got.Config != nil {
		for _, env := range got.Config.Env {
			if v, ok := strings.CutPrefix(env, "PATH="); ok {
				list = v
			}
		}
	}
	var out []string
	for dir := range strings.SplitSeq(list, ":") {
		if path.IsAbs(dir) && path.Base(dir) == "bin" && len(out) < 8 {
			out = append(out, path.Join(path.Dir(dir), "share/jupyter"))
		}
	}
	return out, nil
}

// copyOut reads one directory; one that is missing is empty. Links are left out.
func copyOut(ctx context.Context, api *client.Client, id, from, to string, left *int64, see func(string, io.Reader) error) error {
	body, _, err := api.CopyFromContainer(ctx, id, from)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer body.Close()
	for files := tar.NewReader(body); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		_, rest, ok := strings.Cut(h.Name, "/") // the first is the directory's own name
		if h.Typeflag != tar.TypeReg || !ok || path.Clean("/"+rest) != "/"+rest {
			continue
		}
		if *left -= h.Size; *left < 0 {
			return fmt.Errorf("more than %d MB", assetsTotal>>20)
		}
		if err := see(to+"/"+rest, files); err != nil {
			return err
		}
	}
}

// removeAssets removes the container that was read, and those that a Lectern
// which was killed while reading left.
func (d *Docker) removeAssets(id string) {
	ctx, done := context.WithTimeout(context.Background(), quick)
	defer done()
	gone := []string{id}
	old, _ := d.client.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", assetsLabel))})
	for _, c := range old {
		if time.Since(time.Unix(c.Created, 0)) > 2*assetsTime {
			gone = append(gone, c.ID)
		}
	}
	for _, id := range gone {
		err := d.client.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
			d.log.Warn("a container that was read could not be removed", "id", id, "err", err)
		}
	}
}
