package main

import (
	"strings"
	"testing"
	"time"
)

func TestSwarmSettings(t *testing.T) {
	t.Parallel()
	read := func(env map[string]string) (config, error) {
		return readConfig(func(k string) string { return env[k] })
	}
	c, err := read(map[string]string{
		"LECTERN_SPAWNER": "swarm", "LECTERN_ENGINE": "tcp://10.0.0.11:2376", "LECTERN_ENGINE_CERTS": "/etc/lectern/certs",
		"LECTERN_SWARM_NODE_PORT": "2376", "LECTERN_SWARM_VOLUME": "local;type=nfs;o=addr=10.0.0.5,nfsvers=4.1,hard;device=:/srv/{path}",
	})
	if err != nil {
		t.Fatal(err)
	}
	if e := c.Engine; e.NodePort != 2376 || e.Label != "lectern.workspaces=yes" || e.Heartbeat != time.Minute || e.Overlay ||
		e.Volume.Driver != "local" || e.Volume.Options["o"] != "addr=10.0.0.5,nfsvers=4.1,hard" || e.Volume.Options["device"] != ":/srv/{path}" {
		t.Errorf("read %+v, volume %+v", e, e.Volume)
	}
	if _, err := (&house{cfg: c, log: (&env{stderr: t.Output(), getenv: func(string) string { return "" }}).logger()}).newSwarm(); err == nil {
		t.Error("certificates that are not there were accepted")
	}
	for name, env := range map[string]map[string]string{
		"LECTERN_ENGINE_CERTS":    {"LECTERN_ENGINE": "tcp://10.0.0.11:2375"},
		"LECTERN_SWARM_NODE_PORT": {"LECTERN_SWARM_NODE_PORT": "2375"},
		"LECTERN_SWARM_HEARTBEAT": {"LECTERN_SWARM_HEARTBEAT": "5s"},
		"LECTERN_SWARM_LEASE":     {"LECTERN_SWARM_LEASE": "0s"},
		"LECTERN_SWARM_REACH":     {"LECTERN_SWARM_REACH": "ingress"},
		"LECTERN_SWARM_VOLUME":    {"LECTERN_SWARM_VOLUME": "local;device=:/srv"},
		"LECTERN_SPAWNER":         {"LECTERN_SPAWNER": "kubernetes"},
	} {
		if _, err := read(env); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: %v, want a word on %s", env, err, name)
		}
	}
}
