package store

import (
	"context"
	"fmt"

	"lectern/course"
)

const memberColumns = `m.id, m.course_id, m.user_id, u.login, u.name, u.email, m.role, m.section, m.created_at, m.dropped_at, u.last_seen_at`

// mayManage says of person u whether somebody ($2, a site admin if $3) may
// still speak for them: nobody ever signed in as them, and every roster they
// are on is of a course where that somebody teaches.
const mayManage = `(u.claimed_at is null and ($3 or (not u.site_admin and not exists (
	select from members o where o.user_id = u.id and not exists (
		select from members t where t.course_id = o.course_id and t.user_id = $2
		  and t.role = 'instructor' and t.dropped_at is null)))))`

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

// ChangeMember sets role, section and whether the member takes part. A course
// keeps at least one instructor: the last cannot be demoted or dropped.
func (s *Store) ChangeMember(ctx context.Context, m course.Member) error {
	return s.InTx(ctx, func(tx *Store) error {
		if err := tx.lockRoster(ctx, m.CourseID); err != nil {
			return err
		}
		n, err := exec(ctx, tx.db, "member", `
			update members set role = $3, section = $4, dropped_at = $5 where course_id = $1 and id = $2`,
			m.CourseID, m.ID, m.Role, m.Section, m.DroppedAt)
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound("student")
		}
		return tx.keepInstructor(ctx, m.CourseID)
	})
}

// Describe sets name and e-mail of a person whom the editor may still speak
// for, and reports whether that was so.
func (s *Store) Describe(ctx context.Context, u course.UserID, by course.User, name, email string) (bool, error) {
	n, err := exec(ctx, s.db, "person", `
		update users u set name = $4, email = $5 where u.id = $1 and `+mayManage, u, by.ID, by.SiteAdmin, name, email)
	return n > 0, err
}

// MayDescribe reports whether Describe and Invite would work.
func (s *Store) MayDescribe(ctx context.Context, u course.UserID, by course.User) (bool, error) {
	var yes bool
	err := s.db.QueryRow(ctx, `select exists (select from users u where u.id = $1 and `+mayManage+`)`,
		u, by.ID, by.SiteAdmin).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("store: may describe: %w", err)
	}
	return yes, nil
}

// lockRoster makes changes of one course's roster, or zone, wait for each other.
func (s *Store) lockRoster(ctx context.Context, c course.ID) error {
	_, err := exec(ctx, s.db, "roster", `select from courses where id = $1 for update`, c)
	return err
}

func (s *Store) keepInstructor(ctx context.Context, c course.ID) error {
	var yes bool
	err := s.db.QueryRow(ctx, `
		select exists (select from members where course_id = $1 and role = 'instructor' and dropped_at is null)`, c).Scan(&yes)
	if err != nil {
		return fmt.Errorf("store: instructors: %w", err)
	}
	if !yes {
		return &course.Problem{Kind: course.Conflict, Field: "role",
			Text: "A course keeps at least one instructor. Make somebody else an instructor first."}
	}
	return nil
}

// Teaches reports whether a person is an instructor anywhere.
func (s *Store) Teaches(ctx context.Context, u course.UserID) (bool, error) {
	var yes bool
	err := s.db.QueryRow(ctx, `
		select exists (select from members where user_id = $1 and role = 'instructor' and dropped_at is null)`, u).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("store: teaches: %w", err)
	}
	return yes, nil
}
