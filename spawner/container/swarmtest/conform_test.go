package swarmtest

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

// The same contract as every other driver's, on a swarm of one machine.
func TestTheContractOnOneMachine(t *testing.T) {
	m := theLab.start(t, 9, "--icc=false", "--ip", "10.99.0.9")
	theLab.swarm(t, m)
	data := theLab.data(t, "contract")
	engine := newSwarm(t, container.SwarmOptions{Docker: container.DockerOptions{Host: "unix://" + m.socket(), Data: container.Paths{Inside: data}}})
	t.Run("contract", func(t *testing.T) {
		enginetest.Run(t, func(t *testing.T) enginetest.Rig {
			return enginetest.Rig{Engine: engine, Data: data, Image: theLab.image, Realm: fmt.Sprintf("c%d", time.Now().UnixNano())}
		})
	})
	t.Run("homes as volumes of a driver", func(t *testing.T) {
		o := container.SwarmOptions{Docker: container.DockerOptions{Host: "unix://" + m.socket(), Data: container.Paths{Inside: data}},
			Volume: &container.VolumeOptions{Driver: "local", Options: map[string]string{"type": "none", "o": "bind", "device": data + "/{path}"}}}
		r := enginetest.Rig{Engine: newSwarm(t, o), Data: data, Image: theLab.image, Realm: "volumes"}
		p := r.Place(t, "volume")
		for range 2 { // the second time the volume is there
			got, err := r.Engine.Start(t.Context(), container.Workspace(p))
			must(t, err)
			enginetest.Answers(t, got.Addr, p.Token)
			code, text, err := enginetest.Call(t.Context(), http.MethodPost, got.Addr, p.Token, "/stub/write?text=kept&path="+container.HomeDir+"/work.txt")
			if err != nil || code != http.StatusOK {
				t.Fatalf("write in the home: %d %s %v", code, text, err)
			}
			must(t, r.Engine.Remove(t.Context(), p.Name))
			if kept, err := os.ReadFile(filepath.Join(p.Home, "work.txt")); err != nil || string(kept) != "kept" {
				t.Errorf("after Remove the home holds %q, %v", kept, err)
			}
		}
	})
	t.Run("dialled on an overlay", func(t *testing.T) {
		ask[any](m, http.MethodPost, "/networks/create", map[string]any{"Name": "lectern-overlay", "Driver": "overlay", "Attachable": true})
		o := container.SwarmOptions{Overlay: true, Docker: container.DockerOptions{Host: "unix://" + m.socket(), Network: "lectern-overlay", Data: container.Paths{Inside: data}}}
		r := enginetest.Rig{Engine: newSwarm(t, o), Data: data, Image: theLab.image, Realm: "overlay"}
		a, b := r.Place(t, "a"), r.Place(t, "b")
		var at [2]container.Running
		for i, p := range []container.Place{a, b} {
			var err error
			at[i], err = r.Engine.Start(t.Context(), container.Workspace(p))
			must(t, err)
		}
		if at[0].Addr == at[1].Addr || !strings.HasPrefix(at[0].Addr, "10.0.1.") {
			t.Errorf("addresses %s and %s are not of the overlay", at[0].Addr, at[1].Addr)
		}
		// This process is not on the overlay; the other container is.
		if got := m.from(t, b.Name, at[0].Addr, a.Token); !strings.Contains(got, "200 OK") {
			t.Errorf("on the overlay it answers %q", got)
		}
	})
	t.Run("nothing is left", func(t *testing.T) {
		for _, path := range []string{"/services", "/secrets"} {
			if left := ask[[]any](m, http.MethodGet, path, nil); len(left) != 0 {
				t.Errorf("%s: %v", path, left)
			}
		}
	})
}

// An engine as it comes lets containers reach each other.
func TestAMachineThatKeepsNobodyApartIsNotUsed(t *testing.T) {
	m := theLab.start(t, 8)
	theLab.swarm(t, m)
	data := theLab.data(t, "open")
	engine := newSwarm(t, container.SwarmOptions{Docker: container.DockerOptions{Host: "unix://" + m.socket(), Data: container.Paths{Inside: data}}})
	r := enginetest.Rig{Engine: engine, Data: data, Image: theLab.image, Realm: "open"}
	if got, err := engine.Start(t.Context(), container.Workspace(r.Place(t, "open"))); !errors.Is(err, container.ErrEngineDown) {
		t.Errorf("Start = %+v, %v; want a refusal", got, err)
	}
	if left := ask[[]any](m, http.MethodGet, "/services", nil); len(left) != 0 {
		t.Errorf("services: %v", left)
	}
}

// from makes a request in the network of a container, and returns all that came.
func (m *machine) from(t *testing.T, name, addr, token string) string {
	t.Helper()
	found := ask[[]struct{ ID string }](m, http.MethodGet, "/containers/json?filters="+url.QueryEscape(fmt.Sprintf(`{"label":["lectern.name=%s"]}`, name)), nil)
	if len(found) != 1 {
		t.Fatalf("%d containers are called %s", len(found), name)
	}
	pid := ask[struct{ State struct{ Pid int } }](m, http.MethodGet, "/containers/"+found[0].ID+"/json", nil).State.Pid
	host, port, err := net.SplitHostPort(addr)
	must(t, err)
	out, err := exec.Command("nsenter", "-t", strconv.Itoa(pid), "--net", "timeout", "5", "bash", "-c", `exec 3<>/dev/tcp/$0/$1
		printf 'GET /api/status HTTP/1.0\r\nAuthorization: token %s\r\n\r\n' "$2" >&3; cat <&3`, host, port, token).CombinedOutput()
	if err != nil {
		t.Errorf("in the network of %s: %v: %s", name, err, out)
	}
	return string(out)
}

// data is a directory on the shared mount.
func (l *lab) data(t *testing.T, name string) string {
	dir := filepath.Join(l.dir, "shared", name)
	must(t, os.MkdirAll(dir, 0o755))
	return dir
}

func newSwarm(t *testing.T, o container.SwarmOptions) *container.Swarm {
	t.Helper()
	o.Docker.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	w, err := container.NewSwarm(o)
	must(t, err)
	t.Cleanup(func() { w.Close() })
	must(t, w.Ensure(t.Context()))
	return w
}
