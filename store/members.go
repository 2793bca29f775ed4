package store

import (
	"context"

	"lectern/course"
)

const memberColumns = `m.id, m.course_id, m.user_id, u.login, u.name, u.email, m.role, m.section, m.created_at, m.dropped_at, u.last_seen_at`

// AddMember puts a person on a course's roster. Being there already is a Conflict.
func (s *Store) AddMember(ctx context.Context, c course.ID, u course.UserID, role course.Role, section string) (course.MemberID, error) {
	var id course.MemberID
	err := s.db.QueryRow(ctx, `
		insert into members (course_id, user_id, role, section) values ($1, $2, $3, $4) returning id`,
		c, u, role, section).Scan(&id)
	if err != nil {
		return 0, wrap("add member", err)
	}
	return id, nil
}

// Member is the course's member with this login, dropped or not.
func (s *Store) Member(ctx context.Context, c course.ID, login string) (course.Member, error) {
	return one[course.Member](ctx, s.db, "student", `
		select `+memberColumns+` from members m join users u on u.id = m.user_id
		where m.course_id = $1 and u.login = $2`, c, login)
}

// Members lists a course's roster by login, the dropped ones included.
func (s *Store) Members(ctx context.Context, c course.ID) ([]course.Member, error) {
	return many[course.Member](ctx, s.db, "roster", `
		select `+memberColumns+` from members m join users u on u.id = m.user_id
		where m.course_id = $1 order by u.login`, c)
}
