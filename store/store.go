// Package store keeps everything Lectern knows in Postgres: a method for a
// question or a change, with its SQL inside, by entity. It refuses to decide
// who may ask; callers have authorised the visitor before.
package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"lectern/migrations"
)

// querier is what a pool and a transaction have in common.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Store answers from the database. The zero Store is of no use; see Open.
type Store struct {
	pool  *pgxpool.Pool
	db    querier // the pool, or the transaction of InTx
	tx    pgx.Tx  // nil outside InTx
	jobs  *inserter
	books *books // remembered gradebooks
}

// Open connects to the database at url, waiting up to a minute for a server
// that is just starting. It does not migrate.
func Open(ctx context.Context, url string) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("store: database URL: %w", err)
	}
	cfg.MaxConns = max(cfg.MaxConns, 24)
	cfg.ConnConfig.RuntimeParams["application_name"] = "lectern"
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	// A statement that waits longer than any page may is given up by the server itself.
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = "30000"
	cfg.ConnConfig.RuntimeParams["lock_timeout"] = "10000"
	// Compiling a page's statements takes longer than running them.
	cfg.ConnConfig.RuntimeParams["jit"] = "off"
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("store: open: %w", err)
	}
	deadline := time.Now().Add(time.Minute)
	for err = pool.Ping(ctx); err != nil; err = pool.Ping(ctx) {
		if ctx.Err() != nil || time.Now().After(deadline) {
			pool.Close()
			return nil, fmt.Errorf("store: no answer from the database: %w", err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	jobs, err := newInserter(pool)
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &Store{pool: pool, db: pool, jobs: jobs, books: newBooks()}, nil
}

// Close gives all connections back.
func (s *Store) Close() { s.pool.Close() }

// Pool is for what brings its own SQL: sessions and the job queue.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// Ping asks the database for a sign of life.
func (s *Store) Ping(ctx context.Context) error { return s.pool.Ping(ctx) }

// Migrate brings the schema to what this program needs. Two programs starting
// at once wait for each other.
func (s *Store) Migrate(ctx context.Context, log *slog.Logger) error {
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return fmt.Errorf("store: migrate: %w", err)
	}
	sub, err := fs.Sub(migrations.FS, ".")
	if err != nil {
		return fmt.Errorf("store: migrate: %w", err)
	}
	db := stdlib.OpenDBFromPool(s.pool)
	defer db.Close()
	p, err := goose.NewProvider(goose.DialectPostgres, db, sub, goose.WithSessionLocker(locker), goose.WithSlog(log))
	if err != nil {
		return fmt.Errorf("store: migrate: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("store: migrate: %w", err)
	}
	m, err := rivermigrate.New(riverpgxv5.New(s.pool), &rivermigrate.Config{Logger: log})
	if err != nil {
		return fmt.Errorf("store: migrate jobs: %w", err)
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("store: migrate jobs: %w", err)
	}
	return nil
}

// InTx runs fn with a Store whose statements stand or fall together. Inside
// another InTx it is part of that one.
func (s *Store) InTx(ctx context.Context, fn func(*Store) error) error {
	if s.tx != nil {
		return fn(s)
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		return fn(&Store{pool: s.pool, db: tx, tx: tx, jobs: s.jobs, books: s.books})
	})
	return problem(err)
}

// one collects exactly one row; none is a NotFound Problem naming what.
func one[T any](ctx context.Context, q querier, what, sql string, args ...any) (T, error) {
	var zero T
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return zero, fmt.Errorf("store: %s: %w", what, err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByNameLax[T])
	if errors.Is(err, pgx.ErrNoRows) {
		return zero, notFound(what)
	}
	if err != nil {
		return zero, wrap(what, err)
	}
	return v, nil
}

// many collects all rows, in the order of the query. None is an empty slice.
func many[T any](ctx context.Context, q querier, what, sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("store: %s: %w", what, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[T])
	if err != nil {
		return nil, wrap(what, err)
	}
	return out, nil
}

// exec changes rows and reports how many.
func exec(ctx context.Context, q querier, what, sql string, args ...any) (int64, error) {
	tag, err := q.Exec(ctx, sql, args...)
	if err != nil {
		return 0, wrap(what, err)
	}
	return tag.RowsAffected(), nil
}

// collectTexts collects a column of texts.
func collectTexts(rows pgx.Rows) ([]string, error) {
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return out, nil
}
