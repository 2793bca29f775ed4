package swarmtest

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

// The same contract as every other driver's, on a swarm of one machine.
func TestTheContractOnOneMachine(t *testing.T) {
	m := theLab.start(t, 9)
	theLab.swarm(t, m)
	data := theLab.data(t, "contract")
	engine := newSwarm(t, container.SwarmOptions{Docker: container.DockerOptions{Host: "unix://" + m.socket(), Data: container.Paths{Inside: data}}})
	t.Run("contract", func(t *testing.T) {
		enginetest.Run(t, func(t *testing.T) enginetest.Rig {
			return enginetest.Rig{Engine: engine, Data: data, Image: theLab.image, Realm: fmt.Sprintf("c%d", time.Now().UnixNano())}
		})
	})
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
