package main

import (
	"context"
	"fmt"

	"lectern/course"
	"lectern/handlers"
)

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
	return h.serve(e.ctx, handlers.Config{SiteURL: cfg.SiteURL, Work: cfg.Work, Content: cfg.Content, Local: true, Demo: true})
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
			continue
		}
		if _, err := h.store.AddMember(ctx, c.ID, u.ID, p.role, ""); err != nil {
			return err
		}
	}
	return nil
}
