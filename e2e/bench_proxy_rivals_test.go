package e2e_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lectern/spawner/container/enginetest"
)

// rivals starts the other proxies before the same workspace; deploy/rivals
// fetches those that are not part of Go.
func rivals(b *testing.B, base way, to string) []way {
	b.Helper()
	fetched := exec.Command("../deploy/rivals")
	if out, err := fetched.CombinedOutput(); err != nil {
		b.Fatalf("deploy/rivals: %v\n%s", err, out)
	}
	dir := os.Getenv("LECTERN_RIVALS")
	if dir == "" {
		cache, err := os.UserCacheDir()
		must(b, err)
		dir = filepath.Join(cache, "lectern", "rivals")
	}
	bare := filepath.Join(b.TempDir(), "bare")
	if out, err := exec.Command("go", "build", "-o", bare, "lectern/bench/bare").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	listen := func() (port int, addr string) {
		port = enginetest.Port(b)
		return port, fmt.Sprintf("127.0.0.1:%d", port)
	}
	var all []way
	add := func(name, addr string, cmd *exec.Cmd) {
		w := base
		w.name, w.addr, w.pids = name, addr, rival(b, addr, cmd)
		all = append(all, w)
	}
	_, addr := listen()
	add("bare", addr, exec.Command(bare, "-listen", addr, "-to", "http://"+to))
	_, addr = listen()
	add("tuned", addr, exec.Command(bare, "-listen", addr, "-to", "http://"+to, "-idle", "64"))
	_, addr = listen()
	add("nginx", addr, exec.Command(filepath.Join(dir, "nginx", "usr", "sbin", "nginx"), "-e", "stderr", "-p", nginxDir(b, addr, to), "-c", "nginx.conf"))
	port, addr := listen()
	api, _ := listen()
	add("chp", addr, exec.Command(filepath.Join(dir, "chp", "node_modules", ".bin", "configurable-http-proxy"), "--ip", "127.0.0.1", "--port", itoa(port),
		"--api-ip", "127.0.0.1", "--api-port", itoa(api), "--default-target", "http://"+to, "--log-level", "error"))
	return all
}

// rival runs a proxy until the benchmark ends, and gives its processes.
func rival(b *testing.B, addr string, cmd *exec.Cmd) []int {
	b.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	must(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	await(b, cmd.Path+" to listen", func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	})
	time.Sleep(200 * time.Millisecond) // nginx's workers
	pids := []int{cmd.Process.Pid}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
	must(b, err)
	for _, pid := range strings.Fields(string(children)) {
		n, err := strconv.Atoi(pid)
		must(b, err)
		pids = append(pids, n)
	}
	return pids
}

// nginxDir holds nginx's configuration: one worker a core, connections kept to
// both sides, websockets, no log; the rest as Debian's package has it.
func nginxDir(b *testing.B, addr, to string) string {
	b.Helper()
	dir := b.TempDir()
	must(b, os.Chmod(filepath.Dir(dir), 0o755))
	must(b, os.WriteFile(filepath.Join(dir, "nginx.conf"), fmt.Appendf(nil, `
daemon off;
user root;
pid nginx.pid;
error_log stderr error;
worker_processes auto;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	keepalive_requests 1000000;
	sendfile on;
	tcp_nopush on;
	map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
	upstream workspace { server %s; keepalive 64; keepalive_requests 1000000; }
	server {
		listen %s;
		location / {
			proxy_pass http://workspace;
			proxy_http_version 1.1;
			proxy_set_header Host $http_host;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection $connection_upgrade;
			proxy_read_timeout 1h;
		}
	}
}
`, to, addr), 0o644))
	return dir
}

// pathOf is the machine's PATH with a program's directory before all others.
func pathOf(program string) string {
	return filepath.Dir(program) + string(os.PathListSeparator) + os.Getenv("PATH")
}
