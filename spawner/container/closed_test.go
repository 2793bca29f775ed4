package container_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

// lookOut says, from inside, what a container reaches and what it may use.
const lookOut = `
try() { name=$1; shift; if timeout 2 "$@" >/dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi; }
try neighbour bash -c "exec 3<>/dev/tcp/NEIGHBOUR/8888" &
try host bash -c "exec 3<>/dev/tcp/HOST" &
try listener bash -c "exec 3<>/dev/tcp/ELSEWHERE" &
try outside bash -c "exec 3<>/dev/tcp/192.0.2.1/80" &
try metadata bash -c "exec 3<>/dev/tcp/169.254.169.254/80" &
try proxied bash -c "exec 3<>/dev/tcp/GATE" &
try names getent hosts example.org &
wait
echo "nameserver $(grep -c '^nameserver 127.0.0.11$' /etc/resolv.conf)"
echo "proxy $HTTPS_PROXY $http_proxy"
echo "memory $(cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max)"
echo "pids $(cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max)"
echo "cpu $(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us 2>/dev/null | tr '\n' ' ' || cat /sys/fs/cgroup/cpu.max)"
echo end yes
`

// A container without a way out reaches neither names nor addresses beyond the
// host, nor its neighbours; the host reaches it.
func TestDockerClosedNetwork(t *testing.T) {
	t.Parallel()
	data, network := openTempDir(t), fmt.Sprintf("lectern-closing-%d", os.Getpid())
	d, err := container.NewDocker(container.DockerOptions{Network: network, Data: container.Paths{Inside: data}, Secrets: filepath.Join(data, "run", "secrets")})
	must(t, err)
	t.Cleanup(func() {
		for _, n := range []string{network, network + "-closed"} {
			_ = enginetest.Docker(context.Background(), http.MethodDelete, "/networks/"+n, nil, nil)
		}
	})
	r := enginetest.Rig{Engine: d, Data: data, Image: enginetest.StubImage(t), Realm: filepath.Base(filepath.Dir(data))}

	// The neighbour answers Lectern on the closed network as on the open one,
	// and is found there again.
	p := r.Place(t, "neighbour")
	p.Closed = true
	neighbour, err := d.Start(t.Context(), container.Workspace(p))
	must(t, err)
	enginetest.Answers(t, neighbour.Addr, p.Token)
	for what, find := range map[string]func() (string, error){
		"Inspect": func() (string, error) { s, err := d.Inspect(t.Context(), p.Name); return s.Addr, err },
		"List": func() (string, error) {
			list, err := d.List(t.Context(), p.Labels)
			if err != nil || len(list) != 1 {
				return "", fmt.Errorf("%d containers, %w", len(list), err)
			}
			return list[0].Addr, nil
		},
	} {
		if addr, err := find(); err != nil || addr != neighbour.Addr {
			t.Errorf("%s finds it at %q, %v; want %s", what, addr, err, neighbour.Addr)
		}
	}

	// Things listen on the host: at its address on this network, where only the
	// proxy's port is let through, and at another of its addresses.
	gate, err := net.InterfaceByName(container.ClosedInterface(network))
	must(t, err)
	addrs, err := gate.Addrs()
	must(t, err)
	host, _, err := net.ParseCIDR(addrs[0].String())
	must(t, err)
	ln, err := net.Listen("tcp", net.JoinHostPort(host.String(), "0"))
	must(t, err)
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	proxying, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, container.ProxyPort))
	must(t, err)
	defer proxying.Close()
	elsewhere := hostAddress(t)
	ln2, err := net.Listen("tcp", net.JoinHostPort(elsewhere, "0"))
	must(t, err)
	defer ln2.Close()

	look := func(name string, closed bool, limits container.Limits) map[string]string {
		t.Helper()
		q := r.Place(t, name)
		q.Image, q.Closed, q.Limits, q.Proxied = "debian:trixie-slim", closed, limits, true
		s := container.Workspace(q)
		ip, _, _ := net.SplitHostPort(neighbour.Addr)
		s.Command = []string{"bash", "-c", strings.NewReplacer("NEIGHBOUR", ip, "HOST", fmt.Sprintf("%s/%d", host, port),
			"ELSEWHERE", fmt.Sprintf("%s/%d", elsewhere, ln2.Addr().(*net.TCPAddr).Port), "GATE", fmt.Sprintf("%s/%d", host, container.ProxyPort)).Replace(lookOut)}
		_, err := d.Start(t.Context(), s)
		must(t, err)
		var log string
		enginetest.Await(t, "the last line", func() bool {
			log, err = d.Logs(t.Context(), q.Name, 100)
			return err == nil && strings.Contains(log, "end yes")
		})
		got := map[string]string{}
		for line := range strings.Lines(log) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			got[key] = value
		}
		return got
	}
	if before := look("before", true, container.Limits{}); before["host"] != "yes" {
		t.Errorf("before the firewall: %v; the test sees nothing", before)
	}
	firewall := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("../../deploy/firewall", append([]string{network}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("firewall: %v\n%s", err, out)
		}
	}
	firewall()
	t.Cleanup(func() { firewall("off") })
	inside := look("closed", true, container.Limits{Memory: 80 << 20, CPUs: .25, PIDs: 33, Tmp: 4 << 20})
	proxy := fmt.Sprintf("http://%s:%d", host, container.ProxyPort)
	for name, want := range map[string]string{
		"neighbour": "no", "listener": "no", "outside": "no", "metadata": "no", "names": "no", "host": "no", "proxied": "yes",
		"nameserver": "1", "proxy": proxy + " " + proxy, "memory": "83886080", "pids": "33", "end": "yes",
	} {
		if inside[name] != want {
			t.Errorf("inside: %s = %q, want %q", name, inside[name], want)
		}
	}
	if cpu := strings.Fields(inside["cpu"]); len(cpu) != 2 || cpu[0] != "25000" || cpu[1] != "100000" {
		t.Errorf("inside: cpu = %q, want a quarter of a core", inside["cpu"])
	}
	if open := look("open", false, container.Limits{Memory: 80 << 20, Tmp: 4 << 20}); open["proxy"] != "" || open["host"] != "no" {
		t.Errorf("on the open network: %v", open)
	}
}

// hostAddress is one of this machine's own, beyond every bridge.
func hostAddress(t *testing.T) string {
	t.Helper()
	list, err := net.InterfaceAddrs()
	must(t, err)
	for _, a := range list {
		ip, _, err := net.ParseCIDR(a.String())
		if err == nil && ip.To4() != nil && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			return ip.String()
		}
	}
	t.Fatal("this machine has no address of its own")
	return ""
}

// A network of that name that has a way out is not used.
func TestDockerRefusesAClosedNetworkThatIsOpen(t *testing.T) {
	t.Parallel()
	name := fmt.Sprintf("lectern-ajar-%d", os.Getpid())
	must(t, enginetest.Docker(t.Context(), http.MethodPost, "/networks/create", map[string]any{"Name": name + "-closed", "Driver": "bridge",
		"Options": map[string]string{"com.docker.network.bridge.enable_icc": "false"}}, nil))
	t.Cleanup(func() {
		_ = enginetest.Docker(context.Background(), http.MethodDelete, "/networks/"+name+"-closed", nil, nil)
	})
	data := openTempDir(t)
	d, err := container.NewDocker(container.DockerOptions{Network: name, Data: container.Paths{Inside: data}, Secrets: filepath.Join(data, "run", "secrets")})
	must(t, err)
	r := enginetest.Rig{Engine: d, Data: data, Image: enginetest.StubImage(t), Realm: filepath.Base(filepath.Dir(data))}
	p := r.Place(t, "ajar")
	p.Closed = true
	if _, err := d.Start(t.Context(), container.Workspace(p)); err == nil {
		t.Error("started with its network closed on one that has a way out")
	}
}
