package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lectern/course"
)

// Ticket is what a signed ticket says: who may enter which workspace.
type Ticket struct {
	Number    []byte // random; a number is used once
	Workspace string
	User      course.UserID
	Session   int64 // the session that asked for it
}

// Grant is a browser's right to one workspace, with what a page about the
// workspace needs to say.
type Grant struct {
	TokenHash   []byte
	WorkspaceID string
	CourseSlug  string
	Login       string
	Image       string // that the workspace starts from
	Copy        bool   // it is a throw-away copy of a submission
}

// standing joins everything that a grant stands on: the session, the account,
// the membership and the role it was given for.
const standing = `
	join workspaces w on w.id = g.workspace_id
	join members m on m.id = w.member_id and m.user_id = g.user_id and m.role = g.role and m.dropped_at is null
		and (w.submission_id is null or m.role in ('grader', 'instructor'))
	join users u on u.id = m.user_id and u.disabled_at is null
	join sessions s on s.id = g.session and s.expiry > now()
	join courses c on c.id = m.course_id`

// RedeemTicket makes the ticket a grant for the cookie with this hash, if the
// workspace is the user's own and the session stands. A ticket used before, or
// that no longer holds, is Forbidden.
func (s *Store) RedeemTicket(ctx context.Context, t Ticket, tokenHash []byte) (Grant, error) {
	rows, err := s.db.Query(ctx, `
		with g as (
			insert into work_grants (token_hash, ticket, workspace_id, user_id, session, role)
			select $1, $2, w.id, m.user_id, s.id, m.role
			from workspaces w
			join members m on m.id = w.member_id and m.dropped_at is null
			join users u on u.id = m.user_id and u.disabled_at is null
			join sessions s on s.id = $5 and s.expiry > now()
			where w.id = $3 and m.user_id = $4 and (w.submission_id is null or m.role in ('grader', 'instructor'))
			on conflict (ticket) do nothing
			returning *)
		select g.token_hash, g.workspace_id, c.slug as course_slug, u.login, coalesce(nullif(`+pinnedImage+`, ''), w.image) as image, w.submission_id is not null as copy from g `+standing,
		tokenHash, t.Number, t.Workspace, t.User, t.Session)
	if err != nil {
		return Grant{}, fmt.Errorf("store: redeem ticket: %w", err)
	}
	g, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Grant])
	if errors.Is(err, pgx.ErrNoRows) {
		return Grant{}, course.Problemf(course.Forbidden, "This link was used before or has run out.")
	}
	if err != nil {
		return Grant{}, wrap("redeem ticket", err)
	}
	return g, nil
}

// StandingGrants are those of the grants that still hold, in no order.
func (s *Store) StandingGrants(ctx context.Context, tokenHashes [][]byte) ([]Grant, error) {
	return many[Grant](ctx, s.db, "grants", `
		select g.token_hash, g.workspace_id, c.slug as course_slug, u.login, coalesce(nullif(`+pinnedImage+`, ''), w.image) as image, w.submission_id is not null as copy
		from work_grants g `+standing+`
		where g.token_hash = any($1)`, tokenHashes)
}

// DropGrants forgets grants that are older than age: a browser's cookie ends
// with the browser, and nobody tells us.
func (s *Store) DropGrants(ctx context.Context, age time.Duration) error {
	_, err := exec(ctx, s.db, "drop grants", `
		delete from work_grants where created_at < now() - $1::interval`, age)
	return err
}
