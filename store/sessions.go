package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lectern/course"
)

// Session is one browser's stay. Its data belongs to the session library; who
// and where from are columns, so that a person can list and end theirs.
type Session struct {
	ID        int64
	UserID    *course.UserID // nil before sign-in
	CreatedAt time.Time
	SeenAt    time.Time // to within a few minutes
	Expiry    time.Time
	Agent     string
	Address   string
}

// Session finds a living session by its hashed token: not expired, and seen
// after the given time. None is (Session{}, nil, nil).
func (s *Store) Session(ctx context.Context, token string, seenAfter time.Time) (Session, []byte, error) {
	var v Session
	var data []byte
	err := s.db.QueryRow(ctx, `
		select id, user_id, created_at, seen_at, expiry, agent, address, data
		from sessions where token = $1 and expiry > now() and seen_at > $2`, token, seenAfter).
		Scan(&v.ID, &v.UserID, &v.CreatedAt, &v.SeenAt, &v.Expiry, &v.Agent, &v.Address, &data)
	if errors.Is(err, pgx.ErrNoRows) {
		return Session{}, nil, nil
	}
	if err != nil {
		return Session{}, nil, fmt.Errorf("store: session: %w", err)
	}
	return v, data, nil
}

// AddSession keeps a new session and gives its id.
func (s *Store) AddSession(ctx context.Context, token string, data []byte, v Session) (int64, error) {
	var id int64
	err := s.db.QueryRow(ctx, `
		insert into sessions (token, data, expiry, user_id, agent, address) values ($1, $2, $3, $4, $5, $6)
		returning id`, token, data, v.Expiry, v.UserID, v.Agent, v.Address).Scan(&id)
	if err != nil {
		return 0, wrap("session", err)
	}
	return id, nil
}

// SaveSession changes a session that is there. One that was ended meanwhile
// stays ended: a slow request must not bring it back.
func (s *Store) SaveSession(ctx context.Context, token string, data []byte, expiry time.Time, user *course.UserID) error {
	_, err := exec(ctx, s.db, "session", `
		update sessions set data = $2, expiry = $3, user_id = $4 where token = $1`, token, data, expiry, user)
	return err
}

// DropSession removes a session by its hashed token.
func (s *Store) DropSession(ctx context.Context, token string) error {
	_, err := exec(ctx, s.db, "session", `delete from sessions where token = $1`, token)
	return err
}

// SessionsOf lists a person's living sessions, the last used first.
func (s *Store) SessionsOf(ctx context.Context, u course.UserID, seenAfter time.Time) ([]Session, error) {
	return many[Session](ctx, s.db, "sessions", `
		select id, user_id, created_at, seen_at, expiry, agent, address from sessions
		where user_id = $1 and expiry > now() and seen_at > $2 order by seen_at desc, id desc`, u, seenAfter)
}

// SessionLives reports whether a person's session still holds. Whatever was
// handed out on the strength of a session asks this again now and then.
func (s *Store) SessionLives(ctx context.Context, id int64, u course.UserID) (bool, error) {
	var yes bool
	err := s.db.QueryRow(ctx, `
		select exists (select from sessions s join users u on u.id = s.user_id
			where s.id = $1 and s.user_id = $2 and s.expiry > now() and u.disabled_at is null)`, id, u).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("store: session lives: %w", err)
	}
	return yes, nil
}

// EndSession ends one session of a person; somebody else's is a NotFound.
func (s *Store) EndSession(ctx context.Context, u course.UserID, id int64) error {
	n, err := exec(ctx, s.db, "session", `delete from sessions where id = $2 and user_id = $1`, u, id)
	if err == nil && n == 0 {
		return notFound("session")
	}
	return err
}

// EndSessions ends all sessions of a person but one; keep 0 ends all.
func (s *Store) EndSessions(ctx context.Context, u course.UserID, keep int64) error {
	_, err := exec(ctx, s.db, "sessions", `delete from sessions where user_id = $1 and id <> $2`, u, keep)
	return err
}

// SweepSessions removes what has expired or was not seen since.
func (s *Store) SweepSessions(ctx context.Context, seenBefore time.Time) error {
	_, err := exec(ctx, s.db, "sessions", `delete from sessions where expiry < now() or seen_at < $1`, seenBefore)
	return err
}
