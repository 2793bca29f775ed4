package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// pulseWait is how long a database may take to say that it is there.
const pulseWait = 2 * time.Second

// Pulse asks the database again and again whether it is there and tells of each
// change, until ctx ends. It has a connection of its own: the pool's may all be
// busy, which is no fault. One that was lost is replaced once before it counts.
func (s *Store) Pulse(ctx context.Context, tell func(away error)) {
	var conn *pgx.Conn
	beat := func() (err error) {
		ctx, done := context.WithTimeout(ctx, pulseWait)
		defer done()
		if conn == nil {
			if conn, err = pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig.Copy()); err != nil {
				conn = nil
				return fmt.Errorf("store: pulse: %w", err)
			}
		}
		if err = conn.Ping(ctx); err != nil {
			drop(conn)
			conn = nil
			return fmt.Errorf("store: pulse: %w", err)
		}
		return nil
	}
	defer func() { drop(conn) }()
	for away := false; ctx.Err() == nil; {
		err := beat()
		if err != nil && !away {
			err = beat()
		}
		if ctx.Err() != nil {
			return
		}
		if (err != nil) != away {
			away = err != nil
			tell(err)
		}
		every := time.Second
		if away {
			every = 200 * time.Millisecond
		}
		select {
		case <-ctx.Done():
		case <-time.After(every):
		}
	}
}

// drop ends a connection without waiting for a server that may not answer.
func drop(conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, done := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer done()
	_ = conn.Close(ctx)
}
