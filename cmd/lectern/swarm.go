package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lectern/spawner/container"
)

// engineConfig says which engine workspaces run on, if it is not this machine's,
// and what holds for a swarm; see docs/swarm.md.
type engineConfig struct {
	Host  string // empty asks DOCKER_HOST and its companions
	Certs string // directory with ca.pem, cert.pem and key.pem

	Label     string // what a swarm's machine must have
	Overlay   bool   // dial containers on the overlay network
	NodePort  int    // where the machines' engines listen; 0: they do not
	Heartbeat time.Duration
	Lease     time.Duration
	Volume    *container.VolumeOptions // nil: homes are directories of a shared mount
}

func readEngine(r *reader) engineConfig {
	c := engineConfig{
		Host:      r.text("LECTERN_ENGINE", ""),
		Certs:     r.text("LECTERN_ENGINE_CERTS", ""),
		Label:     r.text("LECTERN_SWARM_LABEL", "lectern.workspaces=yes"),
		Overlay:   parse(r, "LECTERN_SWARM_REACH", "port", oneOf("port", "overlay")) == "overlay",
		NodePort:  parse(r, "LECTERN_SWARM_NODE_PORT", "0", parsePort),
		Heartbeat: parse(r, "LECTERN_SWARM_HEARTBEAT", "60s", atLeast(30*time.Second)),
		Lease:     parse(r, "LECTERN_SWARM_LEASE", "60s", atLeast(30*time.Second)),
	}
	if r.text("LECTERN_SWARM_VOLUME", "") != "" {
		c.Volume = parse(r, "LECTERN_SWARM_VOLUME", "", parseVolume)
	}
	if strings.HasPrefix(c.Host, "tcp://") && c.Certs == "" {
		r.errs = append(r.errs, errors.New("LECTERN_ENGINE_CERTS: an engine on a network obeys everybody who reaches it, as root, "+
			"unless both sides have certificates; make them with lectern certs"))
	}
	if c.NodePort != 0 && c.Certs == "" {
		r.errs = append(r.errs, errors.New("LECTERN_SWARM_NODE_PORT: engines are only asked with certificates; set LECTERN_ENGINE_CERTS"))
	}
	return c
}

func (h *house) newSwarm() (container.Engine, error) {
	e := h.cfg.Engine
	return container.NewSwarm(container.SwarmOptions{
		Docker: container.DockerOptions{Host: e.Host, Certs: e.Certs, Network: h.cfg.Network,
			Data: container.Paths{Inside: h.cfg.Data, Host: h.cfg.DataHost}, Secrets: filepath.Join(h.cfg.Data, "secrets"), Log: h.log},
		Label: e.Label, Overlay: e.Overlay, NodePort: e.NodePort, Heartbeat: e.Heartbeat, Lease: e.Lease, Volume: e.Volume,
	})
}

func parsePort(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is not a port", s)
	}
	return int(n), nil
}

func atLeast(least time.Duration) func(string) (time.Duration, error) {
	return func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err == nil && d < least {
			err = fmt.Errorf("%v is less than %v", d, least)
		}
		return d, err
	}
}

// parseVolume reads a driver and its options, such as
// local;type=nfs;o=addr=10.0.0.5,nfsvers=4.1,hard;device=:/srv/lectern/{path}.
func parseVolume(s string) (*container.VolumeOptions, error) {
	driver, rest, _ := strings.Cut(s, ";")
	v := &container.VolumeOptions{Driver: driver, Options: map[string]string{}}
	for option := range strings.SplitSeq(rest, ";") {
		name, value, ok := strings.Cut(option, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not of the form name=value", option)
		}
		v.Options[name] = value
	}
	if !strings.Contains(rest, "{path}") {
		return nil, errors.New("no option says {path}, so every student would have the same home")
	}
	return v, nil
}
