package container_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// A fallback whose programs went on without Lectern would leave them to nobody.
func TestProcessesEndWithLectern(t *testing.T) {
	if data := os.Getenv("LECTERN_TEST_ORPHAN"); data != "" {
		p := container.NewProcess(container.ProcessOptions{Data: container.Paths{Inside: data}, Dir: filepath.Join(data, "run")})
		r := enginetest.Rig{Engine: p, Data: data, Image: "this machine", Realm: "orphan"}
		got, err := p.Start(t.Context(), container.Workspace(r.Place(t, "orphan")))
		must(t, err)
		fmt.Println("addr", got.Addr)
		select {}
	}
	data := openTempDir(t)
	lectern := exec.Command(os.Args[0], "-test.run=^TestProcessesEndWithLectern$", "-test.v")
	lectern.Env = append(os.Environ(), "LECTERN_TEST_ORPHAN="+data, "PATH="+filepath.Dir(enginetest.Stub(t))+":"+os.Getenv("PATH"))
	out, err := lectern.StdoutPipe()
	must(t, err)
	must(t, lectern.Start())
	addr := ""
	for lines := bufio.NewScanner(out); addr == "" && lines.Scan(); {
		if after, ok := strings.CutPrefix(lines.Text(), "addr "); ok {
			addr = after
		}
	}
	enginetest.Answers(t, addr, "t0ken-lectern-test-orphan-orphan")
	must(t, lectern.Process.Kill())
	_ = lectern.Wait()
	enginetest.Await(t, "the program's end", func() bool {
		_, _, err := enginetest.Call(t.Context(), http.MethodGet, addr, "", "/api/status")
		return err != nil
	})
}
