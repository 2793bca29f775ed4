package main

import (
	"fmt"
	"time"

	"lectern/course"
	"lectern/handlers"
)

type userCmd struct {
	Add addUserCmd `cmd:"" help:"Make an account and print the link with which its owner first signs in."`
}

type addUserCmd struct {
	Login string `arg:"" help:"Lower-case letters, digits, dots, hyphens and underscores."`
	Name  string `help:"The name people see."`
	Admin bool   `help:"Give them the whole site."`
}

// Run makes the account if it is not there yet. For one that is there and never
// was signed in to, it makes a new link in place of the earlier one.
func (c addUserCmd) Run(e *env) error {
	cfg, err := readConfig(e.getenv)
	if err != nil {
		return err
	}
	h := &house{cfg: cfg, log: e.logger()}
	defer func() {
		if h.cluster != nil && h.cluster.PID() == 0 {
			h.cluster = nil // the site's own: it is serving, and goes on
		}
		h.close()
	}()
	if err := h.database(e.ctx); err != nil {
		return err
	}
	u, err := h.store.UserByLogin(e.ctx, c.Login)
	if course.IsKind(err, course.NotFound) {
		u = course.User{Login: c.Login, Name: c.Name}
		err = h.store.AddUser(e.ctx, &u)
	}
	if err != nil {
		return err
	}
	if c.Admin {
		if err := h.store.MakeSiteAdmin(e.ctx, u.ID); err != nil {
			return err
		}
	}
	claimed, err := h.store.Claimed(e.ctx, u.ID)
	if err != nil {
		return err
	}
	if claimed {
		_, err := fmt.Fprintf(e.stdout, "%s can sign in already.\n", u.Login)
		return err
	}
	path, hash, life := handlers.NewInvitation()
	operator := course.User{SiteAdmin: true}
	if err := h.store.Invite(e.ctx, course.Member{UserID: u.ID}, hash, operator, time.Now().Add(life)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s%s\n", cfg.SiteURL, path)
	return err
}
