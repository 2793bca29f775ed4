package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"lectern/course"
	"lectern/store"
)

const (
	sessionLife = 14 * 24 * time.Hour // absolute; signing in begins it anew
	sessionIdle = 4 * 24 * time.Hour  // unused for so long, it ends
	seenEvery   = 5 * time.Minute     // how exactly "last seen" is kept: a request is seldom a write
	sessionUser = "user"              // key of the signed-in person's id
)

// newSessions keeps sessions in Postgres under a hash of their token. The
// library's own idle time-out would make every request a write; ours is seenEvery.
func newSessions(st *store.Store, now func() time.Time, https bool) *scs.SessionManager {
	m := scs.New()
	m.Store = sessionRows{st, now}
	m.Lifetime = sessionLife
	m.HashTokenInStore = true
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteLaxMode // Strict would lose the session on a provider's way back
	m.Cookie.Secure = https
	m.Cookie.Name = "lectern"
	if https {
		m.Cookie.Name = "__Host-lectern"
	}
	return m
}

// sessionRows is what the session library needs of the database. It tells the
// visit which row it found, and the row whose it is.
type sessionRows struct {
	store *store.Store
	now   func() time.Time
}

// FindCtx looks the session of a request up.
func (s sessionRows) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	row, data, err := s.store.Session(ctx, token, s.now().Add(-sessionIdle))
	if err != nil || data == nil {
		return nil, false, err
	}
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		v.session, v.sessionToken = row, token
	}
	return data, true, nil
}

// CommitCtx keeps what the request has changed in its session.
func (s sessionRows) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	v, ok := ctx.Value(visitKey{}).(*visit)
	if !ok {
		v = &visit{}
	}
	user := v.session.UserID
	if v.user.ID != 0 {
		user = &v.user.ID
	}
	if v.sessionToken == token {
		return s.store.SaveSession(ctx, token, data, expiry, user)
	}
	id, err := s.store.AddSession(ctx, token, data,
		store.Session{UserID: user, Expiry: expiry, Agent: logSafe(v.agent, 300), Address: v.address})
	v.session.ID, v.sessionToken = id, token
	return err
}

// DeleteCtx ends a session.
func (s sessionRows) DeleteCtx(ctx context.Context, token string) error {
	return s.store.DropSession(ctx, token)
}

// Find, Commit and Delete complete the library's interface; it calls the others.
func (s sessionRows) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx without a request.
func (s sessionRows) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

// Delete is DeleteCtx without a request.
func (s sessionRows) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// identify finds out who asks. A disabled or removed account is nobody.
func (s *Site) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := course.UserID(s.sessions.GetInt64(r.Context(), sessionUser))
		if id == 0 {
			next.ServeHTTP(w, r)
			return
		}
		v := visitOf(r)
		u, err := s.Store.User(r.Context(), id)
		switch {
		case err == nil && u.DisabledAt == nil:
			v.user = u
			if now := s.Now(); now.Sub(v.session.SeenAt) > seenEvery || u.LastSeenAt == nil {
				if err := s.Store.Seen(r.Context(), u.ID, v.session.ID, now); err != nil {
					s.Log.Warn("last seen", "user", u.ID, "error", err)
				}
			}
		case err != nil && !course.IsKind(err, course.NotFound):
			s.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// signIn makes this session the person's, under a new token: whoever knew the
// old one has nothing. What an earlier visitor left in the session goes too.
func (s *Site) signIn(r *http.Request, u course.User) error {
	ctx := r.Context()
	if u.DisabledAt != nil {
		return course.Problemf(course.Forbidden, "This account was switched off. Ask your instructor or the site's administrator.")
	}
	if err := s.sessions.RenewToken(ctx); err != nil {
		return err
	}
	if err := s.sessions.Clear(ctx); err != nil {
		return err
	}
	s.sessions.SetDeadline(ctx, time.Now().Add(sessionLife))
	s.sessions.Put(ctx, sessionUser, int64(u.ID))
	visitOf(r).user = u
	return s.Store.RecordSignIn(ctx, u.ID)
}

// signOut ends this session.
func (s *Site) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := s.sessions.Destroy(r.Context()); err != nil {
		return err
	}
	visitOf(r).user = course.User{}
	return seeOther(w, r, signInPath(""))
}

// SweepSessions removes ended sessions every hour until ctx ends.
func (s *Site) SweepSessions(ctx context.Context) error {
	for tick := time.NewTicker(time.Hour); ; {
		if err := s.Store.SweepSessions(ctx, s.Now().Add(-sessionIdle)); err != nil && ctx.Err() == nil {
			s.Log.Warn("sweeping sessions", "error", err)
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-tick.C:
		}
	}
}
