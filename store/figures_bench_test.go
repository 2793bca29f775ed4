package store_test

import (
	"testing"
	"time"

	"lectern/course"
	"lectern/store/storetest"
)

// BenchmarkFigures reads what a page of servers draws, after a term of 126 days
// in which 3,000 people worked: a row for each minute, and 200 start times a day
// spread over forty buckets.
func BenchmarkFigures(b *testing.B) {
	st := storetest.New(b)
	ctx := b.Context()
	for _, sql := range []string{
		`insert into running_minutes select 1, at, 1 + (random() * 3000)::int, (random() * 900)::int
		 from generate_series(date_trunc('minute', now() - interval '126 days'), now(), interval '1 minute') at`,
		`insert into running_hours select 1, date_trunc('hour', at), max(people), max(active) from running_minutes group by 2`,
		`insert into start_days select 1, d::date, 120 + n, 5 from generate_series(now() - interval '126 days', now(), interval '1 day') d, generate_series(1, 40) n`,
		`analyze`,
	} {
		if _, err := st.Pool().Exec(ctx, sql); err != nil {
			b.Fatal(err)
		}
	}
	now := time.Now().Truncate(time.Hour)
	for name, c := range map[string]struct{ back, step time.Duration }{
		"day": {24 * time.Hour, 15 * time.Minute}, "week": {7 * 24 * time.Hour, 2 * time.Hour}, "term": {126 * 24 * time.Hour, 24 * time.Hour},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				crowds, err := st.Crowds(ctx, course.ID(1), now.Add(-c.back), c.step)
				if err != nil || len(crowds) == 0 {
					b.Fatal(len(crowds), err)
				}
				if _, err := st.StartDays(ctx, course.ID(1), now.Add(-c.back)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
