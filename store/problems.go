package store

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"lectern/course"
)

// violations tells people what a violated constraint means.
var violations = map[string]course.Problem{
	"users_login_unique":      {Kind: course.Conflict, Field: "login", Text: "That login is taken."},
	"users_login_form":        {Kind: course.Invalid, Field: "login", Text: "A login has lower-case letters, digits, dots, hyphens and underscores, and begins with a letter or digit."},
	"identities_pkey":         {Kind: course.Conflict, Text: "That sign-in already belongs to an account."},
	"courses_slug_unique":     {Kind: course.Conflict, Field: "slug", Text: "Another course has that short name."},
	"courses_slug_form":       {Kind: course.Invalid, Field: "slug", Text: "A short name has lower-case letters, digits and hyphens."},
	"members_once":            {Kind: course.Conflict, Field: "login", Text: "The roster already has that person."},
	"members_role":            {Kind: course.Invalid, Field: "role", Text: "A role is student, grader or instructor."},
	"assignments_slug_unique": {Kind: course.Conflict, Field: "slug", Text: "The course already has an assignment with that short name."},
	"assignments_slug_form":   {Kind: course.Invalid, Field: "slug", Text: "A short name has lower-case letters, digits and hyphens, and is neither “release” nor “feedback”."},
	"assignments_dates":       {Kind: course.Invalid, Field: "due_at", Text: "It must be due after it opens."},
}

// problem turns a violated constraint into words; other errors pass unchanged.
func problem(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		if p, ok := violations[pg.ConstraintName]; ok {
			p.Err = err
			return &p
		}
		if pg.Code == "22021" || pg.Code == "22P05" { // a zero byte, or no UTF-8: nothing that a form of ours sends
			return &course.Problem{Kind: course.Invalid, Text: "That holds characters that no text has. Nothing was changed.", Err: err}
		}
	}
	return err
}

// Away reports whether err says that the database does not answer, or was lost
// on the way: the same may well work in a few seconds.
func Away(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) { // no connection, the server is ending or starting, it has too many
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P0") || pg.Code == "53300"
	}
	var connect *pgconn.ConnectError
	var lost interface{ SafeToRetry() bool } // the driver's own errors about a connection
	return errors.As(err, &connect) || errors.As(err, &lost) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// wrap adds what was tried, unless the error is one for people.
func wrap(what string, err error) error {
	if p := problem(err); p != err {
		return p
	}
	return fmt.Errorf("store: %s: %w", what, err)
}

func notFound(what string) error {
	return course.Problemf(course.NotFound, "There is no such %s.", what)
}
