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
	"slices"
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
	for name := range p.children {
		keep[name] = true
	}
	scratch := secrets{filepath.Join(p.options.Dir, "scratch")}
	return errors.Join(os.MkdirAll(p.options.Dir, 0o711), p.secrets.sweep(keep), scratch.sweep(keep))
}

// Image accepts any name: there is one environment, the machine's own.
func (p *Process) Image(_ context.Context, ref string) (Image, error) {
	return Image{Ref: ref, ID: "this machine"}, nil
}

// Start implements [Engine].
func (p *Process) Start(_ context.Context, s Spec) (Running, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.children[s.Name]; c != nil {
		if c.Phase != Up || !has(c.Labels, s.Labels) {
			return Running{}, fmt.Errorf("container: start %s: %w", s.Name, ErrConflict)
		}
		return Running{ID: c.ID, Addr: c.Addr}, nil
	}
	c, err := p.launch(s)
	if err != nil {
		return Running{}, errors.Join(err, p.forget(s.Name))
	}
	p.children[s.Name] = c
	p.tell(c.Status, Started)
	go p.wait(c)
	return Running{ID: c.ID, Addr: c.Addr}, nil
}

// launch lays out directories and starts the program. The caller holds mu.
func (p *Process) launch(s Spec) (*child, error) {
	uid, gid, err := parseUser(s.User)
	if err != nil {
		return nil, err
	}
	if len(s.Command) == 0 {
		return nil, fmt.Errorf("container: start %s: %w", s.Name, ErrNoProgram)
	}
	places, scratch, err := p.places(s, uid, gid)
	if err != nil {
		return nil, err
	}
	port, addr := 0, ""
	if s.Port != 0 {
		if port, err = freePort(); err != nil {
			return nil, err
		}
		addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	args := listenOn(s.Command, "127.0.0.1", port)
	for i := range args {
		args[i] = places.Replace(args[i])
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, fmt.Errorf("container: start %s: %w: %w", s.Name, ErrNoProgram, err)
	}
	out, err := os.OpenFile(filepath.Join(scratch, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = places.Replace(s.Dir)
	cmd.Stdout, cmd.Stderr = out, out
	// Nothing of Lectern's own environment, which holds its secrets.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for _, line := range environment(s.Env) {
		cmd.Env = append(cmd.Env, places.Replace(line))
	}
	if err := p.starter.start(cmd, uid, gid); err != nil {
		return nil, fmt.Errorf("container: start %s: %w", s.Name, err)
	}
	return &child{
		Status: Status{ID: strconv.Itoa(cmd.Process.Pid), Name: s.Name, Labels: maps.Clone(s.Labels), Phase: Up, Addr: addr, StartedAt: time.Now()},
		cmd:    cmd, done: make(chan struct{}), scratch: scratch,
	}, nil
}

// places maps what a container would see (mounts, secrets, its own /tmp) to
// directories of this machine, in arguments, environment and working directory.
func (p *Process) places(s Spec, uid, gid int) (*strings.Replacer, string, error) {
	if !plainName(s.Name) {
		return nil, "", fmt.Errorf("container: %q is no name for a directory", s.Name)
	}
	scratch := filepath.Join(p.options.Dir, "scratch", s.Name)
	if err := errors.Join(os.RemoveAll(scratch), os.MkdirAll(scratch, 0o711)); err != nil {
		return nil, "", err
	}
	to := map[string]string{}
	for _, m := range s.Mounts {
		if _, err := p.options.Data.Translate(m.From); err != nil {
			return nil, "", err
		}
		if info, err := os.Lstat(m.From); err != nil || !info.IsDir() {
			return nil, "", fmt.Errorf("%w: %s is not a directory", ErrMount, m.From)
		}
		to[m.To] = m.From
	}
	for target := range s.Tmpfs {
		dir := filepath.Join(scratch, strings.ReplaceAll(strings.Trim(target, "/"), "/", "-"))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, "", err
		}
		if err := p.own(dir, uid, gid); err != nil {
			return nil, "", err
		}
		to[target] = dir
	}
	if len(s.Secrets) > 0 {
		user := s.User
		if os.Geteuid() != 0 {
			user = fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
		}
		dir, err := p.secrets.write(s.Name, user, s.Secrets)
		if err != nil {
			return nil, "", err
		}
		to[SecretsDir] = dir
	}
	// The longest first, so that a mount inside another wins.
	targets := slices.SortedFunc(maps.Keys(to), func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, t := range targets {
		pairs = append(pairs, t, to[t])
	}
	return strings.NewReplacer(pairs...), scratch, nil
}

// own gives path to the program's user where Lectern may.
func (p *Process) own(path string, uid, gid int) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, uid, gid)
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

// forget removes the files of name. The caller holds mu.
func (p *Process) forget(name string) error {
	return errors.Join(p.secrets.remove(name), secrets{filepath.Join(p.options.Dir, "scratch")}.remove(name))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
