package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lectern/course"
	"lectern/exchange"
	"lectern/spawner/container"
	"lectern/spawner/remote"
	"lectern/store"
	"lectern/store/cluster"
)

type spawnerCmd struct {
	Socket string `arg:"" optional:"" help:"Where to listen; LECTERN_SPAWNER_SOCKET otherwise."`
}

// Run commands the container engine for a Lectern that may not, until the
// context ends. It reads the same settings as that one, and answers nobody on
// any network.
func (c spawnerCmd) Run(e *env) error {
	cfg, err := readConfig(e.getenv)
	if err != nil {
		return err
	}
	if c.Socket != "" {
		cfg.SpawnerDoor = c.Socket
	}
	switch {
	case cfg.SpawnerDoor == "":
		return errors.New("say where to listen: LECTERN_SPAWNER_SOCKET, or a path as the argument")
	case cfg.Spawner == "process":
		return errors.New("LECTERN_SPAWNER=process starts no containers: there is nothing for a process of its own to guard")
	}
	h := &house{cfg: cfg, log: e.logger().With("process", "spawner")}
	h.log.Info("starting", "socket", cfg.SpawnerDoor, "data", cfg.Data, "peer_user", cfg.PeerUser, "peer_group", cfg.PeerGroup)
	database, err := readOnly(cfg)
	if err != nil {
		return err
	}
	if h.store, err = store.Open(e.ctx, database); err != nil {
		return err
	}
	defer h.store.Close()
	if err := h.shareData(e.ctx); err != nil {
		return err
	}
	if h.engine, err = h.newEngine(); err != nil {
		return err
	}
	local, err := h.localEngine()
	if err != nil {
		return err
	}
	defer local.Close()
	ln, err := remote.Listen(cfg.SpawnerDoor, remote.Peers{User: cfg.PeerUser, Group: cfg.PeerGroup}, h.log)
	if err != nil {
		return err
	}
	ctx, done := context.WithCancel(e.ctx)
	pool := make(chan error, 1)
	go func() { pool <- h.keepPool(ctx) }()
	defer func() { done(); <-pool }()
	h.log.Info("ready", "socket", cfg.SpawnerDoor)
	err = remote.NewServer(remote.Config{Workspaces: h.engine, Local: local, Images: h.imagesOn(local), Rows: doorRows{h}, Data: cfg.Data, Log: h.log,
		Grading: container.Limits{Memory: cfg.GradeMemory}}).Serve(e.ctx, ln)
	h.log.Info("stopped")
	return err
}

// shareData waits for the Lectern beside us to make the data root, which this
// process may only read.
func (h *house) shareData(ctx context.Context) error {
	layout := course.Layout{Root: h.cfg.Data}
	for range 120 {
		_, err1 := os.Stat(layout.CoursesDir())
		_, err2 := os.Stat(layout.HomesDir())
		if errors.Join(err1, err2) == nil || ctx.Err() != nil {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var err error
	h.exchange, err = exchange.New(layout, exchange.Options{UID: workspaceUID, GID: workspaceGID, NewHome: h.newHome()})
	if err != nil {
		return err
	}
	return h.openQuota(ctx)
}

// engines makes what is asked for containers: an engine's own socket, or the
// spawner process, and then no engine's socket is opened here at all.
func (h *house) engines() (err error) {
	if h.cfg.SpawnerDoor != "" {
		door := remote.NewClient(h.cfg.SpawnerDoor)
		h.engine, h.sealing, h.assets, h.images = door, door.Graders(), door.Assets, door
		return nil
	}
	if h.engine, err = h.newEngine(); err != nil {
		return err
	}
	local, err := h.localEngine()
	if err != nil {
		return err
	}
	h.sealing = local
	if h.cfg.Spawner != "process" { // whose JupyterLab is not an image's
		h.assets, h.images = local.Assets, h.imagesOn(local)
	}
	return nil
}

// imagesOn are the images that workspaces and graders start from.
func (h *house) imagesOn(local *container.Docker) container.Images {
	if engine, ok := h.engine.(container.Images); ok {
		return container.Besides(engine, local)
	}
	return local
}

// localEngine grades and reads images, whatever workspaces run on.
func (h *house) localEngine() (*container.Docker, error) {
	return container.NewDocker(container.DockerOptions{Network: h.cfg.Network,
		Data: container.Paths{Inside: h.cfg.Data, Host: h.cfg.DataHost}, Secrets: filepath.Join(h.cfg.Data, "secrets"), Log: h.log})
}

// readOnly is the database, as a connection that cannot change anything: what
// this process is told, it only reads.
func readOnly(cfg config) (string, error) {
	const setting = "default_transaction_read_only"
	text := cfg.DatabaseURL
	if text == "" { // the private cluster of the Lectern beside us
		var err error
		if text, err = cluster.URL(filepath.Join(cfg.Data, "postgres"), "lectern"); err != nil {
			return "", err
		}
	}
	if !strings.Contains(text, "://") { // host=… dbname=…
		return text + " " + setting + "=on", nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", fmt.Errorf("LECTERN_DATABASE_URL: %w", err)
	}
	q := u.Query()
	q.Set(setting, "on")
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// parseUser reads a user's name or number; empty is nobody.
func parseUser(s string) (int, error) {
	if s == "" {
		return -1, nil
	}
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return int(n), nil
	}
	u, err := user.Lookup(s)
	if err != nil {
		return -1, err
	}
	return strconv.Atoi(u.Uid)
}

// parseGroup reads a group's name or number; empty is none.
func parseGroup(s string) (int, error) {
	if s == "" {
		return -1, nil
	}
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return int(n), nil
	}
	g, err := user.LookupGroup(s)
	if err != nil {
		return -1, err
	}
	return strconv.Atoi(g.Gid)
}
