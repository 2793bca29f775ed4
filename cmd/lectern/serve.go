package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"lectern/course"
	"lectern/course/notebook/render"
	"lectern/exchange"
	"lectern/exchange/quota"
	"lectern/grading"
	"lectern/handlers"
	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/static"
	"lectern/store"
	"lectern/store/cluster"
)

type serveCmd struct{}

// Run serves until the context ends.
func (serveCmd) Run(e *env) error {
	cfg, err := readConfig(e.getenv)
	if err != nil {
		return err
	}
	h, err := build(e, cfg)
	if err != nil {
		return err
	}
	defer h.close()
	return h.serve(e.ctx, handlers.Config{SiteURL: cfg.SiteURL, Work: cfg.Work, Content: cfg.Content, Local: cfg.Local,
		Proxies: cfg.Proxies, Providers: cfg.Providers, Image: cfg.Image})
}

type migrateCmd struct{}

// Run migrates and ends.
func (migrateCmd) Run(e *env) error {
	cfg, err := readConfig(e.getenv)
	if err != nil {
		return err
	}
	h, err := build(e, cfg)
	if err != nil {
		return err
	}
	h.close()
	return nil
}

// house is the wired program.
type house struct {
	cfg     config
	log     *slog.Logger
	store   *store.Store
	cluster *cluster.Cluster // nil with a database of the operator's

	exchange *exchange.Exchange
	quota    quota.Driver     // of homes
	engine   container.Engine // that workspaces run on
	sealing  grading.Engine   // that graders run on
	assets   handlers.Assets  // nil leaves JupyterLab's files to workspaces
	images   container.Images // nil where workspaces are no containers
	spawner  *spawner.Spawner

	preparer  *grading.Preparer
	collector *grading.Collector
	runner    *grading.Runner
	runs      *grading.Runs
	checks    *grading.Checks
	imaging   *grading.Images // nil where workspaces are no containers
	feedback  *grading.Feedback
	returns   *grading.Returns
}

// build connects the rooms, from the ground up.
func build(e *env, cfg config) (*house, error) {
	h := &house{cfg: cfg, log: e.logger()}
	h.log.Info("starting", "site", cfg.SiteURL.String(), "listen", cfg.Listen, "data", cfg.Data, "spawner", cfg.Spawner,
		"private_database", cfg.DatabaseURL == "", "image", cfg.Image)
	if err := h.database(e.ctx); err != nil {
		h.close()
		return nil, err
	}
	var err error
	if h.exchange, err = exchange.New(course.Layout{Root: cfg.Data}, exchange.Options{UID: workspaceUID, GID: workspaceGID, NewHome: h.newHome()}); err != nil {
		h.close()
		return nil, err
	}
	if err := h.openQuota(e.ctx); err != nil {
		h.close()
		return nil, err
	}
	h.preparer = &grading.Preparer{Exchange: h.exchange, Store: h.store}
	h.collector = &grading.Collector{Exchange: h.exchange, Store: h.store, Log: h.log, Now: time.Now}
	h.feedback = &grading.Feedback{Exchange: h.exchange, Store: h.store, Render: render.New(), Style: static.Inline(), Now: time.Now}
	h.returns = &grading.Returns{Exchange: h.exchange, Store: h.store, Log: h.log, Now: time.Now}
	if err := h.workspaces(e.ctx); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// The user inside every workspace; homes belong to it.
const (
	workspaceUID = 1000
	workspaceGID = 100
)

// database opens the operator's database, or runs a private one.
func (h *house) database(ctx context.Context) error {
	url := h.cfg.DatabaseURL
	var err error
	if url == "" {
		if h.cluster, err = cluster.Start(ctx, cluster.Config{Dir: filepath.Join(h.cfg.Data, "postgres")}); err != nil {
			return err
		}
		if url, err = h.cluster.Database(ctx, "lectern"); err != nil {
			return err
		}
	}
	if h.store, err = store.Open(ctx, url); err != nil {
		return err
	}
	return h.store.Migrate(ctx, h.log)
}

// serve answers requests and runs the loops until ctx ends.
func (h *house) serve(ctx context.Context, web handlers.Config) error {
	web.Loopback = h.cfg.Spawner == "process"
	web.Prestart = h.cfg.Prestart > 0
	web.Bounds = h.cfg.bounds()
	web.Assets = h.assets
	web.IdleAfter, web.MaxAge, web.WarnBefore = h.cfg.IdleAfter, h.cfg.MaxAge, spawner.DefaultPolicy.WarnBefore
	if err := h.writeLabNotes(); err != nil {
		h.log.Warn("JupyterLab will not show announcements and warnings", "error", err)
	}
	site := handlers.New(handlers.Site{Config: web, Store: h.store, Log: h.log, Exchange: h.exchange, Workspaces: h.spawner, Images: h.pins(),
		Preparer: h.preparer, Collector: h.collector, Render: render.New()})
	ln, err := listen(h.cfg.Listen)
	if err != nil {
		return err
	}
	// No write time-out: it would cut websockets and event streams.
	srv := &http.Server{Handler: site, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelDebug)}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return site.SweepSessions(ctx) })
	g.Go(func() error { return h.runWorkspaces(ctx) })
	g.Go(func() error { return h.keepPool(ctx) })
	g.Go(func() error { return site.Run(ctx) })
	g.Go(func() error { return h.runJobs(ctx) })
	g.Go(func() error { return h.runGraders(ctx) })
	g.Go(func() error { return h.runImages(ctx) })
	g.Go(func() error { return h.loop(ctx, "releases", time.Second, h.release) })
	g.Go(func() error { return h.loop(ctx, "deadlines", time.Second, h.collector.EnqueueDue) })
	g.Go(func() error { return h.loop(ctx, "returns", 10*time.Second, h.returns.Mend) })
	g.Go(func() error { return h.loop(ctx, "sweep", time.Hour, h.sweep) })
	g.Go(func() error { return h.loop(ctx, "copies", copiesEvery, h.dropCopies) })
	g.Go(func() error { return h.runEgress(ctx) })
	g.Go(func() error { return h.loop(ctx, "networks", networksEvery, h.closeNetworks) })
	g.Go(func() error { return h.loop(ctx, "readings", readOften, h.readUsage) })
	g.Go(func() error { return h.loop(ctx, "homes", homesEvery, h.measureHomes) })
	g.Go(func() error { return h.loop(ctx, "minutes", 20*time.Second, h.store.CountMinute) })
	g.Go(func() error { return h.loop(ctx, "figures", 6*time.Hour, h.forgetFigures) })
	if h.cluster != nil {
		g.Go(func() error { return h.cluster.Watch(ctx, h.log) })
	}
	g.Go(func() error {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := srv.Shutdown(stop); err != nil {
			return srv.Close() // websockets do not end by themselves; browsers reconnect
		}
		return nil
	})
	h.log.Info("ready", "address", ln.Addr().String())
	err = g.Wait()
	h.log.Info("stopped")
	return err
}

func (h *house) close() {
	if h.runner != nil {
		if err := h.runner.Close(); err != nil {
			h.log.Error("stopping the graders", "error", err)
		}
	}
	if h.store != nil {
		h.store.Close()
	}
	if h.cluster != nil {
		if err := h.cluster.Stop(); err != nil {
			h.log.Error("stopping the database", "error", err)
		}
	}
}
