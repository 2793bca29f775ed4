package store

import (
	"context"
	"fmt"

	"lectern/course"
)

const courseColumns = `c.id, c.slug, c.title, c.term, c.zone, c.image, c.created_at, c.archived_at`

// Course is the course of this short name, whoever asks.
func (s *Store) Course(ctx context.Context, slug string) (course.Course, error) {
	return one[course.Course](ctx, s.db, "course", `select `+courseColumns+` from courses c where c.slug = $1`, slug)
}

// CourseFor is the course as one person meets it: with their membership, or
// with an instructor's for a site admin who is no member (ID 0). Anybody else,
// and who was dropped, is told that there is no such course.
func (s *Store) CourseFor(ctx context.Context, slug string, user course.User) (course.Course, course.Member, error) {
	type row struct {
		course.Course
		MemberID *course.MemberID
		Role     *course.Role
		Section  *string
	}
	r, err := one[row](ctx, s.db, "course", `
		select `+courseColumns+`, m.id as member_id, m.role, m.section
		from courses c
		left join members m on m.course_id = c.id and m.user_id = $2 and m.dropped_at is null
		where c.slug = $1 and (m.id is not null or $3)`, slug, user.ID, user.SiteAdmin)
	if err != nil {
		return course.Course{}, course.Member{}, err
	}
	m := course.Member{CourseID: r.ID, UserID: user.ID, Login: user.Login, Name: user.Name, Email: user.Email, Role: course.Instructor}
	if r.MemberID != nil {
		m.ID, m.Role, m.Section = *r.MemberID, *r.Role, *r.Section
	}
	return r.Course, m, nil
}

// AddCourse makes a course with its first instructor, and fills in its ID.
func (s *Store) AddCourse(ctx context.Context, c *course.Course, instructor course.UserID) error {
	return s.InTx(ctx, func(tx *Store) error {
		err := tx.db.QueryRow(ctx, `
			insert into courses (slug, title, term, zone, image) values ($1, $2, $3, $4, $5)
			returning id, created_at`, c.Slug, c.Title, c.Term, c.Zone, c.Image).Scan(&c.ID, &c.CreatedAt)
		if err != nil {
			return wrap("add course", err)
		}
		_, err = tx.AddMember(ctx, c.ID, instructor, course.Instructor, "")
		return err
	})
}

// CourseCard is a course on a person's home page.
type CourseCard struct {
	course.Course
	Role course.Role
}

// CoursesOf lists the courses a person is in, the newest first.
func (s *Store) CoursesOf(ctx context.Context, user course.UserID) ([]CourseCard, error) {
	return many[CourseCard](ctx, s.db, "courses", `
		select `+courseColumns+`, m.role
		from members m join courses c on c.id = m.course_id
		where m.user_id = $1 and m.dropped_at is null and c.archived_at is null
		order by c.created_at desc, c.id desc`, user)
}

// Record writes a line of the activity log. Detail holds no secrets and no contents.
func (s *Store) Record(ctx context.Context, a course.Activity) error {
	_, err := s.db.Exec(ctx, `
		insert into activity (actor, course_id, assignment_id, member_id, verb, detail)
		values (nullif($1, 0), nullif($2, 0), nullif($3, 0), nullif($4, 0), $5, $6)`,
		a.Actor, a.CourseID, a.AssignmentID, a.MemberID, a.Verb, a.Detail)
	if err != nil {
		return fmt.Errorf("store: record %s: %w", a.Verb, err)
	}
	return nil
}
