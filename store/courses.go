package store

import (
	"context"
	"time"

	"lectern/course"
)

const courseColumns = `c.id, c.slug, c.title, c.term, c.zone, c.image, c.prestart, c.created_at, c.archived_at`

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
	return s.AddCourseOnce(ctx, c, instructor, "")
}

// AddCourseOnce does the same for a form: the same key again is the course that
// is there already. An empty key is none.
func (s *Store) AddCourseOnce(ctx context.Context, c *course.Course, instructor course.UserID, key string) error {
	return s.InTx(ctx, func(tx *Store) error {
		if key != "" {
			was, err := one[course.Course](ctx, tx.db, "course", `
				select `+courseColumns+` from courses c join members m on m.course_id = c.id
				where c.key = $1::uuid and m.user_id = $2`, key, instructor)
			if !course.IsKind(err, course.NotFound) {
				*c = was
				return err
			}
		}
		err := tx.db.QueryRow(ctx, `
			insert into courses (slug, title, term, zone, image, key) values ($1, $2, $3, $4, $5, nullif($6::text, '')::uuid)
			returning id, created_at`, c.Slug, c.Title, c.Term, c.Zone, c.Image, key).Scan(&c.ID, &c.CreatedAt)
		if err != nil {
			return wrap("add course", err)
		}
		if _, err := tx.AddMember(ctx, c.ID, instructor, course.Instructor, ""); err != nil {
			return err
		}
		return tx.Record(ctx, course.Activity{Actor: instructor, CourseID: c.ID, Verb: "created the course", Detail: c.Title})
	})
}

// ChangeCourse sets title, term, image and zone. A new zone keeps every wall
// time: what was due at 23:59 there is due at 23:59 here.
func (s *Store) ChangeCourse(ctx context.Context, c course.Course) error {
	return s.InTx(ctx, func(tx *Store) error {
		if err := tx.lockRoster(ctx, c.ID); err != nil {
			return err
		}
		return tx.changeCourse(ctx, c)
	})
}

func (s *Store) changeCourse(ctx context.Context, c course.Course) error {
	_, err := exec(ctx, s.db, "course", `
		with old as (select zone from courses where id = $1),
		a as (update assignments set
			opens_at = opens_at at time zone (select zone from old) at time zone $5,
			due_at = due_at at time zone (select zone from old) at time zone $5
			where course_id = $1 and (select zone from old) <> $5),
		e as (update extensions set due_at = due_at at time zone (select zone from old) at time zone $5
			where assignment_id in (select id from assignments where course_id = $1) and (select zone from old) <> $5)
		update courses set title = $2, term = $3, image = $4, zone = $5 where id = $1`,
		c.ID, c.Title, c.Term, c.Image, c.Zone)
	return err
}

// ArchiveCourse takes a course off everybody's home page, or puts it back; all
// work is kept.
func (s *Store) ArchiveCourse(ctx context.Context, c course.ID, archived bool) error {
	_, err := exec(ctx, s.db, "course", `
		update courses set archived_at = case when $2 then coalesce(archived_at, now()) end where id = $1`, c, archived)
	return err
}

// CourseCard is a course on a person's home page, with what waits for them.
type CourseCard struct {
	course.Course
	Role     course.Role
	Students int        // who take part
	NextDue  *time.Time // of the assignment due next; a student's own time
	NextName string     // its title
	ToGrade  int        // submissions that count and wait for a mark; 0 for students
}

// CoursesOf lists the courses a person is in, the newest first, archived ones last.
func (s *Store) CoursesOf(ctx context.Context, user course.UserID, now time.Time) ([]CourseCard, error) {
	return many[CourseCard](ctx, s.db, "courses", `
		select `+courseColumns+`, m.role, n.next_due, coalesce(n.title, '') as next_name,
		       (select count(*) from members o where o.course_id = c.id and o.role = 'student' and o.dropped_at is null)::int as students,
		       case when m.role = 'student' then 0 else (select count(*) from submissions s
		           join assignments a on a.id = s.assignment_id
		           join tallies t on t.assignment_id = s.assignment_id and t.member_id = s.member_id
		           where a.course_id = c.id and s.counts and not t.excused and t.whole is null and (t.needs > 0 or t.earned is null)) end::int as to_grade
		from members m join courses c on c.id = m.course_id
		left join lateral (
			select a.title, coalesce(x.due_at, a.due_at) as next_due
			from assignments a left join extensions x on x.assignment_id = a.id and x.member_id = m.id
			where a.course_id = c.id and a.archived_at is null and a.released_at is not null
			  and (a.opens_at is null or a.opens_at <= $2) and coalesce(x.due_at, a.due_at) > $2
			order by 2 limit 1) n on true
		where m.user_id = $1 and m.dropped_at is null
		order by c.archived_at is not null, c.created_at desc, c.id desc`, user, now)
}

// AllCourses lists every course of the site for its administrator, with the
// same order and no figures.
func (s *Store) AllCourses(ctx context.Context) ([]course.Course, error) {
	return many[course.Course](ctx, s.db, "courses", `
		select `+courseColumns+` from courses c order by c.archived_at is not null, c.created_at desc, c.id desc`)
}
