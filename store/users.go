package store

import (
	"context"
	"fmt"
	"time"

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

// Rename changes the name a person is shown by.
func (s *Store) Rename(ctx context.Context, u course.UserID, name string) error {
	_, err := exec(ctx, s.db, "rename", `update users set name = $2 where id = $1`, u, name)
	return err
}

// MakeSiteAdmin gives a person the whole site.
func (s *Store) MakeSiteAdmin(ctx context.Context, u course.UserID) error {
	_, err := exec(ctx, s.db, "site admin", `update users set site_admin = true where id = $1`, u)
	return err
}

// Credentials is what a local sign-in is checked against. Password is encoded
// argon2id, and empty for who has none.
type Credentials struct {
	course.User
	Password string
}

// Credentials finds them by login. Nobody of that login is a NotFound Problem.
func (s *Store) Credentials(ctx context.Context, login string) (Credentials, error) {
	return one[Credentials](ctx, s.db, "person", `
		select `+userColumns+`, coalesce(u.password, '') as password from users u where u.login = $1`, login)
}

// SetPassword keeps a new encoded password and ends every session of the
// person but one; keep 0 ends all.
func (s *Store) SetPassword(ctx context.Context, u course.UserID, encoded string, keep int64) error {
	return s.InTx(ctx, func(tx *Store) error {
		if _, err := exec(ctx, tx.db, "password", `
			update users set password = $2, claimed_at = coalesce(claimed_at, now()) where id = $1`, u, encoded); err != nil {
			return err
		}
		return tx.EndSessions(ctx, u, keep)
	})
}

// RemovePassword takes the local sign-in away, unless it is the only one.
func (s *Store) RemovePassword(ctx context.Context, u course.UserID) error {
	n, err := exec(ctx, s.db, "password", `
		update users set password = null
		where id = $1 and exists (select from identities i where i.user_id = $1)`, u)
	if err == nil && n == 0 {
		return course.Problemf(course.Conflict, "That is your only way to sign in. Link another first.")
	}
	return err
}

// Claimed reports whether the person ever could sign in.
func (s *Store) Claimed(ctx context.Context, u course.UserID) (bool, error) {
	var yes bool
	if err := s.db.QueryRow(ctx, `select claimed_at is not null from users where id = $1`, u).Scan(&yes); err != nil {
		return false, fmt.Errorf("store: claimed: %w", err)
	}
	return yes, nil
}

// Seen notes that the person is here. Callers ask rarely: see Session.SeenAt.
func (s *Store) Seen(ctx context.Context, u course.UserID, session int64, now time.Time) error {
	_, err := exec(ctx, s.db, "seen", `
		with s as (update sessions set seen_at = $3 where id = $2)
		update users set last_seen_at = $3 where id = $1`, u, session, now)
	return err
}

// DemoPerson is somebody a demo may be tried as.
type DemoPerson struct {
	Login, Name string
	Role        course.Role // the highest they have anywhere; empty for none
}

// DemoPeople lists the first people of the site, those with most rights first.
func (s *Store) DemoPeople(ctx context.Context) ([]DemoPerson, error) {
	return many[DemoPerson](ctx, s.db, "people", `
		select login, name, role from (
			select u.id, u.login, u.name, coalesce((select role from members m where m.user_id = u.id and m.dropped_at is null
				order by array_position(array['instructor', 'grader', 'student'], role) limit 1), '') as role
			from users u where u.disabled_at is null order by u.id limit 12) p
		order by array_position(array['instructor', 'grader', 'student'], role), id`)
}
