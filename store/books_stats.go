package store

import (
	"context"
	"slices"

	"lectern/course"
)

// QuestionStats is how a class did in one question. Nil figures have nobody behind them.
type QuestionStats struct {
	Notebook, Question, Kind string
	Max                      float64
	Marked                   int
	Mean, Median             *float64
	Full, None               int // students with all points, with none
	Unanswered               int
}

// BookStatistics is how the class did in an assignment, as a whole and in its
// questions, in the order of its notebooks. The questions are remembered with the
// column: every mark makes both anew.
func (s *Store) BookStatistics(ctx context.Context, c course.ID, a course.AssignmentID) (*BookColumn, []QuestionStats, error) {
	cols, err := s.BookColumns(ctx, c, []course.AssignmentID{a})
	if err != nil {
		return nil, nil, err
	}
	if known := cols[0].stats.Load(); known != nil {
		return cols[0], *known, nil
	}
	// How many have so many points says all there is to know, and needs no order of
	// everybody's points by question, as a median in the database does.
	rows, err := many[scored](ctx, s.pool, "statistics", `
		select notebook, question, kind, max, position, points, count(*)::int as students, (count(*) filter (where no_response))::int as unanswered
		from grade_cells where assignment_id = $1 and not excused group by notebook, question, kind, max, position, points
		order by notebook, position, question, points`, a)
	if err != nil {
		return nil, nil, err
	}
	stats := questionStats(rows)
	cols[0].stats.Store(&stats)
	return cols[0], stats, nil
}

// scored is how many students have so many points in a question; nil is no mark yet.
type scored struct {
	Notebook, Question, Kind string
	Max                      float64
	Position                 int
	Points                   *float64
	Students, Unanswered     int
}

// questionStats puts together what the database counted, in its order.
func questionStats(rows []scored) []QuestionStats {
	out := []QuestionStats{}
	for len(rows) > 0 {
		q := QuestionStats{Notebook: rows[0].Notebook, Question: rows[0].Question, Kind: rows[0].Kind, Max: rows[0].Max}
		n := slices.IndexFunc(rows, func(r scored) bool { return r.Notebook != q.Notebook || r.Question != q.Question })
		if n < 0 {
			n = len(rows)
		}
		q.count(rows[:n])
		out, rows = append(out, q), rows[n:]
	}
	return out
}

// count takes in a question's students, those with the fewest points first.
func (q *QuestionStats) count(rows []scored) {
	sum := 0.0
	for _, r := range rows {
		q.Unanswered += r.Unanswered
		if r.Points == nil {
			continue
		}
		q.Marked += r.Students
		sum += *r.Points * float64(r.Students)
		if *r.Points >= r.Max {
			q.Full += r.Students
		}
		if *r.Points <= 0 {
			q.None += r.Students
		}
	}
	if q.Marked == 0 {
		return
	}
	mean, median := sum/float64(q.Marked), (nth(rows, (q.Marked-1)/2)+nth(rows, q.Marked/2))/2
	q.Mean, q.Median = &mean, &median
}

// nth is what the student at place n has, from 0.
func nth(rows []scored, n int) float64 {
	for _, r := range rows {
		if n < r.Students {
			return *r.Points
		}
		n -= r.Students
	}
	return 0
}
