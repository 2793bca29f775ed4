package spawner_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
	"lectern/spawner/rowstest"
)

// dieWith runs the test once more in a process that opens five workspaces, does
// prepare with each, starts two more and is killed so long after that. It
// returns once that is done; in the process itself it never does.
func dieWith(t *testing.T, data, image string, limits container.Limits, after time.Duration, prepare func(*site, spawner.Row)) {
	const marker = "LECTERN_TEST_KILL"
	if os.Getenv(marker) != "" {
		s := openSite(t, os.Getenv(marker), limits)
		for n := range 5 {
			prepare(s, s.run(n+1, image))
		}
		for n := range 2 {
			_, err := s.Open(t.Context(), rowstest.Numbered(n+6, image))
			must(t, err)
		}
		fmt.Println("five are running")
		select {}
	}
	engine, err := container.NewDocker(container.DockerOptions{Data: container.Paths{Inside: data}, Secrets: data + "/none"})
	must(t, err)
	t.Cleanup(func() {
		(&site{t: t, engine: engine, realm: realmOf(data)}).clear()
		engine.Close()
	})
	child := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v")
	child.Env = append(os.Environ(), marker+"="+data)
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	said := ""
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "five are running"; {
		said += lines.Text() + "\n"
	}
	time.Sleep(after)
	must(t, child.Process.Kill())
	if _ = child.Wait(); child.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the process ended by itself: %s", said)
	}
}

// Killed somewhere between the steps of the two that start, Lectern loses none
// of the five that run and finishes the two.
func TestKillNineLosesNoWorkspace(t *testing.T) {
	image, limits := enginetest.StubImage(t), container.Limits{Memory: 64 << 20, Tmp: 8 << 20}
	for _, delay := range []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			data := dataDir(t)
			dieWith(t, data, image, limits, delay, func(*site, spawner.Row) {})
			s := openSite(t, data, limits)
			defer s.clear()
			defer s.stop()
			before := map[string]container.Status{}
			for _, c := range s.containers() {
				now, err := s.engine.Inspect(t.Context(), c.Name)
				if errors.Is(err, container.ErrNotFound) {
					continue // the engine gives up what the dead child had asked for
				}
				must(t, err)
				before[c.Name] = now
			}
			if len(before) < 5 {
				t.Fatalf("%d containers survived, want five at least", len(before))
			}
			for n := range 7 {
				row := s.run(n+1, image)
				target, err := s.Target(t.Context(), row.ID)
				must(t, err)
				enginetest.Answers(t, target.Addr, target.Token)
				now, err := s.engine.Inspect(t.Context(), "lectern-"+row.ID)
				must(t, err)
				if was, ok := before[now.Name]; n < 5 && (!ok || now.ID != was.ID || now.StartedAt != was.StartedAt) {
					t.Errorf("workspace %d was not kept: %+v, then %+v", n, was, now)
				}
				if row.Generation != 1 {
					t.Errorf("workspace %d is at generation %d, want its first", n, row.Generation)
				}
			}
			if left := s.containers(); len(left) != 7 {
				t.Errorf("%d containers, want 7", len(left))
			}
		})
	}
}

// A variable set before the kill is there after it.
func TestKillNineLosesNoKernel(t *testing.T) {
	t.Parallel()
	data, limits := dataDir(t), container.Limits{Memory: 512 << 20}
	dieWith(t, data, notebook, limits, 0, func(s *site, row spawner.Row) {
		target, err := s.Target(t.Context(), row.ID)
		must(t, err)
		k := startKernel(t, target)
		k.send("answer = 41; print('set')")
		k.stdout()
	})
	s := openSite(t, data, limits)
	defer s.clear()
	defer s.stop()
	for n := range 5 {
		target, err := s.Target(t.Context(), s.run(n+1, notebook).ID)
		must(t, err)
		k := onlyKernel(t, target)
		k.send("print(answer + 1)")
		if got := strings.TrimSpace(k.stdout()); got != "42" {
			t.Errorf("workspace %d: the kernel prints %q", n, got)
		}
	}
}
