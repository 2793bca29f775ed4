package container_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

// Killed after any step of a claim: the container is never another student's, it
// does not stay, and the workspace starts.
func TestPoolKilledAfterAnyStep(t *testing.T) {
	const marker = "LECTERN_TEST_POOL"
	image := enginetest.StubImage(t)
	if data, step, child := strings.Cut(os.Getenv(marker), "|"); child {
		p := poolAt(t, data, 1)
		r := enginetest.Rig{Engine: p, Data: data, Image: image, Realm: filepath.Base(data)}
		one := r.Place(t, "one")
		p.Want(container.Workspace(one))
		fillPool(t, p, 1)
		p.OnStep(func(at string) {
			if at == step {
				fmt.Println("at the step")
				select {}
			}
		})
		_, err := startIn(t, p, one)
		t.Fatalf("it did not come to %q: %v", step, err)
	}
	for _, step := range []string{"locked", "claimed", "secret", "named", "mounted", "awake", "given"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(openTempDir(t), "d-"+step)
			must(t, os.Mkdir(data, 0o755))
			emptyPool(t, data)
			child := exec.Command(os.Args[0], "-test.run=^TestPoolKilledAfterAnyStep$", "-test.v")
			child.Env = append(os.Environ(), marker+"="+data+"|"+step)
			out, err := child.StdoutPipe()
			must(t, err)
			must(t, child.Start())
			said := ""
			for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "at the step"; {
				said += lines.Text() + "\n"
			}
			must(t, child.Process.Kill())
			if _ = child.Wait(); child.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the process ended by itself: %s", said)
			}

			p := poolAt(t, data, 1)
			r := enginetest.Rig{Engine: p, Data: data, Image: image, Realm: filepath.Base(data)}
			one, two := r.Place(t, "one"), r.Place(t, "two")
			half, err := p.List(t.Context(), one.Labels)
			must(t, err)
			for _, c := range half {
				if whole := step == "given"; (c.Phase == container.Up) != whole || c.Name != one.Name {
					t.Errorf("what was left is %+v", c)
				}
			}
			must(t, p.Keep(t.Context()))
			other, err := startIn(t, p, two)
			must(t, err)
			enginetest.Answers(t, other.Addr, two.Token)
			if fromPool(t, other.ID) && step != "locked" {
				t.Error("somebody else has the container that was claimed")
			}
			got, err := startIn(t, p, one)
			must(t, err)
			enginetest.Answers(t, got.Addr, one.Token)
			if kept := len(half) == 1 && half[0].ID == got.ID; kept != (step == "given") {
				t.Errorf("the container of the claim was kept: %v", kept)
			}
			if got.ID == other.ID {
				t.Error("two are in one container")
			}
			if writes(t, other, one.Token, container.HomeDir+"/x", "x") {
				t.Error("one's token opens the other's")
			}
			for _, w := range []container.Place{one, two} {
				at := got
				if w.Name == two.Name {
					at = other
				}
				if !writes(t, at, w.Token, container.HomeDir+"/whose", w.Name) {
					t.Errorf("%s cannot save", w.Name)
				}
				if text, err := os.ReadFile(filepath.Join(w.Home, "whose")); string(text) != w.Name {
					t.Errorf("in the home of %s is %q, %v", w.Name, text, err)
				}
			}
		})
	}
}
