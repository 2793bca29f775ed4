package store_test

import (
	"testing"
	"time"
)

func TestOnlyWorkThatWasOpenedInTimeIsDue(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opened, extended, now time.Duration // from the due time; extended 0 is not
		want                  int
	}{
		"opened in time, before due":         {-time.Hour, 0, -time.Minute, 0},
		"opened in time, due":                {-time.Hour, 0, time.Second, 1},
		"first opened when it was over":      {time.Hour, 0, 2 * time.Hour, 0},
		"within an extension":                {time.Hour, 3 * time.Hour, 2 * time.Hour, 0},
		"opened late, extension ran out":     {time.Hour, 3 * time.Hour, 4 * time.Hour, 1},
		"opened after the extension as well": {5 * time.Hour, 3 * time.Hour, 6 * time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClass(t)
			c.sql(t, `insert into works (assignment_id, member_id, fetched_at) values ($1, $2, $3)`, c.assignment.ID, c.member, due.Add(tc.opened))
			if tc.extended != 0 {
				c.sql(t, `insert into extensions (assignment_id, member_id, due_at) values ($1, $2, $3)`, c.assignment.ID, c.member, due.Add(tc.extended))
			}
			got, err := c.DueWork(t.Context(), due.Add(tc.now), 10)
			must(t, err)
			if len(got) != tc.want {
				t.Errorf("due: %+v, want %d", got, tc.want)
			}
		})
	}
}
