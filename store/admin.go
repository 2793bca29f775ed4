package store

import (
	"context"

	"lectern/course"
)

// What a site's administrator sees and may change.

// AdminPerson is somebody of the site.
type AdminPerson struct {
	course.User
	Courses int  // they take part in
	Claimed bool // could ever sign in
	Total   int  // rows of the whole answer, on every row
}

// AdminPeople lists part of the site's people by login. text is looked for in
// login, name and e-mail; state is "" for all, "admin", "disabled" or "unclaimed".
func (s *Store) AdminPeople(ctx context.Context, text, state string, offset, limit int) ([]AdminPerson, error) {
	return many[AdminPerson](ctx, s.db, "people", `
		select `+userColumns+`, u.claimed_at is not null as claimed, (count(*) over ())::int as total,
			(select count(*) from members m where m.user_id = u.id and m.dropped_at is null)::int as courses
		from users u
		where ($1 = '' or strpos(lower(u.login || ' ' || u.name || ' ' || u.email), lower($1)) > 0)
		  and case $2 when 'admin' then u.site_admin when 'disabled' then u.disabled_at is not null
		      when 'unclaimed' then u.claimed_at is null else true end
		order by u.login offset $3 limit $4`, text, state, offset, limit)
}

// AdminCourse is a course as the site's administrator sees it.
type AdminCourse struct {
	course.Course
	Students, Assignments int
}

// AdminCourses lists every course, the newest first, archived ones last.
func (s *Store) AdminCourses(ctx context.Context) ([]AdminCourse, error) {
	return many[AdminCourse](ctx, s.db, "courses", `
		select `+courseColumns+`,
			(select count(*) from members m where m.course_id = c.id and m.role = 'student' and m.dropped_at is null)::int as students,
			(select count(*) from assignments a where a.course_id = c.id and a.archived_at is null)::int as assignments
		from courses c order by c.archived_at is not null, c.created_at desc, c.id desc`)
}

// GrantSite gives a person the whole site, or takes it back. The site keeps at
// least one administrator who can sign in.
func (s *Store) GrantSite(ctx context.Context, u, by course.UserID, grant bool) error {
	verb := "took the site's administration from"
	if grant {
		verb = "gave the site's administration to"
	}
	return s.changePerson(ctx, u, by, verb, `update users set site_admin = $2 where id = $1 and site_admin <> $2 returning login`, grant)
}

// DisableAccount keeps a person out, and ends their sessions and with them their
// way into every workspace; or lets them back in.
func (s *Store) DisableAccount(ctx context.Context, u, by course.UserID, disable bool) error {
	verb := "let back in"
	if disable {
		verb = "disabled the account of"
	}
	return s.InTx(ctx, func(tx *Store) error {
		if disable {
			if err := tx.EndSessions(ctx, u, 0); err != nil {
				return err
			}
		}
		return tx.changePerson(ctx, u, by, verb, `
			update users set disabled_at = case when $2 then now() end where id = $1 and (disabled_at is not null) <> $2 returning login`, disable)
	})
}

// changePerson runs sql, and records it if it changed anything.
func (s *Store) changePerson(ctx context.Context, u, by course.UserID, verb, sql string, yes bool) error {
	return s.InTx(ctx, func(tx *Store) error {
		// Two administrators who take the site from each other wait here.
		if _, err := exec(ctx, tx.db, "administrators", `select from users where site_admin or id = $1 order by id for update`, u); err != nil {
			return err
		}
		rows, err := tx.db.Query(ctx, sql, u, yes)
		if err != nil {
			return wrap("person", err)
		}
		logins, err := collectTexts(rows)
		if err != nil || len(logins) == 0 {
			return err
		}
		var left bool
		if err := tx.db.QueryRow(ctx, `select exists (select from users where site_admin and disabled_at is null)`).Scan(&left); err != nil {
			return wrap("administrators", err)
		}
		if !left {
			return course.Problemf(course.Conflict, "A site keeps at least one administrator. Give it to somebody else first.")
		}
		return tx.Record(ctx, course.Activity{Actor: by, Verb: verb, Detail: logins[0]})
	})
}

// Versions says what the database is: of Postgres, and of Lectern's schema.
func (s *Store) Versions(ctx context.Context) (server string, schema int64, err error) {
	err = s.db.QueryRow(ctx, `
		select current_setting('server_version'), (select max(version_id) from goose_db_version where is_applied)`).Scan(&server, &schema)
	if err != nil {
		return "", 0, wrap("versions", err)
	}
	return server, schema, nil
}
