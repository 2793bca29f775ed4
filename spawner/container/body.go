package container

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/strslice"
)

// body turns a spec into what the engine is asked for. It is the whole of the
// lock-down, so that one golden test can hold it. Labels and
// mounts come complete. gateway is the host's address on a closed network.
func body(s Spec, network, gateway string, mounts []mount.Mount) (*container.Config, *container.HostConfig) {
	limits := s.Limits.Or(DefaultLimits)
	if !s.Network {
		network = "none"
	}
	env := s.Env
	if s.Closed && s.Proxied {
		env = proxied(s.Env, gateway)
	}
	config := &container.Config{
		Image:      s.Image,
		Labels:     s.Labels,
		User:       s.User,
		WorkingDir: s.Dir,
		Env:        environment(env),
		// As the entry point, because an image's own often insists on root.
		Entrypoint: strslice.StrSlice(listenOn(s.Command, "0.0.0.0", s.Port)),
		StopSignal: "SIGTERM",
	}
	host := &container.HostConfig{
		Init:           new(true), // reaps what kernels leave behind
		ReadonlyRootfs: !s.WritableRoot,
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		CapDrop:        strslice.StrSlice{"ALL"},
		// Seccomp stays unset on purpose: that is the engine's default profile.
		SecurityOpt: []string{"no-new-privileges"},
		IpcMode:     container.IPCModePrivate,
		NetworkMode: container.NetworkMode(network),
		Runtime:     s.Runtime,
		LogConfig:   container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "5m", "max-file": "1"}},
		Tmpfs:       s.Tmpfs,
		Mounts:      mounts,
		// When the whole machine is short, a student's program goes before
		// Postgres and Lectern do.
		OomScoreAdj: 500,
		Resources: container.Resources{
			Memory:            limits.Memory,
			MemorySwap:        limits.Memory,
			MemoryReservation: limits.Reservation,
			NanoCPUs:          int64(limits.CPUs * 1e9),
			PidsLimit:         new(limits.PIDs),
			Ulimits: []*container.Ulimit{
				{Name: "core", Soft: 0, Hard: 0},
				{Name: "nofile", Soft: 4096, Hard: 4096},
			},
		},
	}
	if s.Network && s.Closed {
		// The engine answers names itself, and asks the host's name server for
		// what it does not know: also for a container without a way out, which
		// could so tell whoever owns a domain whatever it wants. It is given one
		// that is nobody's (RFC 5737) and that it does not reach.
		host.DNS, host.DNSOptions = []string{"192.0.2.53"}, []string{"timeout:1", "attempts:1"}
	}
	return config, host
}

// proxied is env with the names that programs look for a proxy under.
func proxied(env map[string]string, gateway string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, env)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		out[name] = "http://" + net.JoinHostPort(gateway, strconv.Itoa(ProxyPort))
	}
	out["NO_PROXY"], out["no_proxy"] = "localhost,127.0.0.1,::1", "localhost,127.0.0.1,::1"
	return out
}

// bind is one mount as the engine wants it: a missing source is an error (the
// older "binds" would make it, as root), and nothing mounted later leaks in.
func bind(from, to string, writable bool) mount.Mount {
	return mount.Mount{
		Type: mount.TypeBind, Source: from, Target: to, ReadOnly: !writable,
		BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate},
	}
}

func environment(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for _, k := range slices.Sorted(maps.Keys(env)) {
		list = append(list, fmt.Sprintf("%s=%s", k, env[k]))
	}
	return list
}

func listenOn(command []string, ip string, port int) []string {
	r := strings.NewReplacer("{ip}", ip, "{port}", strconv.Itoa(port))
	out := make([]string, len(command))
	for i, arg := range command {
		out[i] = r.Replace(arg)
	}
	return out
}
