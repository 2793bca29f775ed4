package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

func TestTheDoorIsAnEngine(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, func(t *testing.T) enginetest.Rig { return openDoor(t).rig(t) })
}

// What a caller says of a container beyond its row's id is not even sent; what
// an attacker sends by hand is refused.
func TestOnlyTheRowDecidesWhatIsStarted(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	p, s := d.place("row")
	s.Image, s.User, s.Command = "debian:trixie-slim", "0:0", []string{"sh"}
	s.Mounts, s.WritableRoot, s.Runtime = []container.Mount{{From: "/", To: "/host", Writable: true}}, true, "evil"
	s.Limits, s.Env = container.Limits{Memory: 64 << 30}, map[string]string{"EVIL": "1"}
	got, err := d.Client.Start(t.Context(), s)
	must(t, err)
	enginetest.Answers(t, got.Addr, p.Token)
	var is struct {
		Config     struct{ Image, User string }
		HostConfig struct {
			Memory         int64
			ReadonlyRootfs bool
			Privileged     bool
			CapDrop        []string
			CapAdd         []string
			Mounts         []struct{ Source, Target string }
			Binds          []string
			NetworkMode    string
		}
	}
	must(t, enginetest.Docker(t.Context(), http.MethodGet, "/containers/"+got.ID+"/json", nil, &is))
	h := is.HostConfig
	if is.Config.Image != p.Image || is.Config.User != p.User || h.Memory != p.Limits.Memory || !h.ReadonlyRootfs || h.Privileged ||
		len(h.CapAdd) != 0 || len(h.CapDrop) != 1 || len(h.Binds) != 0 || h.NetworkMode != "lectern-test" {
		t.Errorf("started %+v, want what the row says", is)
	}
	for _, m := range h.Mounts {
		if !strings.HasPrefix(m.Source, d.data+"/") {
			t.Errorf("%s is mounted at %s", m.Source, m.Target)
		}
	}
	id, _ := spawner.WorkspaceID(p.Name)
	for _, body := range []string{
		`{"id":"` + id + `","generation":1,"image":"debian:trixie-slim"}`,
		`{"id":"` + id + `","generation":1,"mounts":[{"From":"/","To":"/host"}]}`,
		`{"id":"` + id + `","generation":1,"User":"0:0"}`,
		`{"id":"` + id + `","generation":1}{"id":"x"}`,
		`{"id":"../../etc","generation":1}`,
		`{"id":"","generation":1}`,
		`[]`, `null x`, ``, `{`, strings.Repeat(`{"id":`, 20_000),
	} {
		if status, text := post(t, d.socket, "start", body); !strings.HasPrefix(status, "4") {
			t.Errorf("%.80s: %s %s, want a refusal", body, status, text)
		}
	}
}

func TestARowThatSaysOtherwiseIsNotStarted(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	_, s := d.place("stale")
	asked := s
	asked.Labels = map[string]string{spawner.LabelGeneration: "7"}
	if _, err := d.Client.Start(t.Context(), asked); !errors.Is(err, container.ErrConflict) {
		t.Errorf("Start of another generation: %v, want ErrConflict: look again", err)
	}
	asked.Labels = map[string]string{spawner.LabelGeneration: "1"}
	asked.Name = "lectern-nobody"
	if _, err := d.Client.Start(t.Context(), asked); !errors.Is(err, container.ErrNotFound) {
		t.Errorf("Start without a row: %v, want ErrNotFound", err)
	}
	asked.Name = "lectern-postgres-1/../x"
	if _, err := d.Client.Start(t.Context(), asked); !errors.Is(err, container.ErrNotFound) {
		t.Errorf("Start of what is no name: %v, want ErrNotFound", err)
	}
	if list, err := d.engine.List(t.Context(), map[string]string{spawner.LabelRealm: d.rows.realm}); err != nil || len(list) != 0 {
		t.Errorf("containers: %+v, %v; want none", list, err)
	}
}

// A container of another site, or of nobody's, is not there on this side.
func TestForeignContainersDoNotExist(t *testing.T) {
	t.Parallel()
	d, other := openDoor(t), openDoor(t)
	p, s := other.place("foreign")
	got, err := other.Client.Start(t.Context(), s)
	must(t, err)
	enginetest.Answers(t, got.Addr, p.Token)
	ctx := t.Context()
	if _, err := d.Inspect(ctx, p.Name); !errors.Is(err, container.ErrNotFound) {
		t.Errorf("Inspect: %v", err)
	}
	if _, err := d.Logs(ctx, p.Name, 5); !errors.Is(err, container.ErrNotFound) {
		t.Errorf("Logs: %v", err)
	}
	if _, err := d.Usage(ctx, p.Name); !errors.Is(err, container.ErrNotFound) {
		t.Errorf("Usage: %v", err)
	}
	must(t, d.Stop(ctx, p.Name, 0))
	must(t, d.Remove(ctx, p.Name))
	for _, op := range []string{"grader/remove", "grader/ending"} {
		post(t, d.socket, op, `{"id":"`+got.ID+`"}`)
	}
	if list, err := d.List(ctx, nil); err != nil || len(list) != 0 {
		t.Errorf("List = %+v, %v; want none", list, err)
	}
	if s, err := other.Inspect(ctx, p.Name); err != nil || s.Phase != container.Up {
		t.Errorf("the other site's container is %+v, %v; want it running", s, err)
	}
}

// The caller may write below the data root, and the engine follows links.
func TestALinkInPlaceOfAHomeIsNotMounted(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	for name, swap := range map[string]func(home string) error{
		"home":   func(home string) error { return errors.Join(os.Remove(home), os.Symlink("/etc", home)) },
		"parent": func(home string) error { return linkParent(home) },
	} {
		p, s := d.place(name)
		must(t, os.MkdirAll(filepath.Join(d.data, "deep", name, "home"), 0o755))
		s.Mounts[0].From = filepath.Join(d.data, "deep", name, "home")
		d.rows.add(s)
		must(t, swap(s.Mounts[0].From))
		if _, err := d.Client.Start(t.Context(), s); !errors.Is(err, container.ErrMount) {
			t.Errorf("%s: Start = %v, want ErrMount", name, err)
		}
		if _, err := d.Inspect(t.Context(), p.Name); !errors.Is(err, container.ErrNotFound) {
			t.Errorf("%s: a container is left: %v", name, err)
		}
	}
}

// linkParent makes the directory above home a link to one outside that has a
// directory of the same name.
func linkParent(home string) error {
	outside, err := os.MkdirTemp("", "outside")
	if err != nil {
		return err
	}
	parent := filepath.Dir(home)
	return errors.Join(os.Mkdir(filepath.Join(outside, filepath.Base(home)), 0o755), os.RemoveAll(parent), os.Symlink(outside, parent))
}

// swapping is an engine during whose start the home becomes another directory.
type swapping struct {
	*container.Docker
	swap func()
}

func (s swapping) Start(ctx context.Context, spec container.Spec) (container.Running, error) {
	got, err := s.Docker.Start(ctx, spec)
	s.swap()
	return got, err
}

func TestAHomeExchangedDuringTheStartEndsIt(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	p, s := d.place("exchanged")
	d.close()
	d.swap(func() {
		must(t, os.Rename(p.Home, p.Home+".old"))
		must(t, os.Symlink("/etc", p.Home))
	})
	if _, err := d.Client.Start(t.Context(), s); !errors.Is(err, container.ErrMount) {
		t.Errorf("Start = %v, want ErrMount", err)
	}
	if _, err := d.Inspect(t.Context(), p.Name); !errors.Is(err, container.ErrNotFound) {
		t.Errorf("the container is left: %v", err)
	}
}

func TestImagesAreFoundAndMissed(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	if got, err := d.Image(t.Context(), notebook); err != nil || !strings.HasPrefix(got.ID, "sha256:") || got.Size == 0 {
		t.Errorf("Image = %+v, %v", got, err)
	}
	for _, ref := range []string{"lectern/no-such:none", "", "-flag", "a b", strings.Repeat("x", 400), "../x"} {
		if _, err := d.Image(t.Context(), ref); !errors.Is(err, container.ErrImageMissing) {
			t.Errorf("Image(%.20q) = %v, want ErrImageMissing", ref, err)
		}
	}
	// A page cannot say much about an image, and the door says it in full.
	if _, err := d.Image(t.Context(), "lectern/no-such:none"); err == nil || !strings.Contains(fmt.Sprint(err), "no-such") {
		t.Errorf("the error %v does not name the image", err)
	}
}

// What the machine has left crosses the door, measured where the engine is.
func TestTheMachineIsMeasuredThroughTheDoor(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	got, err := d.Free(t.Context())
	if err != nil || len(got) != 1 || got[0].Memory <= 0 || got[0].Memory > got[0].Total || got[0].CPUs == 0 || got[0].Booked {
		t.Errorf("Free = %+v, %v", got, err)
	}
	d.close()
	if got, err := d.Free(t.Context()); !errors.Is(err, container.ErrEngineDown) {
		t.Errorf("with the door closed: %+v, %v", got, err)
	}
}
