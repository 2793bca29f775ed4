// Package cluster runs a private Postgres server from the installed server
// binaries, in a directory of its own, reachable only through a Unix socket.
// It never touches a system cluster, and never runs as root: started by root it
// drops to an unprivileged account. It knows nothing of Lectern's schema.
package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Config says where and how a cluster runs.
type Config struct {
	Dir       string            // made if missing; holds data, socket and log; see Cluster.Dir
	Ephemeral bool              // for tests: no fsync, dies with this process
	Settings  map[string]string // further server settings
}

// Cluster is a running private server.
type Cluster struct {
	URL string // for the superuser `lectern`, database `postgres`

	cfg    Config
	dir    string
	bin    string
	socket string
	cred   *syscall.Credential
	lock   *os.File
	cmd    *exec.Cmd
	done   chan error
}

// Start makes the cluster if it is missing and runs it. It returns when the
// server answers.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, dir: dir, bin: bin, done: make(chan error, 1)}
	if err := c.prepare(ctx); err != nil {
		return nil, fmt.Errorf("cluster: prepare %s: %w", dir, err)
	}
	c.URL = c.url("postgres")
	if err := c.own(ctx); err != nil {
		return nil, err
	}
	if err := c.launch(cfg); err != nil {
		return nil, fmt.Errorf("cluster: start: %w", err)
	}
	if err := c.wait(ctx); err != nil {
		_ = c.Stop()
		return nil, fmt.Errorf("cluster: %w; its log ends:\n%s", err, c.LogTail())
	}
	return c, nil
}

// URL is where the named database of the cluster in dir is, for a program that
// does not run the cluster itself. It asks nobody whether it is there.
func URL(dir, name string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	c := &Cluster{dir: dir}
	c.place()
	return c.url(name), nil
}

func (c *Cluster) url(name string) string {
	return (&url.URL{Scheme: "postgres", Host: "", Path: "/" + name, RawQuery: url.Values{
		"host": {c.socket}, "user": {"lectern"}, "sslmode": {"disable"},
	}.Encode()}).String()
}

// place decides where the cluster and its socket are.
func (c *Cluster) place() {
	if os.Geteuid() == 0 && closed(filepath.Dir(c.dir)) {
		// Root's own home, say: the account the server runs as may not walk through it.
		c.dir = filepath.Join("/var/lib/lectern", fmt.Sprintf("postgres-%x", sha256.Sum256([]byte(c.dir)))[:25])
	}
	c.socket = filepath.Join(c.dir, "socket")
	if len(c.socket) > 80 { // a Unix socket's path holds 107 bytes at most
		sum := fmt.Sprintf("%x", []byte(c.dir))
		c.socket = filepath.Join(os.TempDir(), "lectern-pg-"+sum[max(0, len(sum)-24):])
	}
}

// own makes sure that no other program runs this cluster, and ends a server that
// a killed one left behind: it is no child of ours, so we could not watch it.
func (c *Cluster) own(ctx context.Context) error {
	lock, err := os.OpenFile(filepath.Join(c.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	c.lock = lock // held until this process ends, however it does
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("cluster: another program runs the database in %s", c.dir)
	}
	if c.answers(ctx) != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if out, err := c.command(ctx, "pg_ctl", "-D", filepath.Join(c.dir, "data"), "-m", "fast", "-w", "stop").CombinedOutput(); err != nil {
		return fmt.Errorf("cluster: end the server left behind: %w: %s", err, out)
	}
	return nil
}

// prepare makes the directories and, once, the data directory.
func (c *Cluster) prepare(ctx context.Context) error {
	if os.Geteuid() == 0 {
		cred, err := unprivileged()
		if err != nil {
			return err
		}
		c.cred = cred
	}
	c.place()
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	data := filepath.Join(c.dir, "data")
	for _, d := range []string{data, c.socket} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
		if c.cred != nil {
			if err := os.Chown(d, int(c.cred.Uid), int(c.cred.Gid)); err != nil {
				return err
			}
		}
	}
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		return nil
	}
	cmd := c.command(ctx, "initdb", "-D", data, "-U", "lectern", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out.String())
	}
	return nil
}

func (c *Cluster) launch(cfg Config) error {
	args := []string{"-D", filepath.Join(c.dir, "data"), "-k", c.socket, "-c", "listen_addresses=",
		"-c", "unix_socket_permissions=0700", "-c", "max_connections=120", "-c", "log_min_messages=warning"}
	if cfg.Ephemeral {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
			"-c", "shared_buffers=64MB")
	}
	for k, v := range cfg.Settings {
		args = append(args, "-c", k+"="+v)
	}
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	c.cmd = c.command(context.Background(), "postgres", args...)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	if cfg.Ephemeral {
		c.cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	} else {
		// A terminal's Ctrl-C goes to Lectern, which stops the server last.
		c.cmd.SysProcAttr.Setpgid = true
	}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	go func() { c.done <- c.cmd.Wait() }()
	return nil
}

func (c *Cluster) wait(ctx context.Context) error {
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := c.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case exit := <-c.done:
			return fmt.Errorf("the server ended: %v", exit)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no answer in 60 s: %w", err)
		}
	}
}

func (c *Cluster) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// Database makes the named database if it is missing and returns its URL.
func (c *Cluster) Database(ctx context.Context, name string) (string, error) {
	conn, err := pgx.Connect(ctx, c.URL)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var exists bool
	if err := conn.QueryRow(ctx, `select exists (select from pg_database where datname = $1)`, name).Scan(&exists); err != nil {
		return "", err
	}
	if !exists {
		if _, err := conn.Exec(ctx, "create database "+pgx.Identifier{name}.Sanitize()); err != nil {
			return "", err
		}
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// Watch starts the server again whenever it ends by itself, until ctx ends. What
// was committed is there again; what was not is rolled back.
func (c *Cluster) Watch(ctx context.Context, log *slog.Logger) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-c.done:
			log.Error("the database server ended and is started again", "error", err, "log", c.LogTail())
			time.Sleep(time.Second)
			if err := c.launch(c.cfg); err != nil {
				return fmt.Errorf("cluster: restart: %w", err)
			}
		}
	}
}

// Stop ends the server in good order: open transactions are rolled back.
func (c *Cluster) Stop() error {
	defer c.lock.Close()
	_ = c.cmd.Process.Signal(syscall.SIGINT) // "fast" shutdown
	select {
	case <-c.done:
		return nil
	case <-time.After(30 * time.Second):
		_ = c.cmd.Process.Signal(syscall.SIGQUIT)
		<-c.done
		return errors.New("cluster: had to be stopped at once; it will recover at its next start")
	}
}

// Dir is where the cluster lies: Config.Dir, or, if the server's account may not
// walk there, a directory of its own below /var/lib/lectern.
func (c *Cluster) Dir() string { return c.dir }

// PID is the server's process, for tests that hurt it.
func (c *Cluster) PID() int { return c.cmd.Process.Pid }

// LogTail is the last 2 kB of the server's log.
func (c *Cluster) LogTail() string {
	b, _ := os.ReadFile(filepath.Join(c.dir, "log"))
	return string(b[max(0, len(b)-2048):])
}

func (c *Cluster) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred}
	return cmd
}

// closed reports whether a directory, or one above it, lets only its owner through.
func closed(dir string) bool {
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if st, err := os.Stat(dir); err == nil && st.Mode()&0o001 == 0 {
			return true
		}
	}
	return false
}

// binaries is the directory of the newest installed server.
func binaries() (string, error) {
	found, best := "", -1
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	for _, f := range dirs {
		major, err := strconv.Atoi(strings.Split(f, "/")[4])
		if err == nil && major > best {
			found, best = filepath.Dir(f), major
		}
	}
	if found != "" {
		return found, nil
	}
	if f, err := exec.LookPath("initdb"); err == nil {
		if f, err = filepath.EvalSymlinks(f); err == nil {
			return filepath.Dir(f), nil
		}
	}
	return "", errors.New("cluster: no Postgres server is installed (Debian: apt-get install postgresql)")
}

// unprivileged is the account root drops to: postgres if there is one.
func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("neither account postgres nor nobody exists")
}
