package container

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/swarm"
)

// Fetch implements [Images]: on the manager first, which says what ref is, and
// then the very same on every other machine whose engine can be asked. One that
// cannot fetches the image by itself when something first starts there, if a
// registry has it.
func (w *Swarm) Fetch(ctx context.Context, ref string, newer bool, see func(Fetching)) (Image, error) {
	got, err := w.manager.Fetch(ctx, ref, newer, see)
	if err != nil {
		return Image{}, err
	}
	api, err := w.manager.api(ctx)
	if err != nil {
		return Image{}, err
	}
	nodes, err := api.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return Image{}, w.manager.wrap(ctx, "list nodes", "", err)
	}
	var missing []error
	for _, n := range nodes {
		if n.ID == w.managerID() || n.Status.State != swarm.NodeStateReady {
			continue
		}
		if err := w.fetchOn(ctx, n, got, see); err != nil {
			missing = append(missing, err)
		}
	}
	return got, errors.Join(missing...)
}

func (w *Swarm) fetchOn(ctx context.Context, n swarm.Node, want Image, see func(Fetching)) error {
	name := n.Description.Hostname
	here := func(f Fetching) {
		f.Machine = name
		see(f)
	}
	at, err := w.engineAt(n)
	if err == nil {
		_, err = at.Image(ctx, want.ID)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrEngineDown):
		here(Fetching{Text: "It cannot be asked, and fetches the image when something first starts there"})
		return nil
	case !errors.Is(err, ErrImageMissing):
		return err
	case want.RepoDigest == "":
		return fmt.Errorf("container: %s is on the manager alone, was built by hand, and is missing on %s: %w", want.Ref, name, ErrImageMissing)
	}
	here(Fetching{Text: "Fetching"})
	if err := at.pull(ctx, want.RepoDigest, here); err != nil {
		return fmt.Errorf("container: on %s: %w", name, err)
	}
	return nil
}

// repoDigest names an image that is known by its id so that a machine without it
// can fetch it; the id itself if it was built by hand.
func (w *Swarm) repoDigest(ctx context.Context, id string) string {
	if got, err := w.manager.Image(ctx, id); err == nil && got.RepoDigest != "" && strings.HasPrefix(id, "sha256:") {
		return got.RepoDigest
	}
	return id
}

// Besides is images that have to be on one more engine, which grades.
func Besides(first Images, more *Docker) Images { return besides{first, more} }

type besides struct {
	Images
	more *Docker
}

// Fetch implements [Images].
func (b besides) Fetch(ctx context.Context, ref string, newer bool, see func(Fetching)) (Image, error) {
	got, err := b.Images.Fetch(ctx, ref, newer, see)
	if err != nil {
		return got, err
	}
	if _, err := b.more.Image(ctx, got.ID); !errors.Is(err, ErrImageMissing) {
		return got, err
	}
	if got.RepoDigest == "" {
		return got, fmt.Errorf("container: %s was built by hand, and is missing on the engine that grades: %w", ref, ErrImageMissing)
	}
	return got, b.more.pull(ctx, got.RepoDigest, func(f Fetching) {
		f.Machine = "the engine that grades"
		see(f)
	})
}
