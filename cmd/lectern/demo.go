package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"time"

	"lectern/course"
	"lectern/handlers"
)

//go:embed demo
var demoFiles embed.FS

type demoCmd struct{}

// demoPeople are the accounts of the demo course, named by role.
var demoPeople = []struct {
	login, name string
	role        course.Role
	admin       bool
}{
	{"instructor", "Demo Instructor", course.Instructor, true},
	{"grader", "Demo Grader", course.Grader, false},
	{"student1", "Demo Student 1", course.Student, false},
	{"student2", "Demo Student 2", course.Student, false},
	{"student3", "Demo Student 3", course.Student, false},
}

// Run serves the demo until the context ends.
func (demoCmd) Run(e *env) error {
	cfg, err := readConfig(e.getenv)
	if err != nil {
		return err
	}
	h, err := build(e, cfg)
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.seed(e.ctx); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "\n  Lectern demo: open %s\n\n  Sign in, without a password, as one of:\n", cfg.SiteURL)
	for _, p := range demoPeople {
		fmt.Fprintf(e.stdout, "    %-12s %s\n", p.login, p.role)
	}
	fmt.Fprintln(e.stdout)
	return h.serve(e.ctx, handlers.Config{SiteURL: cfg.SiteURL, Work: cfg.Work, Content: cfg.Content, Local: true, Demo: true,
		Proxies: cfg.Proxies, Providers: cfg.Providers, Image: cfg.Image})
}

// seed makes the demo people and their course, once.
func (h *house) seed(ctx context.Context) error {
	if yes, err := h.store.HasUsers(ctx); err != nil || yes {
		return err
	}
	c := course.Course{Slug: "demo", Title: "Demo course", Term: "Try anything here", Zone: "Europe/Berlin", Image: h.cfg.Image}
	for i, p := range demoPeople {
		u := course.User{Login: p.login, Name: p.name, Email: p.login + "@demo.example", SiteAdmin: p.admin}
		if err := h.store.AddUser(ctx, &u); err != nil {
			return err
		}
		if i == 0 {
			if err := h.store.AddCourse(ctx, &c, u.ID); err != nil {
				return err
			}
			if err := h.seedAssignment(ctx, c); err != nil {
				return err
			}
			continue
		}
		if _, err := h.store.AddMember(ctx, c.ID, u.ID, p.role, ""); err != nil {
			return err
		}
	}
	return nil
}

// seedAssignment releases a first assignment, so that every page has something to show.
func (h *house) seedAssignment(ctx context.Context, c course.Course) error {
	due := time.Now().Add(7 * 24 * time.Hour).In(c.Location())
	due = time.Date(due.Year(), due.Month(), due.Day(), 23, 59, 0, 0, due.Location())
	a := course.Assignment{CourseID: c.ID, Slug: "first-steps", Title: "First steps", DueAt: &due}
	if err := h.store.AddAssignment(ctx, &a); err != nil {
		return err
	}
	up, err := h.exchange.NewUpload(c.Slug)
	if err != nil {
		return err
	}
	defer up.Discard()
	files, err := demoFiles.ReadDir("demo")
	if err != nil {
		return err
	}
	for _, f := range files {
		data, err := demoFiles.ReadFile("demo/" + f.Name())
		if err != nil {
			return err
		}
		if err := up.Add(ctx, f.Name(), bytes.NewReader(data)); err != nil {
			return err
		}
	}
	if _, err := up.Import(ctx, a.Slug, true); err != nil {
		return err
	}
	if _, err := h.store.BumpSource(ctx, a.ID); err != nil {
		return err
	}
	report, err := h.preparer.Prepare(ctx, c, a.ID)
	if err != nil {
		return err
	}
	if !report.OK() {
		return fmt.Errorf("the demo assignment does not pass its own check: %v", report.Problems)
	}
	return h.preparer.Release(ctx, c, a.ID, time.Now())
}
