package store_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"lectern/store"
	"lectern/store/storetest"
)

func TestMigratingTwiceAtOnceChangesNothing(t *testing.T) {
	t.Parallel()
	url := storetest.URL(t)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			s, err := store.Open(context.Background(), url)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.Migrate(context.Background(), slog.New(slog.DiscardHandler)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestInTxTakesEverythingBackOnError(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	boom := errors.New("boom")
	err := s.InTx(t.Context(), func(tx *store.Store) error {
		if err := tx.SaveSetting(t.Context(), "k", []byte("v")); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("InTx returned %v, want boom", err)
	}
	if v, err := s.Setting(t.Context(), "k"); v != nil || err != nil {
		t.Errorf("Setting after a failed InTx: %q, %v; want nothing", v, err)
	}
}

func TestMarkEventsCannotBeChanged(t *testing.T) {
	t.Parallel()
	s := storetest.New(t)
	_, err := s.Pool().Exec(t.Context(), `
		with c as (insert into courses (slug, title, image) values ('c', 'C', 'i') returning id),
		     u as (insert into users (login) values ('u') returning id)
		insert into members (course_id, user_id, role) select c.id, u.id, 'student' from c, u`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Pool().Exec(t.Context(), `
		with a as (insert into assignments (course_id, slug, title) select id, 'a', 'A' from courses returning id)
		insert into mark_events (assignment_id, member_id, points, source) select a.id, m.id, 1, 'hand' from a, members m`)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`update mark_events set points = 9`, `delete from mark_events`} {
		if _, err := s.Pool().Exec(t.Context(), sql); err == nil {
			t.Errorf("%s: went through, want a refusal", sql)
		}
	}
	var points float64
	if err := s.Pool().QueryRow(t.Context(), `select points from mark_events`).Scan(&points); err != nil || points != 1 {
		t.Errorf("points = %v, %v; want 1", points, err)
	}
}
