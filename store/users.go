package store

import (
	"context"
	"fmt"

	"lectern/course"
)

const userColumns = `u.id, u.login, u.name, u.email, u.site_admin, u.created_at, u.last_seen_at, u.disabled_at`

// User is the person with this id.
func (s *Store) User(ctx context.Context, id course.UserID) (course.User, error) {
	return one[course.User](ctx, s.db, "person", `select `+userColumns+` from users u where u.id = $1`, id)
}

// UserByLogin is the person with this login.
func (s *Store) UserByLogin(ctx context.Context, login string) (course.User, error) {
	return one[course.User](ctx, s.db, "person", `select `+userColumns+` from users u where u.login = $1`, login)
}

// AddUser makes a person and fills in its ID. A taken login is a Conflict.
func (s *Store) AddUser(ctx context.Context, u *course.User) error {
	err := s.db.QueryRow(ctx, `
		insert into users (login, name, email, site_admin) values ($1, $2, $3, $4)
		returning id, created_at`, u.Login, u.Name, u.Email, u.SiteAdmin).Scan(&u.ID, &u.CreatedAt)
	if err != nil {
		return wrap("add person", err)
	}
	return nil
}

// HasUsers reports whether anybody has an account yet.
func (s *Store) HasUsers(ctx context.Context) (bool, error) {
	var yes bool
	if err := s.db.QueryRow(ctx, `select exists (select from users)`).Scan(&yes); err != nil {
		return false, fmt.Errorf("store: has users: %w", err)
	}
	return yes, nil
}
