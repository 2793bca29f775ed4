package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Setting is a value kept once per site, such as a signing key; nil if unset.
func (s *Store) Setting(ctx context.Context, name string) ([]byte, error) {
	var v []byte
	err := s.db.QueryRow(ctx, `select value from settings where name = $1`, name).Scan(&v)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("store: setting %s: %w", name, err)
	}
	return v, nil
}

// SaveSetting keeps a value, replacing what was there.
func (s *Store) SaveSetting(ctx context.Context, name string, value []byte) error {
	_, err := exec(ctx, s.db, "setting", `
		insert into settings (name, value) values ($1, $2)
		on conflict (name) do update set value = excluded.value`, name, value)
	return err
}

// SettingOnce is the value kept under name, or makes it: whoever comes first
// wins, and everybody gets the winner's.
func (s *Store) SettingOnce(ctx context.Context, name string, make func() []byte) ([]byte, error) {
	if _, err := exec(ctx, s.db, "setting", `
		insert into settings (name, value) values ($1, $2) on conflict do nothing`, name, make()); err != nil {
		return nil, err
	}
	return s.Setting(ctx, name)
}
