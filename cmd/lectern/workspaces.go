package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lectern/course"
	"lectern/spawner"
	"lectern/spawner/container"
	"lectern/store"
)

// workspaces makes the spawner on the engine the operator chose. It does not
// need the engine yet.
func (h *house) workspaces(ctx context.Context) error {
	realm, err := h.store.SettingOnce(ctx, "realm", func() []byte { return []byte(rand.Text()[:12]) })
	if err != nil {
		return err
	}
	if err := h.engines(); err != nil {
		return err
	}
	h.graders(string(realm))
	if u, err := url.Parse(h.cfg.Work.Origin("x")); err == nil && u.Scheme == "http" && u.Hostname() != "localhost" && !strings.HasSuffix(u.Hostname(), ".localhost") {
		h.log.Warn("workspaces are reached without TLS: browsers then do not say which page a request comes from, "+
			"and one workspace's pages can load files of another of the same student; use https", "workspaces", h.cfg.Work.Pattern())
	}
	policy := spawner.DefaultPolicy
	policy.IdleAfter, policy.MaxAge, policy.Ahead = h.cfg.IdleAfter, h.cfg.MaxAge, h.cfg.Prestart
	h.spawner = spawner.New(spawner.Config{
		Rows: settledRows{rows{h.store}, h}, Engine: h.engine, Plan: h.settle, Warn: h.warn, Policy: policy, Realm: string(realm), Log: h.log, Trials: h.trialLives,
		Room: h.room(), Admission: spawner.Admission{Wants: h.wants, Memory: h.cfg.Memory, Share: h.cfg.Share, Reserve: max(1, h.cfg.Reserve)},
	})
	return nil
}

func (h *house) newEngine() (container.Engine, error) {
	data := container.Paths{Inside: h.cfg.Data, Host: h.cfg.DataHost}
	if h.cfg.Spawner == "process" {
		h.log.Warn("workspaces are processes of this machine, without limits and without isolation: for one person who tries Lectern")
		return container.NewProcess(container.ProcessOptions{Data: data, Dir: filepath.Join(h.cfg.Data, "processes"), Log: h.log}), nil
	}
	if h.cfg.Spawner == "swarm" {
		return h.newSwarm()
	}
	d, err := container.NewDocker(container.DockerOptions{Host: h.cfg.Engine.Host, Certs: h.cfg.Engine.Certs,
		Network: h.cfg.Network, Data: data, Secrets: filepath.Join(h.cfg.Data, "secrets"), Log: h.log})
	if err != nil {
		return nil, err
	}
	return h.pooled(d)
}

// runWorkspaces keeps workspaces going until ctx ends. Without an engine the
// rest of the site works on, the log says what is missing, and the spawner asks
// again by itself.
func (h *house) runWorkspaces(ctx context.Context) error {
	if err := h.engine.Ensure(ctx); err != nil && ctx.Err() == nil {
		h.log.Error("no container engine: nobody can open an assignment until one answers; start Docker, or the spawner process "+
			"if LECTERN_SPAWNER_SOCKET is set, or set LECTERN_SPAWNER=process to try Lectern alone without it", "error", err)
	}
	return h.spawner.Run(ctx)
}

// plan is what a workspace is given: the member's home and what they may read.
func (h *house) plan(ctx context.Context, row spawner.Row) (spawner.Plan, error) {
	if row.SubmissionID != 0 {
		return h.planCopy(ctx, row)
	}
	slug, login, err := h.store.WorkspacePlace(ctx, row.MemberID)
	if err != nil {
		return spawner.Plan{}, err
	}
	m, err := h.exchange.Home(slug, login)
	if err != nil {
		return spawner.Plan{}, err
	}
	h.boundHome(ctx, m.Home, row.MemberID)
	return spawner.Plan{
		User: strconv.Itoa(workspaceUID) + ":" + strconv.Itoa(workspaceGID),
		Home: m.Home,
		Mounts: append([]container.Mount{
			{From: m.Release, To: container.HomeDir + "/release"},
			{From: m.Feedback, To: container.HomeDir + "/feedback"},
		}, h.labMounts()...),
		Limits: h.within(row.Limits), Closed: row.Closed(), Proxied: row.Network == course.NetworkListed,
	}, nil
}

// rows lets the spawner, which knows no database, keep its rows in ours.
type rows struct{ store *store.Store }

func (r rows) Workspace(ctx context.Context, id string) (spawner.Row, error) {
	w, err := r.store.Workspace(ctx, id)
	if course.IsKind(err, course.NotFound) {
		return spawner.Row{}, fmt.Errorf("%w: %s", spawner.ErrNoWorkspace, id)
	}
	return toRow(w), err
}

func (r rows) AddWorkspace(ctx context.Context, row spawner.Row) (spawner.Row, error) {
	w, err := r.store.AddWorkspace(ctx, fromRow(row))
	return toRow(w), err
}

func (r rows) SaveWorkspace(ctx context.Context, old, row spawner.Row) error {
	err := r.store.SaveWorkspace(ctx, fromRow(old), fromRow(row))
	if errors.Is(err, store.ErrStale) {
		return fmt.Errorf("%w: %s", spawner.ErrStale, old.ID)
	}
	return err
}

func (r rows) ActiveWorkspaces(ctx context.Context) ([]spawner.Row, error) {
	ws, err := r.store.ActiveWorkspaces(ctx)
	out := make([]spawner.Row, len(ws))
	for i, w := range ws {
		out[i] = toRow(w)
	}
	return out, err
}

func (r rows) TouchWorkspaces(ctx context.Context, at map[string]time.Time) error {
	return r.store.TouchWorkspaces(ctx, at)
}

func toRow(w store.Workspace) spawner.Row {
	return spawner.Row{
		ID: w.ID, CourseID: w.CourseID, MemberID: w.MemberID, SubmissionID: w.SubmissionID, Image: w.Image, Pinned: w.Pinned,
		State: spawner.State(w.State), Generation: w.Generation, ContainerID: w.ContainerID,
		Addr: w.Addr, Token: w.Token, Reason: spawner.Reason(w.Reason), Ahead: w.Ahead,
		QueuedAt: w.QueuedAt, StartedAt: w.StartedAt, ReadyAt: w.ReadyAt,
		LastActivityAt: w.LastActivityAt, ExpiresAt: w.ExpiresAt, UpdatedAt: w.UpdatedAt,
		Limits: container.Limits{Memory: w.Memory, CPUs: w.CPUs, PIDs: w.PIDs}, Network: w.Network,
		IdleAfter: w.IdleAfter, MaxAge: w.MaxAge, WarnBefore: w.WarnBefore, KernelsAfter: w.KernelsAfter,
	}
}

func fromRow(r spawner.Row) store.Workspace {
	return store.Workspace{
		ID: r.ID, CourseID: r.CourseID, MemberID: r.MemberID, SubmissionID: r.SubmissionID, Image: r.Image,
		State: string(r.State), Generation: r.Generation, ContainerID: r.ContainerID,
		Addr: r.Addr, Token: r.Token, Reason: string(r.Reason), Ahead: r.Ahead,
		QueuedAt: r.QueuedAt, StartedAt: r.StartedAt, ReadyAt: r.ReadyAt,
		LastActivityAt: r.LastActivityAt, ExpiresAt: r.ExpiresAt, UpdatedAt: r.UpdatedAt,
	}
}
