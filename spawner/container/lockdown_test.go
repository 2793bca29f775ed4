package container_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

// probe says, from inside, what a program could do. Each line is "name value";
// a thing that must fail prints "no".
const probe = `
try() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi; }
echo "id $(id -u):$(id -g)"
for f in CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp; do echo "$f $(sed -n "s/^$f:[[:space:]]*//p" /proc/self/status)"; done
try sysctl sh -c 'echo 1 > /proc/sys/vm/drop_caches'
try kernel sh -c 'echo x > /proc/sysrq-trigger'
try cgroup sh -c 'echo 1 > /sys/fs/cgroup/memory/memory.limit_in_bytes || echo 1 > /sys/fs/cgroup/memory.max'
try unshare unshare -U true
try mount mount -t tmpfs none /mnt
try root sh -c 'echo x > /etc/lectern'
try usr sh -c 'echo x > /usr/bin/lectern'
try release sh -c 'echo x > /course/release/x'
try secret sh -c 'echo x > /run/secrets/jupyter-token'
try home sh -c 'echo x > "$HOME/mine"'
try tmp sh -c 'echo x > /tmp/mine'
try exec sh -c 'cp /bin/true /tmp/true && /tmp/true'
try bigtmp dd if=/dev/zero of=/tmp/big bs=1M count=40
try core sh -c '[ "$(ulimit -Hc)" != 0 ]'
echo "nofile $(ulimit -Hn)"
echo "memory $(cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max)"
echo "pids $(cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max)"
try devices sh -c 'ls /dev/sda /dev/vda /dev/kmsg /dev/mem'
try socket sh -c 'test -S /var/run/docker.sock -o -S /run/docker.sock'
echo "suid $(find / -xdev -perm -4000 -user root -name su 2>/dev/null | head -1 | grep -q . && (echo | su -c id 2>/dev/null | grep -c uid=0))"
echo end yes
`

func TestDockerLockDown(t *testing.T) {
	t.Parallel()
	data := openTempDir(t)
	r := enginetest.Rig{Engine: newDocker(t, data), Data: data, Image: "debian:trixie-slim", Realm: filepath.Base(filepath.Dir(data))}
	p := r.Place(t, "lockdown")
	release := filepath.Join(data, "courses", "c", "release")
	must(t, os.MkdirAll(release, 0o755))
	must(t, os.WriteFile(filepath.Join(release, "hw.ipynb"), nil, 0o644))
	p.Mounts = []container.Mount{{From: release, To: "/course/release"}}
	p.Limits = container.Limits{Memory: 96 << 20, PIDs: 40, Tmp: 16 << 20}
	s := container.Workspace(p)
	s.Command = []string{"sh", "-c", probe}
	if _, err := r.Engine.Start(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	var log string
	enginetest.Await(t, "the probe's last line", func() bool {
		var err error
		log, err = r.Engine.Logs(t.Context(), p.Name, 100)
		return err == nil && strings.Contains(log, "end yes")
	})
	got := map[string]string{}
	for line := range strings.Lines(log) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		got[name] = value
	}
	const none = "0000000000000000"
	for name, want := range map[string]string{
		"id": "1000:100", "CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none,
		"NoNewPrivs": "1", "Seccomp": "2", "sysctl": "no", "kernel": "no", "cgroup": "no", "unshare": "no", "mount": "no",
		"root": "no", "usr": "no", "release": "no", "secret": "no", "home": "yes", "tmp": "yes", "exec": "yes", "bigtmp": "no",
		"core": "no", "nofile": "4096", "memory": "100663296", "pids": "40", "devices": "no", "socket": "no", "suid": "0",
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("inside: %s = %q, want %q", name, value, want)
		}
	}

	// And as the engine recorded it, whatever it made of the request.
	var c struct {
		HostConfig struct {
			Privileged, ReadonlyRootfs, PublishAllPorts, Init bool
			CapAdd, CapDrop, SecurityOpt, Binds, Devices      []any
			Memory, MemorySwap, PidsLimit, NanoCpus           int64
			NetworkMode, PidMode, IpcMode, UTSMode            string
			PortBindings                                      map[string]any
			RestartPolicy                                     struct{ Name string }
		}
	}
	must(t, enginetest.Docker(t.Context(), http.MethodGet, "/containers/"+p.Name+"/json", nil, &c))
	h := c.HostConfig
	if h.Privileged || !h.ReadonlyRootfs || h.PublishAllPorts || !h.Init || len(h.CapAdd)+len(h.Binds)+len(h.Devices)+len(h.PortBindings) != 0 ||
		len(h.CapDrop) != 1 || len(h.SecurityOpt) != 1 || h.MemorySwap != h.Memory || h.Memory != 96<<20 || h.PidsLimit != 40 || h.NanoCpus != 1e9 ||
		h.NetworkMode != testNetwork || h.PidMode != "" || h.IpcMode != "private" || h.UTSMode != "" || h.RestartPolicy.Name != "no" {
		t.Errorf("the engine recorded %+v", h)
	}
}

// A bridge of the right name that lets neighbours talk must not be used.
func TestDockerRefusesAnOpenNetwork(t *testing.T) {
	t.Parallel()
	name := "lectern-open"
	var made struct{ ID string }
	must(t, enginetest.Docker(t.Context(), http.MethodPost, "/networks/create", map[string]any{"Name": name, "Driver": "bridge"}, &made))
	t.Cleanup(func() { _ = enginetest.Docker(context.Background(), http.MethodDelete, "/networks/"+made.ID, nil, nil) })
	data := t.TempDir()
	d, err := container.NewDocker(container.DockerOptions{Network: name, Data: container.Paths{Inside: data}, Secrets: data + "/secrets"})
	must(t, err)
	if err := d.Ensure(t.Context()); err == nil || errors.Is(err, container.ErrEngineDown) {
		t.Errorf("Ensure on an open network = %v, want a refusal", err)
	}
}
