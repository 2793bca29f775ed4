package store

import (
	"context"

	"lectern/course"
)

const assignmentColumns = `a.id, a.course_id, a.slug, a.title, a.image, a.points, a.opens_at, a.due_at,
	a.source_version, a.checked_version, a.release_version, a.released_at, a.scheduled_at, a.created_at, a.archived_at`

// Assignment is the course's assignment of this short name.
func (s *Store) Assignment(ctx context.Context, c course.ID, slug string) (course.Assignment, error) {
	return one[course.Assignment](ctx, s.db, "assignment", `
		select `+assignmentColumns+` from assignments a where a.course_id = $1 and a.slug = $2`, c, slug)
}

// AssignmentByID is the assignment with this id.
func (s *Store) AssignmentByID(ctx context.Context, id course.AssignmentID) (course.Assignment, error) {
	return one[course.Assignment](ctx, s.db, "assignment", `
		select `+assignmentColumns+` from assignments a where a.id = $1`, id)
}

// Assignments lists a course's assignments in the order they are due.
func (s *Store) Assignments(ctx context.Context, c course.ID) ([]course.Assignment, error) {
	return many[course.Assignment](ctx, s.db, "assignments", `
		select `+assignmentColumns+` from assignments a
		where a.course_id = $1 and a.archived_at is null
		order by a.due_at nulls last, a.created_at`, c)
}

// AddAssignment makes an assignment and fills in its ID.
func (s *Store) AddAssignment(ctx context.Context, a *course.Assignment) error {
	err := s.db.QueryRow(ctx, `
		insert into assignments (course_id, slug, title, image, opens_at, due_at)
		values ($1, $2, $3, $4, $5, $6) returning id, created_at`,
		a.CourseID, a.Slug, a.Title, a.Image, a.OpensAt, a.DueAt).Scan(&a.ID, &a.CreatedAt)
	if err != nil {
		return wrap("add assignment", err)
	}
	return nil
}
