package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lectern/course"
)

// Identity is an account at a provider that signs a person in here.
type Identity struct {
	Issuer    string
	Subject   string
	Email     string // as the provider last told; for display only
	CreatedAt time.Time
	UsedAt    time.Time
}

// UserOf is the person whom an identity signs in, noting its use. Nobody is a
// NotFound Problem.
func (s *Store) UserOf(ctx context.Context, issuer, subject, email string) (course.User, error) {
	return one[course.User](ctx, s.db, "account", `
		with i as (update identities set used_at = now(), email = $3
			where issuer = $1 and subject = $2 returning user_id)
		select `+userColumns+` from users u join i on i.user_id = u.id`, issuer, subject, email)
}

// Link lets an identity sign a person in. One that is somebody's already is a
// Conflict.
func (s *Store) Link(ctx context.Context, u course.UserID, i Identity) error {
	_, err := exec(ctx, s.db, "identity", `
		with c as (update users set claimed_at = coalesce(claimed_at, now()) where id = $1)
		insert into identities (issuer, subject, user_id, email) values ($2, $3, $1, $4)`,
		u, i.Issuer, i.Subject, i.Email)
	return err
}

// Identities lists a person's, and whether they have a local password too.
func (s *Store) Identities(ctx context.Context, u course.UserID) (list []Identity, password bool, err error) {
	list, err = many[Identity](ctx, s.db, "identities", `
		select issuer, subject, email, created_at, used_at from identities
		where user_id = $1 order by created_at, issuer, subject`, u)
	if err != nil {
		return nil, false, err
	}
	err = s.db.QueryRow(ctx, `select password is not null from users where id = $1`, u).Scan(&password)
	if err != nil {
		return nil, false, fmt.Errorf("store: identities: %w", err)
	}
	return list, password, nil
}

// Unlink takes an identity away, unless nothing else would sign the person in.
// The person's row is locked, so that two tabs cannot take away the last two.
func (s *Store) Unlink(ctx context.Context, u course.UserID, issuer, subject string) error {
	return s.InTx(ctx, func(tx *Store) error {
		var password bool
		var others int
		err := tx.db.QueryRow(ctx, `select password is not null from users where id = $1 for update`, u).Scan(&password)
		if err != nil {
			return fmt.Errorf("store: unlink: %w", err)
		}
		err = tx.db.QueryRow(ctx, `
			select count(*) from identities where user_id = $1 and (issuer, subject) <> ($2, $3)`,
			u, issuer, subject).Scan(&others)
		if err != nil {
			return fmt.Errorf("store: unlink: %w", err)
		}
		if !password && others == 0 {
			return course.Problemf(course.Conflict, "That is your only way to sign in. Link another first, or set a password.")
		}
		_, err = exec(ctx, tx.db, "identity", `
			delete from identities where user_id = $1 and issuer = $2 and subject = $3`, u, issuer, subject)
		return err
	})
}

// ClaimByLogin is the one person with this login whom nobody could ever sign in
// as, and who is on a roster. NotFound otherwise. The row is locked until InTx ends.
func (s *Store) ClaimByLogin(ctx context.Context, login string) (course.User, error) {
	return s.claimable(ctx, `u.login = $1`, login)
}

// ClaimByEmail is the same by e-mail. An address that two people have claims nobody.
func (s *Store) ClaimByEmail(ctx context.Context, email string) (course.User, error) {
	return s.claimable(ctx, `lower(u.email) = lower($1) and u.email <> ''
		and (select count(*) from users o where lower(o.email) = lower($1)) = 1`, email)
}

func (s *Store) claimable(ctx context.Context, where, key string) (course.User, error) {
	return one[course.User](ctx, s.db, "person", `
		select `+userColumns+` from users u
		where `+where+` and u.claimed_at is null and u.disabled_at is null and not u.site_admin
		  and exists (select from members m where m.user_id = u.id and m.dropped_at is null)
		for update of u`, key)
}

// Invitation is a link by which a person first gets a way to sign in.
type Invitation struct {
	UserID    course.UserID
	Login     string
	Name      string
	Course    string // title; empty for one that is not of a course
	ExpiresAt time.Time
}

// Invite keeps a link for a person, by the hash of its token, in place of
// earlier unused ones. Whoever can sign in already, or is on a roster where the
// inviter does not teach, is refused; a site admin may invite for any course.
func (s *Store) Invite(ctx context.Context, m course.Member, hash []byte, by course.User, expires time.Time) error {
	return s.InviteAll(ctx, []course.Member{m}, [][]byte{hash}, by, expires)
}

// InviteAll does the same for many at once: all or none.
func (s *Store) InviteAll(ctx context.Context, ms []course.Member, hashes [][]byte, by course.User, expires time.Time) error {
	users, members := make([]course.UserID, len(ms)), make([]course.MemberID, len(ms))
	for i, m := range ms {
		users[i], members[i] = m.UserID, m.ID
	}
	return s.InTx(ctx, func(tx *Store) error {
		bad, err := many[struct {
			Login   string
			Claimed bool
		}](ctx, tx.db, "invite", `
			select u.login, u.claimed_at is not null as claimed from users u
			where u.id = any($1) and not `+mayManage+` for update of u`, users, by.ID, by.SiteAdmin)
		if err != nil {
			return err
		}
		for _, b := range bad {
			if b.Claimed {
				return course.Problemf(course.Conflict, "%s can sign in already and needs no invitation.", b.Login)
			}
			return course.Problemf(course.Forbidden,
				"%s is also in a course that you do not teach. Ask the site's administrator for the invitation.", b.Login)
		}
		if _, err := exec(ctx, tx.db, "invite", `
			delete from invitations where user_id = any($1) and used_at is null`, users); err != nil {
			return err
		}
		_, err = exec(ctx, tx.db, "invite", `
			insert into invitations (token_hash, user_id, member_id, created_by, expires_at)
			select t.hash, t.user_id, nullif(t.member_id, 0), $4, $5
			from unnest($1::bytea[], $2::bigint[], $3::bigint[]) as t (hash, user_id, member_id)`,
			hashes, users, members, nullable(by.ID), expires)
		return err
	})
}

// Invitation finds an unused one of a person who has no sign-in yet.
func (s *Store) Invitation(ctx context.Context, hash []byte, now time.Time) (Invitation, error) {
	v, err := one[Invitation](ctx, s.db, "invitation", `
		select u.id as user_id, u.login, u.name, coalesce(c.title, '') as course, i.expires_at
		from invitations i join users u on u.id = i.user_id
		left join members m on m.id = i.member_id left join courses c on c.id = m.course_id
		where i.token_hash = $1 and i.used_at is null and i.expires_at > $2
		  and u.claimed_at is null and u.disabled_at is null and m.dropped_at is null`, hash, now)
	if course.IsKind(err, course.NotFound) {
		return v, course.Problemf(course.NotFound,
			"This invitation was used, has run out or was replaced by a newer one. Ask your instructor for another.")
	}
	return v, err
}

// Accept uses an invitation up. It succeeds once, however many ask at a time;
// what fn does to the person stands or falls with it.
func (s *Store) Accept(ctx context.Context, hash []byte, now time.Time, fn func(*Store, course.User) error) (course.User, error) {
	var u course.User
	err := s.InTx(ctx, func(tx *Store) error {
		var err error
		u, err = one[course.User](ctx, tx.db, "invitation", `
			with i as (update invitations set used_at = $2
				where token_hash = $1 and used_at is null and expires_at > $2 returning user_id, member_id)
			select `+userColumns+` from users u join i on i.user_id = u.id
			left join members m on m.id = i.member_id
			where u.claimed_at is null and u.disabled_at is null and m.dropped_at is null
			for update of u`, hash, now)
		if course.IsKind(err, course.NotFound) {
			return course.Problemf(course.Conflict, "This invitation was used or has run out. Ask your instructor for another.")
		}
		if err != nil {
			return err
		}
		return fn(tx, u)
	})
	return u, err
}

// Invited reports whether a person waits to use an invitation: when its link
// runs out, by member of the course.
func (s *Store) Invited(ctx context.Context, c course.ID, now time.Time) (map[course.MemberID]time.Time, error) {
	rows, err := s.db.Query(ctx, `
		select i.member_id, max(i.expires_at) from invitations i join members m on m.id = i.member_id
		where m.course_id = $1 and i.used_at is null and i.expires_at > $2 group by 1`, c, now)
	if err != nil {
		return nil, fmt.Errorf("store: invited: %w", err)
	}
	out := map[course.MemberID]time.Time{}
	var id course.MemberID
	var at time.Time
	if _, err := pgx.ForEachRow(rows, []any{&id, &at}, func() error { out[id] = at; return nil }); err != nil &&
		!errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("store: invited: %w", err)
	}
	return out, nil
}

// nullable keeps an id of nobody out of a foreign key.
func nullable(u course.UserID) *course.UserID {
	if u == 0 {
		return nil
	}
	return &u
}
