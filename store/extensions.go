package store

import (
	"context"
	"time"

	"lectern/course"
)

// Extension is a member's own due time in an assignment.
type Extension struct {
	MemberID  course.MemberID
	Login     string
	Name      string
	DueAt     time.Time
	Reason    string
	GrantedBy string // login
	GrantedAt time.Time
}

// Extensions lists an assignment's, by login.
func (s *Store) Extensions(ctx context.Context, id course.AssignmentID) ([]Extension, error) {
	return many[Extension](ctx, s.db, "extensions", `
		select x.member_id, u.login, u.name, x.due_at, x.reason, coalesce(g.login, '') as granted_by, x.granted_at
		from extensions x join members m on m.id = x.member_id join users u on u.id = m.user_id
		left join users g on g.id = x.granted_by
		where x.assignment_id = $1 order by u.login`, id)
}

// Extend gives members a due time of their own, replacing an earlier one.
func (s *Store) Extend(ctx context.Context, id course.AssignmentID, members []course.MemberID, due time.Time, reason string, by course.UserID) error {
	_, err := exec(ctx, s.db, "extend", `
		insert into extensions (assignment_id, member_id, due_at, reason, granted_by)
		select a.id, m.id, $3, $4, $5 from assignments a join members m on m.course_id = a.course_id
		where a.id = $1 and m.id = any($2)
		on conflict (assignment_id, member_id) do update set due_at = excluded.due_at, reason = excluded.reason,
			granted_by = excluded.granted_by, granted_at = now()`, id, members, due, reason, by)
	return err
}

// Unextend makes the assignment's due time hold again for a member.
func (s *Store) Unextend(ctx context.Context, id course.AssignmentID, m course.MemberID) error {
	_, err := exec(ctx, s.db, "unextend", `delete from extensions where assignment_id = $1 and member_id = $2`, id, m)
	return err
}
