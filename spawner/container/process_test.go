package container_test

import (
	"os"
	"path/filepath"
	"testing"

	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	enginetest.CleanStub()
	os.Exit(code)
}

func processRig(t *testing.T) enginetest.Rig {
	data := openTempDir(t)
	p := container.NewProcess(container.ProcessOptions{Data: container.Paths{Inside: data}, Dir: filepath.Join(data, "run")})
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return enginetest.Rig{Engine: p, Data: data, Image: "this machine", Realm: "process"}
}

// openTempDir is a temporary directory whose parents an unprivileged user may
// pass, as those of a real data root.
func openTempDir(t testing.TB) string {
	dir := t.TempDir()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestProcess(t *testing.T) {
	// Not parallel: the stub is found on the PATH of this process.
	t.Setenv("PATH", filepath.Dir(enginetest.Stub(t))+":"+os.Getenv("PATH"))
	t.Run("conforms", func(t *testing.T) { enginetest.Run(t, processRig) })
}
