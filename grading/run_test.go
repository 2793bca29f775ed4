package grading_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lectern/course/notebook"
	"lectern/grading"
	"lectern/spawner/container"
)

func code(sources ...string) *notebook.Notebook {
	nb := &notebook.Notebook{Nbformat: 4, Minor: 5, Metadata: map[string]any{"kernelspec": map[string]any{"name": "python3"}}}
	for _, s := range sources {
		nb.Cells = append(nb.Cells, notebook.Cell{Type: notebook.Code, Source: s, Metadata: map[string]any{}})
	}
	return nb
}

func job(nbs ...*notebook.Notebook) grading.Job {
	// The attacks have three seconds a cell; what is to succeed has more, for busy machines.
	j := grading.Job{Image: testImage, Folder: "hw1", Limits: redLimits}
	j.Limits.Cell = 30 * time.Second
	for i, nb := range nbs {
		j.Notebooks = append(j.Notebooks, grading.Rebuilt{Path: fmt.Sprintf("p%d.ipynb", i+1), Notebook: nb})
	}
	return j
}

func text(r grading.Result, nb, cell int) string {
	var b strings.Builder
	for _, o := range r.Notebooks[nb].Notebook.Cells[cell].Outputs {
		plain, _ := o.Data.Text("text/plain")
		b.WriteString(o.Text + plain + o.Ename + " " + o.Evalue)
	}
	return b.String()
}

// The kernel's process has nothing and can do nothing to its owner; both kinds
// of kernel.
func TestTheKernelIsShutIn(t *testing.T) {
	t.Parallel()
	runner := newRunner(t)
	for _, protocol := range []bool{false, true} {
		j := job(code(
			"import os\nprint({k: v.split()[0] for k, v in (l.split(':') for l in open('/proc/self/status') if ':' in l) if k in ('Uid', 'CapEff', 'CapPrm', 'CapAmb', 'CapInh', 'NoNewPrivs', 'Seccomp')})",
			"print(open('/proc/1/status').read())",
			"for what in ('environ', 'mem', 'maps', 'fd', 'cwd', 'root', 'stack'):\n    try:\n        os.listdir('/proc/1/fd') if what == 'fd' else os.readlink('/proc/1/' + what) if what in ('cwd', 'root') else open('/proc/1/' + what, 'rb').read(1)\n        print('CAN', what)\n    except OSError as e:\n        print(type(e).__name__)",
			"import ctypes, signal\nlibc = ctypes.CDLL(None, use_errno=True)\nprint('ptrace', libc.ptrace(16, 1, 0, 0), ctypes.get_errno())\nfor s in (0, 2, 9, 15, 19):\n    try:\n        os.kill(1, s)\n        print('CAN', s)\n    except PermissionError:\n        print('no')",
			"for f in (lambda: os.setuid(0), lambda: os.setgroups([0]), lambda: os.chroot('/tmp'), lambda: os.mknod('/tmp/d', 0o60600, 2049), lambda: open('/etc/x', 'w'), lambda: open('/usr/lib/lectern/x', 'w'), lambda: open('/proc/sys/kernel/hostname', 'w').write('x')):\n    try:\n        f()\n        print('CAN')\n    except OSError as e:\n        print(type(e).__name__)",
			"print('unshare', libc.unshare(0x10000000), 'setns', libc.setns(0, 0), 'mount', libc.mount(b'x', b'/tmp', b'tmpfs', 0, None))",
			"print(sorted(os.listdir('/sys/class/net')), os.environ.get('NBGRADER_EXECUTION'), os.getcwd())",
			"print(os.readlink('/proc/self/fd/0'))",
			"import subprocess\nprint(subprocess.run(['su', '-c', 'id'], capture_output=True, stdin=subprocess.DEVNULL).returncode != 0)",
		))
		j.Protocol = protocol
		r, err := runner.Run(t.Context(), j)
		ok(t, err)
		want := []string{"'Uid': '1000'", "Uid:\t990\t990", "PermissionError", "ptrace -1 1", "PermissionError", "unshare -1 setns -1 mount -1", "['lo'] autograde /home/student/hw1", "/dev/null", "True"}
		for i, w := range want {
			got := text(r, 0, i)
			if !strings.Contains(got, w) || strings.Contains(got, "CAN") {
				t.Errorf("protocol %v, cell %d: %s\nwant %s in it", protocol, i, got, w)
			}
		}
		first, owner := text(r, 0, 0), text(r, 0, 1)
		for _, c := range []string{"CapEff", "CapPrm", "CapAmb", "CapInh"} {
			if !strings.Contains(first, "'"+c+"': '0000000000000000'") {
				t.Errorf("protocol %v: the kernel has %s: %s", protocol, c, first)
			}
		}
		if !strings.Contains(first, "'NoNewPrivs': '1'") || !strings.Contains(first, "'Seccomp': '2'") || !strings.Contains(owner, "CapEff:\t0000000000000020") {
			t.Errorf("protocol %v: %s\n%s", protocol, first, owner)
		}
	}
}

// Programs and processes that a notebook starts show what they print, and only
// the kernel's own process is believed to be the kernel.
func TestForkedProcessesPrintAndNoMore(t *testing.T) {
	t.Parallel()
	runner := newRunner(t)
	r, err := runner.Run(t.Context(), job(code(
		"import multiprocessing\ndef sq(i):\n    print('in', i)\n    return i * i\nwith multiprocessing.get_context('fork').Pool(2) as p:\n    print(p.map(sq, [1, 2, 3]))",
		"import subprocess\nsubprocess.run('echo sub; echo sub-err >&2', shell=True).returncode",
		"import os\npid = os.fork()\nif pid == 0:\n    1 / 0\nos.waitpid(pid, 0)[1] >= 0", "1 + 1")))
	ok(t, err)
	for i, want := range []string{"[1, 4, 9]", "sub\n", "True", "2"} {
		if got := text(r, 0, i); !strings.Contains(got, want) {
			t.Errorf("cell %d shows %q, want %q in it", i, got, want)
		}
	}
	if flags := r.Notebooks[0].Flags; len(flags) > 0 {
		t.Errorf("flags: %q", flags)
	}
}

// What one notebook leaves running is gone for the next; files stay, as they do
// with nbgrader. The next submission finds nothing at all.
func TestNothingIsHandedOn(t *testing.T) {
	t.Parallel()
	runner := newRunner(t)
	leave := code("import os, subprocess, sys\nopen('made', 'w').write('1')\nopen('/tmp/left', 'w')\nopen('/dev/shm/left', 'w')",
		"subprocess.Popen(['sleep', '1000'], start_new_session=True)\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        import time; time.sleep(1000)\n    os._exit(0)")
	look := code("import os\nprint(os.path.exists('made'), os.path.exists('/tmp/left') or os.path.exists('/dev/shm/left'))",
		"print(sorted(open(f'/proc/{p}/comm').read().strip() for p in os.listdir('/proc') if p.isdigit() and os.stat(f'/proc/{p}').st_uid == 1000))")
	r, err := runner.Run(t.Context(), job(leave, look))
	ok(t, err)
	if got := text(r, 1, 0) + text(r, 1, 1); !strings.HasPrefix(got, "True True") || strings.Contains(got, "sleep") || strings.Count(got, "python3") != 1 {
		t.Errorf("the second notebook finds %s", got)
	}
	if r, err = runner.Run(t.Context(), job(look)); err != nil {
		t.Fatal(err)
	}
	if got := text(r, 0, 0); !strings.HasPrefix(got, "False False") {
		t.Errorf("the next submission finds %s", got)
	}
	// A notebook that ends its kernel costs the next one nothing.
	if r, err = runner.Run(t.Context(), job(code("import os\nos._exit(1)", "1"), code("1 + 1"))); err != nil {
		t.Fatal(err)
	}
	if text(r, 1, 0) != "2 " || r.Notebooks[0].Cells[1].Executed || r.Notebooks[0].Cells[1].Reason == "" {
		t.Errorf("after a dead kernel: %+v", r.Notebooks)
	}
}

// Our own failures are errors, so that nobody gets a 0 for them.
func TestOurOwnFailuresAreErrors(t *testing.T) {
	t.Parallel()
	runner := newRunner(t)
	j := job(code("1"))
	j.Image = "lectern/no-such-image:none"
	if _, err := runner.Run(t.Context(), j); !errors.Is(err, container.ErrImageMissing) {
		t.Errorf("no image: %v", err)
	}
	j = job(code("1"))
	j.Notebooks[0].Notebook.Metadata["kernelspec"] = map[string]any{"name": "no-such-kernel"}
	if _, err := runner.Run(t.Context(), j); !errors.Is(err, grading.ErrKernel) {
		t.Errorf("no kernel: %v", err)
	}
	j = job(code("1"))
	j.Files = []grading.File{{Path: "short", Size: 10, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("abc")), nil }}}
	if _, err := runner.Run(t.Context(), j); !errors.Is(err, io.EOF) {
		t.Errorf("a file that ends too soon: %v", err)
	}
	j.Files = []grading.File{memory("../../etc/x", nil)}
	if _, err := runner.Run(t.Context(), j); err == nil {
		t.Error("a path that leads out was taken")
	}
	data := t.TempDir()
	down, err := container.NewDocker(container.DockerOptions{Host: "unix://" + data + "/none", Data: container.Paths{Inside: data}, Secrets: filepath.Join(data, "s")})
	ok(t, err)
	away := grading.NewRunner(grading.RunnerOptions{Engine: down, Site: "down"})
	if _, err := away.Run(t.Context(), job(code("1"))); !errors.Is(err, container.ErrEngineDown) {
		t.Errorf("no engine: %v", err)
	}
	ok(t, away.Close())

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	began := time.Now()
	j = job(code("import time\ntime.sleep(100)"))
	j.Limits.Cell, j.Limits.Notebook = time.Minute, time.Minute
	if _, err := runner.Run(ctx, j); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
		t.Errorf("cancelled: %v after %v", err, time.Since(began))
	}
}

// A container that is taken away under a running cell, as by an engine that
// restarts, is no fault of the student's.
func TestALostContainerIsAnError(t *testing.T) {
	t.Parallel()
	engine := newEngine(t)
	site := fmt.Sprintf("lost-%d", time.Now().UnixNano())
	runner := grading.NewRunner(grading.RunnerOptions{Engine: engine, Site: site})
	t.Cleanup(func() { runner.Close() })
	j := job(code("import time\ntime.sleep(100)"))
	j.Limits.Cell, j.Limits.Notebook = time.Minute, time.Minute
	failed := make(chan error, 1)
	go func() {
		_, err := runner.Run(t.Context(), j)
		failed <- err
	}()
	for {
		list, err := engine.List(t.Context(), map[string]string{container.GraderLabel: site})
		ok(t, err)
		if len(list) == 1 && list[0].Phase == container.Up {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(1500 * time.Millisecond) // into the cell, or still before it: an error in both
	list, err := engine.List(t.Context(), map[string]string{container.GraderLabel: site})
	ok(t, err)
	for _, s := range list {
		ok(t, engine.Remove(t.Context(), s.ID))
	}
	select {
	case err := <-failed:
		if err == nil {
			t.Error("a lost container gave a result")
		}
	case <-time.After(20 * time.Second):
		t.Error("a lost container was not noticed")
	}
}

// When Lectern is killed its graders end by themselves, and the next Lectern
// sweeps them; not those of another site, and not its own that work.
func TestKilledLecternLeavesNothing(t *testing.T) {
	t.Parallel()
	engine := newEngine(t)
	site := fmt.Sprintf("dies-%d", time.Now().UnixNano())
	cmd := exec.Command(os.Args[0], "-test.run", "^TestChildThatIsKilled$")
	cmd.Env = append(os.Environ(), "LECTERN_TEST_CHILD="+site)
	ok(t, cmd.Start())
	await(t, "the child's container", func() bool {
		list, err := engine.List(t.Context(), map[string]string{container.GraderLabel: site})
		return err == nil && len(list) == 1 && list[0].Phase == container.Up
	})
	ok(t, cmd.Process.Kill())
	_ = cmd.Wait()
	await(t, "the container's own end", func() bool {
		list, err := engine.List(t.Context(), map[string]string{container.GraderLabel: site})
		return err == nil && len(list) == 1 && list[0].Phase == container.Exited
	})
	other := grading.NewRunner(grading.RunnerOptions{Engine: engine, Site: site + "-other"})
	ok(t, other.Sweep(t.Context()))
	if list, err := engine.List(t.Context(), map[string]string{container.GraderLabel: site}); err != nil || len(list) != 1 {
		t.Errorf("another site's sweep: %v, %v; want it left alone", list, err)
	}
	next := grading.NewRunner(grading.RunnerOptions{Engine: engine, Site: site})
	ok(t, next.Sweep(t.Context()))
	if list, err := engine.List(t.Context(), map[string]string{container.GraderLabel: site}); err != nil || len(list) != 0 {
		t.Errorf("after the sweep: %v, %v", list, err)
	}
}

// TestChildThatIsKilled is the other half of the test above, in a process of its own.
func TestChildThatIsKilled(t *testing.T) {
	site := os.Getenv("LECTERN_TEST_CHILD")
	if site == "" {
		return
	}
	runner := grading.NewRunner(grading.RunnerOptions{Engine: newEngine(t), Site: site})
	j := job(code("import time\ntime.sleep(1000)"))
	j.Limits.Cell, j.Limits.Notebook = time.Hour, time.Hour
	_, err := runner.Run(t.Context(), j)
	t.Fatal(err)
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
