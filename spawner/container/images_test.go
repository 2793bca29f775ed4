package container_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

func deaf(container.Fetching) {}

func TestAnImageIsFetchedAndKnownByItsDigest(t *testing.T) {
	t.Parallel()
	d := dockerRig(t).Engine.(*container.Docker)
	registry := enginetest.NewRegistry(t)
	id, digest := registry.Push(t, "course:1", "first")
	ref := registry.Addr + "/course:1"
	if _, err := d.Image(t.Context(), ref); !errors.Is(err, container.ErrImageMissing) {
		t.Fatalf("before the fetch: %v", err)
	}
	var news []container.Fetching
	got, err := d.Fetch(t.Context(), ref, false, func(f container.Fetching) { news = append(news, f) })
	must(t, err)
	if got.ID != id || got.RepoDigest != digest || got.Size == 0 || time.Since(got.BuiltAt) > time.Hour {
		t.Errorf("fetched %+v, want %s as %s", got, id, digest)
	}
	if len(news) == 0 || news[len(news)-1].Total == 0 || !strings.Contains(news[0].Text, "layers") {
		t.Errorf("the way there was %+v", news)
	}

	// The name moves in the registry: what is here stays until it is asked for.
	second, _ := registry.Push(t, "course:1", "second")
	must(t, enginetest.Docker(t.Context(), http.MethodPost, "/images/"+id+"/tag?repo="+registry.Addr+"/course&tag=1", nil, nil))
	if got, err = d.Fetch(t.Context(), ref, false, deaf); err != nil || got.ID != id {
		t.Errorf("a name that is there = %s, %v; want it left alone", got.ID, err)
	}
	if got, err = d.Fetch(t.Context(), ref, true, deaf); err != nil || got.ID != second {
		t.Errorf("what the name means by now = %s, %v; want %s", got.ID, err, second)
	}
	// And the first is still to be had by its digest.
	enginetest.Forget(t, id)
	if got, err = d.Fetch(t.Context(), digest, false, deaf); err != nil || got.ID != id {
		t.Errorf("by digest = %s, %v; want %s", got.ID, err, id)
	}
	enginetest.Forget(t, second)
	enginetest.Forget(t, id)
}

func TestWhatARegistryRefusesIsToldApart(t *testing.T) {
	t.Parallel()
	d := dockerRig(t).Engine.(*container.Docker)
	registry := enginetest.NewRegistry(t)
	registry.Push(t, "course:1", "first")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	closed.Close()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "out of order", 500) }))
	defer broken.Close()
	for ref, want := range map[string]error{
		registry.Addr + "/course:2":                                 container.ErrNoSuchImage,
		registry.Addr + "/nothing:1":                                container.ErrNoSuchImage,
		closed.Addr().String() + "/x:1":                             container.ErrRegistry,
		broken.Listener.Addr().String() + "/x:1":                    container.ErrRegistry,
		"sha256:" + strings.Repeat("0", 64):                         container.ErrImageMissing,
		registry.Addr + "/course@sha256:" + strings.Repeat("0", 64): container.ErrNoSuchImage,
	} {
		if _, err := d.Fetch(t.Context(), ref, true, deaf); !errors.Is(err, want) {
			t.Errorf("Fetch(%s) = %v, want %v", ref, err, want)
		}
	}
}

// A registry that takes the connection and says nothing costs no more than the
// patience, and whoever gives up before is let go at once.
func TestAFetchThatStandsStillIsGivenUp(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	d, err := container.NewDocker(container.DockerOptions{Data: container.Paths{Inside: data}, Secrets: data + "/s", FetchPatience: time.Second})
	must(t, err)
	defer d.Close()
	leave := make(chan struct{})
	still := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			select {
			case <-leave:
			case <-r.Context().Done():
			}
		}
	}))
	defer still.Close()
	defer close(leave)
	ref := still.Listener.Addr().String() + "/x:1"
	began := time.Now()
	if _, err := d.Fetch(t.Context(), ref, false, deaf); !errors.Is(err, container.ErrStalled) {
		t.Errorf("Fetch = %v, want ErrStalled", err)
	}
	if took := time.Since(began); took < time.Second || took > 20*time.Second {
		t.Errorf("it took %v, with a patience of 1 s", took)
	}
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	if _, err := d.Fetch(ctx, ref, false, deaf); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Fetch = %v, want the caller's own end", err)
	}
}
