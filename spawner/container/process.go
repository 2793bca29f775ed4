package container

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Process runs programs as plain children of Lectern, for one person trying it
// out on a machine where no container engine can run. It is no sandbox: there
// are no limits, no network of its own, and the program sees the machine's
// files as its user does. Its programs end with Lectern, even when Lectern is
// killed, so that nothing is orphaned.
//
// As root it runs them as the spec's user; otherwise as Lectern's own.
type Process struct {
	options ProcessOptions
	secrets secrets
	starter *starter

	mu       sync.Mutex
	children map[string]*child
	watchers map[chan Event]map[string]string
}

// ProcessOptions is what an operator decides.
type ProcessOptions struct {
	Data Paths  // mounts come from below Inside; Host is not used
	Dir  string // a directory of Lectern's own for secrets, logs and scratch
	Log  *slog.Logger
}

// child is one program. All fields are guarded by Process.mu.
type child struct {
	Status
	cmd     *exec.Cmd
	done    chan struct{} // closed when it has ended
	scratch string
	secrets string // name of its directory of secrets
}

// NewProcess prepares the fallback driver.
func NewProcess(o ProcessOptions) *Process {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Process{
		options: o, secrets: secrets{filepath.Join(o.Dir, "secrets")}, starter: newStarter(),
		children: map[string]*child{}, watchers: map[chan Event]map[string]string{},
	}
}

// Ensure clears what an earlier Lectern left: none of its programs is alive.
func (p *Process) Ensure(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	keep := map[string]bool{}
	for name, c := range p.children {
		keep[name], keep[c.secrets] = true, true
	}
	return errors.Join(os.MkdirAll(p.options.Dir, 0o711), p.secrets.sweep(keep, 0), p.scratch().sweep(keep, 0))
}

// Image accepts any name: there is one environment, the machine's own.
func (p *Process) Image(_ context.Context, ref string) (Image, error) {
	return Image{Ref: ref, ID: "this machine"}, nil
}

// Start implements [Engine].
func (p *Process) Start(_ context.Context, s Spec) (Running, error) {
	if s.Closed {
		return Running{}, fmt.Errorf("container: start %s: a plain process cannot have its network closed", s.Name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.children[s.Name]; c != nil {
		if c.Phase != Up || !has(c.Labels, s.Labels) {
			return Running{}, fmt.Errorf("container: start %s: %w", s.Name, ErrConflict)
		}
		return Running{ID: c.ID, Addr: c.Addr}, nil
	}
	c := &child{done: make(chan struct{})}
	if err := p.launch(c, s); err != nil {
		return Running{}, errors.Join(err, p.forget(s.Name, c))
	}
	p.children[s.Name] = c
	p.tell(c.Status, Started)
	go p.wait(c)
	return Running{ID: c.ID, Addr: c.Addr}, nil
}

// launch lays out directories and starts the program. The caller holds mu.
func (p *Process) launch(c *child, s Spec) error {
	uid, gid, err := parseUser(s.User)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		uid, gid = os.Getuid(), os.Getgid()
	}
	if len(s.Command) == 0 {
		return fmt.Errorf("container: start %s: %w", s.Name, ErrNoProgram)
	}
	places, err := p.places(c, s, uid, gid)
	if err != nil {
		return err
	}
	port, addr := 0, ""
	if s.Port != 0 {
		if port, err = freePort(); err != nil {
			return err
		}
		addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	args := listenOn(s.Command, "127.0.0.1", port)
	for i := range args {
		args[i] = places.here(args[i])
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return fmt.Errorf("container: start %s: %w: %w", s.Name, ErrNoProgram, err)
	}
	out, err := os.OpenFile(filepath.Join(c.scratch, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	c.cmd = exec.Command(path, args[1:]...)
	c.cmd.Dir = places.here(s.Dir)
	c.cmd.Stdout, c.cmd.Stderr = out, out
	// Nothing of Lectern's own environment, which holds its secrets.
	c.cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for _, line := range environment(s.Env) {
		c.cmd.Env = append(c.cmd.Env, places.here(line))
	}
	if err := p.starter.start(c.cmd, uid, gid); err != nil {
		return fmt.Errorf("container: start %s: %w", s.Name, err)
	}
	c.Status = Status{ID: strconv.Itoa(c.cmd.Process.Pid), Name: s.Name, Labels: maps.Clone(s.Labels), Phase: Up, Addr: addr, StartedAt: time.Now()}
	return nil
}

// places makes what a container would see (mounts, secrets, its own /tmp) and
// says where it is on this machine.
func (p *Process) places(c *child, s Spec, uid, gid int) (places, error) {
	if !plainName(s.Name) {
		return nil, fmt.Errorf("container: %q is no name for a directory", s.Name)
	}
	c.scratch = filepath.Join(p.scratch().root, s.Name)
	if err := errors.Join(os.RemoveAll(c.scratch), os.MkdirAll(c.scratch, 0o711)); err != nil {
		return nil, err
	}
	to := places{}
	for _, m := range s.Mounts {
		if _, err := p.options.Data.Translate(m.From); err != nil {
			return nil, err
		}
		if info, err := os.Lstat(m.From); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("%w: %s is not a directory", ErrMount, m.From)
		}
		to[m.To] = m.From
	}
	for target := range s.Tmpfs {
		dir := filepath.Join(c.scratch, strings.ReplaceAll(strings.Trim(target, "/"), "/", "-"))
		if err := errors.Join(os.Mkdir(dir, 0o700), give(dir, uid, gid)); err != nil {
			return nil, err
		}
		to[target] = dir
	}
	if len(s.Secrets) > 0 {
		dir, err := p.secrets.write(s.Name, fmt.Sprintf("%d:%d", uid, gid), s.Secrets)
		if err != nil {
			return nil, err
		}
		c.secrets, to[SecretsDir] = filepath.Base(dir), dir
	}
	return to, nil
}

// places maps a container's directories to those of this machine.
type places map[string]string

// here translates a path, or the path after the first "=" of an option or a
// variable. The innermost of several mounts counts.
func (p places) here(text string) string {
	option, path, ok := strings.Cut(text, "=")
	if ok {
		option += "="
	} else {
		option, path = "", text
	}
	best := ""
	for target := range p {
		if (path == target || strings.HasPrefix(path, target+"/")) && len(target) > len(best) {
			best = target
		}
	}
	if best == "" {
		return text
	}
	return option + p[best] + path[len(best):]
}

// wait notices the end of a program.
func (p *Process) wait(c *child) {
	err := c.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	c.Phase, c.EndedAt, c.Addr = Exited, time.Now(), ""
	c.ExitCode = exitCode(c.cmd.ProcessState, err)
	killGroup(c.cmd)
	close(c.done)
	p.tell(c.Status, Died)
}

func (p *Process) scratch() secrets { return secrets{filepath.Join(p.options.Dir, "scratch")} }

// forget removes the files of a program. The caller holds mu.
func (p *Process) forget(name string, c *child) error {
	return errors.Join(p.secrets.remove(c.secrets), p.scratch().remove(name))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
