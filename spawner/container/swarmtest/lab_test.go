package swarmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lectern/spawner/container/enginetest"
)

// lab is the switch and everything on it. This process sits on the switch too,
// at 10.99.0.254.
type lab struct {
	dir    string
	once   sync.Once
	err    error
	plugs  int
	image  string // of the stub, the same on every machine
	loaded []byte
}

var theLab lab

// machine is one computer of the lab.
type machine struct {
	t      *testing.T
	n      int    // its address is 10.99.0.n
	dir    string // its disk
	holder *exec.Cmd
	engine *exec.Cmd
	flags  []string
}

func (l *lab) open(t *testing.T) {
	t.Helper()
	l.once.Do(func() {
		l.err = run("ip", "link", "set", "lo", "up")
		for _, line := range []string{"link add br0 type bridge", "addr add 10.99.0.254/24 dev br0", "link set br0 up"} {
			if l.err == nil {
				l.err = run("ip", strings.Fields(line)...)
			}
		}
	})
	must(t, l.err)
}

// start puts machine n on the switch and boots its engine.
func (l *lab) start(t *testing.T, n int, flags ...string) *machine {
	t.Helper()
	m := l.plug(t, n, flags...)
	m.boot()
	return m
}

// plug puts machine n on the switch.
func (l *lab) plug(t *testing.T, n int, flags ...string) *machine {
	t.Helper()
	l.open(t)
	l.plugs++ // a new disk each time
	m := &machine{t: t, n: n, dir: fmt.Sprintf("%s/m%d-%d", l.dir, n, l.plugs), flags: flags}
	must(t, os.MkdirAll(m.dir, 0o755))
	// Names must fail at once, or every look for an image takes seconds.
	must(t, os.WriteFile(m.dir+"/resolv.conf", []byte("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"), 0o644))
	m.holder = exec.Command("unshare", "--net", "--mount", "--uts", "sh", "-c", fmt.Sprintf(`set -e
		hostname machine%d
		mount -t tmpfs none /run
		mount --bind %s/resolv.conf /etc/resolv.conf
		until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
		ip link set lo up; ip addr add %s/24 dev eth0; ip link set eth0 up; ip route add default via 10.99.0.254
		touch %s/up; exec sleep 3600`, n, m.dir, m.addr(), m.dir))
	must(t, m.holder.Start())
	t.Cleanup(m.off)
	link := "m" + strconv.Itoa(n)
	await(t, "the machine's own network", func() bool {
		a, err1 := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", m.holder.Process.Pid))
		b, err2 := os.Readlink("/proc/self/ns/net")
		return err1 == nil && err2 == nil && a != b
	})
	must(t, run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", strconv.Itoa(m.holder.Process.Pid)))
	must(t, run("ip", "link", "set", link, "master", "br0", "up"))
	await(t, "the machine's address", func() bool { _, err := os.Stat(m.dir + "/up"); return err == nil })
	return m
}

func (m *machine) addr() string   { return "10.99.0." + strconv.Itoa(m.n) }
func (m *machine) socket() string { return m.dir + "/docker.sock" }

// boot starts the engine and waits until it answers.
func (m *machine) boot() {
	m.t.Helper()
	_ = os.Remove(m.dir + "/engine.pid")
	args := append([]string{"-t", strconv.Itoa(m.holder.Process.Pid), "--net", "--mount", "--uts", "dockerd",
		"--data-root", m.dir + "/data", "--exec-root", m.dir + "/exec", "--pidfile", m.dir + "/engine.pid",
		"-H", "unix://" + m.socket(), "--bip", fmt.Sprintf("172.3%d.0.1/24", m.n), "--exec-opt", "native.cgroupdriver=cgroupfs",
		"--cgroup-parent", "/" + filepath.Base(theLab.dir) + "-" + strconv.Itoa(m.n)}, m.flags...)
	m.engine = exec.Command("nsenter", args...)
	log, err := os.OpenFile(m.dir+"/log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(m.t, err)
	defer log.Close()
	m.engine.Stdout, m.engine.Stderr = log, log
	must(m.t, m.engine.Start())
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err := m.call(http.MethodGet, "/_ping", nil); err == nil {
			return
		}
		if time.Now().After(end) {
			text, _ := os.ReadFile(m.dir + "/log")
			m.t.Fatalf("the engine of machine %d does not come up:\n%s", m.n, text[max(0, len(text)-3000):])
		}
	}
}

// run runs a command on the machine.
func (m *machine) run(name string, args ...string) error {
	return run("nsenter", append([]string{"-t", strconv.Itoa(m.holder.Process.Pid), "--net", "--mount", "--uts", name}, args...)...)
}

// halt kills the engine alone, as a crash would, and waits for its end.
func (m *machine) halt() {
	_ = m.engine.Process.Kill()
	_ = m.engine.Wait()
}

// off cuts the power: everything in the machine is gone at once.
func (m *machine) off() {
	if m.holder == nil {
		return
	}
	net, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", m.holder.Process.Pid))
	for tries := 0; err == nil && tries < 50; tries++ {
		killed := 0
		for _, pid := range pids() {
			if theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid)); err == nil && theirs == net || m.contains(pid) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				killed++
			}
		}
		if killed == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	_ = m.holder.Wait()
	if m.engine != nil {
		_ = m.engine.Wait()
	}
	m.holder = nil
	// The kernel takes its time to clear away a network that nobody is in.
	_ = exec.Command("ip", "link", "del", "m"+strconv.Itoa(m.n)).Run()
}

// contains reports whether a process is one of the machine's containers: those
// have networks of their own.
func (m *machine) contains(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return err == nil && bytes.Contains(text, []byte(filepath.Base(theLab.dir)+"-"+strconv.Itoa(m.n)+"/"))
}

func pids() (list []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid > 1 && pid != os.Getpid() {
			list = append(list, pid)
		}
	}
	return list
}

// link cuts the machine's cable, or plugs it in again.
func (m *machine) link(state string) {
	m.t.Helper()
	must(m.t, run("ip", "link", "set", "m"+strconv.Itoa(m.n), state))
}

// call asks the machine's engine, past every driver and every cut cable.
func (m *machine) call(method, path string, in any) ([]byte, error) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", m.socket())
		}}}
	kind, body := "application/json", io.Reader(nil)
	switch in := in.(type) {
	case nil:
	case []byte:
		kind, body = "application/x-tar", bytes.NewReader(in)
	default:
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, "http://docker"+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", kind)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return text, err
}

// ask is call that must succeed, decoded.
func ask[T any](m *machine, method, path string, in any) (out T) {
	m.t.Helper()
	text, err := m.call(method, path, in)
	must(m.t, err)
	if len(bytes.TrimSpace(text)) > 0 {
		_ = json.Unmarshal(text, &out) // some answers are no JSON and not wanted
	}
	return out
}

// load puts the stub's image on the machine. All have the very same, as if
// pulled: an image imported twice has two ids.
func (l *lab) load(t *testing.T, m *machine) {
	t.Helper()
	if l.loaded == nil {
		t.Setenv("DOCKER_HOST", "unix://"+m.socket())
		l.image = enginetest.StubImage(t)
		l.loaded = ask2(m, http.MethodGet, "/images/"+l.image+"/get")
		return
	}
	ask[any](m, http.MethodPost, "/images/load", l.loaded)
}

func ask2(m *machine, method, path string) []byte {
	m.t.Helper()
	text, err := m.call(method, path, nil)
	must(m.t, err)
	return text
}

// swarm makes the first machine the manager and has the others join it.
func (l *lab) swarm(t *testing.T, manager *machine, workers ...*machine) {
	t.Helper()
	listen := func(m *machine) map[string]any {
		return map[string]any{"ListenAddr": m.addr() + ":2377", "AdvertiseAddr": m.addr()}
	}
	ask[any](manager, http.MethodPost, "/swarm/init", listen(manager))
	token := ask[struct{ JoinTokens struct{ Worker string } }](manager, http.MethodGet, "/swarm", nil).JoinTokens.Worker
	for _, w := range workers {
		join := listen(w)
		join["RemoteAddrs"], join["JoinToken"] = []string{manager.addr() + ":2377"}, token
		ask[any](w, http.MethodPost, "/swarm/join", join)
	}
	await(t, "all machines ready", func() bool {
		ready := 0
		for _, n := range ask[[]node](manager, http.MethodGet, "/nodes", nil) {
			if n.Status.State == "ready" {
				ready++
			}
		}
		return ready == 1+len(workers)
	})
	for _, m := range append([]*machine{manager}, workers...) {
		l.load(t, m)
	}
}

type node struct {
	ID          string
	Version     struct{ Index int }
	Spec        map[string]any
	Description struct{ Hostname string }
	Status      struct{ State string }
}

// await waits up to half a minute for ok.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, 30*time.Second, what, ok)
}

// within waits for ok and returns how long it took.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for !ok() {
		if time.Since(begun) > limit {
			t.Fatalf("waited %v in vain for: %s", limit, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(begun)
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
