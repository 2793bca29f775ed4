package handlers

import (
	"math/rand/v2"
	"testing"
	"time"

	"lectern/course"
	"lectern/store"
)

// TestTheGradebookComesToWhatTheViewSays holds each cell of the gradebook, and the
// order by total, against the totals that the other pages show.
func TestTheGradebookComesToWhatTheViewSays(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fill(40, 6)
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 2))
	t.Log("seed", seed)
	d.sql(`update submissions set taken_at = taken_at + make_interval(hours => (member_id * 7 % 90)::int)`)
	d.sql(`insert into mark_events (assignment_id, member_id, points, excused, source) select a.id, m.id, m.id % 9, m.id % 7 = 0, 'hand' from assignments a, members m
		where m.role = 'student' and m.course_id = a.course_id and (a.id + m.id) % 5 = 0`)
	d.sql(`update assignments set late_unit = 'day', late_percent = 7.3, late_cap = 40, grade_group = 'G' || id % 2 where id % 3 > 0`)
	d.sql(`update assignments set late_unit = 'hour', late_percent = 1.1, late_grace = 30, late_zero_after = 60 where id % 3 = 0`)
	must := d.must
	for round := range 3 {
		rule := course.Book{}
		if round > 0 {
			rule.Groups = []course.BookGroup{{Name: "G0", Weight: 1 + rng.Float64(), Drop: round - 1}, {Name: "G1", Weight: 2, Drop: 1}}
		}
		must(d.Store.SaveBook(t.Context(), d.physics.ID, rule, false))
		c, err := d.Store.Course(t.Context(), "physics")
		must(err)
		b, err := d.readBook(t.Context(), c, store.BookQuery{})
		must(err)
		b.fill()
		compared := 0
		for j, a := range b.assignments {
			slow, err := d.Store.Totals(t.Context(), a.ID, b.members)
			must(err)
			for i, m := range b.members {
				got, want := b.cell(i, j).Total, slow[m]
				if course.FormatPoints(got.Points()) != course.FormatPoints(want.Points()) || got.Penalty() != want.Penalty() || got.Most != want.Most || got.Lost != want.Lost {
					t.Errorf("%s of member %d: %s (%v late) of %v; the view says %s (%v late) of %v", a.Slug, m, course.FormatPoints(got.Points()), got.Penalty(), got.Most,
						course.FormatPoints(want.Points()), want.Penalty(), want.Most)
				}
				compared++
			}
		}
		if compared < 200 {
			t.Fatalf("only %d cells were compared", compared)
		}
		must(b.sortBy("total", true))
		b.fill()
		last := 1e9
		for i := range b.members {
			if p := b.total(i, nil).Percent; p == nil {
				last = -1
			} else if *p > last {
				t.Errorf("%v stands below %v", *p, last)
			} else {
				last = *p
			}
		}
		// The next round: a mark changes what was remembered.
		d.sql(`insert into mark_events (assignment_id, member_id, points, source) select a.id, m.id, $1::int, 'hand' from assignments a, members m
			where m.role = 'student' and m.course_id = a.course_id and (a.id + m.id) % 11 = $1::int`, round)
	}
}
