package swarmtest

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"lectern/course"
	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

// registryAddr is on the switch, where every machine reaches it.
const registryAddr = "10.99.0.254:5000"

// images is an image's way from a registry onto three machines.
func (f *fleet) images(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+f.machines[0].socket())
	registry := enginetest.NewRegistryAt(t, registryAddr)
	id, digest := registry.Push(t, "swarm:1", "for all machines")
	on := map[string]bool{}
	see := func(n container.Fetching) { on[n.Machine] = true }
	got, err := f.engine.Fetch(t.Context(), registryAddr+"/swarm:1", false, see)
	must(t, err)
	if got.ID != id || got.RepoDigest != digest || !on[""] || !on["machine2"] || !on["machine3"] {
		t.Errorf("fetched %+v, with news of %v; want %s on all", got, on, id)
	}
	has := func(m *machine) bool {
		_, err := m.call(http.MethodGet, "/images/"+id+"/json", nil)
		return err == nil
	}
	for _, m := range f.machines {
		if !has(m) {
			t.Errorf("machine %d has not got it", m.n)
		}
	}

	// A workspace is pinned to the id, which every machine understands as the digest.
	const member = 77
	row, err := f.Open(t.Context(), spawner.Request{CourseID: course.ID(1), MemberID: member, Image: id})
	must(t, err)
	row = f.await(row.ID, spawner.Running, spawner.None)
	must(t, f.Close(t.Context(), row.ID, spawner.ByStaff))
	f.await(row.ID, spawner.Stopped, spawner.ByStaff)

	// One machine loses it, and gets the very same again.
	last := f.machines[2]
	_, err = last.call(http.MethodDelete, "/images/"+id+"?force=true", nil)
	must(t, err)
	if has(last) {
		t.Fatal("the image is still on the machine it was removed from")
	}
	if _, err := f.engine.Fetch(t.Context(), id, false, see); err != nil || !has(last) {
		t.Errorf("after the loss: %v, and machine 3 has it: %v", err, has(last))
	}

	// What was built on the manager alone cannot be had elsewhere.
	enginetest.Variant(t, "lectern/byhand:1", "on the manager alone")
	if _, err := f.engine.Fetch(t.Context(), "lectern/byhand:1", false, see); !errors.Is(err, container.ErrImageMissing) || !strings.Contains(err.Error(), "machine2") {
		t.Errorf("an image of the manager's own = %v, want the machines that lack it named", err)
	}
}
