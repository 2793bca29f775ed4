package remote_test

import (
	"errors"
	"testing"

	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
	"lectern/spawner/remote"
)

func TestAFetchThroughTheDoor(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	registry := enginetest.NewRegistry(t)
	id, digest := registry.Push(t, "door:1", "through the door")
	ref := registry.Addr + "/door:1"
	if _, err := d.Fetch(t.Context(), ref, false, func(container.Fetching) {}); !errors.Is(err, remote.ErrRefused) {
		t.Fatalf("an image that no row names = %v, want it refused", err)
	}
	missing := registry.Addr + "/door:2"
	d.rows.images = append(d.rows.images, ref, missing)
	news := 0
	got, err := d.Fetch(t.Context(), ref, false, func(f container.Fetching) { news++ })
	must(t, err)
	if got.ID != id || got.RepoDigest != digest || news == 0 {
		t.Errorf("fetched %+v after %d news; want %s as %s", got, news, id, digest)
	}
	if _, err := d.Fetch(t.Context(), missing, false, func(container.Fetching) {}); !errors.Is(err, container.ErrNoSuchImage) {
		t.Errorf("what the registry has not = %v", err)
	}
	registry.Stop()
	if _, err := d.Fetch(t.Context(), missing, false, func(container.Fetching) {}); !errors.Is(err, container.ErrRegistry) {
		t.Errorf("without a registry = %v", err)
	}
	d.close()
	if _, err := d.Fetch(t.Context(), ref, false, func(container.Fetching) {}); !errors.Is(err, container.ErrEngineDown) {
		t.Errorf("without the other process = %v", err)
	}
}
