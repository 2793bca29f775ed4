package container

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
)

// stopGrace is how long a program on a swarm may take to end. It is part of the
// service, so it cannot be chosen anew when one is stopped.
const stopGrace = 10 * time.Second

// stoppedConstraint is met by no machine. A service is stopped by moving it
// there: its task ends and stays readable, and the next one never starts.
const stoppedConstraint = "node.id==lectern.stopped"

// service turns a spec into what swarm is asked for: the same lock-down as body
// has, as far as the Services API goes. What engines before 27.0 do not know of
// it (no new privileges, flags of /tmp, order of killing), they leave out;
// docs/swarm.md says what to set on the machines instead. overlay is a network, or
// empty to publish a port. Labels and mounts come complete.
func service(s Spec, overlay, node string, mounts []mount.Mount, secrets []*swarm.SecretReference) swarm.ServiceSpec {
	limits := s.Limits.Or(DefaultLimits)
	for _, target := range slices.Sorted(maps.Keys(s.Tmpfs)) {
		mounts = append(mounts, tmpfs(target, s.Tmpfs[target]))
	}
	spec := swarm.ServiceSpec{
		Annotations: swarm.Annotations{Name: s.Name, Labels: s.Labels},
		TaskTemplate: swarm.TaskSpec{
			ContainerSpec: &swarm.ContainerSpec{
				Image:           s.Image,
				Labels:          s.Labels,
				Command:         listenOn(s.Command, "0.0.0.0", s.Port),
				Env:             environment(s.Env),
				Dir:             s.Dir,
				User:            s.User,
				Init:            new(true),
				StopSignal:      "SIGTERM",
				StopGracePeriod: new(stopGrace),
				ReadOnly:        !s.WritableRoot,
				CapabilityDrop:  []string{"ALL"},
				Privileges:      &swarm.Privileges{NoNewPrivileges: true},
				OomScoreAdj:     500,
				Mounts:          mounts,
				Secrets:         secrets,
				Ulimits: []*container.Ulimit{
					{Name: "core", Soft: 0, Hard: 0},
					{Name: "nofile", Soft: 4096, Hard: 4096},
				},
			},
			Resources: &swarm.ResourceRequirements{
				Limits:       &swarm.Limit{NanoCPUs: int64(limits.CPUs * 1e9), MemoryBytes: limits.Memory, Pids: limits.PIDs},
				Reservations: &swarm.Resources{MemoryBytes: limits.Reservation},
			},
			// Swarm starts nothing again, and could do so nowhere else.
			RestartPolicy: &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionNone},
			Placement:     &swarm.Placement{Constraints: []string{"node.id==" + node}},
			LogDriver:     &swarm.Driver{Name: "json-file", Options: map[string]string{"max-size": "5m", "max-file": "1"}},
		},
		Mode: swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: new(uint64(1))}},
		// The old task ends before anything else may be.
		UpdateConfig: &swarm.UpdateConfig{Parallelism: 1, Order: swarm.UpdateOrderStopFirst, FailureAction: swarm.UpdateFailureActionPause},
		// No virtual address: it is of no use to one task and needs IP_VS.
		EndpointSpec: &swarm.EndpointSpec{Mode: swarm.ResolutionModeDNSRR},
	}
	switch {
	case overlay != "":
		spec.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: overlay}}
	case s.Port != 0: // on the machine's default bridge
		spec.EndpointSpec.Ports = []swarm.PortConfig{{Protocol: swarm.PortConfigProtocolTCP, TargetPort: uint32(s.Port), PublishMode: swarm.PortConfigPublishModeHost}}
	}
	return spec
}

// tmpfs is a file system in memory. The flags are for engines from 27.0 on;
// older ones mount it noexec.
func tmpfs(target, options string) mount.Mount {
	o := &mount.TmpfsOptions{}
	for opt := range strings.SplitSeq(options, ",") {
		name, value, _ := strings.Cut(opt, "=")
		switch name {
		case "size":
			o.SizeBytes, _ = strconv.ParseInt(value, 10, 64)
		case "mode":
			mode, _ := strconv.ParseUint(value, 8, 32)
			o.Mode = os.FileMode(mode)
		case "exec":
			o.Options = append(o.Options, []string{"exec"})
		}
	}
	return mount.Mount{Type: mount.TypeTmpfs, Target: target, TmpfsOptions: o}
}

// volume is one mount by a volume driver. It has a name, made of what it is, and
// so is never removed by itself: removing a volume whose file system is still
// mounted could empty it.
func (v *VolumeOptions) volume(rel, to string, writable bool) mount.Mount {
	sum := sha256.New()
	options := map[string]string{}
	for _, k := range slices.Sorted(maps.Keys(v.Options)) {
		options[k] = strings.ReplaceAll(v.Options[k], "{path}", rel)
		sum.Write([]byte(k + "\x00" + options[k] + "\x00"))
	}
	return mount.Mount{
		Type: mount.TypeVolume, Source: "lectern-" + hex.EncodeToString(sum.Sum(nil)[:16]), Target: to, ReadOnly: !writable,
		VolumeOptions: &mount.VolumeOptions{NoCopy: true, DriverConfig: &mount.Driver{Name: v.Driver, Options: options}},
	}
}
