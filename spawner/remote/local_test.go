package remote_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
	"lectern/spawner/remote"
)

// frame reads one frame of the driver.
func frame(t *testing.T, g *container.Grader) string {
	t.Helper()
	var size uint32
	must(t, binary.Read(g.Stdout, binary.BigEndian, &size))
	text := make([]byte, min(size, 1<<20))
	_, err := io.ReadFull(g.Stdout, text)
	must(t, err)
	return string(text)
}

func seal(t *testing.T, d *door, warm ...string) *container.Grader {
	t.Helper()
	image, err := d.Graders().Image(t.Context(), notebook)
	must(t, err)
	g, err := d.Graders().Seal(t.Context(), container.Sealed{Image: image.ID, For: "whatever", Command: slices.Concat(container.DriverCommand, warm),
		Limits: container.Limits{Memory: 64 << 30, PIDs: 100}})
	must(t, err)
	t.Cleanup(func() { _ = d.engine.Remove(context.Background(), g.ID) })
	return g
}

func (d *door) graders() int {
	list, err := d.engine.List(d.t.Context(), map[string]string{container.GraderLabel: d.rows.realm})
	must(d.t, err)
	return len(list)
}

func TestAGraderThroughTheDoor(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	g := seal(t, d, "json")
	if got := frame(t, g); !strings.Contains(got, `"ready"`) {
		t.Fatalf("the driver says %q", got)
	}
	var is struct {
		Config     struct{ Labels map[string]string }
		HostConfig struct {
			Memory, PidsLimit int64
			NetworkMode       string
			Mounts            []any
		}
	}
	must(t, enginetest.Docker(t.Context(), http.MethodGet, "/containers/"+g.ID+"/json", nil, &is))
	h := is.HostConfig
	if is.Config.Labels[container.GraderLabel] != d.rows.realm || h.Memory != container.GraderLimits.Memory || h.PidsLimit != 100 || h.NetworkMode != "none" || len(h.Mounts) != 0 {
		t.Errorf("a grader with %+v: want no more than the operator allows", is)
	}
	// A bad order ends the driver, and the door tells how.
	_, err := g.Stdin.Write([]byte{0, 0, 0, 3, 'c', '{', ']'})
	must(t, err)
	_, err = io.Copy(io.Discard, g.Stdout)
	must(t, err)
	enginetest.Await(t, "the ending", func() bool {
		end, err := g.Ending(t.Context())
		must(t, err)
		return !end.Running && end.ExitCode != 0 && strings.Contains(end.Stderr, "Error")
	})
	must(t, g.Remove(t.Context()))
	must(t, g.Remove(t.Context()))
	if n := d.graders(); n != 0 {
		t.Errorf("%d graders are left", n)
	}
}

func TestAGraderGoesWithItsCaller(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	g := seal(t, d)
	frame(t, g)
	must(t, g.Stdin.(io.Closer).Close()) // as when the process is killed
	enginetest.Await(t, "no grader", func() bool { return d.graders() == 0 })

	// And with the server, which ends its pipes first.
	g = seal(t, d)
	frame(t, g)
	d.close()
	if n := d.graders(); n != 0 {
		t.Errorf("%d graders outlive the server", n)
	}
	if _, err := io.Copy(io.Discard, g.Stdout); err != nil {
		t.Logf("the pipe ends with %v", err)
	}
	if _, err := g.Ending(t.Context()); !errors.Is(err, container.ErrEngineDown) {
		t.Errorf("Ending without a server: %v, want ErrEngineDown", err)
	}
	d.serve()
	must(t, g.Remove(t.Context()))
}

func TestASweepFindsGradersWithoutAPipe(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	image, err := d.engine.Image(t.Context(), notebook)
	must(t, err)
	left, err := d.engine.Seal(t.Context(), container.Sealed{Image: image.ID, For: d.rows.realm, Command: container.DriverCommand})
	must(t, err)
	t.Cleanup(func() { _ = left.Remove(context.Background()) })
	// One whose holder was killed: its input ended, and so did its program.
	dead, err := d.engine.Seal(t.Context(), container.Sealed{Image: image.ID, For: d.rows.realm, Command: container.DriverCommand})
	must(t, err)
	must(t, dead.Stdin.(io.Closer).Close())
	// The driver may still be importing when its input ends: on a busy machine
	// that takes its time.
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		s, err := d.engine.Inspect(t.Context(), dead.ID)
		if errors.Is(err, container.ErrNotFound) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("what ended is not removed: %+v, %v", s, err)
		}
	}
	if s, err := d.engine.Inspect(t.Context(), left.ID); err != nil || s.Phase != container.Up {
		t.Errorf("a grader that runs is %+v, %v; want it left alone", s, err)
	}
	kept := seal(t, d)
	frame(t, kept)
	must(t, d.Graders().SweepGraders(t.Context(), "", func(id string) bool { return id == kept.ID }))
	list, err := d.engine.List(t.Context(), map[string]string{container.GraderLabel: d.rows.realm})
	if err != nil || len(list) != 1 || list[0].ID != kept.ID {
		t.Errorf("after the sweep: %+v, %v; want the one that was kept", list, err)
	}
	must(t, kept.Remove(t.Context()))
}

func TestOnlyImagesThatARowNamesAreGradedIn(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	debian, err := d.engine.Image(t.Context(), "debian:trixie-slim")
	must(t, err)
	for _, image := range []string{debian.ID, "debian:trixie-slim", notebook, "sha256:" + strings.Repeat("0", 64)} {
		_, err := d.Graders().Seal(t.Context(), container.Sealed{Image: image, Command: container.DriverCommand})
		if !errors.Is(err, remote.ErrRefused) {
			t.Errorf("Seal from %s: %v, want a refusal", image, err)
		}
	}
	for name, s := range map[string]container.Sealed{
		"a program":  {Image: debian.ID, Command: []string{"sh", "-c", "id"}},
		"a runtime":  {Image: debian.ID, Command: container.DriverCommand, Runtime: "evil"},
		"no command": {Image: debian.ID},
	} {
		if _, err := d.Graders().Seal(t.Context(), s); !errors.Is(err, remote.ErrRefused) {
			t.Errorf("Seal with %s: %v, want a refusal", name, err)
		}
	}
	ours, err := d.engine.Image(t.Context(), notebook)
	must(t, err)
	for _, body := range []string{
		`{"image":"` + ours.ID + `","command":["sh"],"memory":1,"pids":1,"tmp":1,"cpus":1}`,
		`{"image":"` + ours.ID + `","warm":["-c","import os"],"memory":1,"pids":1,"tmp":1,"cpus":1}`,
		`{"image":"` + ours.ID + `","warm":[],"memory":-1,"pids":1,"tmp":1,"cpus":1}`,
		`{"image":"` + ours.ID + `","warm":[],"memory":1,"pids":1,"tmp":1,"cpus":1}`, // no upgrade
	} {
		if status, text := post(t, d.socket, "grader/seal", body); !strings.HasPrefix(status, "400") {
			t.Errorf("%s: %s %s, want a refusal", body, status, text)
		}
	}
	if _, err := d.Assets(t.Context(), "debian:trixie-slim", "", func(string, io.Reader) error { return nil }); !errors.Is(err, remote.ErrRefused) {
		t.Errorf("Assets: %v, want a refusal", err)
	}
	if n := d.graders(); n != 0 {
		t.Errorf("%d graders were started", n)
	}
}

func TestAssetsThroughTheDoorAreThoseOfTheImage(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	type assets func(context.Context, string, string, func(string, io.Reader) error) (string, error)
	sizes := func(read assets) (string, map[string]int64) {
		got := map[string]int64{}
		id, err := read(t.Context(), notebook, "", func(name string, r io.Reader) (err error) {
			got[name], err = io.Copy(io.Discard, r)
			return err
		})
		must(t, err)
		return id, got
	}
	wantID, want := sizes(d.engine.Assets)
	began := time.Now()
	id, got := sizes(d.Assets)
	t.Logf("%d files in %v", len(got), time.Since(began).Round(time.Millisecond))
	if id != wantID || len(got) != len(want) || len(got) < 100 {
		t.Fatalf("%d files of %s, want %d of %s", len(got), id, len(want), wantID)
	}
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s has %d bytes, want %d", name, got[name], n)
		}
	}
	if again, err := d.Assets(t.Context(), notebook, id, func(string, io.Reader) error { return errors.New("read again") }); err != nil || again != id {
		t.Errorf("a known image: %s, %v", again, err)
	}
}
